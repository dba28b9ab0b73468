//! etcd, the API server, the controllers and the scheduler.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};

use super::{Error, Layout, daemons, network, until};

const ETCD: &str = "etcd";
const API: &str = "kube-apiserver";
const CONTROLLERS: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
/// The names of the daemons here.
pub const DAEMONS: &[&str] = &[ETCD, API, CONTROLLERS, SCHEDULER];

const ETCD_CLIENTS: &str = "http://127.0.0.1:23790";
const ETCD_PEERS: &str = "http://127.0.0.1:23800";

/// Starts etcd and the API server.
pub fn start_api(layout: &Layout) -> Result<(), Error> {
    let pki = layout.run.join("pki");
    let pki = pki.display();
    let etcd = [
        format!("--data-dir={}", layout.run.join("etcd").display()),
        format!("--listen-client-urls={ETCD_CLIENTS}"),
        format!("--advertise-client-urls={ETCD_CLIENTS}"),
        format!("--listen-peer-urls={ETCD_PEERS}"),
        format!("--initial-advertise-peer-urls={ETCD_PEERS}"),
        format!("--initial-cluster=default={ETCD_PEERS}"),
        // The data ends with the cluster.
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ];
    daemons::start(layout, ETCD, &layout.etcd(), &etcd)?;
    let api = [
        format!("--etcd-servers={ETCD_CLIENTS}"),
        format!("--bind-address={}", network::NODE),
        format!("--advertise-address={}", network::NODE),
        "--secure-port=6443".into(),
        format!("--service-cluster-ip-range={}", network::SERVICES),
        format!("--tls-cert-file={pki}/server.crt"),
        format!("--tls-private-key-file={pki}/server.key"),
        format!("--token-auth-file={pki}/tokens.csv"),
        "--authorization-mode=Node,RBAC".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-key-file={pki}/sa.pub"),
        format!("--service-account-signing-key-file={pki}/sa.key"),
        "--allow-privileged=true".into(),
        "--kubelet-preferred-address-types=InternalIP".into(),
        // On by default from 1.36 on; without a policy they do nothing.
        "--feature-gates=MutatingAdmissionPolicy=true".into(),
        "--runtime-config=admissionregistration.k8s.io/v1beta1=true".into(),
    ];
    daemons::start(layout, API, &layout.kubernetes(API), &api)
}

/// Waits until the API server has done its start, of which the namespace `default` is a late sign.
pub async fn await_api(layout: &Layout, client: &Client) -> Result<(), Error> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    until(layout, "the API server is ready", API, Duration::from_mins(1), || async {
        namespaces.get("default").await.map(drop)
    })
    .await
}

/// Starts the controllers and the scheduler.
pub fn start_controllers(layout: &Layout) -> Result<(), Error> {
    let kubeconfig = format!("--kubeconfig={}", layout.kubeconfig().display());
    let pki = layout.run.join("pki");
    let pki = pki.display();
    let controllers = [
        kubeconfig.clone(),
        "--bind-address=127.0.0.1".into(),
        "--leader-elect=false".into(),
        "--use-service-account-credentials=true".into(),
        format!("--service-account-private-key-file={pki}/sa.key"),
        format!("--root-ca-file={pki}/ca.crt"),
        format!("--cluster-cidr={}", network::PODS),
        "--allocate-node-cidrs=true".into(),
        "--enable-hostpath-provisioner=true".into(),
        // Throttled, it binds a claim well before it says so, and the kubelet looks again only after 15 s.
        "--kube-api-qps=500".into(),
        "--kube-api-burst=1000".into(),
        format!("--flex-volume-plugin-dir={}", layout.run.join("kubelet/volume-plugins").display()),
    ];
    daemons::start(layout, CONTROLLERS, &layout.kubernetes(CONTROLLERS), &controllers)?;
    let scheduler = [kubeconfig, "--bind-address=127.0.0.1".into(), "--leader-elect=false".into()];
    daemons::start(layout, SCHEDULER, &layout.kubernetes(SCHEDULER), &scheduler)
}

/// Makes the default storage class, of volumes that are folders of this machine.
pub async fn make_storage_class(client: &Client) -> Result<(), Error> {
    let annotations = [("storageclass.kubernetes.io/is-default-class".into(), "true".into())];
    let class = StorageClass {
        metadata: ObjectMeta {
            name: Some("folder".into()),
            annotations: Some(annotations.into()),
            ..ObjectMeta::default()
        },
        provisioner: "kubernetes.io/host-path".into(),
        ..StorageClass::default()
    };
    Api::all(client.clone()).create(&PostParams::default(), &class).await?;
    Ok(())
}

/// Waits until namespaces get their service account: the controllers work.
pub async fn await_controllers(layout: &Layout, client: &Client) -> Result<(), Error> {
    let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), "default");
    until(layout, "the controllers work", CONTROLLERS, Duration::from_mins(1), || async {
        accounts.get("default").await.map(drop)
    })
    .await
}
