//! containerd, the kubelet and kube-proxy; and the removal of all that they leave.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use rustix::mount::{UnmountFlags, mount_bind, unmount};

use super::command::output;
use super::{Error, Layout, Process, daemons, network, until};

/// containerd's name among the daemons; it goes last, after those that use it.
pub const CONTAINERD: &str = "containerd";
const KUBELET: &str = "kubelet";
const PROXY: &str = "kube-proxy";
/// The names of the daemons here.
pub const DAEMONS: &[&str] = &[CONTAINERD, KUBELET, PROXY];

const NAME: &str = "node-0";
/// The parent of every pod's cgroup, see `config/kubelet.yaml`.
const CGROUP: &str = "siskin-bench";
/// Where the controller manager makes volumes; the path is fixed in its source. It is a mount of our folder.
const VOLUMES: &str = "/tmp/hostpath_pv";

/// What the kubelet changes about the kernel without asking.
const KERNEL: [&str; 3] =
    ["/proc/sys/kernel/panic", "/proc/sys/kernel/panic_on_oops", "/proc/sys/vm/overcommit_memory"];

/// Starts containerd.
pub fn start_containerd(layout: &Layout) -> Result<(), Error> {
    write(&layout.run.join("registries/_default/hosts.toml"), include_str!("../../config/hosts.toml"))?;
    write(
        &layout.run.join("cni/bridge.conflist"),
        &layout.fill(include_str!("../../config/bridge.conflist")),
    )?;
    let config = layout.run.join("containerd.toml");
    write(&config, &layout.fill(include_str!("../../config/containerd.toml")))?;
    make_folder(&layout.sockets)?;
    let arguments = ["--config".into(), config.to_string_lossy().into_owned()];
    daemons::start(layout, CONTAINERD, Path::new("containerd"), &arguments)
}

/// Waits for containerd, then starts the kubelet and kube-proxy.
pub async fn start(layout: &Layout) -> Result<(), Error> {
    until(layout, "containerd answers", CONTAINERD, Duration::from_secs(30), || async {
        ctr(layout, &["version"]).map(drop)
    })
    .await?;

    let (volumes, mount_point) = (layout.run.join("volumes"), Path::new(VOLUMES));
    make_folder(&volumes)?;
    make_folder(mount_point)?;
    mount_bind(&volumes, mount_point).map_err(|error| Error::file(mount_point)(error.into()))?;
    for root in cgroup_roots() {
        make_folder(&root.join(CGROUP))?;
    }

    let kernel: Vec<String> = KERNEL
        .iter()
        .filter_map(|path| Some(format!("{path} {}", fs::read_to_string(path).ok()?.trim())))
        .collect();
    write(&layout.run.join("kernel"), &kernel.join("\n"))?;

    let config = layout.run.join("kubelet.yaml");
    write(&config, &layout.fill(include_str!("../../config/kubelet.yaml")))?;
    let kubeconfig = format!("--kubeconfig={}", layout.kubeconfig().display());
    let kubelet = layout.run.join("kubelet");
    let arguments = [
        kubeconfig.clone(),
        format!("--config={}", config.display()),
        format!("--root-dir={}", kubelet.display()),
        format!("--cert-dir={}", kubelet.join("pki").display()),
        format!("--hostname-override={NAME}"),
        format!("--node-ip={}", network::NODE),
    ];
    daemons::start(layout, KUBELET, &layout.kubernetes(KUBELET), &arguments)?;
    let arguments = [
        kubeconfig,
        "--proxy-mode=nftables".into(),
        format!("--cluster-cidr={}", network::PODS),
        format!("--hostname-override={NAME}"),
        "--healthz-bind-address=127.0.0.1:10256".into(),
        // The machine's own connection tracking stays as it is.
        "--conntrack-max-per-core=0".into(),
        "--conntrack-tcp-timeout-established=0".into(),
        "--conntrack-tcp-timeout-close-wait=0".into(),
    ];
    daemons::start(layout, PROXY, &layout.kubernetes(PROXY), &arguments)
}

/// Waits until pods can be placed on the node.
pub async fn await_ready(layout: &Layout, client: &Client) -> Result<(), Error> {
    let nodes: Api<Node> = Api::all(client.clone());
    until(layout, "the node is ready", KUBELET, Duration::from_mins(1), || async {
        let node = nodes.get(NAME).await.map_err(|error| error.to_string())?;
        let conditions = node.status.and_then(|status| status.conditions).unwrap_or_default();
        match conditions.into_iter().find(|condition| condition.type_ == "Ready") {
            Some(condition) if condition.status == "True" => Ok(()),
            Some(condition) => Err(condition.message.unwrap_or_default()),
            None => Err("it has no condition Ready".into()),
        }
    })
    .await
}

