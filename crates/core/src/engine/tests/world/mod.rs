//! A small world in virtual time: a StatefulSet with its controller and pods, and the engine acting on it.

mod daemon;
mod invariants;
mod kubernetes;
mod late;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    decision::{Note, Observe},
    facts::{
        Autoscaler, Claim, Guard, PARKED, Pod, PolicyFact, Revision, RevisionFact, Rules, Uid, Workload,
        Writer,
    },
    group::MemberFacts,
    policy::{
        AfterCompletion, Amount, Batches, Bounds, Canary, ClaimUse, GoDuration, OnForgotten, Placement,
        Policy, Step, Strategy, Surge, builtin,
    },
    references::{Kind, Reference, Version},
    state::{Phase, State},
    time::Wall,
};

/// One turn of the world, in milliseconds.
const TURN: u64 = 50;

struct SimPod {
    pod: Pod,
    born: u64,
    gone_at: Option<u64>,
}

/// Everything there is.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own that a test throws")]
pub struct World {
    pub at: u64,
    pub sts: Workload,
    revisions: Vec<RevisionFact>,
    pods: Vec<SimPod>,
    pub claims: Vec<Claim>,
    /// The claims that were there before the engine.
    users_claims: BTreeSet<Uid>,
    pub policy: PolicyFact,
    pub state: State,
    /// Revisions whose pods never become Ready.
    pub broken: BTreeSet<String>,
    /// Revisions whose Ready pods fail the check `errors`.
    pub failing: BTreeSet<String>,
    /// What happened, by reason.
    pub told: Vec<Note>,
    pub writes: usize,
    pub problem: Option<&'static str>,
    /// The engine's process dies right after this many writes.
    pub die_after: Option<usize>,
    /// A write of a leader's that arrives when another leads.
    pub late: late::Late,
    /// The engine isn't running.
    pub down: bool,
    /// The watch of the pods is behind: it shows these.
    pub old_pods: Option<Vec<Pod>>,
    pub hold: bool,
    /// The installation keeps lists for the pod guard.
    pub guarded: bool,
    /// The pod guard's list; without one every revision may run.
    pub list: Option<Guard>,
    /// The mutating park policy is there: only the engine lowers a partition, and a new template parks.
    pub parks: bool,
    /// When the engine asked whether the hold is there.
    pub asked_for_hold: Vec<u64>,
    /// What the last decision wants to look at.
    observe: Observe,
    /// No check of a Ready canary pod has data; the evidence says since when, as a real one does.
    pub silent: bool,
    /// Another release of Kubernetes: the same template gets another name.
    pub rehashed: bool,
    /// What somebody's admission policy makes of each write of the engine's.
    pub admission: Option<fn(&mut Workload)>,
    /// Writes take effect, but the answer of every other one is lost: the engine reads what became of them.
    pub answers_lost: bool,
    /// An admission policy refuses that the engine deletes pods.
    pub deletes_denied: bool,
    /// An admission policy refuses that the engine writes lists.
    pub lists_denied: bool,
    /// Pods can't be labelled.
    pub unlabelled: bool,
    pub labels_written: usize,
    /// The lowest number of ready pods below N that was seen since the last reset.
    pub fewest_ready: usize,
    uids: u64,
    may_delete_claims: bool,
    pub rules: Rules,
    /// A quota of this many pods.
    pub quota: Option<usize>,
    /// The nodes have room for this many pods.
    pub room: Option<usize>,
    pub peers: Vec<MemberFacts>,
    /// The ConfigMaps and Secrets there are; `None`: they aren't watched.
    pub configuration: Option<BTreeMap<Reference, Version>>,
    /// When the engine asked to be called again.
    pub wake: Option<Duration>,
    /// What the engine finds when it looks for an autoscaler.
    pub autoscaler: Autoscaler,
}

/// Every version reads the ConfigMap `app` and a Secret of its own name.
fn template(version: &str) -> Value {
    let volumes = json!([{ "configMap": { "name": "app" } }, { "secret": { "secretName": version } }]);
    json!({ "image": version, "spec": { "volumes": volumes } })
}

pub fn seconds(seconds: u64) -> GoDuration {
    GoDuration(Duration::from_secs(seconds))
}

pub fn policy(strategy: Strategy) -> Policy {
    let mut policy = builtin("standard").unwrap();
    policy.name = "test".to_owned();
    policy.strategy = strategy;
    policy.bounds = Bounds { max_unavailable: Amount::Count(1), progress_deadline: seconds(60) };
    policy
}

pub fn canary(placement: Placement, steps: &[(u32, u64)]) -> Policy {
    let steps = steps
        .iter()
        .enumerate()
        .map(|(index, &(percent, bake))| Step {
            name: format!("s{index}"),
            exposure: Amount::Percent(percent),
            bake: seconds(bake),
            decide_within: None,
            approval: false,
        })
        .collect();
    let remainder = Batches { batch: Amount::Count(1), bake: seconds(1), approval: false };
    policy(Strategy::Canary(Canary { placement, steps, remainder }))
}

