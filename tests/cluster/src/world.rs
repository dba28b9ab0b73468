//! What one scenario has: a namespace of its own, sample applications, traffic, and Siskin.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use tokio::time::sleep;

use crate::admission::Protection;
use crate::bench::Bench;
use crate::deployed::Deployed;
use crate::ending;
use crate::failure::{Failure, ensure};
use crate::http;
use crate::observer::{Change, Observer, Timeline};
use crate::siskin::Siskin;
use crate::traffic::{Load, Request, Summary};
use crate::visits::Visits;

/// The label of the namespaces that the bench makes.
pub const LABEL: &str = "siskin.dev/bench";

/// Events are written beside the work, not in it.
const TOLD_WITHIN: Duration = Duration::from_mins(1);

/// Unsuccessful requests that a scenario's fault explains.
#[derive(Debug, Clone, Default)]
pub struct Excused {
    /// Unanswered ones, beside those of the baseline.
    pub lost: usize,
    /// Any number of answers other than 200 by these versions.
    pub refused_by: BTreeSet<String>,
}

/// The world of one scenario.
pub struct World {
    pub bench: Bench,
    /// Where it goes on.
    pub namespace: String,
    /// Of that namespace.
    pub timeline: Timeline,
    pub excused: Excused,
    scenario: String,
    siskin: Option<Siskin>,
    /// All its namespaces; the last is the one where it goes on.
    places: Vec<Place>,
    deployed: Vec<Deployed>,
    loads: Vec<(String, Load)>,
    /// Of workloads whose load has ended.
    requests: Vec<(String, Vec<Request>)>,
    figures: Vec<String>,
}

/// A namespace of a scenario.
struct Place {
    namespace: String,
    observer: Observer,
}

impl Place {
    /// A new namespace, where `protections` act from its first moment.
    async fn make(bench: &Bench, scenario: &str, protections: &[Protection]) -> Result<Self, Failure> {
        let labels = protections.iter().map(|protection| protection.label()).chain([LABEL]);
        let labels: BTreeMap<&str, &str> = labels.map(|label| (label, "true")).collect();
        // A cluster that is kept may still have the namespace of an earlier run.
        let metadata = json!({ "generateName": format!("{scenario}-"), "labels": labels });
        let object: Namespace = serde_json::from_value(json!({ "metadata": metadata }))?;
        let made = Api::all(bench.client.clone()).create(&PostParams::default(), &object).await?;
        let namespace = made.name_any();
        let observer = Observer::start(&bench.client, &namespace);
        Ok(Self { namespace, observer })
    }
}

impl World {
    /// A new namespace without protections.
    pub async fn new(bench: &Bench, siskin: Option<Siskin>, scenario: &str) -> Result<Self, Failure> {
        let place = Place::make(bench, scenario, &[]).await?;
        Ok(Self {
            bench: bench.clone(),
            namespace: place.namespace.clone(),
            timeline: place.observer.timeline(),
            excused: Excused::default(),
            scenario: scenario.into(),
            siskin,
            places: vec![place],
            deployed: Vec::new(),
            loads: Vec::new(),
            requests: Vec::new(),
            figures: Vec::new(),
        })
    }

    /// The daemon.
    pub fn siskin(&self) -> Result<Siskin, Failure> {
        let absent = || Failure::Untrue("this scenario is registered as one without Siskin".into());
        self.siskin.clone().ok_or_else(absent)
    }

    /// Goes on in a new namespace where the admission policies of `protections`, and no others, act.
    pub async fn protect(&mut self, protections: &[Protection]) -> Result<(), Failure> {
        if !protections.is_empty() {
            self.bench.policies().await?;
        }
        let place = Place::make(&self.bench, &self.scenario, protections).await?;
        self.namespace.clone_from(&place.namespace);
        self.timeline = place.observer.timeline();
        self.places.push(place);
        Ok(())
    }

    /// Creates a sample application and waits until it is at rest: ready, and if it has a policy, looked after.
    pub async fn deploy(&mut self, visits: Visits) -> Result<Deployed, Failure> {
        let (version, policy) = (visits.version.clone(), visits.has_policy());
        let deployed = self.create(visits).await?;
        deployed.until_settled(&version, policy).await?;
        Ok(deployed)
    }

