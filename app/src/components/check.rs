//! The checks of the gate by the names that people know them by.

use domain::gate::policy::CheckId;
use leptos::prelude::*;

use crate::language::{I18n, t};

/// A check's name for people.
pub(crate) fn check_name(i18n: I18n, id: CheckId) -> AnyView {
    match id {
        CheckId::Structural => t!(i18n, checks.structural),
        CheckId::Coverage => t!(i18n, checks.coverage),
        CheckId::OldClassLoss => t!(i18n, checks.old_class_loss),
        CheckId::RecallChange => t!(i18n, checks.recall_change),
        CheckId::NegativeFlips => t!(i18n, checks.negative_flips),
        CheckId::NewRecall => t!(i18n, checks.new_recall),
        CheckId::NewPrecision => t!(i18n, checks.new_precision),
        CheckId::FalseNew => t!(i18n, checks.false_new),
        CheckId::Calibration => t!(i18n, checks.calibration),
        CheckId::AnchorLoss => t!(i18n, checks.anchor_loss),
        CheckId::ClassRecall => t!(i18n, checks.class_recall),
        CheckId::ClassPrecision => t!(i18n, checks.class_precision),
        CheckId::Latency => t!(i18n, checks.latency),
        CheckId::Size => t!(i18n, checks.size),
        CheckId::Looks => t!(i18n, checks.looks),
    }
}
