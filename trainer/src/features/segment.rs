//! The file format of cached rows: append-only, self-describing, and named by its own checksum.
//!
//! 64 bytes of header (magic, version, numbers per row, rows, zeros), the images' digests, zeros up to a multiple of 64,
//! the rows as little-endian f16, and the BLAKE3 digest of everything before, which is also the segment's name.

use bytes::Bytes;
use domain::ids::Digest;
use half::f16;
use half::slice::HalfFloatSliceExt;

const MAGIC: &[u8; 8] = b"RHFEATS\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;

/// Why a segment cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SegmentError {
    #[error("it is too short to be a segment")]
    TooShort,
    #[error("its checksum is not its name")]
    Checksum,
    #[error("it is not a segment of this version")]
    Format,
    #[error("it holds rows of another length")]
    Dim,
}

/// A segment whose checksum was verified.
pub(super) struct Segment<'a> {
    dim: usize,
    keys: &'a [[u8; DIGEST_BYTES]],
    rows: &'a [u8],
}

/// Where the rows begin.
const fn rows_at(n: usize) -> usize {
    (HEADER_BYTES + n * DIGEST_BYTES).next_multiple_of(64)
}

/// A segment of these rows, and its name. Rows are put in the order of their images.
pub(super) fn encode(dim: usize, rows: &mut [(Digest, Vec<f16>)]) -> (Digest, Bytes) {
    rows.sort_by_key(|(image, _)| *image);
    let count = |n: usize| u32::try_from(n).expect("a segment has a few hundred rows of a few thousand numbers");
    let mut bytes = Vec::with_capacity(rows_at(rows.len()) + rows.len() * dim * 2 + DIGEST_BYTES);
    bytes.extend_from_slice(MAGIC);
    for number in [VERSION, count(dim), count(rows.len())] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.resize(HEADER_BYTES, 0);
    for (image, _) in rows.iter() {
        bytes.extend_from_slice(image.as_bytes());
    }
    bytes.resize(rows_at(rows.len()), 0);
    for (_, row) in rows.iter() {
        debug_assert_eq!(row.len(), dim);
        for value in row {
            bytes.extend_from_slice(&value.to_le_bytes());
        }
    }
    let name = Digest::of(&bytes);
    bytes.extend_from_slice(name.as_bytes());
    (name, bytes.into())
}

/// Verify a segment that is called `name` and should hold rows of `dim` numbers.
pub(super) fn decode<'a>(name: &str, dim: usize, bytes: &'a [u8]) -> Result<Segment<'a>, SegmentError> {
    let (content, checksum) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(SegmentError::TooShort)?;
    let digest = Digest::of(content);
    if digest.as_bytes() != checksum || digest.to_string() != name {
        return Err(SegmentError::Checksum);
    }
    let header = content.get(..HEADER_BYTES).ok_or(SegmentError::TooShort)?;
    let number = |at: usize| {
        let bytes = header[at..].first_chunk().expect("the header is longer");
        u32::from_le_bytes(*bytes)
    };
    if &header[..8] != MAGIC || number(8) != VERSION {
        return Err(SegmentError::Format);
    }
    if number(12) as usize != dim {
        return Err(SegmentError::Dim);
    }
    let n = number(16) as usize;
    let rows = content.get(rows_at(n)..).ok_or(SegmentError::Format)?;
    if rows.len() != n * dim * 2 {
        return Err(SegmentError::Format);
    }
    let (keys, _) = content[HEADER_BYTES..HEADER_BYTES + n * DIGEST_BYTES].as_chunks();
    Ok(Segment { dim, keys, rows })
}

impl Segment<'_> {
    /// The images, each with the index of its row.
    pub(super) fn images(&self) -> impl Iterator<Item = (Digest, usize)> {
        self.keys
            .iter()
            .enumerate()
            .map(|(index, key)| (Digest::from_bytes(*key), index))
    }

    /// Copy a row.
    pub(super) fn read_row(&self, index: usize, halves: &mut [f16], out: &mut [f32]) {
        let bytes = &self.rows[index * self.dim * 2..][..self.dim * 2];
        for (half, word) in halves.iter_mut().zip(bytes.as_chunks::<2>().0) {
            *half = f16::from_le_bytes(*word);
        }
        halves.convert_to_f32_slice(out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(n: u8) -> Vec<(Digest, Vec<f16>)> {
        let row = |i: u8| {
            (
                Digest::of(&[i]),
                vec![f16::from_f32(f32::from(i)), f16::from_f32(-0.5), f16::MAX],
            )
        };
        (0..n).map(row).collect()
    }

    #[test]
    fn rows_come_back_in_the_order_of_their_images() {
        for n in [0, 1, 5, 255] {
            let (name, bytes) = encode(3, &mut rows(n));
            let mut turned = rows(n);
            turned.reverse();
            assert_eq!(encode(3, &mut turned), (name, bytes.clone()), "order does not matter");
            let segment = decode(&name.to_string(), 3, &bytes).unwrap();
            let images: Vec<_> = segment.images().collect();
            assert!(images.is_sorted() && images.len() == usize::from(n));
            for (image, index) in images {
                let (mut halves, mut row) = ([f16::ZERO; 3], [0.0; 3]);
                segment.read_row(index, &mut halves, &mut row);
                assert_eq!(Digest::of(&[row[0] as u8]), image);
                assert_eq!(row[1..], [-0.5, 65504.0]);
            }
        }
    }

    #[test]
    fn no_damage_goes_unseen() {
        let (name, bytes) = encode(3, &mut rows(9));
        let name = name.to_string();
        for end in 0..bytes.len() {
            assert!(decode(&name, 3, &bytes[..end]).is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x10;
            assert!(decode(&name, 3, &damaged).is_err(), "bit flipped at {at}");
        }
        assert_eq!(decode(&name, 4, &bytes).err(), Some(SegmentError::Dim));
        assert_eq!(
            decode(&"0".repeat(64), 3, &bytes).err(),
            Some(SegmentError::Checksum),
            "another's name"
        );
        // A valid checksum over nonsense is still no segment.
        for content in [
            vec![7; 100],
            vec![7; 10],
            [&MAGIC[..], &1_u32.to_le_bytes(), &[3, 0, 0, 0], &[255; 48]].concat(),
        ] {
            let digest = Digest::of(&content);
            let bytes = [&content[..], digest.as_bytes()].concat();
            assert!(decode(&digest.to_string(), 3, &bytes).is_err());
        }
    }
}