pub fn in_place() -> Policy {
    canary(Placement::InPlace, &[(25, 5)])
}

pub fn surge() -> Policy {
    canary(Placement::Surge(Surge { claims: Some(ClaimUse::Discard), ..Surge::default() }), &[(25, 5)])
}

impl World {
    /// A workload of `replicas` pods on v1, all Ready, not opted in.
    pub fn new(replicas: u32, policy: Policy) -> Self {
        let mut world = Self {
            at: 1_000_000,
            sts: Workload {
                namespace: "test".to_owned(),
                name: "db".to_owned(),
                uid: Uid::from("set-1"),
                resource_version: "1".to_owned(),
                generation: 1,
                replicas,
                revision_history_limit: 10,
                parallel: true,
                claim_templates: vec!["data".to_owned()],
                template: template("v1"),
                ..Workload::default()
            },
            revisions: Vec::new(),
            pods: Vec::new(),
            claims: Vec::new(),
            users_claims: BTreeSet::new(),
            policy: PolicyFact::Loaded(policy),
            state: State::default(),
            broken: BTreeSet::new(),
            failing: BTreeSet::new(),
            told: Vec::new(),
            writes: 0,
            problem: None,
            die_after: None,
            late: late::Late::default(),
            down: true,
            old_pods: None,
            hold: false,
            guarded: false,
            list: None,
            parks: false,
            asked_for_hold: Vec::new(),
            observe: Observe::default(),
            silent: false,
            rehashed: false,
            admission: None,
            answers_lost: false,
            deletes_denied: false,
            lists_denied: false,
            unlabelled: false,
            labels_written: 0,
            fewest_ready: usize::MAX,
            uids: 0,
            may_delete_claims: true,
            rules: Rules::default(),
            quota: None,
            room: None,
            peers: Vec::new(),
            configuration: None,
            wake: None,
            autoscaler: Autoscaler::Absent,
        };
        world.run(10);
        world.users_claims = world.claims.iter().map(|claim| claim.uid.clone()).collect();
        world.down = false;
        world
    }

    /// As [`Self::new`], opted in and at rest.
    pub fn at_rest(replicas: u32, policy: Policy) -> Self {
        let mut world = Self::new(replicas, policy);
        world.annotate("policy", "test");
        world.run(5);
        assert_eq!(world.phase(), Phase::Idle, "{:?}", world.told);
        world.told.clear();
        world.writes = 0;
        world.fewest_ready = usize::MAX;
        world
    }

    /// As [`Self::at_rest`], with v2 in the bake of the first step and every pod Ready.
    pub fn baking(replicas: u32, policy: Policy) -> Self {
        let mut world = Self::at_rest(replicas, policy);
        world.release("v2");
        world.until("baking", |world| {
            world.phase() == Phase::Baking && world.pods().iter().all(|pod| !pod.ends_with(['!', '-']))
        });
        world
    }

    pub fn ordered(mut self) -> Self {
        self.sts.parallel = false;
        self
    }

    pub fn forbid_claim_deletion(&mut self) {
        self.may_delete_claims = false;
    }

    fn bump(&mut self) {
        self.sts.resource_version = (self.sts.resource_version.parse::<u64>().unwrap() + 1).to_string();
    }

    fn spec_changed(&mut self) {
        self.sts.generation += 1;
        self.bump();
    }

    pub fn annotate(&mut self, name: &str, value: &str) {
        self.sts.annotations.insert(name.to_owned(), value.to_owned());
        self.bump();
    }

    pub fn unannotate(&mut self, name: &str) {
        self.sts.annotations.remove(name);
        self.bump();
    }

    pub fn release(&mut self, version: &str) {
        self.write_template(template(version));
    }

    pub fn write_template(&mut self, template: Value) {
        if self.parks && self.annotation("policy").is_some() && self.sts.template != template {
            self.sts.partition = PARKED;
        }
        self.sts.template = template;
        self.spec_changed();
    }

    /// The same template with something that says nothing: Kubernetes gives it the name `db-<version>b`.
    pub fn release_renamed(&mut self, version: &str) {
        let mut template = template(version);
        template["securityContext"] = json!({});
        self.write_template(template);
    }

    /// Somebody writes a ConfigMap or a Secret.
    pub fn configure(&mut self, kind: Kind, name: &str) {
        self.uids += 1;
        let version = Version { number: self.uids, written: self.wall() };
        let reference = Reference { kind, name: name.to_owned() };
        self.configuration.get_or_insert_default().insert(reference, version);
    }

