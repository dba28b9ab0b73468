//! The policies that are in force: those of a folder, read again when they change, and the built-in ones.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use siskin_core::{
    configuration::{Source, missing},
    facts::{PolicyFact, Workload},
    policy::{Library, load},
    yaml::{Error, Place},
};
use tokio::sync::watch;

use crate::{
    report::metrics::{Metrics, POLICY_ERRORS},
    server::health::Health,
};

/// Files are compared as a whole this often: a mounted `ConfigMap` changes by a symbolic link, which tells nobody.
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// Longer than any policy file that somebody wrote.
const LONGEST_FILE: u64 = 1 << 20;

/// The policies in force.
pub type Policies = watch::Receiver<Arc<Library>>;

/// What the policy annotation of a workload leads to. A policy that asks sources which `sources` lacks is unusable:
/// its rollout could only stand still.
pub fn fact(library: &Library, sources: &[Source], workload: &Workload) -> PolicyFact {
    let Some(name) = workload.annotations.get("policy") else { return PolicyFact::None };
    match library.lookup(name) {
        Ok(policy) => match missing(sources, &policy).as_slice() {
            [] => PolicyFact::Loaded(policy),
            missing => PolicyFact::Unusable {
                name: name.clone(),
                reason: format!("the policy `{name}` can't be followed: {}", missing.join("; ")),
            },
        },
        Err(error) => PolicyFact::Unusable { name: name.clone(), reason: error.to_string() },
    }
}

/// The files of a folder as they are now, with the files that can't be read.
#[derive(Debug, Default, PartialEq)]
struct Files {
    texts: Vec<(String, String)>,
    unread: Vec<(String, String)>,
}

/// Reads the policies of `folder` now and whenever they change, for ever; without a folder only once.
pub async fn follow(
    folder: Option<PathBuf>,
    library: watch::Sender<Arc<Library>>,
    health: Health,
    metrics: Metrics,
) {
    let mut known = None;
    loop {
        let files = match folder.clone() {
            Some(folder) => tokio::task::spawn_blocking(move || read(&folder)).await.unwrap_or_default(),
            None => Files::default(),
        };
        if known.as_ref() != Some(&files) {
            let read = library_of(&files);
            for error in &read.errors {
                tracing::error!(%error, "a policy file has a mistake");
            }
            tracing::info!(policies = read.policies.len(), mistakes = read.errors.len(), "policies are read");
            #[expect(clippy::cast_precision_loss, reason = "nobody makes that many mistakes")]
            metrics.set(&POLICY_ERRORS, &[], read.errors.len() as f64);
            library.send_replace(Arc::new(read));
            known = Some(files);
        }
        health.policies_loaded();
        if folder.is_none() {
            return;
        }
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn library_of(files: &Files) -> Library {
    let mut library = load(&files.texts);
    library.errors.extend(files.unread.iter().map(|(file, why)| Error {
        file: file.clone(),
        place: Place::START,
        path: String::new(),
        message: format!("can't be read: {why}"),
    }));
    library
}

fn read(folder: &Path) -> Files {
    let mut files = Files::default();
    let paths = match policy_files(folder) {
        Ok(paths) => paths,
        Err(error) => {
            files.unread.push((folder.display().to_string(), error.to_string()));
            return files;
        }
    };
    for path in paths {
        let name = path.display().to_string();
        match text(&path) {
            Ok(text) => files.texts.push((name, text)),
            Err(error) => files.unread.push((name, error.to_string())),
        }
    }
    files
}

/// `*.yaml` and `*.yml`, sorted. Names that begin with `..` are the inner workings of a mounted `ConfigMap`.
fn policy_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with(".."));
        let yaml = path.extension().is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !hidden {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

fn text(path: &Path) -> io::Result<String> {
    let size = std::fs::metadata(path)?.len();
    if size > LONGEST_FILE {
        return Err(io::Error::other(format!("{size} bytes, expected at most {LONGEST_FILE}")));
    }
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use siskin_core::{configuration::SourceKind, policy::GoDuration};

    use super::*;

    const GOOD: &str = "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: { name: own }\nspec: { strategy: { type: Canary } }\n";

    /// A folder that goes away with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("siskin-policies-{name}-{}", std::process::id()));
            std::fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        fn write(&self, name: &str, text: &str) {
            std::fs::write(self.0.join(name), text).unwrap();
        }

        fn library(&self) -> Library {
            library_of(&read(&self.0))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    fn named(name: &str) -> Workload {
        Workload { annotations: [("policy".to_owned(), name.to_owned())].into(), ..Workload::default() }
    }

    #[test]
    fn only_yaml_files_are_read_and_a_config_map_s_inner_workings_are_not() {
        let folder = Folder::new("files");
        folder.write("b.yml", GOOD);
        folder.write("notes.txt", "no policy");
        folder.write("..2026_hidden.yaml", GOOD);
        assert_eq!(folder.library().policies.keys().collect::<Vec<_>>(), ["own"]);
        assert!(folder.library().errors.is_empty());
    }

    #[test]
    fn a_broken_file_takes_only_its_own_policies_away() {
        let folder = Folder::new("broken");
        folder.write("good.yaml", GOOD);
        folder.write("bad.yaml", &GOOD.replace("own", "other"));
        assert!(matches!(fact(&folder.library(), &[], &named("other")), PolicyFact::Loaded(_)));
        folder.write("bad.yaml", &GOOD.replace("own", "other").replace("Canary", "Canry"));
        let library = folder.library();
        assert!(matches!(fact(&library, &[], &named("own")), PolicyFact::Loaded(_)));
        let PolicyFact::Unusable { name, reason } = fact(&library, &[], &named("other")) else {
            panic!("still loaded")
        };
        assert_eq!(name, "other");
        assert!(reason.contains("bad.yaml:4"), "{reason}");
    }

    #[test]
    fn a_policy_that_asks_a_source_which_is_not_there_is_unusable_and_names_it() {
        let folder = Folder::new("sources");
        let check = "{ name: lag, json: { source: lag, path: /, pointer: '' }, limit: { max: 1 } }";
        folder.write("own.yaml", &GOOD.replace("Canary }", &format!("Canary }}, checks: [{check}]")));
        let library = folder.library();
        let PolicyFact::Unusable { reason, .. } = fact(&library, &[], &named("own")) else {
            panic!("it is followed")
        };
        assert!(reason.contains("check `lag` asks the json source `lag`"), "{reason}");
        let source = Source {
            name: "lag".into(),
            kind: SourceKind::Json,
            url: "http://lag".into(),
            credentials: None,
            ca_file: None,
            timeout: GoDuration::from_secs(1),
        };
        assert!(matches!(fact(&library, &[source], &named("own")), PolicyFact::Loaded(_)));
    }

    #[test]
    fn a_folder_that_is_not_there_is_a_mistake_and_built_in_policies_stay() {
        let library = library_of(&read(Path::new("/nonexistent/policies")));
        assert_eq!(library.errors.len(), 1);
        assert!(matches!(fact(&library, &[], &named("standard")), PolicyFact::Loaded(_)));
        assert!(matches!(fact(&library, &[], &Workload::default()), PolicyFact::None));
    }
}
