//! Which split a new image goes to: the rule that keeps a picture that was trained on from ever certifying.
//!
//! In this order: the split it already has in the project; the split of the known images that its group nearly
//! duplicates (where they disagree it is left out); the folder it came in; the hash of its group's smallest digest,
//! 70/15/15. Whatever is left out or moved is a finding.

use std::collections::BTreeMap;

use crate::dataset::{DatasetRow, Finding, FindingKind, Split};
use crate::ids::Digest;
use crate::names::ClassName;

/// An image of an upload, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incoming {
    /// Digest of its bytes.
    pub image: Digest,
    /// Its label.
    pub class: ClassName,
    /// The split of the folder it came in.
    pub folder: Option<Split>,
    /// The file's name, for people.
    pub name: String,
    /// The split and group it already has in the project.
    pub assigned: Option<(Split, Digest)>,
    /// Its near-duplicate group, formed over the whole upload.
    pub group: Digest,
    /// Splits of the known images that some image of its group nearly duplicates.
    pub near: Vec<Split>,
}

/// The rows of an upload, sorted by image, and what was noticed. The same upload in another order gives the same rows.
#[must_use]
pub fn assign(incoming: &[Incoming], proof_only: bool) -> (Vec<DatasetRow>, Vec<Finding>) {
    let mut findings = Vec::new();
    let distinct = distinct(incoming, &mut findings);
    let group_splits = group_splits(&distinct, proof_only);
    let mut rows = Vec::with_capacity(distinct.len());
    for item in distinct {
        let decided = decide(item, &group_splits, proof_only);
        if let Some((kind, message)) = decided.finding {
            findings.push(Finding {
                kind,
                name: item.name.clone(),
                image: Some(item.image),
                message,
            });
        }
        if let Some((split, group)) = decided.place {
            rows.push(DatasetRow {
                image: item.image,
                class: item.class.clone(),
                split,
                group,
            });
        }
    }
    findings.sort();
    (rows, findings)
}

/// Every image once, by digest. One image under two labels says nothing, so it is left out.
fn distinct<'a>(incoming: &'a [Incoming], findings: &mut Vec<Finding>) -> Vec<&'a Incoming> {
    let mut by_image: BTreeMap<Digest, Vec<&Incoming>> = BTreeMap::new();
    for item in incoming {
        by_image.entry(item.image).or_default().push(item);
    }
    let mut kept = Vec::with_capacity(by_image.len());
    for (image, mut items) in by_image {
        items.sort_by(|a, b| (&a.name, a.folder).cmp(&(&b.name, b.folder)));
        let first = items[0];
        let Some(other) = items.iter().find(|item| item.class != first.class) else {
            if let Some(copy) = items.get(1) {
                let message = format!("the same bytes as {}; kept once", quoted(&first.name));
                findings.push(Finding {
                    kind: FindingKind::Duplicate,
                    name: copy.name.clone(),
                    image: Some(image),
                    message,
                });
            }
            kept.push(first);
            continue;
        };
        let message = format!(
            "the same picture as {} is labelled {} there and {} here; left out, upload it once under its right label",
            quoted(&first.name),
            first.class,
            other.class
        );
        findings.push(Finding {
            kind: FindingKind::Relabelled,
            name: other.name.clone(),
            image: Some(image),
            message,
        });
    }
    kept
}

/// The split of each group that touches nothing known: the folder of its smallest digest that came in one, else its
/// hash.
fn group_splits(distinct: &[&Incoming], proof_only: bool) -> BTreeMap<Digest, Split> {
    let mut splits: BTreeMap<Digest, Option<Split>> = BTreeMap::new();
    for item in distinct {
        let split = splits.entry(item.group).or_default();
        *split = split.or(item.folder);
    }
    let settle = |(group, folder): (Digest, Option<Split>)| {
        let split = if proof_only {
            Split::Sealed
        } else {
            folder.unwrap_or_else(|| Split::from_group(&group))
        };
        (group, split)
    };
    splits.into_iter().map(settle).collect()
}

/// Where an image goes, if anywhere, and what to say about it.
struct Decided {
    place: Option<(Split, Digest)>,
    finding: Option<(FindingKind, String)>,
}

impl Decided {
    fn left_out(why: String) -> Self {
        Self {
            place: None,
            finding: Some((FindingKind::SplitConflict, why)),
        }
    }

    fn placed(split: Split, group: Digest, moved: Option<String>) -> Self {
        Self {
            place: Some((split, group)),
            finding: moved.map(|message| (FindingKind::SplitConflict, message)),
        }
    }
}

