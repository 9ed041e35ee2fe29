//! What was measured, as a table for people and as JSON for scripts.

use std::fmt;

use color_eyre::eyre::Report;
use serde_json::{Value, json};

use crate::bench::catalogue::{Bench, Unit};
use crate::bench::live::Round;

/// What became of a bench.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// Its rounds.
    Measured(Measured),
    /// It could not be run here.
    Skipped(String),
    /// It broke off, or its peer computes something else.
    Failed(Report),
}

/// Rounds of a bench.
#[derive(Clone, Debug)]
pub(crate) struct Measured {
    unit: Unit,
    target: f64,
    ours: Vec<f64>,
    peer: Vec<f64>,
    shares: Vec<f64>,
    /// What else a person should know.
    pub(crate) notes: Vec<String>,
    /// What the last round said of itself.
    last: Option<String>,
}

impl Measured {
    /// No round yet.
    pub(crate) const fn new(bench: &Bench) -> Self {
        Self {
            unit: bench.unit,
            target: bench.target,
            ours: Vec::new(),
            peer: Vec::new(),
            shares: Vec::new(),
            notes: Vec::new(),
            last: None,
        }
    }

    /// One more: ours, and the peer's figure beside it.
    pub(crate) fn push(&mut self, ours: Round, peer: f64) {
        self.ours.push(ours.value);
        self.peer.push(peer);
        self.shares.extend(ours.share);
        self.last = ours.note;
    }

    /// Of each round: what else the machine does weighs on both of its figures.
    fn ratios(&self) -> Vec<f64> {
        let rounds = self.ours.iter().zip(&self.peer);
        rounds.map(|(ours, peer)| self.unit.ratio(*ours, *peer)).collect()
    }

    /// Middle, least and largest.
    fn ratio(&self) -> (f64, f64, f64) {
        let ratios = self.ratios();
        let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
        let most = ratios.iter().copied().fold(0.0, f64::max);
        (median(ratios), least, most)
    }

    fn met(&self) -> bool {
        self.ratio().0 >= self.target
    }

    fn json(&self, id: &str) -> Value {
        let (ratio, least, most) = self.ratio();
        json!({
            "id": id,
            "ours": rounded(median(self.ours.clone())),
            "peer": rounded(median(self.peer.clone())),
            "unit": self.unit.as_str(),
            "ratio": rounded(ratio),
            "ratio_min": rounded(least),
            "ratio_max": rounded(most),
            "target": self.target,
            "met": self.met(),
        })
    }

    fn remarks(&self) -> Vec<String> {
        let mut remarks = Vec::new();
        if !self.shares.is_empty() {
            let share = 100.0 * median(self.shares.clone());
            remarks.push(format!("{share:.0} % of the core's f32 FMA peak"));
        }
        remarks.extend(self.notes.clone());
        remarks.extend(self.last.clone());
        remarks
    }
}

/// The middle one, or between the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[half],
        _ => f64::midpoint(values[half - 1], values[half]),
    }
}

/// Four digits: more than the machine's calm gives, few enough to read.
fn rounded(value: f64) -> f64 {
    format!("{value:.3e}").parse().unwrap_or(value)
}

/// A figure with three digits that count, and its unit.
fn figure(value: f64, unit: &str) -> String {
    let digits = match value {
        value if value >= 99.95 => 0,
        value if value >= 9.995 => 1,
        value if value >= 0.9995 => 2,
        _ => 3,
    };
    format!("{value:.digits$} {unit}")
}

/// Outcomes in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Table(Vec<(&'static str, &'static str, Outcome)>);

impl Table {
    /// One more line.
    pub(crate) fn push(&mut self, bench: &Bench, outcome: Outcome) {
        self.0.push((bench.id, bench.what, outcome));
    }

    /// A bench broke off.
    pub(crate) fn has_failed(&self) -> bool {
        self.count(|outcome| matches!(outcome, Outcome::Failed(_))) > 0
    }

    /// What was measured now, in place of what was measured before.
    pub(crate) fn merged(&self, mut before: Vec<Value>) -> Vec<Value> {
        for (id, _, outcome) in &self.0 {
            let Outcome::Measured(measured) = outcome else { continue };
            let now = measured.json(id);
            match before.iter_mut().find(|entry| entry["id"] == **id) {
                Some(entry) => *entry = now,
                None => before.push(now),
            }
        }
        before
    }

    /// The line that ends everything.
    pub(crate) fn line(&self) -> String {
        let met = |wanted: bool| {
            self.count(|outcome| matches!(outcome, Outcome::Measured(measured) if measured.met() == wanted))
        };
        let skipped = self.count(|outcome| matches!(outcome, Outcome::Skipped(_)));
        let failed = self.count(|outcome| matches!(outcome, Outcome::Failed(_)));
        format!(
            "{} met, {} short, {skipped} skipped, {failed} failed",
            met(true),
            met(false)
        )
    }

