//! Of all checks together.

use crate::gate::policy::CheckId;
use crate::gate::verdict::{Check, VerdictState};
use crate::gate::words::Sentence;
use crate::gate::words::numbers::exact;
use crate::report::EvaluationReport;

/// Of what old classes lost, where nothing else was judged.
pub(in crate::gate) fn losses(checks: &[Check], state: VerdictState) -> Sentence {
    match (state, largest(checks)) {
        (VerdictState::Pass, Some(limit)) => Sentence::new(
            format!("No old class loses more than {limit}."),
            format!("没有旧类别的损失超过 {limit}。"),
        ),
        _ => concerned(checks, state),
    }
}

/// Of all checks.
pub(in crate::gate) fn verdict(report: &EvaluationReport, checks: &[Check], state: VerdictState) -> Sentence {
    match state {
        VerdictState::Pass => passed(report, checks),
        VerdictState::Fail | VerdictState::Unproven => {
            let mut sentence = concerned(checks, state);
            if report.training.dial.as_ref().is_some_and(|dial| !dial.feasible) {
                sentence.en += " No place of the dial both keeps the old classes and recognises the new ones.";
                sentence.zh += "安全旋钮没有任何位置能同时保住旧类别并识别新类别。";
            }
            sentence
        }
    }
}

/// The first check that made the verdict what it is, and how many more there are.
fn concerned(checks: &[Check], state: VerdictState) -> Sentence {
    let n_open = checks
        .iter()
        .filter(|check| check.verdict != VerdictState::Pass)
        .count();
    let first = checks.iter().find(|check| check.verdict == state).map_or_else(
        || Sentence::new("No check ran.", "没有运行任何检查。"),
        |check| Sentence::new(check.sentence.as_str(), check.sentence_zh.as_str()),
    );
    match n_open.saturating_sub(1) {
        0 => first,
        1 => Sentence::new(
            format!("{} One more check is not passed.", first.en),
            format!("{}另有 1 项检查未通过。", first.zh),
        ),
        n => Sentence::new(
            format!("{} {n} more checks are not passed.", first.en),
            format!("{}另有 {n} 项检查未通过。", first.zh),
        ),
    }
}

/// Claims no more than the checks that ran have shown.
fn passed(report: &EvaluationReport, checks: &[Check]) -> Sentence {
    let count = |id: CheckId| checks.iter().filter(|check| check.id == id).count();
    let new: Vec<&str> = report
        .classes
        .iter()
        .filter(|class| class.is_new)
        .map(|class| class.name.as_str())
        .collect();
    if report.comparison.is_none() {
        let n_classes = count(CheckId::ClassRecall).max(count(CheckId::ClassPrecision));
        return if n_classes > 0 {
            Sentence::new(
                format!("All {n_classes} classes reach their floors; nothing was live before that could be harmed."),
                format!("全部 {n_classes} 个类别都达到下限；此前没有可能受损的上线模型。"),
            )
        } else {
            let n = checks.len();
            Sentence::new(
                format!("All {n} listed checks pass; none of them is about a class."),
                format!("列出的 {n} 项检查全部通过，但没有一项涉及类别。"),
            )
        };
    }
    let adds = if new.is_empty() {
        Sentence::new("Adds no class", "没有新增类别")
    } else {
        Sentence::new(format!("Adds {}", new.join(", ")), format!("新增 {}", new.join("、")))
    };
    let (mut en, mut zh) = match largest(checks) {
        None => (
            "the policy lists no check of what old classes lose".to_owned(),
            "策略没有列出旧类别损失的检查".to_owned(),
        ),
        Some(limit) => (
            format!("no old class loses more than {limit}"),
            format!("没有旧类别的损失超过 {limit}"),
        ),
    };
    if let Some(comparison) = report.comparison.as_ref().filter(|_| count(CheckId::OldClassLoss) > 0) {
        let lost: u64 = comparison.old_classes.iter().map(|class| class.images.x).sum();
        let n: u64 = comparison.old_classes.iter().map(|class| class.images.n).sum();
        en += &format!(": {lost} of {n} old photos are lost");
        zh += &format!("：{n} 张旧照片中丢失 {lost} 张");
    }
    for metrics in &report.candidate.per_class {
        let class = metrics.class.as_str();
        if new.contains(&class) && count(CheckId::NewRecall) > 0 {
            let (right, n) = (metrics.true_accepts, metrics.n);
            en += &format!("; {class}: {right} of {n} recognised");
            zh += &format!("；{class}：{n} 张中识别出 {right} 张");
        }
    }
    Sentence::new(format!("{}; {en}.", adds.en), format!("{}；{zh}。", adds.zh))
}

/// The limit of what old classes may lose, the largest where they differ; none where nobody asked.
fn largest(checks: &[Check]) -> Option<String> {
    let losses = checks.iter().filter(|check| check.id == CheckId::OldClassLoss);
    losses.map(|check| check.limit).reduce(f64::max).map(exact)
}
