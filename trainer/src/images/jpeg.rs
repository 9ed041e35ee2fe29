//! Whether a JPEG file is whole, which the decoder does not say.
//!
//! Markers as in ITU-T T.81, annex B: <https://www.w3.org/Graphics/JPEG/itu-t81.pdf>.

const START: u8 = 0xD8;
const END: u8 = 0xD9;
const SCAN: u8 = 0xDA;

/// The file's own end marker follows its scans. Embedded thumbnails, which end with the same marker, are skipped with the
/// segments they stand in; what follows the end is nobody's business.
pub(super) fn reaches_its_end(bytes: &[u8]) -> bool {
    let mut at = match bytes {
        [0xFF, START, ..] => 2,
        _ => return false,
    };
    // A scan must have come first: an end right behind the headers is an image without pixels.
    let mut scanned = false;
    loop {
        let Some((marker, after)) = next_marker(bytes, at) else {
            return false;
        };
        match marker {
            END => return scanned,
            // Restart markers, TEM and the start stand alone.
            0xD0..=0xD7 | 0x01 | START => at = after,
            _ => {
                let Some([high, low]) = bytes.get(after..after + 2) else {
                    return false;
                };
                scanned |= marker == SCAN;
                at = after + usize::from(u16::from_be_bytes([*high, *low])).max(2);
            }
        }
    }
}

/// Whether its pixels come in several scans, each a little sharper. Looks at the headers alone.
pub(super) fn is_progressive(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some((marker, after)) = next_marker(bytes, at) {
        match marker {
            // The frame headers of sequential images; then those of progressive ones.
            0xC0 | 0xC1 | 0xC3 | SCAN | END => return false,
            0xC2 | 0xC6 | 0xCA | 0xCE => return true,
            0xD0..=0xD7 | 0x01 | START => at = after,
            _ => {
                let Some([high, low]) = bytes.get(after..after + 2) else {
                    return false;
                };
                at = after + usize::from(u16::from_be_bytes([*high, *low])).max(2);
            }
        }
    }
    false
}

/// The next marker from `at` on, and where it ends. Entropy-coded data, in which 0xFF is followed by 0, is passed over.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<(u8, usize)> {
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0xFF)? + 1;
        match *bytes.get(at)? {
            0 => at += 1,
            // A fill byte: the marker's code is still to come.
            0xFF => {}
            marker => return Some((marker, at + 1)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frame_header_says_whether_it_is_progressive() {
        let table = [0xFF, 0xC4, 0, 4, 0xFF, 0xC2];
        for (marker, expected) in [(0xC0, false), (0xC1, false), (0xC2, true)] {
            let bytes = [&[0xFF, 0xD8][..], &table, &[0xFF, marker, 0, 2]].concat();
            assert_eq!(is_progressive(&bytes), expected, "{marker:x}");
            assert!(!is_progressive(&bytes[..9]), "cut off");
        }
    }

    #[test]
    fn only_a_whole_file_reaches_its_end() {
        let thumbnail = [0xFF, 0xE1, 0, 6, 0xFF, 0xD8, 0xFF, 0xD9];
        let scan = [0xFF, 0xDA, 0, 3, 1, 7, 0xFF, 0, 0xFF, 0xD0, 9];
        let whole = [&[0xFF, 0xD8][..], &thumbnail, &scan, &[0xFF, 0xFF, 0xD9]].concat();
        assert!(reaches_its_end(&whole));
        for end in 0..whole.len() {
            assert!(!reaches_its_end(&whole[..end]), "cut at {end}");
        }
        assert!(reaches_its_end(&[&whole[..], b"a video, says the phone"].concat()));
        assert!(!reaches_its_end(&[0xFF, 0xD8, 0xFF, 0xD9]), "no scan");
        assert!(!reaches_its_end(b"\x89PNG\r\n\x1a\n"));
    }
}