    fn count(&self, is: impl Fn(&Outcome) -> bool) -> usize {
        self.0.iter().filter(|(_, _, outcome)| is(outcome)).count()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widest = self.0.iter().map(|(_, what, _)| what.chars().count()).max();
        let width = widest.unwrap_or_default().max(4) + 2;
        writeln!(
            f,
            "{:<width$}{:>15}{:>15}{:>8}{:>14}{:>8}",
            "what", "ours", "peer", "ratio", "min–max", "target"
        )?;
        for (_, what, outcome) in &self.0 {
            write!(f, "{what:<width$}")?;
            match outcome {
                Outcome::Measured(measured) => {
                    let (ratio, least, most) = measured.ratio();
                    let unit = measured.unit.as_str();
                    writeln!(
                        f,
                        "{:>15}{:>15}{ratio:>8.2}{:>14}{:>8.2}  {}",
                        figure(median(measured.ours.clone()), unit),
                        figure(median(measured.peer.clone()), unit),
                        format!("{least:.2}–{most:.2}"),
                        measured.target,
                        if measured.met() { "met" } else { "short" }
                    )?;
                    for remark in measured.remarks() {
                        writeln!(f, "    {remark}")?;
                    }
                }
                Outcome::Skipped(reason) => writeln!(f, "skipped: {reason}")?,
                Outcome::Failed(_) => writeln!(f, "FAILED")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use color_eyre::eyre::eyre;

    use super::*;
    use crate::bench::catalogue::BENCHES;

    fn bench(id: &str) -> &'static Bench {
        BENCHES.iter().find(|bench| bench.id == id).unwrap()
    }

    fn measured(id: &str, rounds: &[(f64, f64)]) -> Measured {
        let mut measured = Measured::new(bench(id));
        for (ours, peer) in rounds {
            let round = Round {
                value: *ours,
                peer: None,
                share: None,
                note: None,
            };
            measured.push(round, *peer);
        }
        measured
    }

    #[test]
    fn ratios_are_of_rounds_and_the_middle_one_counts() {
        // The machine was slow in the second round, for both; the medians of the figures would say 1.0.
        let rates = measured("forward_mbv2_224_1t", &[(120.0, 100.0), (60.0, 50.0), (90.0, 60.0)]);
        assert_eq!(rates.ratio(), (1.2, 1.2, 1.5));
        assert!(rates.met());
        let seconds = measured("cached_job_10k", &[(2.0, 1.5), (3.0, 1.5), (1.0, 1.5), (1.5, 1.5)]);
        assert_eq!(seconds.ratio(), (0.875, 0.5, 1.5));
        assert!(!seconds.met());
    }

    #[test]
    fn json_has_every_field_and_merges_by_id() {
        let mut table = Table::default();
        table.push(
            bench("gate_10k"),
            Outcome::Measured(measured("gate_10k", &[(75.06, 150.0)])),
        );
        table.push(bench("warm_clone"), Outcome::Skipped("no reason".to_owned()));
        let before = vec![
            json!({"id": "worker_rss", "ours": 1}),
            json!({"id": "gate_10k", "ours": 2}),
            json!({"id": "warm_clone", "ours": 3}),
        ];
        let merged = table.merged(before);
        let expected = json!({
            "id": "gate_10k", "ours": 75.06, "peer": 150.0, "unit": "ms", "ratio": 1.998, "ratio_min": 1.998,
            "ratio_max": 1.998, "target": 1.0, "met": true,
        });
        assert_eq!(merged[1], expected);
        assert_eq!(
            merged.iter().map(|entry| &entry["id"]).collect::<Vec<_>>(),
            ["worker_rss", "gate_10k", "warm_clone"],
            "what was not measured stays"
        );
        assert_eq!(table.merged(Vec::new()), [expected]);
    }

    #[test]
    fn every_outcome_is_told_and_counted() {
        let mut table = Table::default();
        let mut rates = measured("forward_mbv2_224_1t", &[(100.0, 100.0)]);
        rates.shares.push(0.567);
        rates.notes.push("bound to nothing".to_owned());
        table.push(bench("forward_mbv2_224_1t"), Outcome::Measured(rates));
        table.push(
            bench("cached_job_10k"),
            Outcome::Measured(measured("cached_job_10k", &[(0.75, 1.5)])),
        );
        table.push(
            bench("jpeg_to_feature_torch"),
            Outcome::Skipped("no network".to_owned()),
        );
        table.push(bench("gate_10k"), Outcome::Failed(eyre!("broken")));
        let text = table.to_string();
        let line = |of: &str| text.lines().find(|line| line.contains(of)).unwrap();
        assert!(line("MobileNetV2-1.0-224, one thread").ends_with("1.00     1.00–1.00    1.10  short"));
        assert!(line("57 % of the core's f32 FMA peak").starts_with("    "));
        assert!(line("all cached").contains("0.750 s         1.50 s    2.00"));
        assert!(line("torchvision").ends_with("skipped: no network"));
        assert!(line("bootstrap").ends_with("FAILED"));
        assert_eq!(table.line(), "1 met, 1 short, 1 skipped, 1 failed");
        assert!(table.has_failed());
    }

    #[test]
    fn figures_have_three_digits() {
        let texts = [0.0421, 0.9996, 1.234, 9.996, 12.34, 99.96, 168.4].map(|value| figure(value, "s"));
        assert_eq!(
            texts,
            ["0.042 s", "1.00 s", "1.23 s", "10.0 s", "12.3 s", "100 s", "168 s"]
        );
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
