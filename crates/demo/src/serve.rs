//! The cluster for others: its API over HTTP, and the kubeconfig that leads there.

use std::{
    fs::OpenOptions,
    io::{self, Write},
    net::SocketAddr,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use siskin_embedded_api::serve::kubeconfig;

/// A kubeconfig that is there as long as this is.
#[derive(Debug)]
pub struct Kubeconfig {
    path: PathBuf,
}

impl Kubeconfig {
    /// Writes a kubeconfig for a server on this address; without a path to the folder for temporary files.
    ///
    /// # Errors
    /// It can't be written, or there is something already: a kubeconfig of somebody's is never overwritten.
    pub fn write(path: Option<&Path>, address: SocketAddr) -> Result<Self, (PathBuf, io::Error)> {
        let temporary = || std::env::temp_dir().join(format!("siskin-demo-{}.yaml", std::process::id()));
        let path = path.map_or_else(temporary, Path::to_owned);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let mut file = file.map_err(|error| (path.clone(), error))?;
        let written = Self { path };
        match file.write_all(kubeconfig(address).as_bytes()) {
            Ok(()) => Ok(written),
            Err(error) => Err((written.path.clone(), error)),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Kubeconfig {
    fn drop(&mut self) {
        // Somebody else may have taken it away.
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("siskin-demo-test-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_kubeconfig_is_gone_at_the_end() {
        let path = path("gone");
        let kubeconfig = Kubeconfig::write(Some(&path), ([127, 0, 0, 1], 6443).into()).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().contains("http://127.0.0.1:6443"));
        drop(kubeconfig);
        assert!(!path.exists());
    }

    #[test]
    fn a_file_that_is_there_is_left_alone() {
        let path = path("left");
        std::fs::write(&path, "somebody's").unwrap();
        let (named, error) = Kubeconfig::write(Some(&path), ([127, 0, 0, 1], 6443).into()).unwrap_err();
        assert_eq!((named, error.kind()), (path.clone(), io::ErrorKind::AlreadyExists));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody's");
        std::fs::remove_file(path).unwrap();
    }
}
