//! What the gate says, in sentences for a product manager, in English and in Chinese side by side. Bounds are rounded away
//! from what they would excuse: an upper bound is never printed smaller than it is, a lower bound never larger.

mod numbers;
mod others;
mod together;

pub(super) use others::{
    Changed, Counted, calibration, coverage, looks, measure, not_compared, not_measured, recall_change, structural,
};
pub(super) use together::{losses, verdict};

use crate::gate::policy::CheckId;
use crate::gate::verdict::{Check, VerdictState};
use crate::gate::words::numbers::{down, exact, up};
use crate::names::ClassName;
use crate::report::GroupCount;

/// One sentence in every language.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sentence {
    pub(super) en: String,
    pub(super) zh: String,
}

impl Sentence {
    fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self {
            en: en.into(),
            zh: zh.into(),
        }
    }
}

/// A binomial check and what came of it.
pub(super) struct Said<'a> {
    pub(super) id: CheckId,
    pub(super) class: Option<&'a ClassName>,
    pub(super) groups: GroupCount,
    pub(super) verdict: VerdictState,
    /// The bound that the verdict rests on.
    pub(super) bound: f64,
    pub(super) limit: f64,
    pub(super) groups_needed: Option<u64>,
}

/// Of a proportion that must stay at or below its limit.
pub(super) fn at_most(said: &Said<'_>) -> Sentence {
    let GroupCount { x, n } = said.groups;
    let class = said.class.map_or("", ClassName::as_str);
    let (subject, [measure, measure_zh], [noun, noun_zh], nothing) = match said.id {
        CheckId::FalseNew => (
            Sentence::new(
                format!("{x} of {n} old groups are accepted as a new class"),
                format!("{n} 组旧照片中有 {x} 组被当成新类别接受"),
            ),
            ["share", "比例"],
            ["old groups".to_owned(), "旧照片".to_owned()],
            Sentence::new(
                "There is no sealed image of an old class, so false alarms cannot be measured.",
                "没有旧类别的封存照片，无法衡量误报。",
            ),
        ),
        CheckId::NegativeFlips => (
            Sentence::new(
                format!("{x} of {n} old groups that were right have a photo that is now wrong"),
                format!("原本正确的 {n} 组旧照片中有 {x} 组出现了错误"),
            ),
            ["share", "比例"],
            ["old groups".to_owned(), "旧照片".to_owned()],
            Sentence::new(
                "The baseline has no sealed image of an old class right, so flips cannot be measured.",
                "基线没有答对任何旧类别的封存照片，无法衡量翻转。",
            ),
        ),
        CheckId::AnchorLoss => (
            Sentence::new(
                format!("{x} of {n} groups of {class} that the anchor release had right are lost"),
                format!("锚定版本答对的 {n} 组 {class} 中丢失了 {x} 组"),
            ),
            ["loss since then", "累计损失"],
            [format!("accepted groups of {class}"), class.to_string()],
            Sentence::new(
                format!(
                    "The anchor release accepts no sealed image of {class}, so the loss since then cannot be measured."
                ),
                format!("锚定版本没有接受任何 {class} 的封存照片，无法衡量累计损失。"),
            ),
        ),
        _ => (
            Sentence::new(
                format!("{x} of {n} groups of {class} that were right are lost"),
                format!("原本正确的 {n} 组 {class} 中丢失了 {x} 组"),
            ),
            ["loss", "损失"],
            [format!("accepted groups of {class}"), class.to_string()],
            Sentence::new(
                format!("The baseline accepts no sealed image of {class}, so its loss cannot be measured."),
                format!("基线没有接受任何 {class} 的封存照片，无法衡量其损失。"),
            ),
        ),
    };
    if n == 0 {
        return nothing;
    }
    if x > n {
        return impossible(&subject);
    }
    let (en, zh, limit) = (subject.en, subject.zh, exact(said.limit));
    let (more, bound) = (said.groups_needed, said.bound);
    match said.verdict {
        VerdictState::Pass => {
            let bound = up(bound, said.limit);
            Sentence::new(
                format!("{en}: the {measure} is at most {bound}, within the limit of {limit}."),
                format!("{zh}：{measure_zh}不超过 {bound}，在上限 {limit} 之内。"),
            )
        }
        VerdictState::Fail => {
            let bound = down(bound, said.limit);
            Sentence::new(
                format!("{en}: the {measure} is at least {bound}, beyond the limit of {limit}."),
                format!("{zh}：{measure_zh}至少 {bound}，超出上限 {limit}。"),
            )
        }
        VerdictState::Unproven => {
            let bound = up(bound, said.limit);
            Sentence::new(
                format!(
                    "{en}: the {measure} could be up to {bound}, over the limit of {limit}; {}.",
                    more_en(more, &noun)
                ),
                format!(
                    "{zh}：{measure_zh}可能高达 {bound}，超过上限 {limit}；{}。",
                    more_zh(more, &noun_zh)
                ),
            )
        }
    }
}

