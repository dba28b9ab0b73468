//! A folder with a file for each outcome.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Outcome;

/// Why a folder of outcomes can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("{} is not an outcome as this bench writes it: {source}", path.display())]
    Content { path: PathBuf, source: serde_json::Error },
    #[error("{} holds no outcome; a run of scenarios writes one for each", .0.display())]
    Empty(PathBuf),
}

/// Writes an outcome into a folder, in the place of an earlier one of the same scenario.
pub fn write(folder: &Path, outcome: &Outcome) -> Result<(), Error> {
    let path = folder.join(format!("{}.json", outcome.scenario));
    let failed = |source| Error::File { path: path.clone(), source };
    let text = serde_json::to_string_pretty(outcome)
        .map_err(|source| Error::Content { path: path.clone(), source })?;
    fs::create_dir_all(folder).map_err(failed)?;
    fs::write(&path, text + "\n").map_err(failed)
}

/// All outcomes of a folder, by scenario.
pub fn read(folder: &Path) -> Result<BTreeMap<String, Outcome>, Error> {
    let failed = |source| Error::File { path: folder.into(), source };
    let mut outcomes = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            let text =
                fs::read_to_string(&path).map_err(|source| Error::File { path: path.clone(), source })?;
            let outcome: Outcome =
                serde_json::from_str(&text).map_err(|source| Error::Content { path, source })?;
            outcomes.insert(outcome.scenario.clone(), outcome);
        }
    }
    if outcomes.is_empty() { Err(Error::Empty(folder.into())) } else { Ok(outcomes) }
}
