//! The photos that were right and are not any more, those that fit with their pictures.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::report::Answer;

use super::super::Review;
use super::super::words::Language;
use super::escaped;

pub(super) fn flips(out: &mut String, review: &Review, language: Language) {
    let Some(comparison) = &review.report.comparison else {
        return;
    };
    let (n, n_right) = (comparison.negative_flips.len(), comparison.n_right);
    let n_pictures = review.pictures.len();
    let title = language.say("What was right and is not any more", "变错的照片");
    let counted = match language {
        Language::En => format!("{n} of {n_right} photos."),
        Language::Zh => format!("{n_right} 张中 {n} 张。"),
    };
    let _ = write!(out, "<h2>{title}</h2><p>{counted}");
    if n_pictures < n {
        let cut = match language {
            Language::En => format!(" Pictures of {n_pictures} of {n} are in this file; flips.csv names all."),
            Language::Zh => format!("本文件含 {n} 张中 {n_pictures} 张的图片；flips.csv 列出全部。"),
        };
        let _ = write!(out, " <strong>{cut}</strong>");
    }
    *out += "</p>";
    let answer = |answer: &Answer| {
        let name = if answer.accepted {
            answer.class.as_str()
        } else {
            language.say("unknown", "未知")
        };
        format!("{} {:.3}", escaped(name), answer.probability)
    };
    for flip in &comparison.negative_flips {
        let class = escaped(flip.class.as_str());
        let (before, after) = (answer(&flip.before), answer(&flip.after));
        let picture = review.pictures.get(&flip.image).map_or_else(String::new, |bytes| {
            format!(
                "<img alt=\"{class}\" src=\"data:{};base64,{}\">",
                media_type(bytes),
                STANDARD.encode(bytes)
            )
        });
        let _ = write!(
            out,
            "<figure>{picture}<figcaption><b>{class}</b> {before} → {after} <code>{}</code></figcaption></figure>",
            flip.image.short()
        );
    }
}

/// Only pictures that decoded are stored, so the first bytes say which kind it is.
fn media_type(bytes: &[u8]) -> &'static str {
    match bytes {
        [0x89, b'P', ..] => "image/png",
        [b'R', b'I', b'F', b'F', ..] => "image/webp",
        _ => "image/jpeg",
    }
}
