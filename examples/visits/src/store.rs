//! The visits file: one whole number and a line feed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why the file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file holds something else than a count.
    #[error(
        "{path} holds {found:?} where one whole number and a line feed are expected; \
         it is left as it is: restore it, or delete it to count from 0"
    )]
    Garbage {
        /// The file.
        path: PathBuf,
        /// Its beginning.
        found: String,
    },
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file cannot be replaced.
    #[error("cannot write {path}: {source}; is the volume mounted, writable and not full?")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The count, in memory and on disk. Its only writer has it by `&mut`.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    visits: u64,
}

impl Store {
    /// Reads `visits` in `directory`; a missing file is a count of 0. The file is written once, so that a
    /// volume that can't be written is found now and not at the first visit.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        let path = directory.join("visits");
        let visits = match fs::read(&path) {
            Ok(content) => parse(&content).ok_or_else(|| Error::Garbage {
                path: path.clone(),
                found: String::from_utf8_lossy(&content).chars().take(40).collect(),
            })?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(source) => return Err(Error::Read { path, source }),
        };
        let store = Self { path, visits };
        store.write(visits)?;
        Ok(store)
    }

    /// How many visits are on disk.
    pub fn visits(&self) -> u64 {
        self.visits
    }

    /// Counts one visit. On an error the count is what it was.
    pub fn count(&mut self) -> Result<u64, Error> {
        let visits = self.visits + 1;
        self.write(visits)?;
        self.visits = visits;
        Ok(visits)
    }

    /// A rename is atomic: whenever the process dies, the file is the old or the new one. A power cut is
    /// not guarded against, which would cost a disk flush per visit.
    fn write(&self, visits: u64) -> Result<(), Error> {
        let temporary = self.path.with_extension("tmp");
        fs::write(&temporary, format!("{visits}\n"))
            .and_then(|()| fs::rename(&temporary, &self.path))
            .map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

/// The line feed is required: without it a truncated `1234` would pass as `12`.
fn parse(content: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(content).ok()?.strip_suffix('\n')?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_number_and_a_line_feed_is_a_count() {
        assert_eq!(parse(b"0\n"), Some(0));
        assert_eq!(parse(b"18446744073709551615\n"), Some(u64::MAX));
        for garbage in ["", "\n", "12", "12\n\n", "-1\n", "+1\n", " 1\n", "1 2\n", "18446744073709551616\n"] {
            assert_eq!(parse(garbage.as_bytes()), None, "{garbage:?}");
        }
        assert_eq!(parse(b"\xff\n"), None);
    }

    #[test]
    fn a_visit_that_cannot_be_written_is_not_counted() {
        let directory = std::env::temp_dir().join(format!("visits-store-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let mut store = Store::open(&directory).unwrap();
        assert_eq!(store.count().unwrap(), 1);
        fs::remove_dir_all(&directory).unwrap();
        assert!(store.count().unwrap_err().to_string().contains("is the volume mounted"));
        assert_eq!(store.visits(), 1);
    }
}
