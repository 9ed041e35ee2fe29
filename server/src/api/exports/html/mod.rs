//! The review as one page that needs no server: text, tables, curves as SVG, pictures inside.
//!
//! Everything that a person typed is text here: it goes through [`escaped`] on its way into the page.

mod figures;
mod flips;
mod tables;
#[cfg(test)]
pub(super) mod tests;

use std::fmt::Write as _;

use domain::names::ClassName;

use super::Review;
use super::words::Language;
use crate::client::moment;

const STYLE: &str = include_str!("page.css");

/// The page.
pub(super) fn page(review: &Review, language: Language) -> String {
    let mut out = String::new();
    let verdict = &review.verdict;
    let title = title(review, language);
    let _ = write!(
        out,
        "<!doctype html><html lang=\"{}\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width\"><title>{title} · Rehead</title><style>{STYLE}</style></head><body><main>\
         <h1>{title}</h1><div class=\"banner {}\"><p><span class=\"tag\">{}</span> <strong>{}</strong></p><p>{}</p></div>",
        language.code(),
        verdict.state.as_str(),
        language.state(verdict.state),
        escaped(&language.headline(verdict)),
        escaped(language.told(&verdict.sentence, &verdict.sentence_zh))
    );
    overrides(&mut out, review, language);
    provenance(&mut out, review, language);
    tables::classes(&mut out, review, language);
    tables::checks(&mut out, review, language);
    tables::confusion(&mut out, review, language);
    figures::curves(&mut out, review, language);
    figures::dial(&mut out, review, language);
    figures::reliability(&mut out, review, language);
    flips::flips(&mut out, review, language);
    tables::structure(&mut out, review, language);
    out += "</main></body></html>";
    out
}

fn title(review: &Review, language: Language) -> String {
    if review.model.baseline.is_none() {
        return language.say("First model", "首个模型").to_owned();
    }
    let new: Vec<&str> = review.model.new_classes.iter().map(ClassName::as_str).collect();
    escaped(&format!("{} {}", language.say("Adds", "新增"), new.join(", ")))
}

/// Reviewers' words, which the verdict does not tell.
fn overrides(out: &mut String, review: &Review, language: Language) {
    for word in &review.overrides {
        let _ = write!(
            out,
            "<p class=\"flag\"><strong>{} {}</strong> <q>{}</q> <span class=\"dim\">{}</span></p>",
            language.say("Overridden by", "特批人："),
            escaped(word.by.as_str()),
            escaped(&word.reason),
            moment(word.created_us)
        );
    }
}

/// Where it comes from, so that the file can be told from others and found again.
fn provenance(out: &mut String, review: &Review, language: Language) {
    let say = |en, zh| language.say(en, zh);
    let (model, policy, report) = (&review.model, &review.job.spec.policy, &review.report);
    let code = |text: &str| format!("<code>{}</code>", escaped(text));
    let baseline = model.baseline.as_ref();
    let looks = report.looks.as_ref().map_or_else(
        || "–".to_owned(),
        |looks| match language {
            Language::En => format!("number {} of {} that the policy allows", looks.ordinal, policy.looks),
            Language::Zh => format!("第 {} 次，策略允许 {} 次", looks.ordinal, policy.looks),
        },
    );
    let sealed = match language {
        Language::En => format!("{} in {} groups", report.sealed.n_images, report.sealed.n_groups),
        Language::Zh => format!("{} 张，{} 组", report.sealed.n_images, report.sealed.n_groups),
    };
    let policy_name = match language {
        Language::En => format!("{}, version {}", policy.name, policy.version),
        Language::Zh => format!("{}，第 {} 版", policy.name, policy.version),
    };
    let rows = [
        (say("Project", "项目"), escaped(&review.project)),
        (say("Model", "模型"), code(&model.id.0)),
        (say("Its digest", "模型摘要"), code(&model.digest.to_string())),
        (say("Job", "任务"), code(&model.job.0)),
        (
            say("Baseline", "基线"),
            baseline.map_or_else(|| "–".to_owned(), |id| code(&id.0)),
        ),
        (say("Made", "生成时间"), moment(model.created_us)),
        (
            say("Policy", "策略"),
            format!("{} {}", escaped(&policy_name), code(&review.verdict.policy.to_string())),
        ),
        (say("Look at the sealed photos", "封存照片的查看次数"), looks),
        (
            say("Level of each bound, α′", "每个界的水平 α′"),
            review.verdict.alpha_per_look.to_string(),
        ),
        (say("Sealed photos", "封存照片"), sealed),
    ];
    let _ = write!(
        out,
        "<h2>{}</h2><table class=\"facts\">",
        say("Where it comes from", "来源")
    );
    for (name, value) in rows {
        let _ = write!(out, "<tr><th scope=\"row\">{name}</th><td>{value}</td></tr>");
    }
    *out += "</table>";
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1}", share * 100.0))
}

/// As text inside of an element or of a quoted attribute.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}