    pub fn scale(&mut self, replicas: u32, writer: Writer) {
        self.sts.replicas = replicas;
        self.sts.replicas_writer = writer;
        self.spec_changed();
    }

    pub fn set_partition(&mut self, partition: u32) {
        let held = self.parks && self.annotation("policy").is_some();
        self.sts.partition = if held { partition.max(self.sts.partition) } else { partition };
        self.spec_changed();
    }

    pub fn delete_pod(&mut self, index: u32) {
        let at = self.at;
        let ordinal = index + self.sts.ordinals_start;
        for sim in &mut self.pods {
            if sim.pod.ordinal == ordinal && !sim.pod.terminating {
                sim.pod.terminating = true;
                sim.gone_at = Some(at + 300);
            }
        }
    }

    pub fn claim(&mut self, name: &str) {
        self.uids += 1;
        self.claims.push(Claim {
            name: name.to_owned(),
            uid: Uid(format!("claim-{}", self.uids)),
            created: self.wall(),
            terminating: false,
        });
    }

    /// The StatefulSet is deleted, its pods and revisions are left, and a manifest is applied that knows nothing of the
    /// engine but the policy's name.
    pub fn recreate(&mut self, version: &str) {
        self.uids += 1;
        self.sts = Workload {
            uid: Uid(format!("set-{}", self.uids)),
            resource_version: self.sts.resource_version.clone(),
            generation: 0,
            observed_generation: 0,
            annotations: BTreeMap::from([("policy".to_owned(), "test".to_owned())]),
            template: template(version),
            partition: if self.parks { PARKED } else { 0 },
            current_revision: None,
            update_revision: None,
            ..self.sts.clone()
        };
        self.spec_changed();
        self.restart();
    }

    /// Somebody applies a manifest that says everything.
    pub fn apply(&mut self, version: &str, replicas: u32) {
        self.release(version);
        self.scale(replicas, Writer::Applier("argocd".to_owned()));
        self.set_partition(0);
    }

    /// Somebody writes the pod guard's list.
    pub fn edit_list(&mut self, versions: &[&str]) {
        let allowed = versions.iter().map(|version| Revision(format!("db-{version}"))).collect();
        self.write_list(allowed);
    }

    fn write_list(&mut self, allowed: BTreeSet<Revision>) {
        self.uids += 1;
        self.list = Some(Guard { resource_version: Some(self.uids.to_string()), allowed });
    }

    /// The versions on the pod guard's list.
    pub fn listed(&self) -> Vec<&str> {
        let allowed = self.list.iter().flat_map(|list| &list.allowed);
        allowed.map(|revision| revision.0.trim_start_matches("db-")).collect()
    }

    /// The engine's process is replaced by a new one.
    pub fn restart(&mut self) {
        self.state = State::load(&self.sts).0;
        self.observe = Observe::default();
        self.down = false;
    }

    fn wall(&self) -> Wall {
        Wall(i64::try_from(self.at / 1000).unwrap())
    }

    pub fn phase(&self) -> Phase {
        self.state.record.as_ref().map(|record| record.phase).expect("opted in")
    }

    pub fn rollout_id(&self) -> String {
        self.state.record.as_ref().and_then(|record| record.rollout.as_ref()).expect("a rollout").id.clone()
    }

    pub fn open_rollout(&self) -> Option<String> {
        Some(self.state.record.as_ref()?.rollout.as_ref()?.id.clone())
    }

    /// The pause that holds now has this reason.
    pub fn told_last(&self, reason: &str) -> bool {
        let pause = self.state.record.as_ref().and_then(|record| record.pause.as_ref());
        pause.is_some_and(|pause| format!("Paused{:?}", pause.reason) == reason)
    }

    /// A person deletes claims that no pod of the user's needs.
    pub fn drop_stray_claims(&mut self) {
        let replicas = self.user_replicas();
        self.claims.retain(|claim| claim.name.rsplit('-').next().unwrap().parse::<u32>().unwrap() < replicas);
    }

    pub fn annotation(&self, name: &str) -> Option<&str> {
        self.sts.annotations.get(name).map(String::as_str)
    }

    /// The revisions of the pods by index, `!` if not Ready, `-` if terminating.
    pub fn pods(&self) -> Vec<String> {
        let mut pods: Vec<(u32, String)> = self
            .pods
            .iter()
            .map(|sim| {
                let version = sim.pod.revision.as_ref().unwrap().0.trim_start_matches("db-").to_owned();
                let mark = if sim.pod.terminating {
                    "-"
                } else if sim.pod.ready {
                    ""
                } else {
                    "!"
                };
                (sim.pod.ordinal, version + mark)
            })
            .collect();
        pods.sort();
        pods.into_iter().map(|(_, pod)| pod).collect()
    }

    /// From now on the watch of the pods shows nothing new.
    pub fn stop_watching_pods(&mut self) {
        self.old_pods = Some(self.pods.iter().map(|sim| sim.pod.clone()).collect());
    }

