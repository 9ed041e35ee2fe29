//! All answers against the reference, and those of one arithmetic against one another.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use safetensors::SafeTensors;

/// The answer by the definition, in f64.
pub(crate) const REFERENCE: &str = "f64";

/// Largest difference, as a share of an image's largest number.
const LIMIT: f32 = 1e-4;

/// Where a case's file of a kind lies.
pub(crate) fn file(dir: &Path, case: &str, kind: &str) -> PathBuf {
    dir.join(format!("{case}.{kind}.safetensors"))
}

/// Names and contents of all files of a kind, by name.
pub(crate) fn files(dir: &Path, kind: &str) -> Vec<(String, Vec<u8>)> {
    let end = format!(".{kind}.safetensors");
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(&end)?.to_owned();
            Some((name, std::fs::read(&path).unwrap()))
        })
        .collect();
    files.sort();
    files
}

/// What a path said.
struct Answer {
    path: String,
    kernel: String,
    dim: usize,
    features: Vec<f32>,
}

/// Largest differences, absolute and as a share of the image's largest number.
struct Difference {
    absolute: f32,
    relative: f32,
}

/// Prints one row for each case and path, then how many there were; fails where a path is off.
pub(crate) fn print(dir: &Path) -> ExitCode {
    println!(
        "{:<20}{:<20}{:<16}{:>12}{:>12}{:>9}",
        "case", "path", "kernel", "max abs", "max rel", "limit"
    );
    let (mut n, mut n_failed) = (0, 0);
    for (case, _) in files(dir, "case") {
        let answers = answers(dir, &case);
        let reference = answers.iter().find(|answer| answer.path == REFERENCE).unwrap();
        let mut first_of: HashMap<&str, &Answer> = HashMap::new();
        for answer in answers.iter().filter(|answer| answer.path != REFERENCE) {
            let twin = *first_of.entry(&answer.kernel).or_insert(answer);
            let bits = |answer: &Answer| answer.features.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
            let difference = difference(answer, reference);
            let outcome = if difference.relative.is_nan() || difference.relative > LIMIT {
                "FAILED".to_owned()
            } else if bits(twin) != bits(answer) {
                format!("FAILED: other bits than {}", twin.path)
            } else if twin.path == answer.path {
                "ok".to_owned()
            } else {
                format!("ok, same bits as {}", twin.path)
            };
            n += 1;
            n_failed += usize::from(outcome.starts_with("FAILED"));
            println!(
                "{case:<20}{:<20}{:<16}{:>12.1e}{:>12.1e}{LIMIT:>9.0e}  {outcome}",
                answer.path, answer.kernel, difference.absolute, difference.relative
            );
        }
    }
    println!("{n} cases, {n_failed} failed, 0 skipped");
    ExitCode::from(u8::from(n == 0 || n_failed > 0))
}

/// All answers to a case, by path.
fn answers(dir: &Path, case: &str) -> Vec<Answer> {
    let begin = format!("{case}.");
    let mut answers = Vec::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some(path_name) = name
            .strip_prefix(&begin)
            .and_then(|rest| rest.strip_suffix(".safetensors"))
        else {
            continue;
        };
        if path_name == "case" {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
        let kernel = header.metadata().as_ref().unwrap()["kernel"].clone();
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let features = tensors.tensor("features").unwrap();
        let (words, _) = features.data().as_chunks::<4>();
        answers.push(Answer {
            path: path_name.to_owned(),
            kernel,
            dim: features.shape()[1],
            features: words.iter().map(|word| f32::from_le_bytes(*word)).collect(),
        });
    }
    answers.sort_by(|a, b| a.path.cmp(&b.path));
    answers
}

fn difference(answer: &Answer, reference: &Answer) -> Difference {
    assert_eq!(answer.features.len(), reference.features.len(), "{}", answer.path);
    let mut worst = Difference {
        absolute: 0.0,
        relative: 0.0,
    };
    let images = answer.features.chunks_exact(answer.dim);
    for (got, expected) in images.zip(reference.features.chunks_exact(reference.dim)) {
        let scale = expected.iter().fold(0.0_f32, |scale, value| scale.max(value.abs()));
        for (got, expected) in got.iter().zip(expected) {
            let difference = (got - expected).abs();
            // What is no number must not be lost in a maximum.
            if difference.is_nan() {
                return Difference {
                    absolute: f32::NAN,
                    relative: f32::NAN,
                };
            }
            worst.absolute = worst.absolute.max(difference);
            worst.relative = worst.relative.max(difference / scale);
        }
    }
    worst
}
