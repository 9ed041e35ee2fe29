//! Counts what test programs print: the standard harness and the runner of the stories.

use std::ops::AddAssign;

/// Tests by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Passed.
    pub(crate) passed: u64,
    /// Failed.
    pub(crate) failed: u64,
    /// Not run, or not run to the end, for a reason that was printed.
    pub(crate) skipped: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, more: Self) {
        self.passed += more.passed;
        self.failed += more.failed;
        self.skipped += more.skipped;
    }
}

impl Tally {
    /// What one line of output adds.
    ///
    /// Three forms count: the harness's `test result: ok. 3 passed; 0 failed; 1 ignored; …`, the stories' `16 cases, 0
    /// failed, 2 skipped, 80.1 s`, and `skipped: WHAT (WHY)`, which stands for the skipped cases of the second.
    pub(crate) fn of(line: &str) -> Self {
        let line = line.trim_end();
        if line.starts_with("skipped: ") {
            return Self {
                skipped: 1,
                ..Self::default()
            };
        }
        if let Some(result) = line.strip_prefix("test result: ") {
            let number = |word: &str| before(result, word).unwrap_or(0);
            return Self {
                passed: number(" passed"),
                failed: number(" failed"),
                skipped: number(" ignored"),
            };
        }
        let cases = || {
            let (n, rest) = line.split_once(" cases, ")?;
            let failed = before(rest, " failed")?;
            let skipped = before(rest, " skipped")?;
            Some(Self {
                passed: n.parse::<u64>().ok()?.saturating_sub(failed + skipped),
                failed,
                skipped: 0,
            })
        };
        cases().unwrap_or_default()
    }

    /// The line that ends everything.
    pub(crate) fn line(self) -> String {
        format!(
            "{} passed, {} failed, {} skipped",
            self.passed, self.failed, self.skipped
        )
    }
}

/// The number that stands before a word.
fn before(text: &str, word: &str) -> Option<u64> {
    let (head, _) = text.split_once(word)?;
    head.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_counted_once() {
        let output = "\
running 3 tests
test a ... ok
test result: ok. 30 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s
test result: FAILED. 7 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s
skipped: queue: contract on postgres (no Postgres on this machine)
ok       story: on sqlite                                  12.1 s
16 cases, 1 failed, 1 skipped, 80.1 s
somebody skipped: a line
in 3 cases, 4 failed
";
        let mut tally = Tally::default();
        for line in output.lines() {
            tally += Tally::of(line);
        }
        assert_eq!(tally.line(), "51 passed, 3 failed, 2 skipped");
    }
}
