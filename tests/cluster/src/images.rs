//! Container images without Docker: an OCI archive of images that are one static binary each.
//!
//! The layout is <https://github.com/opencontainers/image-spec/blob/main/image-layout.md>.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::cluster::{self, Layout};

/// The image of Siskin.
pub const SISKIN: &str = "siskin.test/siskin:dev";
/// The sample application's image with this tag. The same binary under each: a pod says the `VERSION` of its
/// environment, and another tag makes another template.
pub fn visits(tag: &str) -> String {
    format!("siskin.test/visits:{tag}")
}
/// The tags that exist.
const TAGS: [&str; 3] = ["v1", "v2", "v3"];
/// What holds a pod's network, named in `config/containerd.toml`.
const PAUSE: &str = "siskin.test/pause:1";
/// Debian's list of authorities, here and in the images.
const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// For a container that must not be root.
const NOBODY: &str = "65532:65532";

/// Why there are no images.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{} can't be read: {source}; tests/cluster/run sees to it", path.display())]
    Binary { path: PathBuf, source: io::Error },
    #[error("{} can't be written: {source}", path.display())]
    Archive { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Import(#[from] cluster::Error),
}

struct Image<'a> {
    names: Vec<String>,
    binary: &'a [u8],
    /// The authorities that the program trusts, or nothing.
    certificates: &'a [u8],
    entrypoint: &'a [&'a str],
    user: &'a str,
}

/// Makes all images and gives them to the node.
pub fn provide(layout: &Layout) -> Result<(), Error> {
    let path = layout.run.join("images.tar");
    write(layout, &path)?;
    Ok(cluster::import(layout, &path)?)
}

/// Writes all images as an OCI archive.
pub fn write(layout: &Layout, path: &Path) -> Result<(), Error> {
    let read = |name: &str| {
        let path = layout.binaries.join(name);
        fs::read(&path).map_err(|source| Error::Binary { path, source })
    };
    let (siskin, sample) = (read("siskin")?, read("visits")?);
    let certificates =
        fs::read(CERTIFICATES).map_err(|source| Error::Binary { path: CERTIFICATES.into(), source })?;
    let image = |names: Vec<String>, binary, entrypoint, user| Image {
        names,
        binary,
        certificates: &certificates,
        entrypoint,
        user,
    };
    let images = [
        image(vec![PAUSE.into()], &sample, &["/bin/main", "pause"], NOBODY),
        image(TAGS.map(visits).into(), &sample, &["/bin/main"], ""),
        image(vec![SISKIN.into()], &siskin, &["/bin/main"], NOBODY),
    ];
    let written = File::create(path).and_then(|file| write_archive(io::BufWriter::new(file), &images));
    written.map_err(|source| Error::Archive { path: path.into(), source })
}

fn write_archive(to: impl Write, images: &[Image<'_>]) -> io::Result<()> {
    let mut blobs = Blobs::default();
    let mut manifests = Vec::new();
    for image in images {
        let layer = blobs.add("application/vnd.oci.image.layer.v1.tar", layer(image)?);
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": { "Entrypoint": image.entrypoint, "User": image.user },
            "rootfs": { "type": "layers", "diff_ids": [layer.get("digest")] },
        });
        let config = blobs.add("application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest =
            json!({ "schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer] });
        let manifest = blobs.add(media_type, manifest.to_string().into_bytes());
        for name in &image.names {
            let named = json!({ "annotations": { "io.containerd.image.name": name } });
            manifests.push(merged(&manifest, &named));
        }
    }
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": manifests,
    });

    let mut archive = Builder::new(to);
    append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    append(&mut archive, "index.json", index.to_string().as_bytes())?;
    for (digest, blob) in &blobs.0 {
        append(&mut archive, &format!("blobs/sha256/{digest}"), blob)?;
    }
    archive.into_inner()?.flush()
}

/// A file system with the binary and what programs expect beside.
fn layer(image: &Image<'_>) -> io::Result<Vec<u8>> {
    let mut layer = Builder::new(Vec::new());
    for (folder, mode) in [("bin/", 0o755), ("data/", 0o755), ("etc/ssl/certs/", 0o755), ("tmp/", 0o1777)] {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_mode(mode);
        header.set_size(0);
        layer.append_data(&mut header, folder, io::empty())?;
    }
    append(&mut layer, CERTIFICATES.trim_start_matches('/'), image.certificates)?;
    append(&mut layer, "bin/main", image.binary)?;
    layer.into_inner()
}

fn append<W: Write>(archive: &mut Builder<W>, path: &str, content: &[u8]) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_mode(0o755);
    header.set_size(content.len() as u64);
    archive.append_data(&mut header, path, content)
}

/// The fields of both objects.
fn merged(one: &Value, other: &Value) -> Value {
    let fields = [one, other].into_iter().filter_map(Value::as_object).flatten();
    fields.map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn digest(content: &[u8]) -> String {
    Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Contents by their digest.
#[derive(Default)]
struct Blobs(BTreeMap<String, Vec<u8>>);

impl Blobs {
    /// Adds one and returns the descriptor that refers to it.
    fn add(&mut self, media_type: &str, content: Vec<u8>) -> Value {
        let digest = digest(&content);
        let descriptor =
            json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len() });
        self.0.insert(digest, content);
        descriptor
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn an_image_with_two_names_is_stored_once() {
        let names = vec!["test/a:1".into(), "test/a:2".into()];
        let mut archive = Vec::new();
        write_archive(
            &mut archive,
            &[Image { names, binary: b"x", certificates: b"", entrypoint: &["/bin/main"], user: "" }],
        )
        .unwrap();

        let mut files = BTreeMap::new();
        for entry in tar::Archive::new(archive.as_slice()).entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            files.insert(entry.path().unwrap().display().to_string(), content);
        }
        let index: Value = serde_json::from_slice(&files["index.json"]).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 2);
        assert_eq!(manifests[0]["digest"], manifests[1]["digest"]);
        assert_eq!(files.keys().filter(|path| path.starts_with("blobs/")).count(), 3);
        for (path, content) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
            assert_eq!(path, &format!("blobs/sha256/{}", digest(content)));
        }
    }
}
