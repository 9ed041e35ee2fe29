//! Invariants of the house that the compiler does not check, checked on the sources.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;
use walkdir::WalkDir;

use crate::process::root;

/// Rust sources of the workspace, paths below the root.
fn sources() -> Vec<(String, String)> {
    let root = root();
    let mut sources = Vec::new();
    for folder in ["app", "server", "tests", "trainer", "xtask"] {
        for entry in WalkDir::new(root.join(folder)).sort_by_file_name() {
            let entry = entry.unwrap();
            if entry.path().extension().is_some_and(|ext| ext == "rs") {
                let name = below(&root, entry.path());
                sources.push((name, fs::read_to_string(entry.path()).unwrap()));
            }
        }
    }
    assert!(
        sources.len() > 20,
        "the workspace's sources are not at {}",
        root.display()
    );
    sources
}

fn below(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap().to_string_lossy().into_owned()
}

#[test]
fn only_the_database_layer_holds_sql() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        if name.starts_with("server/src/db/") || name == "server/src/db.rs" || name == "xtask/src/invariants.rs" {
            continue;
        }
        found.extend(
            strings(&text)
                .into_iter()
                .filter(|string| is_sql(string))
                .map(|string| format!("{name}: {string}")),
        );
    }
    assert!(found.is_empty(), "SQL outside server/src/db:\n{}", found.join("\n"));
}

#[test]
fn only_the_key_type_builds_object_paths() {
    let found: Vec<String> = sources()
        .into_iter()
        .filter(|(name, _)| name != "trainer/src/artifacts.rs" && name != "xtask/src/invariants.rs")
        .filter(|(_, text)| text.contains("object_store::path::Path") || imports_object_path(text))
        .map(|(name, _)| name)
        .collect();
    assert!(found.is_empty(), "object paths are made in {found:?}");
}

/// `use object_store::{…, path::Path, …}`, over any number of lines.
fn imports_object_path(text: &str) -> bool {
    text.split("object_store::{")
        .skip(1)
        .filter_map(|rest| rest.split(';').next())
        .any(|list| list.contains("path::Path") || list.contains("path::{"))
}

#[test]
fn crates_know_only_what_is_theirs() {
    let web = ["axum", "reqwest", "sqlx", "tower-http", "leptos_axum"];
    let tensors = ["candle-core", "candle-nn"];
    let apart = [
        (
            "app",
            [web.as_slice(), &tensors, &["trainer", "server", "tokio"]].concat(),
        ),
        ("server", tensors.to_vec()),
        ("tests", tensors.to_vec()),
        ("trainer", [web.as_slice(), &["leptos", "app", "server"]].concat()),
        (
            "trainer/domain",
            [
                web.as_slice(),
                &tensors,
                &["engine", "trainer", "tokio", "object_store"],
            ]
            .concat(),
        ),
        (
            "trainer/engine",
            [web.as_slice(), &tensors, &["trainer", "tokio", "object_store", "image"]].concat(),
        ),
        (
            "xtask",
            [web.as_slice(), &tensors, &["server", "trainer", "app"]].concat(),
        ),
    ];
    for (folder, forbidden) in apart {
        let manifest = fs::read_to_string(root().join(folder).join("Cargo.toml")).unwrap();
        for name in dependencies(&manifest) {
            assert!(
                !forbidden.contains(&name.as_str()),
                "{folder} must not depend on {name}"
            );
        }
    }
}

