//! What a verdict comes to: the one thing to say above a review, and the photos that would settle what is open.
//!
//! A class is proven only where every check of it passes, so no headline claims more than the checks do. Refuses to know:
//! sentences, which every surface has in its own words.

#[cfg(test)]
mod tests;

use crate::gate::policy::CheckId;
use crate::gate::verdict::{Check, Verdict, VerdictState};
use crate::names::ClassName;

/// What stands above a review.
#[derive(Clone, Debug, PartialEq)]
pub enum Headline {
    /// Pass: no old class loses more than `limit`, the largest of the classes' limits.
    Safe {
        /// A share.
        limit: f64,
    },
    /// Pass: every class of a first model reaches its floors.
    Sound,
    /// Pass: every listed check does, and none of them asks what old classes lose.
    Listed,
    /// Fail: the structure is broken. Nobody overrides it.
    Broken,
    /// Fail: these old classes are harmed; none where the harm is shown over all of them together.
    Harmed(Vec<ClassName>),
    /// Fail: too many old photos are accepted as something new.
    TakenForNew,
    /// Fail: these classes are not recognised well enough.
    FallsShort(Vec<ClassName>),
    /// Fail: another check is.
    Beyond(CheckId),
    /// Unproven: facts of the structure were not measured. Nobody overrides it.
    Unmeasured,
    /// Unproven: the sealed photos were looked at too often.
    LooksUsed,
    /// Unproven: some of the sealed photos were not judged.
    NotCovered,
    /// Unproven: some old classes are.
    OldOpen {
        /// Old classes all of whose checks pass.
        n_proven: usize,
        /// The others.
        open: Vec<ClassName>,
    },
    /// Unproven: whether these new classes are recognised well enough.
    NewOpen(Vec<ClassName>),
    /// Unproven: some classes of a first model are.
    FloorsOpen {
        /// Classes all of whose checks pass.
        n_proven: usize,
        /// The others.
        open: Vec<ClassName>,
    },
    /// Unproven: this check is, and nothing above.
    Open(CheckId),
    /// Unproven: no check ran.
    Unjudged,
}

/// Photos that an unproven verdict asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The check that asks for most of them.
    pub id: CheckId,
    /// Of which class; none where they may be of any old class, or are of all classes.
    pub class: Option<ClassName>,
    /// Further near-duplicate groups.
    pub n_groups: u64,
}

impl Verdict {
    /// The first of what there is to say, by how little can be done about it.
    #[must_use]
    pub fn headline(&self) -> Headline {
        match self.state {
            VerdictState::Pass => self.passed(),
            VerdictState::Fail => self.failed(),
            VerdictState::Unproven => self.open(),
        }
    }

