//! What the page says, in the languages that it can be had in.

use domain::gate::policy::CheckId;
use domain::gate::verdict::{Verdict, VerdictState};

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
        let losses = verdict.checks.iter().filter(|check| check.id == CheckId::OldClassLoss);
        let all = losses.clone().count();
        let passed = losses.filter(|check| check.verdict == VerdictState::Pass).count();
        let is_harm = |id| {
            !matches!(
                id,
                CheckId::NewRecall
                    | CheckId::NewPrecision
                    | CheckId::ClassRecall
                    | CheckId::ClassPrecision
                    | CheckId::Coverage
                    | CheckId::Latency
                    | CheckId::Size
                    | CheckId::Looks
            )
        };
        let mut failed = verdict
            .checks
            .iter()
            .filter(|check| check.verdict == VerdictState::Fail);
        match (verdict.state, self) {
            (VerdictState::Pass, Self::En) if all > 0 => {
                format!("Safe to publish: all {all} old classes are proven unharmed.")
            }
            (VerdictState::Pass, Self::Zh) if all > 0 => format!("可以发布：全部 {all} 个旧类别均已证实未受损害。"),
            (VerdictState::Pass, _) => self
                .say(
                    "Good to publish: every class reaches its floor.",
                    "可以发布：每个类别都达到下限。",
                )
                .to_owned(),
            (VerdictState::Unproven, Self::En) if all > 0 => {
                format!("Not proven yet: {passed} of {all} old classes are proven unharmed.")
            }
            (VerdictState::Unproven, Self::Zh) if all > 0 => {
                format!("尚未证实：{all} 个旧类别中 {passed} 个已证实未受损害。")
            }
            (VerdictState::Unproven, _) => self.say("Not proven yet.", "尚未证实。").to_owned(),
            (VerdictState::Fail, _) if failed.any(|check| is_harm(check.id)) => self
                .say("Do not publish: harm is shown.", "请勿发布：已显示出损害。")
                .to_owned(),
            (VerdictState::Fail, _) => self
                .say(
                    "Do not publish: it falls short of what was asked.",
                    "请勿发布：未达到要求。",
                )
                .to_owned(),
        }
    }
}
