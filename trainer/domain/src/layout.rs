//! What the place of a file in an upload says about it: its class, its split, and whether it is a photo at all. The page
//! and the command line read folders by the same rules.

use crate::dataset::Split;

/// What a file's extension says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A photo, or something that the server shall judge.
    Photo,
    /// A list, a note, something the system left behind.
    Sidecar,
    /// An archive.
    Archive,
}

/// Judges a file by its path, components separated by `/`.
#[must_use]
pub fn kind(path: &str) -> Kind {
    let mut components = path.split('/');
    let hidden = |name: &str| name.starts_with('.') || name == "__MACOSX" || name == "@eaDir";
    if components.any(hidden) {
        return Kind::Sidecar;
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let extension = file
        .rsplit_once('.')
        .map(|(_, extension)| extension.to_ascii_lowercase());
    match extension.as_deref() {
        Some(
            "csv" | "tsv" | "txt" | "json" | "jsonl" | "md" | "xml" | "yaml" | "yml" | "html" | "ini" | "db" | "log",
        ) => Kind::Sidecar,
        Some("zip" | "tar" | "gz" | "tgz" | "bz2" | "xz" | "zst" | "7z" | "rar") => Kind::Archive,
        _ => Kind::Photo,
    }
}

/// Class and split that a file's folders name: the class is the nearest folder that is no split, the split the nearest
/// that is one.
#[must_use]
pub fn place(folders: &[&str]) -> (Option<String>, Option<Split>) {
    let class = folders.iter().rev().find(|name| Split::from_folder(name).is_none());
    let split = folders.iter().rev().find_map(|name| Split::from_folder(name));
    (class.map(|name| (*name).to_owned()), split)
}

/// The longest name that the server takes, in characters.
const MAX_NAME_CHARS: usize = 1_000;

/// A file's name as it may be shown to people and sent: nothing in it moves a cursor, breaks a line or has no end.
#[must_use]
pub fn shown(name: &str) -> String {
    let visible = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    name.chars().take(MAX_NAME_CHARS).map(visible).collect()
}

/// Whether a name from an archive stays inside the folder it would be unpacked to. Stricter than it need be: no honest
/// archiver writes any of these.
#[must_use]
pub fn is_hostile(name: &str) -> bool {
    let drive = name.as_bytes().get(1) == Some(&b':');
    name.starts_with('/')
        || drive
        || name.contains(['\\', '\0'])
        || name
            .trim_end_matches('/')
            .split('/')
            .any(|part| part.is_empty() || part == "." || part == "..")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_class_and_split() {
        let cases: [(&[&str], Option<&str>, Option<Split>); 6] = [
            (&["train", "fu"], Some("fu"), Some(Split::Train)),
            (&["photos", "val", "fu"], Some("fu"), Some(Split::Calibration)),
            (&["fu", "test"], Some("fu"), Some(Split::Sealed)),
            (&["fu"], Some("fu"), None),
            (&["sealed"], None, Some(Split::Sealed)),
            (&[], None, None),
        ];
        for (folders, class, split) in cases {
            assert_eq!(place(folders), (class.map(str::to_owned), split), "{folders:?}");
        }
    }

    #[test]
    fn names_that_leave_their_folder_are_hostile() {
        for name in [
            "../../etc/passwd",
            "/etc/passwd",
            "a/../b",
            "C:/x",
            "a\\b",
            "a//b",
            "./a",
            "a\0b",
            "",
        ] {
            assert!(is_hostile(name), "{name:?}");
        }
        for name in ["fu/1.jpg", "train/福/照片.jpg", "a..b/c.jpg", "fu/"] {
            assert!(!is_hostile(name), "{name:?}");
        }
    }

    #[test]
    fn names_are_shown_without_what_a_terminal_obeys() {
        assert_eq!(shown("fu/\x1b[2J\n1.jpg"), "fu/\u{fffd}[2J\u{fffd}1.jpg");
        assert_eq!(shown(&"福".repeat(5_000)).chars().count(), MAX_NAME_CHARS);
    }

    #[test]
    fn only_what_can_be_a_photo_is_sent() {
        let cases = [
            ("train/fu/1.jpg", Kind::Photo),
            ("fu/IMG_0001", Kind::Photo),
            ("manifest.csv", Kind::Sidecar),
            ("__MACOSX/fu/._1.jpg", Kind::Sidecar),
            ("fu/.DS_Store", Kind::Sidecar),
            ("fu/more.ZIP", Kind::Archive),
        ];
        for (path, expected) in cases {
            assert_eq!(kind(path), expected, "{path}");
        }
    }
}
