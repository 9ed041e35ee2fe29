//! What a job will do, decided before anything is read: its classes, the order of its images, the times it must keep.

use std::collections::{BTreeMap, BTreeSet};

use domain::change::Look;
use domain::dataset::{DatasetRow, Split};
use domain::forecast::{TimeBudget, Work};
use domain::ids::Digest;
use domain::job::HeadMode;
use domain::judge::JudgedClass;
use domain::model::{BackboneRef, ClassRole};
use domain::names::ClassName;

use crate::head::Head;
use crate::package::HEAD_FILE;
use crate::pipeline::{Baseline, JobInput, PipelineError};

pub(super) struct Plan {
    /// The candidate's classes: the baseline's first, then the new ones by name.
    pub(super) classes: Vec<JudgedClass>,
    /// How many of them are the baseline's.
    pub(super) n_old: usize,
    /// How many of them are not learned.
    pub(super) n_kept: usize,
    pub(super) baseline_head: Option<Head>,
    /// The head whose dial is turned.
    pub(super) turned: Option<Head>,
    /// The anchor's head and classes, where it can be measured on the same features.
    pub(super) anchor: Option<(Head, Vec<JudgedClass>)>,
    /// All images that are read, the ones first that a cut would miss most.
    pub(super) order: Vec<Digest>,
    pub(super) n_train: usize,
    pub(super) n_sealed: usize,
    pub(super) budget: TimeBudget,
}

impl Plan {
    pub(super) fn new(input: &JobInput, backbone: &BackboneRef) -> Result<Self, PipelineError> {
        let refuse = |message: String| Err(PipelineError::Input(message));
        if let Err(message) = input.config.validate().and_then(|()| input.policy.validate()) {
            return refuse(message);
        }
        if input.rows.is_empty() {
            return refuse("the job has no images: add a dataset that has some".to_owned());
        }
        if !input.rows.is_sorted_by(|a, b| a.image < b.image) {
            return refuse("the job's rows must be sorted by image and name each image once".to_owned());
        }
        let (old, baseline_head) = match (&input.baseline, input.config.mode) {
            (Some(baseline), HeadMode::Append | HeadMode::Refit) => {
                let head = check_model("baseline", baseline, backbone)?;
                (judged_classes(baseline), Some(head))
            }
            (None, HeadMode::Cold) => (Vec::new(), None),
            (None, HeadMode::Append | HeadMode::Refit) => {
                return refuse("modes append and refit need a baseline; clone a model, or use mode cold".to_owned());
            }
            (Some(_), HeadMode::Cold) => {
                return refuse(
                    "mode cold fits all classes from nothing and has no baseline; use mode append".to_owned(),
                );
            }
        };
        let classes = classes(input, old)?;
        let n_old = baseline_head.as_ref().map_or(0, Head::n_classes);
        let turned = turned(input, backbone, &classes)?;
        let n_kept = match input.config.mode {
            HeadMode::Refit => 0,
            _ if turned.is_some() => classes.len(),
            _ => n_old,
        };
        check_counts(&input.rows, &classes[n_kept..])?;
        // A release on another backbone sees other features: what was lost since then is not known.
        let anchor = input.anchor.as_ref().and_then(|anchor| {
            let head = check_model("anchor", anchor, backbone).ok()?;
            Some((head, judged_classes(anchor)))
        });
        let n_of = |split: Split| input.rows.iter().filter(|row| row.split == split).count();
        let mut order = order(&input.rows, if n_old > 0 { &classes[n_old..] } else { &[] });
        if turned.is_some() {
            // Nothing is fitted, so nothing of train is read.
            let is_train = |row: &DatasetRow| row.split == Split::Train;
            let train = input.rows.iter().filter(|row| is_train(row)).map(|row| row.image);
            let train: BTreeSet<Digest> = train.collect();
            order.retain(|image| !train.contains(image));
        }
        Ok(Self {
            order,
            n_train: n_of(Split::Train),
            n_sealed: n_of(Split::Sealed),
            budget: TimeBudget::of(input.config.deadline_ms),
            n_old,
            n_kept,
            classes,
            baseline_head,
            turned,
            anchor,
        })
    }

