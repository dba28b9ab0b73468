//! Keys, certificates and the administrator's token, made anew for each cluster.

use std::fs;
use std::path::Path;

use super::command::{output, run};
use super::{Error, Layout, network};

/// Makes `pki/` and the kubeconfig in the run folder.
pub fn make(layout: &Layout) -> Result<(), Error> {
    let folder = layout.run.join("pki");
    fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
    let file = |name: &str| folder.join(name).to_string_lossy().into_owned();

    let (ca_key, ca) = (file("ca.key"), file("ca.crt"));
    openssl(
        "req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=siskin-bench -keyout",
        &[&ca_key, "-out", &ca],
    )?;
    openssl("genrsa -out", &[&file("sa.key"), "2048"])?;
    openssl("rsa -pubout -in", &[&file("sa.key"), "-out", &file("sa.pub")])?;

    let names = format!(
        "subjectAltName=IP:{},IP:10.96.0.1,IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc",
        network::NODE
    );
    let (key, request) = (file("server.key"), file("server.csr"));
    openssl("req -newkey rsa:2048 -nodes -subj /CN=kube-apiserver -keyout", &[&key, "-out", &request])?;
    write(&folder.join("names"), &names)?;
    openssl(
        "x509 -req -days 30 -CAcreateserial -CA",
        &[&ca, "-CAkey", &ca_key, "-in", &request, "-extfile", &file("names"), "-out", &file("server.crt")],
    )?;

    let token = output("openssl", &["rand", "-hex", "16"])?;
    let token = token.trim();
    write(&folder.join("tokens.csv"), &format!("{token},admin,1,\"system:masters\"\n"))?;
    let kubeconfig = layout.fill(include_str!("../../config/kubeconfig.yaml")).replace("{token}", token);
    write(&layout.kubeconfig(), &kubeconfig)
}

fn openssl(words: &str, arguments: &[&str]) -> Result<(), Error> {
    run("openssl", &words.split(' ').chain(arguments.iter().copied()).collect::<Vec<_>>())
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::file(path))
}