    /// What would settle an unproven verdict at the observed rates, the largest need first, one per class. Empty where
    /// photos settle nothing: harm is shown, the structure is not sound, not every photo was judged, or a rate is itself
    /// over its limit.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let is_settled = |check: &Check| check.groups_needed.is_some() || is_measured_anew(check);
        if self.state != VerdictState::Unproven || !self.checks_in(VerdictState::Unproven).all(is_settled) {
            return Vec::new();
        }
        let mut needs: Vec<Need> = Vec::new();
        for check in self.checks_in(VerdictState::Unproven) {
            let Some(n_groups) = check.groups_needed.filter(|n| *n > 0) else {
                continue;
            };
            let (id, class) = (check.id, check.class.clone());
            match needs
                .iter_mut()
                .find(|need| need.class == class && need.id != CheckId::Looks)
            {
                Some(need) if need.n_groups >= n_groups => {}
                Some(need) => *need = Need { id, class, n_groups },
                None => needs.push(Need { id, class, n_groups }),
            }
        }
        // A used-up set proves nothing about any class; photos of a class also are photos of old classes together.
        let rank = |need: &Need| (need.id != CheckId::Looks, need.class.is_none());
        needs.sort_by(|a, b| rank(a).cmp(&rank(b)).then(b.n_groups.cmp(&a.n_groups)));
        needs
    }

    fn checks_in(&self, state: VerdictState) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(move |check| check.verdict == state)
    }

    fn passed(&self) -> Headline {
        let limits = self.checks.iter().filter(|check| check.id == CheckId::OldClassLoss);
        if let Some(limit) = limits.map(|check| check.limit).reduce(f64::max) {
            return Headline::Safe { limit };
        }
        if self.checks.iter().any(|check| is_floor_of_first(check.id)) {
            Headline::Sound
        } else {
            Headline::Listed
        }
    }

    fn failed(&self) -> Headline {
        let failed = |id: CheckId| self.checks_in(VerdictState::Fail).any(|check| check.id == id);
        if failed(CheckId::Structural) {
            return Headline::Broken;
        }
        let harmed = self.classes_in(VerdictState::Fail, is_of_old);
        if !harmed.is_empty() || failed(CheckId::NegativeFlips) {
            return Headline::Harmed(harmed);
        }
        if failed(CheckId::FalseNew) {
            return Headline::TakenForNew;
        }
        let short = self.classes_in(VerdictState::Fail, |id| is_of_new(id) || is_floor_of_first(id));
        if !short.is_empty() {
            return Headline::FallsShort(short);
        }
        let first = self.checks_in(VerdictState::Fail).next();
        first.map_or(Headline::Unjudged, |check| Headline::Beyond(check.id))
    }

    fn open(&self) -> Headline {
        let open = |id: CheckId| self.checks_in(VerdictState::Unproven).find(|check| check.id == id);
        if open(CheckId::Structural).is_some() {
            return Headline::Unmeasured;
        }
        // Where nobody counted the looks, none of them is used up.
        if open(CheckId::Looks).is_some_and(|check| check.x > 0) {
            return Headline::LooksUsed;
        }
        if open(CheckId::Coverage).is_some() {
            return Headline::NotCovered;
        }
        let counted = |of: fn(CheckId) -> bool| {
            let open = self.classes_in(VerdictState::Unproven, of);
            let mut proven = self.classes_in(VerdictState::Pass, of);
            proven.retain(|class| !open.contains(class));
            (proven.len(), open)
        };
        let (n_proven, old) = counted(is_of_old);
        if !old.is_empty() {
            return Headline::OldOpen { n_proven, open: old };
        }
        let (n_proven, floors) = counted(is_floor_of_first);
        if !floors.is_empty() {
            return Headline::FloorsOpen { n_proven, open: floors };
        }
        // Of no class: old photos together, or what was never measured.
        let mut rest = self
            .checks_in(VerdictState::Unproven)
            .filter(|check| check.class.is_none());
        if let Some(check) = rest.next() {
            return Headline::Open(check.id);
        }
        let new = self.classes_in(VerdictState::Unproven, is_of_new);
        if new.is_empty() {
            Headline::Unjudged
        } else {
            Headline::NewOpen(new)
        }
    }

    /// Each once, in the order of the checks.
    fn classes_in(&self, state: VerdictState, of: fn(CheckId) -> bool) -> Vec<ClassName> {
        let mut classes: Vec<ClassName> = Vec::new();
        let checks = self.checks_in(state).filter(|check| of(check.id));
        for class in checks.filter_map(|check| check.class.as_ref()) {
            if !classes.contains(class) {
                classes.push(class.clone());
            }
        }
        classes
    }
}

/// Said of each old class.
const fn is_of_old(id: CheckId) -> bool {
    matches!(id, CheckId::OldClassLoss | CheckId::RecallChange | CheckId::AnchorLoss)
}

/// Said of each new class.
const fn is_of_new(id: CheckId) -> bool {
    matches!(id, CheckId::NewRecall | CheckId::NewPrecision)
}

/// Said of each class where nothing was live before.
const fn is_floor_of_first(id: CheckId) -> bool {
    matches!(id, CheckId::ClassRecall | CheckId::ClassPrecision)
}

/// An open change of recall within its limit: its drawn bound narrows with every photo, though nobody knows by how many.
fn is_measured_anew(check: &Check) -> bool {
    check.id == CheckId::RecallChange && check.value.is_some_and(|value| -value <= check.limit)
}