    /// Creates a sample application and waits for nothing.
    pub async fn create(&mut self, visits: Visits) -> Result<Deployed, Failure> {
        let deployed = self.expect(&visits)?;
        let created = deployed.create(&visits).await;
        if created.is_err() {
            // What was refused has no end to check.
            self.deployed.pop();
        }
        created.map(|()| deployed)
    }

    /// A sample application that the scenario brings about by other means.
    pub fn expect(&mut self, visits: &Visits) -> Result<Deployed, Failure> {
        let view = self.places.last().map(|place| place.observer.view());
        let view = view.ok_or_else(|| Failure::Untrue("the scenario has no namespace".into()))?;
        let timeline = self.timeline.clone();
        let deployed = Deployed::of(visits, &self.bench.client, &self.namespace, view, timeline);
        self.deployed.push(deployed.clone());
        Ok(deployed)
    }

    /// Deletes all sample applications; how they end no longer matters.
    pub async fn abandon(&mut self) -> Result<(), Failure> {
        for deployed in self.deployed.drain(..) {
            deployed.delete().await?;
        }
        Ok(())
    }

    /// One that was created or expected before.
    pub fn deployed(&self, name: &str) -> Result<Deployed, Failure> {
        let absent = || Failure::Untrue(format!("the scenario has no workload {name}"));
        self.deployed.iter().find(|deployed| deployed.name == name).cloned().ok_or_else(absent)
    }

    /// Sends `rate` requests per second to the Service of `deployed` from now on.
    pub async fn load(&mut self, deployed: &Deployed, rate: u32) -> Result<(), Failure> {
        let address = deployed.address().await?;
        self.answers(address).await?;
        self.loads.push((deployed.full_name(), Load::start(address, rate)));
        Ok(())
    }