/// Names under `[dependencies]`, also of a target; not those that only tests use.
fn dependencies(manifest: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim_end().ends_with("dependencies]") && !line.contains("dev-dependencies");
        } else if inside && let Some(name) = line.split(['.', ' ', '=']).next().filter(|name| !name.is_empty()) {
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn every_language_has_every_text() {
    let keys = |language: &str| {
        let path = root().join(format!("app/locales/{language}.json"));
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut keys = BTreeSet::new();
        collect_keys(&serde_json::from_str(&text).unwrap(), "", &mut keys);
        keys
    };
    let (en, zh) = (keys("en"), keys("zh"));
    let apart: Vec<&String> = en.symmetric_difference(&zh).collect();
    assert!(apart.is_empty(), "in one of en and zh only: {apart:?}");
    assert!(!en.is_empty());
}

fn collect_keys(value: &Value, path: &str, keys: &mut BTreeSet<String>) {
    let Some(object) = value.as_object() else {
        keys.insert(path.to_owned());
        return;
    };
    for (key, value) in object {
        collect_keys(value, &format!("{path}.{key}"), keys);
    }
}

fn is_sql(string: &str) -> bool {
    let begins = |word: &str| string.match_indices(word).any(|(at, _)| stands_alone(string, at));
    begins("SELECT ")
        || begins("INSERT INTO")
        || begins("DELETE FROM")
        || string
            .match_indices("UPDATE ")
            .any(|(at, _)| stands_alone(string, at) && string[at..].contains(" SET "))
}

/// Nothing that belongs to a longer word is before it.
fn stands_alone(string: &str, at: usize) -> bool {
    !string[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

/// The string literals of a Rust source, without those in comments; escapes are left as they are.
fn strings(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    let mut word_before = false;
    while let Some(c) = rest.chars().next() {
        let raw = (c == 'r' && !word_before).then(|| raw_string(rest)).flatten();
        rest = if rest.starts_with("//") {
            rest.split_once('\n').map_or("", |(_, after)| after)
        } else if rest.starts_with("/*") {
            rest.split_once("*/").map_or("", |(_, after)| after)
        } else if let Some((string, after)) = raw {
            found.push(string.to_owned());
            after
        } else if c == '"' {
            let (string, after) = quoted(&rest[1..]);
            found.push(string.to_owned());
            after
        } else if c == '\'' {
            after_quote(rest)
        } else {
            &rest[c.len_utf8()..]
        };
        // `br"…"` is raw too; the `r` of `for` is not.
        word_before = c != 'b' && (c.is_alphanumeric() || c == '_');
    }
    found
}

/// Up to the quote that is not escaped, and what follows.
fn quoted(text: &str) -> (&str, &str) {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return (&text[..at], &text[at + 1..]),
            _ => {}
        }
    }
    (text, "")
}

/// `r"…"`, `r#"…"#`, …
fn raw_string(text: &str) -> Option<(&str, &str)> {
    let hashes = text[1..].len() - text[1..].trim_start_matches('#').len();
    let body = text[1 + hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    body.split_once(&end)
}

/// After a character literal, or after the quote of a lifetime.
fn after_quote(text: &str) -> &str {
    let inner = &text[1..];
    if let Some(escape) = inner.strip_prefix('\\') {
        let skip = escape.chars().next().map_or(0, char::len_utf8);
        return escape[skip..].split_once('\'').map_or("", |(_, after)| after);
    }
    let Some(c) = inner.chars().next() else { return "" };
    inner[c.len_utf8()..].strip_prefix('\'').unwrap_or(inner)
}

#[test]
fn the_scanner_sees_strings_and_nothing_else() {
    let source = r####"
        // "SELECT in a comment"
        /* "another" */
        let quote = '"'; let escaped = '\''; let newline = '\u{a}';
        fn f<'a>(x: &'a str) -> &'a str { "one \" two" }
        let raw = r#"raw "quoted" text"#; let bytes = br"raw bytes"; let after = "last";
    "####;
    assert_eq!(
        strings(source),
        [r#"one \" two"#, r#"raw "quoted" text"#, "raw bytes", "last"]
    );
}

#[test]
fn sql_is_told_from_prose() {
    for sql in [
        "SELECT id FROM jobs",
        "WITH x AS (SELECT 1)",
        "INSERT INTO jobs VALUES ($1)",
        "UPDATE jobs SET state = $1",
        "DELETE FROM jobs",
    ] {
        assert!(is_sql(sql), "{sql}");
    }
    for prose in ["select a file", "UPDATE available", "DESELECT all", "nothing"] {
        assert!(!is_sql(prose), "{prose}");
    }
}

#[test]
fn dependencies_are_read_from_a_manifest() {
    let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nserde.workspace = true\naxum = \"1\"\n\n[dev-dependencies]\nsqlx = \"1\"\n\n[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n";
    assert_eq!(dependencies(manifest), ["serde", "axum", "libc"]);
}

#[test]
fn imports_of_object_paths_are_seen() {
    assert!(imports_object_path(
        "use object_store::{\n    ObjectStore,\n    path::Path,\n};"
    ));
    assert!(!imports_object_path(
        "use object_store::{ObjectStore, ObjectStoreExt};\nuse std::path::Path;"
    ));
}