fn decide(item: &Incoming, group_splits: &BTreeMap<Digest, Split>, proof_only: bool) -> Decided {
    let folder_beside = |split: Split| item.folder.filter(|folder| *folder != split && !proof_only);
    if let Some((split, group)) = item.assigned {
        let word = split.as_str();
        if proof_only && split != Split::Sealed {
            return Decided::left_out(format!(
                "is known from {word}, and what was used there cannot prove anything; left out"
            ));
        }
        let moved = folder_beside(split)
            .map(|folder| format!("came in {} but is known from {word}; it stays there", folder.as_str()));
        return Decided::placed(split, group, moved);
    }
    if let Some(&split) = item.near.first() {
        let word = split.as_str();
        if item.near.iter().any(|other| *other != split) {
            return Decided::left_out(
                "nearly duplicates known images of different splits; left out, since it would tie them".to_owned(),
            );
        }
        if proof_only && split != Split::Sealed {
            return Decided::left_out(format!(
                "nearly duplicates an image known from {word}; it cannot prove anything"
            ));
        }
        let moved = folder_beside(split).map(|folder| {
            let folder = folder.as_str();
            format!("came in {folder} but nearly duplicates an image known from {word}; it goes there")
        });
        return Decided::placed(split, item.group, moved);
    }
    let split = group_splits[&item.group];
    match folder_beside(split) {
        Some(folder) => Decided::left_out(format!(
            "came in {} but nearly duplicates an image of the same upload that came in {}; left out",
            folder.as_str(),
            split.as_str()
        )),
        None => Decided::placed(split, item.group, None),
    }
}

fn quoted(name: &str) -> String {
    if name.is_empty() {
        "another file".to_owned()
    } else {
        format!("{name:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(bytes: &str, class: &str, folder: Option<Split>) -> Incoming {
        let image = Digest::of(bytes.as_bytes());
        Incoming {
            image,
            class: ClassName::new(class).unwrap(),
            folder,
            name: bytes.to_owned(),
            assigned: None,
            group: image,
            near: Vec::new(),
        }
    }

    fn splits(rows: &[DatasetRow]) -> Vec<Split> {
        rows.iter().map(|row| row.split).collect()
    }

    #[test]
    fn a_split_once_given_stays() {
        let mut item = incoming("a", "fu", Some(Split::Sealed));
        item.assigned = Some((Split::Train, item.group));
        let (rows, findings) = assign(&[item.clone()], false);
        assert_eq!(splits(&rows), [Split::Train]);
        assert_eq!(findings[0].kind, FindingKind::SplitConflict);
        let (rows, _) = assign(&[item], true);
        assert!(rows.is_empty(), "what was trained on proves nothing");
    }

    #[test]
    fn near_duplicates_of_known_images_follow_them_or_stay_out() {
        let mut item = incoming("a", "fu", Some(Split::Sealed));
        item.near = vec![Split::Train, Split::Train];
        assert_eq!(splits(&assign(&[item.clone()], false).0), [Split::Train]);
        item.near = vec![Split::Train, Split::Sealed];
        let (rows, findings) = assign(&[item], false);
        assert!(rows.is_empty() && findings[0].kind == FindingKind::SplitConflict);
    }

    #[test]
    fn a_group_never_spans_splits() {
        let mut items: Vec<Incoming> = ["a", "b", "c"].iter().map(|name| incoming(name, "fu", None)).collect();
        let group = items.iter().map(|item| item.image).min().unwrap();
        items.iter_mut().for_each(|item| item.group = group);
        let (rows, findings) = assign(&items, false);
        assert_eq!(rows.len(), 3);
        assert!(findings.is_empty());
        assert!(
            rows.iter()
                .all(|row| row.split == Split::from_group(&group) && row.group == group)
        );
        items.sort_by_key(|item| item.image);
        items[1].folder = Some(Split::Train);
        items[2].folder = Some(Split::Sealed);
        let (rows, findings) = assign(&items, false);
        assert_eq!(splits(&rows), [Split::Train, Split::Train]);
        assert_eq!(findings.len(), 1);
        items.reverse();
        assert_eq!(
            assign(&items, false),
            (rows, findings),
            "the order of an upload does not matter"
        );
    }

    #[test]
    fn proof_only_seals_everything_new() {
        let items: Vec<Incoming> = (0..50)
            .map(|index| incoming(&format!("{index}"), "fu", Some(Split::Train)))
            .collect();
        let (rows, findings) = assign(&items, true);
        assert!(rows.iter().all(|row| row.split == Split::Sealed) && rows.len() == 50 && findings.is_empty());
    }

    #[test]
    fn copies_are_kept_once_and_contradictions_not_at_all() {
        let mut copy = incoming("a", "fu", None);
        copy.name = "z".to_owned();
        let (rows, findings) = assign(&[incoming("a", "fu", None), copy.clone()], false);
        assert_eq!((rows.len(), findings[0].kind), (1, FindingKind::Duplicate));
        copy.class = ClassName::new("lu").unwrap();
        let (rows, findings) = assign(&[incoming("a", "fu", None), copy], false);
        assert_eq!((rows.len(), findings[0].kind), (0, FindingKind::Relabelled));
    }

    #[test]
    fn the_hash_splits_about_70_15_15() {
        let items: Vec<Incoming> = (0..4000)
            .map(|index| incoming(&format!("{index}"), "fu", None))
            .collect();
        let (rows, _) = assign(&items, false);
        let n_train = rows.iter().filter(|row| row.split == Split::Train).count();
        assert!((2700..2900).contains(&n_train), "{n_train}");
    }
}
