//! Of the checks that are no proportion of groups.

use crate::change::{CalibrationChange, LookCount};
use crate::gate::policy::CheckId;
use crate::gate::verdict::VerdictState;
use crate::gate::words::Sentence;
use crate::gate::words::numbers::{down, exact, plain, points, up};
use crate::names::ClassName;

/// How far something was measured: `judged` of `expected`.
#[derive(Clone, Copy)]
pub(in crate::gate) struct Counted {
    pub(in crate::gate) judged: u64,
    pub(in crate::gate) expected: u64,
}

/// Of the structure: evidence of what is broken, and what is missing.
pub(in crate::gate) fn structural(n_facts: usize, broken: &[&str], missing: &[&str]) -> Sentence {
    if !broken.is_empty() {
        let evidence = broken.join("; ");
        Sentence::new(
            format!("The structure is not what it must be: {evidence}."),
            format!("结构不符合要求：{evidence}。"),
        )
    } else if !missing.is_empty() {
        let names = missing.join(", ");
        Sentence::new(
            format!("The structure was not fully measured: {names} missing."),
            format!("结构未完全检查：缺少 {names}。"),
        )
    } else {
        Sentence::new(
            format!("All {n_facts} structural facts hold."),
            format!("{n_facts} 项结构事实全部成立。"),
        )
    }
}

/// Of how many sealed images were judged.
pub(in crate::gate) fn coverage(Counted { judged, expected }: Counted) -> Sentence {
    if judged == 0 {
        Sentence::new("No sealed image was judged.", "没有评判任何封存照片。")
    } else if judged == expected {
        Sentence::new(
            format!("All {expected} sealed images were judged."),
            format!("{expected} 张封存照片全部评判完毕。"),
        )
    } else {
        Sentence::new(
            format!(
                "Only {judged} of {expected} sealed images were judged before the deadline or could be read; run the job \
                 again to judge the rest."
            ),
            format!("时限前只评判或读取了 {expected} 张封存照片中的 {judged} 张；请重新运行任务以评判其余照片。"),
        )
    }
}

/// Of a change of recall: its bounds, and how few groups can pass at all.
pub(in crate::gate) struct Changed<'a> {
    pub(in crate::gate) class: &'a ClassName,
    pub(in crate::gate) n: u64,
    pub(in crate::gate) value: f64,
    pub(in crate::gate) lower: f64,
    pub(in crate::gate) upper: f64,
    pub(in crate::gate) limit: f64,
    pub(in crate::gate) groups_needed: Option<u64>,
    pub(in crate::gate) verdict: VerdictState,
}

pub(in crate::gate) fn recall_change(said: &Changed<'_>) -> Sentence {
    let (class, n, limit) = (said.class, said.n, exact(said.limit));
    let value = points(said.value);
    let sign = if said.value > 0.0 { "+" } else { "" };
    let en = format!("The recall of {class} changed by {sign}{value} points over {n} groups");
    let zh = format!("{class} 的召回率在 {n} 组上变化了 {sign}{value} 个百分点");
    let fall = |bound: f64| (-bound).max(0.0);
    match said.verdict {
        VerdictState::Pass => {
            let most = up(fall(said.lower), said.limit);
            Sentence::new(
                format!("{en}: it fell by at most {most}, within the limit of {limit}."),
                format!("{zh}：下降不超过 {most}，在上限 {limit} 之内。"),
            )
        }
        VerdictState::Fail => {
            let least = down(fall(said.upper), said.limit);
            Sentence::new(
                format!("{en}: it fell by at least {least}, beyond the limit of {limit}."),
                format!("{zh}：至少下降 {least}，超出上限 {limit}。"),
            )
        }
        VerdictState::Unproven if fall(said.value) > said.limit => Sentence::new(
            format!(
                "{en}, beyond the limit of {limit}, which is not shown to be more than chance; more images would not clear it."
            ),
            format!("{zh}，超过上限 {limit}，但未证明并非偶然；再多照片也无法通过。"),
        ),
        VerdictState::Unproven => {
            let (more_en, more_zh) = match said.groups_needed {
                Some(more) => (
                    format!("{more} more sealed groups of {class} at this rate would do"),
                    format!("按此比例还需要 {more} 组 {class} 的封存照片"),
                ),
                None => (
                    "more of them would narrow it".to_owned(),
                    "更多封存照片可缩小范围".to_owned(),
                ),
            };
            Sentence::new(
                format!("{en}, too few to show that it fell by no more than {limit}; {more_en}."),
                format!("{zh}，数量不足以证明下降不超过 {limit}；{more_zh}。"),
            )
        }
    }
}

/// Of the calibration error; none where nothing was measured.
pub(in crate::gate) fn calibration(change: Option<(CalibrationChange, f64, f64)>, limit: f64) -> Sentence {
    let Some((change, before, after)) = change else {
        return Sentence::new(
            "There is no sealed image of an old class, so a change of calibration cannot be measured.",
            "没有旧类别的封存照片，无法衡量校准变化。",
        );
    };
    let (n, limit_points) = (change.n, points(limit));
    let within = after - before <= limit;
    let figures = |share: f64| points(share);
    Sentence::new(
        format!(
            "The calibration error on {n} old photos went from {} to {} points: {} a rise of {limit_points}.",
            figures(before),
            figures(after),
            if within { "within" } else { "beyond" }
        ),
        format!(
            "{n} 张旧照片上的校准误差从 {} 变为 {} 个百分点：{}允许的 {limit_points} 个百分点。",
            figures(before),
            figures(after),
            if within { "未超过" } else { "超过" }
        ),
    )
}

