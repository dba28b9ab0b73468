//! What all scenarios share: the cluster, reached through its API and through kubectl.

use std::env;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;
use tokio::task::block_in_place;
use tokio::time::sleep;

use crate::admission;
use crate::cluster::{self, Layout};
use crate::failure::Failure;
use crate::traffic::Summary;

/// A baseline is measured anew after this.
const BASELINE_HOLDS: Duration = Duration::from_hours(24);

/// The cluster that scenarios run on.
#[derive(Clone)]
pub struct Bench {
    pub client: Client,
    pub layout: Layout,
    /// Whether somebody else runs the cluster.
    pub external: bool,
    /// Print the timelines of scenarios that pass, too.
    pub timelines: bool,
    /// Filled when the admission policies are in force.
    policies: Arc<OnceCell<()>>,
}

impl Bench {
    pub fn new(client: Client, layout: Layout, external: bool, timelines: bool) -> Self {
        Self { client, layout, external, timelines, policies: Arc::default() }
    }

    /// Installs the admission policies, once.
    pub async fn policies(&self) -> Result<(), Failure> {
        self.policies.get_or_try_init(|| admission::install(self)).await.copied()
    }

    /// Runs kubectl as the administrator and returns what it printed.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String, Failure> {
        let program =
            if self.external { PathBuf::from("kubectl") } else { self.layout.kubernetes("kubectl") };
        let mut all: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        all.push(format!("--kubeconfig={}", self.kubeconfig()));
        Ok(block_in_place(|| cluster::output(program, &all))?)
    }

    /// Runs kubectl until what it prints contains `wanted`.
    pub async fn await_output(&self, arguments: &[&str], wanted: &str) -> Result<(), Failure> {
        self.await_that(&format!("{wanted:?} is told"), arguments, |output| output.contains(wanted)).await
    }

    /// Runs kubectl until what it prints is as `condition` wants, which means `what`.
    pub async fn await_that(
        &self,
        what: &str,
        arguments: &[&str],
        condition: impl Fn(&str) -> bool,
    ) -> Result<(), Failure> {
        let within = Duration::from_mins(1);
        let deadline = Instant::now() + within;
        while !condition(&self.kubectl(arguments)?) {
            if Instant::now() > deadline {
                let what = format!("{what}, by kubectl {}", arguments.join(" "));
                return Err(Failure::Awaited { what, within });
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> String {
        match (self.external, env::var("KUBECONFIG")) {
            (true, Ok(kubeconfig)) => kubeconfig,
            _ => self.layout.kubeconfig().display().to_string(),
        }
    }

    /// Where the outcomes of scenarios are kept.
    pub fn outcomes(&self) -> PathBuf {
        self.layout.outcomes("real")
    }

    /// Whether a plain rolling update was measured lately. Binaries and machines change, and its cost with them.
    pub fn has_baseline(&self) -> bool {
        let modified = fs::metadata(self.layout.baseline()).and_then(|file| file.modified());
        modified.is_ok_and(|modified| modified.elapsed().is_ok_and(|age| age < BASELINE_HOLDS))
    }

    /// Requests that went unanswered in the last plain rolling update on this cluster; 0 if none was measured.
    pub fn baseline_lost(&self) -> usize {
        let text = fs::read_to_string(self.layout.baseline()).unwrap_or_default();
        let baseline: Value = serde_json::from_str(&text).unwrap_or_default();
        baseline.get("lost").and_then(Value::as_u64).and_then(|lost| lost.try_into().ok()).unwrap_or(0)
    }

    /// Keeps the figures of a plain rolling update.
    pub fn keep_baseline(&self, summary: &Summary, seconds: f64) -> Result<(), Failure> {
        let path = self.layout.baseline();
        let baseline = json!({ "sent": summary.sent, "lost": summary.lost(), "seconds": seconds });
        let kept = path
            .parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(&path, baseline.to_string()));
        kept.map_err(|error| Failure::Untrue(format!("{} can't be written: {error}", path.display())))
    }
}