    /// The look at the sealed photos that judging a head of this name is.
    pub(super) fn look(&self, input: &JobInput, head: Digest) -> Look {
        let new_classes: Vec<ClassName> = self.classes[self.n_old..]
            .iter()
            .map(|class| class.name.clone())
            .collect();
        // What is proven unharmed; a first model has no old class, and each of its classes has a floor.
        let n_counted = if self.n_old == 0 {
            self.classes.len()
        } else {
            self.n_old
        };
        let counted = self.classes.iter().zip(self.sealed_groups(&input.rows)).take(n_counted);
        Look {
            head,
            photos: Look::photos(&input.rows, &new_classes),
            new_classes,
            groups: counted
                .map(|(class, groups)| (class.name.clone(), groups.len() as u64))
                .collect(),
            alpha: input.policy.alpha_per_look(),
        }
    }

    /// Per class its sealed groups.
    pub(super) fn sealed_groups(&self, rows: &[DatasetRow]) -> Vec<BTreeSet<Digest>> {
        let of_class = |class: &ClassName| {
            let sealed = rows
                .iter()
                .filter(|row| row.split == Split::Sealed && row.class == *class);
            sealed.map(|row| row.group).collect()
        };
        self.classes.iter().map(|class| of_class(&class.name)).collect()
    }

    /// What the job's times depend on, where so many images had to be read.
    pub(super) fn work(&self, input: &JobInput, n_missing: usize) -> Work {
        Work {
            mode: input.config.mode,
            n_images: input.rows.len() as u64,
            n_missing: n_missing as u64,
            n_train: self.n_train as u64,
            n_measured: (input.rows.len() - self.n_train) as u64,
            n_learned: (self.classes.len() - self.n_kept) as u64,
            n_classes: self.classes.len() as u64,
            n_weights: input.config.l2_grid.len() as u64,
        }
    }

    pub(super) fn is_reject(&self, class_idx: usize) -> bool {
        self.classes[class_idx].role == ClassRole::Reject
    }
}

fn judged_classes(model: &Baseline) -> Vec<JudgedClass> {
    let classes = model.manifest.classes.iter();
    classes
        .map(|class| JudgedClass {
            name: class.name.clone(),
            role: class.role,
            tau: class.tau,
        })
        .collect()
}

/// The head whose dial is turned, which has exactly the classes of this job.
fn turned(input: &JobInput, backbone: &BackboneRef, classes: &[JudgedClass]) -> Result<Option<Head>, PipelineError> {
    let Some(turned) = &input.turned else {
        return Ok(None);
    };
    let refuse = |message: &str| Err(PipelineError::Input(message.to_owned()));
    let head = check_model("turned model", &turned.model, backbone)?;
    if input.baseline.is_none() || turned.training.dial.is_none() || input.config.offset.is_none() {
        return refuse("only a clone with new rows beside frozen old ones has a dial, and it is turned to an offset");
    }
    if judged_classes(&turned.model) != classes {
        return refuse("the model whose dial is turned has other classes or thresholds than this job: clone it anew");
    }
    Ok(Some(head))
}

fn check_model(whose: &str, model: &Baseline, backbone: &BackboneRef) -> Result<Head, PipelineError> {
    let refuse = |message: String| Err(PipelineError::Input(message));
    let manifest = &model.manifest;
    if manifest.backbone.digest != backbone.digest {
        return refuse(format!(
            "the {whose}'s backbone is {} ({}) and this worker's is {} ({}): run the job on a worker that has it",
            manifest.backbone.name,
            manifest.backbone.digest.short(),
            backbone.name,
            backbone.digest.short()
        ));
    }
    let named = manifest.files.iter().find(|file| file.name == HEAD_FILE);
    if named.is_none_or(|file| file.digest != Digest::of(&model.head)) {
        return refuse(format!(
            "the {whose}'s {HEAD_FILE} is not the file that its manifest names"
        ));
    }
    let head = match Head::from_safetensors(&model.head) {
        Ok(head) => head,
        Err(error) => return refuse(format!("the {whose}'s {HEAD_FILE} cannot be read: {error}")),
    };
    if head.n_classes() != manifest.classes.len() || head.dim != backbone.dim as usize {
        return refuse(format!(
            "the {whose}'s head has {} rows of {} weights, its manifest names {} classes and {} features",
            head.n_classes(),
            head.dim,
            manifest.classes.len(),
            backbone.dim
        ));
    }
    Ok(head)
}

