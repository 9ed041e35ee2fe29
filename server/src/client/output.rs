//! What is printed, and where: answers on standard output, everything else on standard error.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::Duration;

use domain::gate::verdict::VerdictState;
use serde::Serialize;
use tokio::time::Instant;

use super::error::ClientError;

/// Where a command's words go.
#[derive(Debug)]
pub(crate) struct Output {
    /// One JSON document instead of text.
    pub(crate) json: bool,
    colour: bool,
    progress: Option<Mutex<ProgressLine>>,
}

/// The line at the foot of a terminal that is written over.
#[derive(Debug, Default)]
struct ProgressLine {
    shown: bool,
    last: Option<Instant>,
}

/// The line is written at most this often.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

impl Output {
    /// Colours and moving lines only where a terminal shows them.
    pub(crate) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some();
        Self {
            json,
            colour: !json && !plain && std::io::stdout().is_terminal(),
            progress: std::io::stderr().is_terminal().then(Mutex::default),
        }
    }

    /// An answer for people, on standard output.
    pub(crate) fn line(&self, text: &str) {
        self.clear_progress();
        // A reader that closed the pipe has read enough.
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Something to know beside the answer, on standard error.
    pub(crate) fn note(&self, text: &str) {
        self.clear_progress();
        let _ = writeln!(std::io::stderr(), "{text}");
    }

    /// A step of something long: part of the answer for people, beside the answer for programs.
    pub(crate) fn step(&self, text: &str) {
        if self.json { self.note(text) } else { self.line(text) }
    }

    /// The answer for programs.
    pub(crate) fn document<T: Serialize>(&self, value: &T) {
        self.clear_progress();
        let text = serde_json::to_string_pretty(value).expect("answers serialise to JSON");
        let _ = writeln!(std::io::stdout(), "{text}");
    }

    /// Bytes as they came, on standard output.
    pub(crate) fn raw(&self, bytes: &[u8]) {
        self.clear_progress();
        let mut out = std::io::stdout();
        let _ = out.write_all(bytes).and_then(|()| out.write_all(b"\n"));
    }

    /// The line at the foot of the terminal; nothing where standard error is no terminal.
    pub(crate) fn progress(&self, text: impl FnOnce() -> String) {
        let Some(line) = &self.progress else { return };
        let Ok(mut line) = line.lock() else { return };
        let now = Instant::now();
        if line.last.is_some_and(|last| now - last < PROGRESS_INTERVAL) {
            return;
        }
        line.last = Some(now);
        line.shown = true;
        let mut err = std::io::stderr();
        let _ = write!(err, "\r\x1b[2K{}", text()).and_then(|()| err.flush());
    }

    /// Takes the moving line away.
    pub(crate) fn clear_progress(&self) {
        let Some(line) = &self.progress else { return };
        let Ok(mut line) = line.lock() else { return };
        if std::mem::take(&mut line.shown) {
            let mut err = std::io::stderr();
            let _ = write!(err, "\r\x1b[2K").and_then(|()| err.flush());
        }
        line.last = None;
    }

    /// An error, as a sentence or as JSON.
    pub(super) fn error(&self, error: &ClientError) {
        self.clear_progress();
        if self.json {
            let text = serde_json::to_string(&error.to_problem()).expect("a problem serialises to JSON");
            let _ = writeln!(std::io::stderr(), "{text}");
        } else {
            let _ = writeln!(std::io::stderr(), "error: {error}");
        }
    }

    /// A verdict's word, in its colour.
    pub(crate) fn verdict(&self, state: VerdictState) -> String {
        let code = match state {
            VerdictState::Pass => "32",
            VerdictState::Fail => "31",
            VerdictState::Unproven => "33",
        };
        if self.colour {
            format!("\x1b[{code}m{}\x1b[0m", state.as_str())
        } else {
            state.as_str().to_owned()
        }
    }

    /// A table for people.
    pub(crate) fn table(&self, header: &[&str], rows: &[Vec<String>]) {
        for line in layout(header, rows) {
            self.line(&line);
        }
    }
}

