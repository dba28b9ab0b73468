//! `siskin doctor`: what protects a cluster or a workload while Siskin is dead, seen by dry runs.

pub mod diagnosis;
pub mod dry_run;
pub mod look;
mod page;
mod table;
#[cfg(test)]
mod tests;

use serde_json::json;

use self::diagnosis::Diagnosis;
use super::{
    daemon, out,
    workload::{CLI_MANAGER, LookError, Named, find, workload_name},
};
use siskin_daemon::{
    cluster::{Access, Cluster},
    report::metrics::Metrics,
    watch::statefulsets::Managed,
};

/// Shows what keeps an unjudged revision off the pods while Siskin is dead
///
/// It tries writes as dry runs, with your rights: the API server answers as if, and nothing is kept. Name a workload in
/// Siskin's care to see everything; without one only what can be seen of a new StatefulSet in the namespace.
#[derive(Debug, clap::Args)]
pub struct Doctor {
    /// The StatefulSet: `db` or `sts/db`
    #[arg(value_name = "WORKLOAD", value_parser = workload_name)]
    workload: Option<String>,
    /// The namespace; by default that of the kubeconfig's context
    #[arg(long, short, value_name = "NS")]
    namespace: Option<String>,
    /// How to print it
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// A page for people
    Text,
    /// Everything that was found out
    Json,
}

/// Looks, prints, and says whether nothing is wrong.
pub async fn doctor(access: &Access, doctor: Doctor) -> Result<bool, LookError> {
    let Doctor { workload, namespace, output } = doctor;
    let diagnosis = if let Some(workload) = workload {
        let found = find(access, &Named { workload, namespace }).await?;
        let namespace = found.managed.workload.namespace.clone();
        diagnose(&found.cluster, namespace, Some(&found.managed)).await
    } else {
        let cluster = Cluster::new(access, CLI_MANAGER, Metrics::default()).await?;
        let namespace = namespace.unwrap_or_else(|| cluster.default_namespace().to_owned());
        diagnose(&cluster, namespace, None).await
    };
    match output {
        Output::Text => out::text(page::page(&diagnosis)),
        Output::Json => out::line(format_args!("{:#}", as_json(&diagnosis))),
    }
    Ok(diagnosis.findings().is_empty())
}

async fn diagnose(cluster: &Cluster, namespace: String, managed: Option<&Managed>) -> Diagnosis {
    let (you, daemons, policies, mut probes) = futures::join!(
        cluster.who_am_i(),
        daemon::daemons(cluster, None),
        look::installed(cluster),
        dry_run::dry_runs(cluster, &namespace, managed),
    );
    let (you, daemons) = (look::known(you), look::known(daemons));
    dry_run::as_siskin(&mut probes, &you, &policies);
    let workload = match managed {
        Some(managed) => Some(look::workload(cluster, managed).await),
        None => None,
    };
    let named = managed.zip(workload.as_ref());
    let missing_rights = look::missing_rights(cluster, &namespace, &daemons, named, &probes).await;
    Diagnosis { you, namespace, workload, daemons, policies, probes, missing_rights }
}

fn as_json(diagnosis: &Diagnosis) -> serde_json::Value {
    let here = table::here(diagnosis);
    let rows = table::ROWS.iter().zip(here);
    let rows: Vec<_> = rows.map(|(row, here)| json!({ "threat": row.threat, "here": here })).collect();
    let column = table::column(here).and_then(|column| table::COLUMNS.get(column));
    json!({ "diagnosis": diagnosis, "table": { "column": column, "rows": rows }, "findings": diagnosis.findings() })
}
