//! Arrays of numpy's .npz files, of the kinds that a judgement needs.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{NpyFile, Order};
use zip::ZipArchive;

/// Returns the file's values as the first of some kinds that they are of; goes on where they are of none.
macro_rules! of_kind {
    ($file:ident, $into:ty: $($kind:ty),+) => {
        $($file = match $file.try_data::<$kind>() {
            Ok(data) => return Some(data.map(|value| value.map(<$into>::from)).collect()),
            Err(file) => file,
        };)+
    };
}

/// The most numbers that an array may have: 1 GiB as f64.
const MOST_NUMBERS: u64 = 1 << 27;

/// An open file.
pub(super) struct Npz {
    archive: ZipArchive<BufReader<File>>,
}

/// An array, row-major.
#[derive(Debug, PartialEq)]
pub(super) struct Array<T> {
    pub(super) shape: Vec<usize>,
    pub(super) values: Vec<T>,
}

impl Npz {
    /// # Errors
    /// There is no such file, or it is no zip archive.
    pub(super) fn open(path: &Path) -> Result<Self, String> {
        let file = File::open(path).map_err(|error| error.to_string())?;
        let archive = ZipArchive::new(BufReader::new(file)).map_err(|error| format!("it is no .npz file: {error}"))?;
        Ok(Self { archive })
    }

    /// An array of real numbers: floating point of any width, or integers.
    ///
    /// # Errors
    /// There is none of this name, or it holds something else.
    pub(super) fn reals(&mut self, name: &str) -> Result<Array<f64>, String> {
        self.array(name, "numbers", |mut file| {
            of_kind!(file, f64: f64, f32, half::f16, i8, u8, i16, u16, i32, u32);
            // Beyond 2^53 an integer is no exact f64; logits and thresholds are far below.
            #[expect(clippy::cast_precision_loss, reason = "logits and thresholds are far below 2^53")]
            match file.try_data::<i64>() {
                Ok(data) => Some(data.map(|value| value.map(|value| value as f64)).collect()),
                Err(_) => None,
            }
        })
    }

    /// An array of integers of any width.
    ///
    /// # Errors
    /// There is none of this name, it holds something else, or a number that is no i64.
    pub(super) fn integers(&mut self, name: &str) -> Result<Array<i64>, String> {
        self.array(name, "integers", |mut file| {
            of_kind!(file, i64: i64, i32, i16, i8, u32, u16, u8);
            let wide = |value: u64| i64::try_from(value).map_err(std::io::Error::other);
            match file.try_data::<u64>() {
                Ok(data) => Some(data.map(|value| value.and_then(wide)).collect()),
                Err(_) => None,
            }
        })
    }

    fn array<T: Copy>(
        &mut self,
        name: &str,
        kinds: &str,
        read: impl FnOnce(NpyFile<Box<dyn Read + '_>>) -> Option<std::io::Result<Vec<T>>>,
    ) -> Result<Array<T>, String> {
        let unreadable = |error: &dyn std::fmt::Display| format!("{name} cannot be read: {error}");
        let Some(index) = self.archive.index_for_name(&format!("{name}.npy")) else {
            let names = self.archive.file_names().filter_map(Result::ok);
            let names: Vec<String> = names.map(|name| name.trim_end_matches(".npy").to_owned()).collect();
            return Err(format!("there is no array {name}; the file has {}", names.join(", ")));
        };
        let member = self.archive.by_index(index).map_err(|error| unreadable(&error))?;
        let member: Box<dyn Read> = Box::new(BufReader::new(member));
        let file = NpyFile::new(member).map_err(|error| unreadable(&error))?;
        let shape = file.shape().to_vec();
        // What the header declares is the writer's word, and room is made for it.
        let n = shape.iter().try_fold(1_u64, |n, side| n.checked_mul(*side));
        if n.is_none_or(|n| n > MOST_NUMBERS) {
            return Err(format!("{name} has more than {MOST_NUMBERS} numbers"));
        }
        let is_fortran = file.order() == Order::Fortran;
        let values = read(file).ok_or_else(|| format!("{name} must hold {kinds}"))?;
        let values = values.map_err(|error| unreadable(&error))?;
        let sides = shape
            .into_iter()
            .map(|side| usize::try_from(side).unwrap_or(usize::MAX));
        let shape: Vec<usize> = sides.collect();
        let values = match shape[..] {
            // What numpy keeps of a transposed array: column after column.
            [rows, columns] if is_fortran => {
                let at = |place: usize| values[place % columns * rows + place / columns];
                (0..values.len()).map(at).collect()
            }
            _ => values,
        };
        Ok(Array { shape, values })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use npyz::WriterBuilder as _;

    use super::*;

    /// An archive with one array `a`.
    fn npz<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: Order, values: &[T]) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut archive = zip::ZipWriter::new(file.reopen().unwrap());
        archive
            .start_file("a.npy", zip::write::SimpleFileOptions::default())
            .unwrap();
        let mut bytes = Vec::new();
        let writer = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = writer.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        archive.write_all(&bytes).unwrap();
        archive.finish().unwrap();
        file
    }