    /// The pod at an index is not Ready from now on, and no other of its version gets there.
    pub fn break_pod(&mut self, index: u32, version: &str) {
        let ordinal = self.sts.ordinals_start + index;
        self.broken.insert(version.to_owned());
        for sim in self.pods.iter_mut().filter(|sim| sim.pod.ordinal == ordinal) {
            (sim.pod.ready, sim.pod.ready_since) = (false, None);
        }
    }

    /// The UID of the pod at an index.
    pub fn uid_at(&self, index: u32) -> Option<Uid> {
        let ordinal = self.sts.ordinals_start + index;
        self.pods.iter().find(|sim| sim.pod.ordinal == ordinal).map(|sim| sim.pod.uid.clone())
    }

    /// The roles on the pods' labels by index.
    pub fn roles(&self) -> Vec<&str> {
        let mut pods: Vec<&Pod> = self.pods.iter().map(|sim| &sim.pod).collect();
        pods.sort_by_key(|pod| pod.ordinal);
        pods.into_iter().map(|pod| pod.role.as_deref().unwrap_or_default()).collect()
    }

    pub fn told(&self, reason: &str) -> bool {
        self.told.iter().any(|note| note.reason() == reason)
    }

    pub fn count(&self, reason: &str) -> usize {
        self.told.iter().filter(|note| note.reason() == reason).count()
    }

    pub fn claim_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.claims.iter().map(|claim| claim.name.as_str()).collect();
        names.sort_unstable();
        names
    }

    pub fn verdict_of(&self, version: &str) -> Option<&'static str> {
        let revision = self.revisions.iter().find(|revision| revision.name.0 == format!("db-{version}"))?;
        revision.verdict.map(crate::facts::RevisionVerdict::as_str)
    }

    /// The rollout that gave the verdict on a version.
    pub fn rollout_of(&self, version: &str) -> Option<String> {
        self.revisions.iter().find(|revision| revision.name.0 == format!("db-{version}"))?.rollout.clone()
    }

    /// Lets `seconds` pass.
    pub fn run(&mut self, seconds: u64) {
        for _ in 0..seconds * 1000 / TURN {
            self.turn();
        }
    }

    /// Lets time pass until `condition` holds; fails after five minutes.
    pub fn until(&mut self, what: &str, condition: impl Fn(&Self) -> bool) {
        for _ in 0..300_000 / TURN {
            if condition(self) {
                return;
            }
            self.turn();
        }
        panic!(
            "never: {what}; current {:?} update {:?} phase {:?}, pods {:?}, partition {}, replicas {}, problem {:?}, told {:#?}",
            self.sts.current_revision,
            self.sts.update_revision,
            self.state.record.as_ref().map(|record| record.phase),
            self.pods(),
            self.sts.partition,
            self.sts.replicas,
            self.problem,
            self.told.iter().map(ToString::to_string).collect::<Vec<_>>()
        );
    }

    /// Completed natively: the canary revision v2 is the current one.
    pub fn completed(&self) -> bool {
        self.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v2")
    }

    pub fn until_promoted(&mut self) {
        self.until("promoted", |world| world.told("Promoted"));
    }

    pub fn until_idle(&mut self) {
        self.until("at rest", |world| world.phase() == Phase::Idle);
    }

    /// Lets one turn pass, 50 ms.
    pub fn turn_once(&mut self) {
        self.turn();
    }

    fn turn(&mut self) {
        self.at += TURN;
        self.kubelet();
        self.controller();
        self.deliver_late();
        if !self.down {
            self.engine();
        }
        self.check_invariants();
    }

    pub fn user_replicas(&self) -> u32 {
        self.state.record.as_ref().map_or(0, |record| record.user_replicas)
    }

    /// A stranger edits the state, and the engine reads it.
    pub fn edit_state(&mut self, change: impl FnOnce(&mut Value)) {
        let mut state = serde_json::from_str(self.annotation("state").expect("state")).expect("JSON");
        change(&mut state);
        self.annotate("state", &state.to_string());
        self.state.read_again(&self.sts);
    }

    pub fn with_policy(&mut self, change: impl FnOnce(&mut Policy)) {
        if let PolicyFact::Loaded(policy) = &mut self.policy {
            change(policy);
        }
    }

    pub fn restore_when_forgotten(&mut self) {
        self.with_policy(|policy| policy.outcome.on_forgotten = OnForgotten::Restore);
    }

    pub fn undo_after_completion(&mut self) {
        self.with_policy(|policy| policy.outcome.after_completion = AfterCompletion::Undo);
    }

    pub fn state_json(&self) -> BTreeMap<String, Value> {
        serde_json::from_str(self.annotation("state").expect("state")).expect("an object")
    }
}