/// Of a proportion of right answers that must reach its floor.
pub(super) fn floor(said: &Said<'_>) -> Sentence {
    let GroupCount { x, n } = said.groups;
    let class = said.class.map_or("", ClassName::as_str);
    let is_precision = matches!(said.id, CheckId::ClassPrecision | CheckId::NewPrecision);
    let ([measure, measure_zh], subject) = if is_precision {
        (
            ["precision", "精确率"],
            Sentence::new(
                format!("{x} of {n} groups accepted as {class} are right"),
                format!("被接受为 {class} 的 {n} 组中有 {x} 组正确"),
            ),
        )
    } else {
        (
            ["recall", "召回率"],
            Sentence::new(
                format!("{x} of {n} groups of {class} are recognised"),
                format!("{n} 组 {class} 中识别出 {x} 组"),
            ),
        )
    };
    if n == 0 {
        return Sentence::new(
            format!("No sealed group of {class} to count: {measure} cannot be measured."),
            format!("没有可计数的 {class} 封存照片，无法衡量{measure_zh}。"),
        );
    }
    if x > n {
        return impossible(&subject);
    }
    let (en, zh, limit) = (subject.en, subject.zh, exact(said.limit));
    match said.verdict {
        VerdictState::Pass => {
            let bound = down(said.bound, said.limit);
            Sentence::new(
                format!("{en}: the {measure} is at least {bound}, over the floor of {limit}."),
                format!("{zh}：{measure_zh}至少 {bound}，高于下限 {limit}。"),
            )
        }
        VerdictState::Fail => {
            let bound = up(said.bound, said.limit);
            Sentence::new(
                format!("{en}: the {measure} is at most {bound}, under the floor of {limit}."),
                format!("{zh}：{measure_zh}不超过 {bound}，低于下限 {limit}。"),
            )
        }
        VerdictState::Unproven => {
            let bound = down(said.bound, said.limit);
            let noun = if is_precision {
                format!("groups accepted as {class}")
            } else {
                format!("groups of {class}")
            };
            Sentence::new(
                format!(
                    "{en}: the {measure} could be as little as {bound}, under the floor of {limit}; {}.",
                    more_en(said.groups_needed, &noun)
                ),
                format!(
                    "{zh}：{measure_zh}可能低至 {bound}，低于下限 {limit}；{}。",
                    more_zh(said.groups_needed, class)
                ),
            )
        }
    }
}

/// Says of a recall that is not reached what takes the photos.
pub(super) fn add(check: &mut Check, taken: Option<(&ClassName, u64, u64)>) {
    if let Some((other, x, n)) = taken {
        check.sentence += &format!(" {x} of its {n} photos are taken for {other}.");
        check.sentence_zh += &format!("其 {n} 张照片中有 {x} 张被当成 {other}。");
    }
}

fn impossible(subject: &Sentence) -> Sentence {
    Sentence::new(
        format!("{}: these counts cannot be, so nothing was measured.", subject.en),
        format!("{}：计数自相矛盾，未能衡量。", subject.zh),
    )
}

fn more_en(groups: Option<u64>, noun: &str) -> String {
    match groups {
        Some(groups) => format!("{groups} more sealed {noun} at this rate would settle it"),
        None => "more images would not clear it".to_owned(),
    }
}

fn more_zh(groups: Option<u64>, noun: &str) -> String {
    match groups {
        Some(groups) => format!("按此比例再增加 {groups} 组 {noun} 的封存照片即可定论"),
        None => "再多照片也无法通过".to_owned(),
    }
}