    #[test]
    fn arrays_are_read_in_the_kinds_that_numpy_writes() {
        let real = Array {
            shape: vec![2, 2],
            values: vec![0.5, -1.0, 2.0, 8.0],
        };
        let file = npz(&[2, 2], Order::C, &[0.5_f32, -1.0, 2.0, 8.0]);
        assert_eq!(Npz::open(file.path()).unwrap().reals("a").unwrap(), real);
        let file = npz(&[2, 2], Order::C, &[0.5_f64, -1.0, 2.0, 8.0]);
        assert_eq!(Npz::open(file.path()).unwrap().reals("a").unwrap(), real);
        let scalar = npz(&[], Order::C, &[0.9_f64]);
        assert_eq!(Npz::open(scalar.path()).unwrap().reals("a").unwrap().values, [0.9]);
        for file in [
            npz(&[2], Order::C, &[-1_i8, 7]),
            npz(&[2], Order::C, &[-1_i16, 7]),
            npz(&[2], Order::C, &[-1_i32, 7]),
            npz(&[2], Order::C, &[-1_i64, 7]),
        ] {
            assert_eq!(Npz::open(file.path()).unwrap().integers("a").unwrap().values, [-1, 7]);
        }
        let unsigned = npz(&[2], Order::C, &[1_u64, 7]);
        assert_eq!(
            Npz::open(unsigned.path()).unwrap().integers("a").unwrap().values,
            [1, 7]
        );
        // numpy.savez of a transposed array: column after column.
        let fortran = npz(&[2, 3], Order::Fortran, &[1.0_f32, 4.0, 2.0, 5.0, 3.0, 6.0]);
        let read = Npz::open(fortran.path()).unwrap().reals("a").unwrap();
        assert_eq!(
            (read.shape, read.values),
            (vec![2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
        );
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let said = |file: &tempfile::NamedTempFile, name| {
            let mut npz = Npz::open(file.path()).unwrap();
            npz.integers(name).unwrap_err()
        };
        let real = npz(&[2, 2], Order::C, &[0.5_f32, -1.0, 2.0, 8.0]);
        assert_eq!(said(&real, "tau"), "there is no array tau; the file has a");
        assert_eq!(said(&real, "a"), "a must hold integers");
        let huge = npz(&[1], Order::C, &[u64::MAX]);
        assert!(said(&huge, "a").starts_with("a cannot be read"), "{}", said(&huge, "a"));
        assert!(Npz::open(Path::new("/nowhere.npz")).is_err());
        let mut text = tempfile::NamedTempFile::new().unwrap();
        text.write_all(b"no archive").unwrap();
        let error = Npz::open(text.path()).err().unwrap();
        assert!(error.starts_with("it is no .npz file"), "{error}");
    }
}
