//! Datasets, their immutable versions, and the rule that keeps an image in its split for ever.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{DatasetId, DatasetVersionId, Digest, ProjectId};
use crate::names::{ClassName, DatasetName};

/// What an image is for. Once assigned in a project it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// Heads are fitted on it.
    Train,
    /// Chooses thresholds, temperature, λ and the offset of new classes.
    Calibration,
    /// Only ever certifies.
    Sealed,
}

impl Split {
    /// All splits, in order.
    pub const ALL: [Self; 3] = [Self::Train, Self::Calibration, Self::Sealed];

    /// The word used in JSON, the database and folder names.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Calibration => "calibration",
            Self::Sealed => "sealed",
        }
    }

    /// The split a folder name stands for: ours, or the usual train/val/test.
    #[must_use]
    pub fn from_folder(folder: &str) -> Option<Self> {
        match folder.to_ascii_lowercase().as_str() {
            "train" | "training" => Some(Self::Train),
            "calibration" | "val" | "valid" | "validation" => Some(Self::Calibration),
            "sealed" | "test" => Some(Self::Sealed),
            _ => None,
        }
    }

    /// 70/15/15 by the smallest content digest of the image's near-duplicate group.
    #[must_use]
    pub fn from_group(group: &Digest) -> Self {
        match group.unit_interval() {
            u if u < 0.70 => Self::Train,
            u if u < 0.85 => Self::Calibration,
            _ => Self::Sealed,
        }
    }
}

impl std::str::FromStr for Split {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|split| split.as_str() == text)
            .ok_or_else(|| format!("{text:?} is none of train, calibration, sealed"))
    }
}

/// One image of a dataset version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetRow {
    /// Digest of the image's bytes.
    pub image: Digest,
    /// Its label.
    pub class: ClassName,
    /// Its split.
    pub split: Split,
    /// Its near-duplicate group, named by the smallest digest in it: the unit in which the gate counts.
    pub group: Digest,
}

/// A named collection of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Dataset {
    /// Identifier.
    pub id: DatasetId,
    /// Project.
    pub project: ProjectId,
    /// Name, unique in the project.
    pub name: DatasetName,
    /// When it was made, microseconds since 1970, UTC.
    pub created_us: i64,
    /// Its newest version, if anything was uploaded yet.
    pub latest: Option<DatasetVersion>,
}

/// An immutable snapshot of a dataset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DatasetVersion {
    /// Identifier.
    pub id: DatasetVersionId,
    /// The dataset.
    pub dataset: DatasetId,
    /// The dataset's name.
    pub dataset_name: DatasetName,
    /// 1, 2, 3, … within the dataset.
    pub number: i64,
    /// Digest of the sorted rows: the same images, labels and splits give the same digest.
    pub digest: Digest,
    /// Images in it.
    pub n_images: i64,
    /// Images per class and split, classes in order.
    pub classes: Vec<ClassCount>,
    /// What was noticed while it was made.
    pub findings: Vec<Finding>,
    /// When it was made, microseconds since 1970, UTC.
    pub created_us: i64,
}

/// Images of one class per split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ClassCount {
    /// The class.
    pub class: ClassName,
    /// Images in `train`.
    pub train: i64,
    /// Images in `calibration`.
    pub calibration: i64,
    /// Images in `sealed`.
    pub sealed: i64,
}

/// Something about an upload that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// The file's name as it was uploaded; empty where the finding is about the whole version.
    pub name: String,
    /// The image, where there is one.
    pub image: Option<Digest>,
    /// One sentence: what was found and what was done.
    pub message: String,
}

/// Kinds of findings.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// The file is not a picture that can be decoded; it was left out.
    Undecodable,
    /// The same bytes twice in one upload; kept once.
    Duplicate,
    /// The same bytes under two labels; the newer label holds.
    Relabelled,
    /// Folder and the group's split disagree; it went where its group is, or was left out.
    SplitConflict,
    /// A class with too few images in a split.
    TooFew,
    /// A stored object was missing or damaged while a job ran; the image was left out.
    Missing,
}

/// The digest of a version's rows, whatever order they come in.
#[must_use]
pub fn rows_digest(rows: &[DatasetRow]) -> Digest {
    let mut sorted: Vec<&DatasetRow> = rows.iter().collect();
    sorted.sort();
    Digest::of_json(&sorted)
}

/// Images per class and split.
#[must_use]
pub fn count_classes(rows: &[DatasetRow]) -> Vec<ClassCount> {
    let mut counts: BTreeMap<&ClassName, [i64; 3]> = BTreeMap::new();
    for row in rows {
        counts.entry(&row.class).or_default()[row.split as usize] += 1;
    }
    let class_count = |(class, [train, calibration, sealed]): (&ClassName, [i64; 3])| ClassCount {
        class: class.clone(),
        train,
        calibration,
        sealed,
    };
    counts.into_iter().map(class_count).collect()
}

/// An image whose label a later dataset version changed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Relabelled {
    /// The image.
    pub image: Digest,
    /// Its label before.
    pub from: ClassName,
    /// Its label in this job.
    pub to: ClassName,
}

/// The rows of several versions as one set, sorted by image; where one image stands under two labels, the later version
/// wins and the change is listed.
#[must_use]
pub fn merge_versions(versions: &[Vec<DatasetRow>]) -> (Vec<DatasetRow>, Vec<Relabelled>) {
    let mut merged: BTreeMap<Digest, DatasetRow> = BTreeMap::new();
    let mut relabelled = BTreeMap::new();
    for row in versions.iter().flatten() {
        if let Some(before) = merged.insert(row.image, row.clone())
            && before.class != row.class
        {
            let first = relabelled
                .entry(row.image)
                .or_insert_with(|| (before.class.clone(), row.class.clone()));
            first.1 = row.class.clone();
        }
    }
    let list = relabelled.into_iter().filter(|(_, (from, to))| from != to);
    (
        merged.into_values().collect(),
        list.map(|(image, (from, to))| Relabelled { image, from, to }).collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(image: &[u8], class: &str, split: Split) -> DatasetRow {
        let image = Digest::of(image);
        DatasetRow {
            image,
            class: ClassName::new(class).unwrap(),
            split,
            group: image,
        }
    }

    #[test]
    fn later_labels_win_and_are_listed() {
        let old = vec![row(b"a", "fu", Split::Train), row(b"b", "fu", Split::Sealed)];
        let new = vec![row(b"b", "fu-ma", Split::Sealed), row(b"c", "fu-ma", Split::Train)];
        let (rows, relabelled) = merge_versions(&[old.clone(), new.clone()]);
        assert_eq!(rows.len(), 3);
        assert!(rows.is_sorted_by_key(|row| row.image));
        assert_eq!(relabelled.len(), 1);
        assert_eq!(relabelled[0].to.as_str(), "fu-ma");
        let (_, back) = merge_versions(&[old.clone(), new, old]);
        assert!(back.is_empty(), "a label that came back is no change");
    }

    #[test]
    fn the_digest_ignores_order() {
        let mut rows = vec![row(b"a", "fu", Split::Train), row(b"b", "lu", Split::Sealed)];
        let digest = rows_digest(&rows);
        rows.reverse();
        assert_eq!(rows_digest(&rows), digest);
        rows[0].split = Split::Train;
        assert_ne!(rows_digest(&rows), digest);
    }

    #[test]
    fn folders_of_both_habits_are_understood() {
        assert_eq!(Split::from_folder("VAL"), Some(Split::Calibration));
        assert_eq!(Split::from_folder("sealed"), Some(Split::Sealed));
        assert_eq!(Split::from_folder("fu"), None);
    }
}
