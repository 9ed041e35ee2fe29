//! What the page says, in the languages that it can be had in.

use domain::gate::headline::Headline;
use domain::gate::policy::CheckId;
use domain::gate::verdict::{Verdict, VerdictState};
use domain::names::ClassName;

/// Of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// English.
    En,
    /// Chinese.
    Zh,
}

impl Language {
    /// By its code; English where there is none such.
    pub(super) fn of(code: Option<&str>) -> Self {
        match code {
            Some(code) if code == "zh" || code.starts_with("zh-") => Self::Zh,
            _ => Self::En,
        }
    }

    /// The code.
    pub(super) const fn code(self) -> &'static str {
        self.say("en", "zh")
    }

    /// One of two texts.
    pub(super) const fn say(self, en: &'static str, zh: &'static str) -> &'static str {
        match self {
            Self::En => en,
            Self::Zh => zh,
        }
    }

    /// What the server says in both; English where it is older than that.
    pub(super) fn told<'a>(self, en: &'a str, zh: &'a str) -> &'a str {
        match self {
            Self::Zh if !zh.is_empty() => zh,
            _ => en,
        }
    }

    /// A verdict in a word.
    pub(super) const fn state(self, state: VerdictState) -> &'static str {
        match state {
            VerdictState::Pass => self.say("pass", "通过"),
            VerdictState::Fail => self.say("fail", "未通过"),
            VerdictState::Unproven => self.say("unproven", "未证实"),
        }
    }

    /// A check's name for people.
    pub(super) const fn check(self, id: CheckId) -> &'static str {
        match id {
            CheckId::Structural => self.say("structure", "结构"),
            CheckId::Coverage => self.say("all photos judged", "全部照片均已评判"),
            CheckId::OldClassLoss => self.say("loss of an old class", "旧类别的损失"),
            CheckId::RecallChange => self.say("change of recall", "召回率变化"),
            CheckId::NegativeFlips => self.say("right before, wrong now", "由对变错"),
            CheckId::NewRecall => self.say("new class recognised", "新类别的识别"),
            CheckId::NewPrecision => self.say("new class answered rightly", "新类别回答的正确性"),
            CheckId::FalseNew => self.say("old photos taken for new", "旧照片被误认为新类别"),
            CheckId::Calibration => self.say("truth of the probabilities", "概率的可信度"),
            CheckId::AnchorLoss => self.say("loss since the anchor release", "自起算版本以来的损失"),
            CheckId::ClassRecall => self.say("class recognised", "类别的识别"),
            CheckId::ClassPrecision => self.say("class answered rightly", "类别回答的正确性"),
            CheckId::Latency => self.say("time an image", "单张耗时"),
            CheckId::Size => self.say("size", "大小"),
            CheckId::Looks => self.say("looks at the sealed photos", "查看封存照片的次数"),
        }
    }

    /// The verdict in one sentence, as the review's banner says it.
    pub(super) fn headline(self, verdict: &Verdict) -> String {
        let check = |id| self.check(id);
        match (verdict.headline(), self) {
            (Headline::Safe { limit }, Self::En) => {
                format!("Safe to publish: no old class loses more than {}.", percent(limit))
            }
            (Headline::Safe { limit }, Self::Zh) => format!("可以发布：没有旧类别的损失超过 {}。", percent(limit)),
            (Headline::Harmed(classes), Self::En) if !classes.is_empty() => {
                format!("Do not publish: old classes are harmed: {}.", listed(&classes))
            }
            (Headline::Harmed(classes), Self::Zh) if !classes.is_empty() => {
                format!("请勿发布：旧类别受损：{}。", listed(&classes))
            }
            (Headline::FallsShort(classes), Self::En) => {
                format!("Do not publish: not recognised well enough: {}.", listed(&classes))
            }
            (Headline::FallsShort(classes), Self::Zh) => format!("请勿发布：识别不够好：{}。", listed(&classes)),
            (Headline::Beyond(id), Self::En) => format!("Do not publish: this is beyond its limit: {}.", check(id)),
            (Headline::Beyond(id), Self::Zh) => format!("请勿发布：此项超出限值：{}。", check(id)),
            (Headline::OldOpen { n_proven, open }, Self::En) => format!(
                "Not proven yet: {n_proven} of {} old classes are proven unharmed, not {}.",
                n_proven + open.len(),
                listed(&open)
            ),
            (Headline::OldOpen { n_proven, open }, Self::Zh) => format!(
                "尚未证实：{} 个旧类别中 {n_proven} 个已证实未受损害，{} 尚未。",
                n_proven + open.len(),
                listed(&open)
            ),
            (Headline::NewOpen(classes), Self::En) => format!(
                "Not proven yet: whether these are recognised well enough: {}.",
                listed(&classes)
            ),
            (Headline::NewOpen(classes), Self::Zh) => format!("尚未证实：是否识别得足够好：{}。", listed(&classes)),
            (Headline::FloorsOpen { n_proven, open }, Self::En) => format!(
                "Not proven yet: {n_proven} of {} classes reach their floor, not {}.",
                n_proven + open.len(),
                listed(&open)
            ),
            (Headline::FloorsOpen { n_proven, open }, Self::Zh) => format!(
                "尚未证实：{} 个类别中 {n_proven} 个达到下限，{} 尚未。",
                n_proven + open.len(),
                listed(&open)
            ),
            (Headline::Open(id), Self::En) => format!("Not proven yet: {}.", check(id)),
            (Headline::Open(id), Self::Zh) => format!("尚未证实：{}。", check(id)),
            (Headline::Harmed(_), _) => self.whole(
                "Do not publish: too many old photos that were right are now wrong.",
                "请勿发布：过多原本正确的旧照片现在答错。",
            ),
            (Headline::Sound, _) => self.whole(
                "Good to publish: every class reaches its floor.",
                "可以发布：每个类别都达到下限。",
            ),
            (Headline::Listed, _) => self.whole(
                "Its policy is kept, which does not ask what old classes lose.",
                "符合策略；但该策略不检查旧类别的损失。",
            ),
            (Headline::Broken, _) => self.whole(
                "Do not publish: the model is not built as it must be.",
                "请勿发布：模型的构成不符合要求。",
            ),
            (Headline::TakenForNew, _) => self.whole(
                "Do not publish: too many old photos are taken for something new.",
                "请勿发布：过多旧照片被当成新类别。",
            ),
            (Headline::Unmeasured, _) => self.whole(
                "Not proven: parts of the model's structure were not measured.",
                "尚未证实：模型结构有部分未检查。",
            ),
            (Headline::LooksUsed, _) => self.whole(
                "Not proven: these sealed photos were used too often and prove nothing more.",
                "尚未证实：这些封存照片使用次数过多，不能再证明什么。",
            ),
            (Headline::NotCovered, _) => self.whole(
                "Not proven yet: some sealed photos were not judged.",
                "尚未证实：部分封存照片未经评判。",
            ),
            (Headline::Unjudged, _) => self.whole("Not proven: no check ran.", "尚未证实：没有运行任何检查。"),
        }
    }

    fn whole(self, en: &'static str, zh: &'static str) -> String {
        self.say(en, zh).to_owned()
    }
}

fn listed(classes: &[ClassName]) -> String {
    let names: Vec<&str> = classes.iter().map(ClassName::as_str).collect();
    names.join(", ")
}

fn percent(share: f64) -> String {
    let text = format!("{:.1}", share * 100.0);
    format!("{} %", text.trim_end_matches(".0"))
}