/// The baseline's classes, then the others by name. A clone keeps its baseline's roles and thresholds.
fn classes(input: &JobInput, old: Vec<JudgedClass>) -> Result<Vec<JudgedClass>, PipelineError> {
    let config = &input.config;
    let names: BTreeSet<&ClassName> = input.rows.iter().map(|row| &row.class).collect();
    let is_clone = input.baseline.is_some();
    if !is_clone && let Some(absent) = config.reject_classes.iter().find(|name| !names.contains(name)) {
        return Err(PipelineError::Input(format!(
            "reject class {absent} has no image in the job's datasets"
        )));
    }
    let new = names
        .into_iter()
        .filter(|name| old.iter().all(|class| class.name != **name));
    let new: Vec<JudgedClass> = new
        .map(|name| JudgedClass {
            name: name.clone(),
            role: if !is_clone && config.reject_classes.contains(name) {
                ClassRole::Reject
            } else {
                ClassRole::Accept
            },
            tau: config.tau,
        })
        .collect();
    match (is_clone, new.len()) {
        (true, 0) => Err(PipelineError::Input(
            "every class of the datasets is already in the baseline, so there is nothing to append: add photos of a new \
             class"
                .to_owned(),
        )),
        (false, 0 | 1) => Err(PipelineError::Input(format!(
            "a cold fit needs at least two classes, got {}",
            new.len()
        ))),
        _ => Ok(old.into_iter().chain(new).collect()),
    }
}

/// Classes that are learned need images to learn from and images to choose by.
fn check_counts(rows: &[DatasetRow], learned: &[JudgedClass]) -> Result<(), PipelineError> {
    let mut have = BTreeSet::new();
    for row in rows {
        have.insert((&row.class, row.split));
    }
    for class in learned {
        for split in [Split::Train, Split::Calibration] {
            if !have.contains(&(&class.name, split)) {
                return Err(PipelineError::Input(format!(
                    "class {} has no image in {}: a class that is learned needs some in train and some in calibration; \
                     add photos of it",
                    class.name,
                    split.as_str()
                )));
            }
        }
    }
    Ok(())
}

/// Train images per class that make a first usable fit.
const ENOUGH_TRAIN: usize = 40;

/// First what a usable fit needs, then what judges it, then what makes it better; within each phase all classes advance at
/// the same pace, in the order of their digests. However early a cut comes, what was read is balanced.
///
/// `appended` are the classes that an append learns; they are few beside what is cached of the old ones, so all their train
/// images belong to a usable fit.
fn order(rows: &[DatasetRow], appended: &[JudgedClass]) -> Vec<Digest> {
    let mut sizes: BTreeMap<(&ClassName, Split), usize> = BTreeMap::new();
    for row in rows {
        *sizes.entry((&row.class, row.split)).or_default() += 1;
    }
    let is_appended: BTreeSet<&ClassName> = appended.iter().map(|class| &class.name).collect();
    let mut ranks: BTreeMap<(&ClassName, Split), usize> = BTreeMap::new();
    let mut keyed: Vec<(u8, f64, Digest)> = Vec::with_capacity(rows.len());
    for row in rows {
        let key = (&row.class, row.split);
        let n = sizes[&key];
        let rank = ranks.entry(key).or_default();
        let first = n.min(ENOUGH_TRAIN);
        let (phase, place, of) = match row.split {
            Split::Calibration => (0, *rank, n),
            Split::Train if is_appended.contains(&row.class) => (0, *rank, n),
            Split::Train if *rank < first => (0, *rank, first),
            Split::Sealed => (1, *rank, n),
            Split::Train => (2, *rank - first, n - first),
        };
        *rank += 1;
        keyed.push((phase, fraction(place, of), row.image));
    }
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)).then(a.2.cmp(&b.2)));
    keyed.into_iter().map(|(_, _, image)| image).collect()
}

#[expect(clippy::cast_precision_loss, reason = "counts of images are far below 2^53")]
fn fraction(place: usize, of: usize) -> f64 {
    (place as f64 + 0.5) / of as f64
}
