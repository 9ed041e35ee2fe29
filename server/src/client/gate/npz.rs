//! Arrays of numpy's .npz files, of the kinds that a judgement needs.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use npyz::{Deserialize, NpyFile, Order};
use zip::ZipArchive;

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

    /// An array of real numbers, float32 or float64.
    ///
    /// # Errors
    /// There is none of this name, or it holds something else.
    pub(super) fn reals(&mut self, name: &str) -> Result<Array<f64>, String> {
        self.array(name, "float32 or float64", |file| {
            let file = match file.try_data::<f32>() {
                Ok(data) => return Some(data.map(|value| value.map(f64::from)).collect()),
                Err(file) => file,
            };
            file.try_data::<f64>().ok().map(Iterator::collect)
        })
    }

    /// An array of integers, int32 or int64.
    ///
    /// # Errors
    /// There is none of this name, or it holds something else.
    pub(super) fn integers(&mut self, name: &str) -> Result<Array<i64>, String> {
        self.array(name, "int32 or int64", |file| {
            let file = match file.try_data::<i32>() {
                Ok(data) => return Some(data.map(|value| value.map(i64::from)).collect()),
                Err(file) => file,
            };
            file.try_data::<i64>().ok().map(Iterator::collect)
        })
    }

    fn array<T: Deserialize>(
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
        if file.order() == Order::Fortran && shape.len() > 1 {
            return Err(format!(
                "{name} is in Fortran order: save numpy.ascontiguousarray of it"
            ));
        }
        let values = read(file).ok_or_else(|| format!("{name} must be {kinds}"))?;
        let shape = shape
            .into_iter()
            .map(|side| usize::try_from(side).unwrap_or(usize::MAX));
        Ok(Array {
            shape: shape.collect(),
            values: values.map_err(|error| unreadable(&error))?,
        })
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
        for file in [npz(&[2], Order::C, &[-1_i32, 7]), npz(&[2], Order::C, &[-1_i64, 7])] {
            assert_eq!(Npz::open(file.path()).unwrap().integers("a").unwrap().values, [-1, 7]);
        }
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let said = |file: &tempfile::NamedTempFile, name| {
            let mut npz = Npz::open(file.path()).unwrap();
            npz.reals(name).unwrap_err()
        };
        let real = npz(&[2, 2], Order::Fortran, &[0.5_f32, -1.0, 2.0, 8.0]);
        assert!(said(&real, "a").contains("ascontiguousarray"));
        assert_eq!(said(&real, "tau"), "there is no array tau; the file has a");
        let integers = npz(&[2], Order::C, &[1_i64, 2]);
        assert_eq!(said(&integers, "a"), "a must be float32 or float64");
        assert!(Npz::open(Path::new("/nowhere.npz")).is_err());
        let mut text = tempfile::NamedTempFile::new().unwrap();
        text.write_all(b"no archive").unwrap();
        let error = Npz::open(text.path()).err().unwrap();
        assert!(error.starts_with("it is no .npz file"), "{error}");
    }
}
