//! The file format of cached rows: immutable, self-describing, and named by its own checksum.
//!
//! 64 bytes of header (magic, version, numbers per row, rows, bytes per number, zeros), the images' digests in order, zeros
//! up to a multiple of 64, the rows, little-endian, and the BLAKE3 digest of everything before, which is also the segment's
//! name. Zero bytes per number, as in files before logits were kept, means two.

use bytes::Bytes;
use domain::ids::Digest;

const MAGIC: &[u8; 8] = b"RHFEATS\0";
const VERSION: u32 = 1;
const HEADER_BYTES: usize = 64;
const DIGEST_BYTES: usize = 32;

// Rows are read where they lie.
const _: () = assert!(cfg!(target_endian = "little"), "segments are little-endian");

/// Why a segment cannot be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SegmentError {
    /// Cut off.
    #[error("it is too short to be a segment")]
    TooShort,
    /// Damaged.
    #[error("its checksum is not its name")]
    Checksum,
    /// Whole, but not what this program writes.
    #[error("it is not a segment of this version")]
    Format,
    /// Of another space.
    #[error("it holds rows of another length")]
    Width,
}

/// A number that rows are made of.
pub(super) trait Number: bytemuck::Pod {}
impl Number for half::f16 {}
impl Number for f64 {}

/// A segment whose checksum was verified. Cheap to clone: clones share the bytes, mapped or not.
#[derive(Clone, Debug)]
pub(super) struct Segment {
    bytes: Bytes,
    n: usize,
    dim: usize,
    number_bytes: usize,
}

/// Where the rows begin.
const fn rows_at(n: usize) -> usize {
    (HEADER_BYTES + n * DIGEST_BYTES).next_multiple_of(64)
}

/// A segment of these rows of `dim` numbers, and its name. The images are in order, each is there once.
pub(super) fn encode<T: Number>(dim: usize, rows: &[(Digest, &[T])]) -> (Digest, Bytes) {
    let rows: Vec<(Digest, &[u8])> = rows
        .iter()
        .map(|(image, row)| (*image, bytemuck::cast_slice(row)))
        .collect();
    encode_raw((dim, size_of::<T>()), &rows)
}

/// The same of the bytes of rows: so many numbers a row, so many bytes a number.
pub(super) fn encode_raw((dim, number_bytes): (usize, usize), rows: &[(Digest, &[u8])]) -> (Digest, Bytes) {
    debug_assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
    let count = |n: usize| u32::try_from(n).expect("a segment has a few thousand rows of a few thousand numbers");
    let mut bytes = Vec::with_capacity(rows_at(rows.len()) + rows.len() * dim * number_bytes + DIGEST_BYTES);
    bytes.extend_from_slice(MAGIC);
    for number in [VERSION, count(dim), count(rows.len()), count(number_bytes)] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.resize(HEADER_BYTES, 0);
    for (image, _) in rows {
        bytes.extend_from_slice(image.as_bytes());
    }
    bytes.resize(rows_at(rows.len()), 0);
    for (_, row) in rows {
        debug_assert_eq!(row.len(), dim * number_bytes);
        bytes.extend_from_slice(row);
    }
    let name = Digest::of(&bytes);
    bytes.extend_from_slice(name.as_bytes());
    (name, bytes.into())
}

/// Compare a segment's bytes with its name.
pub(super) fn verify(name: &Digest, bytes: &[u8]) -> Result<(), SegmentError> {
    let (content, checksum) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(SegmentError::TooShort)?;
    let digest = Digest::of(content);
    if digest.as_bytes() == checksum && digest == *name {
        Ok(())
    } else {
        Err(SegmentError::Checksum)
    }
}

impl Segment {
    /// The rows of a segment whose checksum is known to be right.
    pub(super) fn new(bytes: Bytes) -> Result<Self, SegmentError> {
        let header = bytes.get(..HEADER_BYTES).ok_or(SegmentError::TooShort)?;
        let number = |at: usize| {
            let bytes = header[at..].first_chunk().expect("the header is longer");
            u32::from_le_bytes(*bytes) as usize
        };
        if &header[..8] != MAGIC || number(8) != VERSION as usize {
            return Err(SegmentError::Format);
        }
        let (dim, n) = (number(12), number(16));
        let number_bytes = if number(20) == 0 { 2 } else { number(20) };
        let expected = n
            .checked_mul(dim * number_bytes)
            .and_then(|rows| rows.checked_add(rows_at(n) + DIGEST_BYTES));
        if expected != Some(bytes.len()) || !matches!(number_bytes, 2 | 8) {
            return Err(SegmentError::Format);
        }
        let segment = Self {
            bytes,
            n,
            dim,
            number_bytes,
        };
        if segment.keys().is_sorted_by(|a, b| a < b) {
            Ok(segment)
        } else {
            Err(SegmentError::Format)
        }
    }