/// A table's lines: columns two spaces apart, numbers to the right.
fn layout(header: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let n_columns = header.len();
    let cell_width = |text: &str| width(text);
    let mut widths: Vec<usize> = header.iter().map(|text| cell_width(text)).collect();
    let mut numeric = vec![!rows.is_empty(); n_columns];
    for row in rows {
        for (idx, cell) in row.iter().enumerate().take(n_columns) {
            widths[idx] = widths[idx].max(cell_width(cell));
            numeric[idx] &= is_number(cell);
        }
    }
    let head: Vec<String> = header.iter().map(|text| (*text).to_owned()).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().enumerate().take(n_columns).map(|(idx, cell)| {
            let pad = " ".repeat(widths[idx] - cell_width(cell));
            if numeric[idx] {
                format!("{pad}{cell}")
            } else {
                format!("{cell}{pad}")
            }
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    std::iter::once(&head).chain(rows).map(line).collect()
}

/// `12`, `4.2 %`, `3 of 93`, `–`; ids and dates begin like numbers and are none.
fn is_number(cell: &str) -> bool {
    let mut chars = cell.chars();
    chars
        .next()
        .is_none_or(|c| c.is_ascii_digit() || matches!(c, '-' | '–'))
        && !chars.any(|c| matches!(c, '-' | ':'))
}

/// Columns that a terminal uses for a text: colour codes none, ideographs two.
fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\x1b' {
            chars.by_ref().find(|c| *c == 'm');
        } else {
            columns += if matches!(c, '\u{1100}'..='\u{115f}' | '\u{2e80}'..='\u{a4cf}' | '\u{ac00}'..='\u{d7a3}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe6f}' | '\u{ff00}'..='\u{ff60}' | '\u{ffe0}'..='\u{ffe6}')
            {
                2
            } else {
                1
            };
        }
    }
    columns
}

/// `12.3 MB`.
pub(crate) fn bytes(size_bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
    let size = size_bytes as f64;
    match size_bytes {
        ..1_000 => format!("{size_bytes} B"),
        1_000..1_000_000 => format!("{:.1} KB", size / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", size / 1e6),
        _ => format!("{:.2} GB", size / 1e9),
    }
}

/// `1 image`, `2 images`.
pub(crate) fn count(n: usize, one: &str) -> String {
    let ending = match (n, one.ends_with('s')) {
        (1, _) => "",
        (_, true) => "es",
        (_, false) => "s",
    };
    format!("{n} {one}{ending}")
}

/// `93.9 %`, or a dash where there is nothing to show.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "–".to_owned(), |share| format!("{:.1} %", share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_each_other_in_every_script() {
        for (cell, expected) in [
            ("12", true),
            ("–", true),
            ("4.2 %", true),
            ("2026-11-24", false),
            ("01a2-9f", false),
        ] {
            assert_eq!(is_number(cell), expected, "{cell}");
        }
        let rows = vec![
            vec!["福".to_owned(), "12".to_owned(), "\x1b[32mpass\x1b[0m".to_owned()],
            vec!["fu-ma".to_owned(), "3".to_owned(), "fail".to_owned()],
        ];
        let lines = layout(&["class", "images", "verdict"], &rows);
        assert_eq!(
            lines,
            [
                "class  images  verdict",
                "福         12  \x1b[32mpass\x1b[0m",
                "fu-ma       3  fail"
            ]
        );
    }

    #[test]
    fn sizes_and_shares_have_few_digits() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(27_300_000), "27.3 MB");
        assert_eq!(percent(Some(0.9388)), "93.9 %");
        assert_eq!(percent(None), "–");
        assert_eq!(
            (count(1, "class"), count(0, "photo")),
            ("1 class".to_owned(), "0 photos".to_owned())
        );
        assert_eq!(count(2, "class"), "2 classes");
    }
}