    /// Waits until the Service is known to the node.
    async fn answers(&self, address: SocketAddr) -> Result<(), Failure> {
        let within = Duration::from_secs(20);
        let deadline = Instant::now() + within;
        while http::get(address, "/visits", Duration::from_secs(1)).await.is_err() {
            if Instant::now() > deadline {
                return Err(Failure::Awaited { what: format!("the Service at {address} answers"), within });
            }
            sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }

    /// Ends all traffic and sums it up.
    pub async fn end_traffic(&mut self) -> Summary {
        for (name, load) in self.loads.drain(..) {
            self.requests.push((name, load.stop().await));
        }
        let all: Vec<Request> = self.requests.iter().flat_map(|(_, requests)| requests).cloned().collect();
        Summary::of(&all)
    }

    /// Lets Siskin delete claims in this namespace.
    pub fn allow_claim_deletion(&self) -> Result<(), Failure> {
        let role = self.bench.layout.bench.join("../../deploy/kustomize/components/claim-deletion/rbac.yaml");
        self.bench.kubectl(&["apply", "-n", &self.namespace, "-f", &role.to_string_lossy()]).map(drop)
    }

    /// Lets this namespace have at most so many pods, or any number; those that are there stay.
    pub async fn limit_pods(&self, most: Option<u32>) -> Result<(), Failure> {
        self.bench.kubectl(&["delete", "quota/few", "-n", &self.namespace, "--ignore-not-found"])?;
        let Some(most) = most else { return Ok(()) };
        let hard = format!("--hard=pods={most}");
        self.bench.kubectl(&["create", "quota", "few", &hard, "-n", &self.namespace])?;
        let used = ["get", "quota/few", "-n", &self.namespace, "-o=jsonpath={.status.used.pods}"];
        self.bench.await_that("the quota is in force", &used, |used| !used.is_empty()).await
    }

    /// The reasons of the Events about objects of `kind`.
    pub fn event_reasons(&self, kind: &str) -> Result<Vec<String>, Failure> {
        let reasons = format!("jsonpath={{.items[?(@.regarding.kind==\"{kind}\")].reason}}");
        let output =
            self.bench.kubectl(&["get", "events.events.k8s.io", "-n", &self.namespace, "-o", &reasons])?;
        Ok(output.split_whitespace().map(String::from).collect())
    }

    /// Waits until an Event about `deployed` has this reason, or this reason and, after `: `, this beginning of its note.
    pub async fn until_told(&self, deployed: &Deployed, told: &str) -> Result<(), Failure> {
        let deadline = Instant::now() + TOLD_WITHIN;
        while self.times_told(deployed, told)? == 0 {
            if Instant::now() > deadline {
                let what = format!("an Event {told} about {}", deployed.name);
                return Err(Failure::Awaited { what, within: TOLD_WITHIN });
            }
            sleep(Duration::from_millis(200)).await;
        }
        Ok(())
    }

    /// Makes sure that just one Event about `deployed` has this reason.
    pub fn told_once(&self, deployed: &Deployed, reason: &str) -> Result<(), Failure> {
        let times = self.times_told(deployed, reason)?;
        ensure(times == 1, || format!("{} was told {reason} {times} times", deployed.name))
    }

    fn times_told(&self, deployed: &Deployed, told: &str) -> Result<usize, Failure> {
        let (reason, beginning) = told.split_once(": ").unwrap_or((told, ""));
        let about = format!(
            "jsonpath={{range .items[?(@.regarding.name==\"{}\")]}}{{.reason}}: {{.note}}{{\"\\n\"}}{{end}}",
            deployed.name
        );
        let events = ["get", "events.events.k8s.io", "-n", deployed.namespace(), "-o", &about];
        let fits = |event: &str| {
            event.split_once(": ").is_some_and(|(its, note)| its == reason && note.starts_with(beginning))
        };
        Ok(self.bench.kubectl(&events)?.lines().filter(|event| fits(event)).count())
    }

    /// Prints a duration with the scenario's result.
    pub fn figure(&mut self, what: &str, from: Instant, to: Instant) {
        let seconds = to.saturating_duration_since(from).as_secs_f64();
        self.note(format!("{what}: {seconds:.2} s"));
    }

    /// Prints something with the scenario's result.
    pub fn note(&mut self, what: String) {
        self.figures.push(what);
    }

    /// The figures so far.
    pub fn figures(&self) -> &[String] {
        &self.figures
    }

    /// What must be true of every scenario's end.
    pub async fn finish(&mut self) -> Result<(), Failure> {
        let summary = self.end_traffic().await;
        if summary.sent > 0 {
            self.figures.push(format!("traffic: {summary}"));
        }
        for deployed in &self.deployed {
            let requests = self.requests.iter().find(|(name, _)| *name == deployed.full_name());
            let requests = requests.map(|(_, requests)| requests.as_slice()).unwrap_or_default();
            ending::check(deployed, requests).await?;
        }
        let allowed = self.bench.baseline_lost() + self.excused.lost;
        ensure(summary.lost() <= allowed, || format!("more than {allowed} requests were lost: {summary}"))?;
        let refused = summary.refused_by_others_than(&self.excused.refused_by);
        ensure(refused == 0, || format!("{refused} requests were refused that no fault explains: {summary}"))
    }

    /// All that helps to understand a failure.
    pub async fn report(&self) -> String {
        let mut report = String::new();
        for Place { namespace, observer } in &self.places {
            let _ = writeln!(report, "timeline of namespace {namespace}:\n{}", observer.timeline());
            for command in ["get statefulsets,pods,persistentvolumeclaims -o wide", "events"] {
                let arguments: Vec<&str> = command.split(' ').chain(["-n", namespace]).collect();
                let output = self.bench.kubectl(&arguments).unwrap_or_else(|failure| failure.to_string());
                let _ = writeln!(report, "kubectl {command} -n {namespace}:\n{output}");
            }
        }
        if let Some(siskin) = &self.siskin {
            let _ = writeln!(report, "end of Siskin's log:\n{}", siskin.log(60).await);
        }
        report
    }

    /// What was seen in each of its namespaces.
    pub fn changes(&self) -> Vec<Vec<Change>> {
        self.places.iter().map(|place| place.observer.timeline().changes()).collect()
    }

    /// Gives its namespaces up; they go while other scenarios run.
    pub async fn leave(&self) {
        let namespaces: Api<Namespace> = Api::all(self.bench.client.clone());
        for place in &self.places {
            let _ = namespaces.delete(&place.namespace, &DeleteParams::background()).await;
        }
    }
}