/// Makes the images of an archive known to the node.
pub fn import(layout: &Layout, archive: &Path) -> Result<(), Error> {
    ctr(layout, &["images", "import", &archive.to_string_lossy()]).map(drop)
}

/// The first process of a container, which ends the container when it ends.
pub fn task(layout: &Layout, container: &str) -> Result<Option<Process>, Error> {
    let tasks = ctr(layout, &["tasks", "list"])?;
    let pid = tasks.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == container).then(|| words.next()?.parse().ok())?
    });
    Ok(pid.and_then(Process::with_pid))
}

fn ctr(layout: &Layout, arguments: &[&str]) -> Result<String, Error> {
    let socket = layout.containerd_socket();
    let socket = socket.to_string_lossy();
    let mut all = vec!["--address", &socket, "--namespace", "k8s.io"];
    all.extend(arguments);
    output("ctr", &all)
}

/// Ends what runs in containers and removes mounts and cgroups; the daemons are gone by now.
pub fn clean(layout: &Layout) {
    // Shims outlive containerd on purpose; they name its socket on their command line.
    daemons::end(&daemons::with_command_line(&layout.containerd_socket().to_string_lossy()), false);
    let cgroups: Vec<PathBuf> = cgroup_roots().iter().flat_map(|root| below(&root.join(CGROUP))).collect();
    let processes: Vec<Process> = cgroups
        .iter()
        .filter_map(|cgroup| fs::read_to_string(cgroup.join("cgroup.procs")).ok())
        .flat_map(|ids| ids.lines().filter_map(|id| Process::with_pid(id.parse().ok()?)).collect::<Vec<_>>())
        .collect();
    daemons::end(&processes, false);

    // The list is in the order of mounting, so that the last one is never covered by another.
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    for mount in mounts.lines().rev().filter_map(|line| line.split(' ').nth(4)).map(Path::new) {
        if layout.owns(mount) || mount == Path::new(VOLUMES) {
            let _ = unmount(mount, UnmountFlags::DETACH);
        }
    }
    let _ = fs::remove_dir(VOLUMES);
    // Children come after their parents here, and must be removed first.
    for cgroup in cgroups.iter().rev() {
        let _ = fs::remove_dir(cgroup);
    }
    let sockets = layout.sockets.to_string_lossy();
    remove_where("/var/lib/cni/results", |result| {
        fs::read_to_string(result).is_ok_and(|text| text.contains(&*sockets))
    });
    remove_where("/var/log/containers", |link| fs::read_link(link).is_ok_and(|log| layout.owns(&log)));
    // The folder of the shims' sockets can't be chosen. Nobody needs one that refuses.
    remove_where("/run/containerd/s", |socket| {
        UnixStream::connect(socket).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    });
    for line in fs::read_to_string(layout.run.join("kernel")).unwrap_or_default().lines() {
        let _ = line.split_once(' ').map(|(path, value)| fs::write(path, value));
    }
}

fn remove_where(folder: &str, condition: impl Fn(&Path) -> bool) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if condition(&entry.path()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// The folders that hold the cgroup hierarchies: one with v2, one for each controller with v1.
fn cgroup_roots() -> Vec<PathBuf> {
    let root = PathBuf::from("/sys/fs/cgroup");
    if root.join("cgroup.controllers").exists() {
        return vec![root];
    }
    // Links like cpu -> cpu,cpuacct lead to the same folder.
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let roots: BTreeSet<PathBuf> = entries
        .filter_map(|entry| fs::canonicalize(entry.path()).ok())
        .filter(|path| path.join("cgroup.procs").exists())
        .collect();
    roots.into_iter().collect()
}

/// `folder` and every folder below it, parents first.
fn below(folder: &Path) -> Vec<PathBuf> {
    if !folder.is_dir() {
        return Vec::new();
    }
    let children = fs::read_dir(folder).into_iter().flatten().flatten();
    let children = children.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    std::iter::once(folder.to_path_buf()).chain(children.flat_map(|entry| below(&entry.path()))).collect()
}

fn make_folder(path: &Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file(path))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    path.parent().map_or(Ok(()), make_folder)?;
    fs::write(path, text).map_err(Error::file(path))
}