    /// Whether its rows are of `dim` numbers of so many bytes, and lie in memory as such numbers need it.
    pub(super) fn check(&self, dim: usize, number_bytes: usize) -> Result<(), SegmentError> {
        let fits = self.width() == (dim, number_bytes);
        let is_aligned = self.bytes.as_ptr().align_offset(number_bytes) == 0;
        if fits && is_aligned {
            Ok(())
        } else {
            Err(SegmentError::Width)
        }
    }

    fn keys(&self) -> &[[u8; DIGEST_BYTES]] {
        self.bytes[HEADER_BYTES..HEADER_BYTES + self.n * DIGEST_BYTES]
            .as_chunks()
            .0
    }

    /// Rows.
    pub(super) const fn len(&self) -> usize {
        self.n
    }

    /// Bytes of the file.
    pub(super) fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// The images, in order; the index of each is that of its row.
    pub(super) fn images(&self) -> impl ExactSizeIterator<Item = Digest> {
        self.keys().iter().map(|key| Digest::from_bytes(*key))
    }

    /// A row, where it lies.
    ///
    /// # Panics
    /// Never for a row below [`Self::len`] of a segment that was checked for `T`.
    pub(super) fn row<T: Number>(&self, row: usize) -> &[T] {
        let length = self.dim * self.number_bytes;
        let at = rows_at(self.n) + row * length;
        bytemuck::cast_slice(&self.bytes[at..at + length])
    }

    /// The bytes of a row, whatever it is made of.
    pub(super) fn raw_row(&self, row: usize) -> &[u8] {
        let length = self.dim * self.number_bytes;
        &self.bytes[rows_at(self.n) + row * length..][..length]
    }

    /// Numbers per row and bytes per number.
    pub(super) const fn width(&self) -> (usize, usize) {
        (self.dim, self.number_bytes)
    }
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;

    fn rows(n: u8) -> Vec<(Digest, Vec<f16>)> {
        let row = |i: u8| {
            (
                Digest::of(&[i]),
                vec![f16::from_f32(f32::from(i)), f16::from_f32(-0.5), f16::MAX],
            )
        };
        let mut rows: Vec<_> = (0..n).map(row).collect();
        rows.sort_by_key(|(image, _)| *image);
        rows
    }

    fn encoded(rows: &[(Digest, Vec<f16>)]) -> (Digest, Bytes) {
        let rows: Vec<(Digest, &[f16])> = rows.iter().map(|(image, row)| (*image, &row[..])).collect();
        encode(3, &rows)
    }

    fn opened(name: &Digest, bytes: &[u8]) -> Result<Segment, SegmentError> {
        verify(name, bytes)?;
        Segment::new(Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn rows_come_back_with_their_images() {
        for n in [0, 1, 5, 255] {
            let (name, bytes) = encoded(&rows(n));
            let segment = opened(&name, &bytes).unwrap();
            segment.check(3, 2).unwrap();
            assert_eq!(segment.len(), usize::from(n));
            for (row, image) in segment.images().enumerate() {
                let values: Vec<f32> = segment.row::<f16>(row).iter().map(|value| value.to_f32()).collect();
                assert_eq!(Digest::of(&[values[0] as u8]), image);
                assert_eq!(values[1..], [-0.5, 65504.0]);
                assert_eq!(segment.raw_row(row).len(), 6);
            }
            assert_eq!(segment.check(3, 8), Err(SegmentError::Width));
            assert_eq!(segment.check(4, 2), Err(SegmentError::Width));
        }
    }

    #[test]
    fn rows_of_f64_keep_every_bit() {
        let (image, row) = (Digest::of(b"x"), [f64::MIN_POSITIVE, 1.0 / 3.0]);
        let (name, bytes) = encode(2, &[(image, &row[..])]);
        let segment = opened(&name, &bytes).unwrap();
        segment.check(2, 8).unwrap();
        assert_eq!(segment.row::<f64>(0), row);
    }

    #[test]
    fn no_damage_goes_unseen() {
        let (name, bytes) = encoded(&rows(9));
        for end in 0..bytes.len() {
            assert!(opened(&name, &bytes[..end]).is_err(), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.to_vec();
            damaged[at] ^= 0x10;
            assert!(opened(&name, &damaged).is_err(), "bit flipped at {at}");
        }
        assert_eq!(
            opened(&Digest::of(b"another"), &bytes).err(),
            Some(SegmentError::Checksum)
        );
        // A valid checksum over nonsense is still no segment.
        let head = |n: u32, dim: u32| {
            let numbers = [VERSION, dim, n, 2].map(u32::to_le_bytes).concat();
            [&MAGIC[..], &numbers, &[0; 40]].concat()
        };
        for content in [
            vec![7; 100],
            vec![7; 10],
            head(3, 3),
            head(u32::MAX, u32::MAX),
            head(1 << 31, 2),
        ] {
            let digest = Digest::of(&content);
            let bytes = [&content[..], digest.as_bytes()].concat();
            assert!(opened(&digest, &bytes).is_err());
        }
    }
}