/// Of what a device says: the device and the value, if there is one.
pub(in crate::gate) fn measure(id: CheckId, measured: Option<(&str, f64)>, limit: f64) -> Sentence {
    let is_latency = id == CheckId::Latency;
    let Some((device, value)) = measured else {
        return if is_latency {
            Sentence::new("No latency was measured on a device.", "尚未在设备上测量延迟。")
        } else {
            Sentence::new("No size was measured on a device.", "尚未在设备上测量大小。")
        };
    };
    let within = value <= limit;
    let (en, zh) = (
        if within { "within" } else { "over" },
        if within { "未超过" } else { "超过" },
    );
    let (value, limit) = (plain(value), plain(limit));
    if is_latency {
        Sentence::new(
            format!("On {device} an image takes {value} ms, {en} the limit of {limit} ms."),
            format!("在 {device} 上每张照片用时 {value} 毫秒，{zh}上限 {limit} 毫秒。"),
        )
    } else {
        Sentence::new(
            format!("On {device} the model takes {value} bytes, {en} the limit of {limit} bytes."),
            format!("在 {device} 上模型占 {value} 字节，{zh}上限 {limit} 字节。"),
        )
    }
}

/// Of how often the sealed set was looked at; none where nobody counted.
pub(in crate::gate) fn looks(count: Option<&LookCount>, allowed: u32, alpha: f64) -> Sentence {
    let Some(count) = count else {
        return Sentence::new(
            "Nobody counted how many heads were judged on these sealed photos.",
            "没有记录在这些封存照片上评判过多少个识别头。",
        );
    };
    let ordinal = count.ordinal;
    if count.is_allowed(allowed, alpha) {
        return Sentence::new(
            format!("This is look {ordinal} of {allowed} at these sealed photos."),
            format!("这是对这些封存照片允许的 {allowed} 次查看中的第 {ordinal} 次。"),
        );
    }
    let missing = count.n_groups_missing;
    if ordinal <= allowed {
        return Sentence::new(
            format!(
                "Heads before this one were judged on these sealed photos by other policies, which used up the chance of an \
                 error: {missing} more sealed groups, half as many again of every class, begin a new count."
            ),
            format!(
                "此前已有识别头按其他策略在这些封存照片上评判，出错概率已用尽：再增加 {missing} 组封存照片（每个类别再多一半）后重新计数。"
            ),
        );
    }
    Sentence::new(
        format!(
            "This is head number {ordinal} judged on these sealed photos and the policy allows {allowed}, so they prove \
             nothing more: {missing} more sealed groups, half as many again of every class, begin a new count."
        ),
        format!(
            "这是在这些封存照片上评判的第 {ordinal} 个识别头，而策略只允许 {allowed} 个，因此它们不能再证明什么：再增加 {missing} 组封存照片（每个类别再多一半）后重新计数。"
        ),
    )
}

/// Where the change of a class was not measured at this level.
pub(in crate::gate) fn not_measured(class: &ClassName) -> Sentence {
    Sentence::new(
        format!("No sealed group of {class} to compare, so its change of recall could not be measured."),
        format!("没有可比较的 {class} 封存照片，无法衡量其召回率变化。"),
    )
}

/// Where a listed check finds nothing to check.
pub(in crate::gate) fn not_compared(id: CheckId) -> Sentence {
    match id {
        CheckId::NewRecall => Sentence::new(
            "The candidate has no new class, so there is no recall to measure.",
            "候选模型没有新类别，无召回率可衡量。",
        ),
        CheckId::NewPrecision => Sentence::new(
            "The candidate has no new class, so there is no precision to measure.",
            "候选模型没有新类别，无精确率可衡量。",
        ),
        CheckId::ClassPrecision => Sentence::new(
            "The candidate has no class that accepts, so there is no precision to measure.",
            "候选模型没有可接受的类别，无精确率可衡量。",
        ),
        CheckId::ClassRecall => Sentence::new(
            "The candidate has no class that accepts, so there is no recall to measure.",
            "候选模型没有可接受的类别，无召回率可衡量。",
        ),
        CheckId::FalseNew => Sentence::new(
            "There is no baseline, so no class is new and nothing can be falsely new.",
            "没有基线，因此没有新类别，也就没有误报。",
        ),
        CheckId::AnchorLoss => Sentence::new(
            "The anchor release could not be measured on these photos, so the loss since then is not known.",
            "无法在这些照片上衡量锚定版本，因此累计损失未知。",
        ),
        CheckId::RecallChange => Sentence::new(
            "There is no old class to compare, so no change of recall could be measured.",
            "没有可比较的旧类别，无法衡量召回率变化。",
        ),
        _ => Sentence::new(
            "There is no old class to compare, so no loss could be measured.",
            "没有可比较的旧类别，无法衡量损失。",
        ),
    }
}
