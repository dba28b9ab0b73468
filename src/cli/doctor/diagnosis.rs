//! What was found out, as data, and what is wrong with it.

use serde::Serialize;

pub use crate::cli::daemon::{Daemon, rights::MissingRight};

/// Everything that was found out.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diagnosis {
    /// Who asked: the dry runs show what the policies do to this user.
    pub you: Known<String>,
    /// Where it was asked.
    pub namespace: String,
    /// The workload that was named.
    pub workload: Option<Workload>,
    /// The daemons in the cluster.
    pub daemons: Known<Vec<Daemon>>,
    /// The policies in the cluster, of Siskin only.
    pub policies: Known<Vec<Policy>>,
    /// What the dry runs showed.
    pub probes: Vec<Probed>,
    /// Rights that a daemon needs and doesn't have.
    pub missing_rights: Known<Vec<MissingRight>>,
}

/// Something, or why it isn't known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Known<T> {
    /// It.
    Is(T),
    /// Why not.
    Unknown(String),
}

impl<T> Known<T> {
    /// It, if it is known.
    pub fn get(&self) -> Option<&T> {
        match self {
            Self::Is(it) => Some(it),
            Self::Unknown(_) => None,
        }
    }
}

/// The workload that was named.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// Its name.
    pub name: String,
    /// `siskin.dev/policy`.
    pub policy: Option<String>,
    /// Its partition.
    pub partition: u32,
    /// How Siskin looks after it.
    pub care: Care,
    /// Where its rollout stands, if it has a state.
    pub phase: Option<&'static str>,
    /// The released revisions, if there is a list.
    pub released: Known<Option<Vec<String>>>,
}

/// How Siskin looks after a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Care {
    /// Not.
    None,
    /// Nothing rolls by itself.
    Parked,
    /// The partition is lowered.
    Open,
}

impl Known<Vec<Daemon>> {
    /// There is one.
    pub fn runs(&self) -> bool {
        self.get().is_some_and(|daemons| !daemons.is_empty())
    }
}

/// A policy of Siskin's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// The user that it takes for Siskin; the others treat everybody alike.
    pub siskin_user: Option<String>,
}

/// A protection that a dry run can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Probe {
    /// Only Siskin lowers the partition.
    Park,
    /// A StatefulSet that comes with a policy comes parked.
    OptIn,
    /// Kubernetes doesn't change the current revision.
    Hold,
    /// Only Siskin writes its state.
    State,
    /// Only Siskin says what is stable.
    Stable,
    /// The type of the update strategy stays.
    Type,
    /// An approval is its author's.
    Approve,
    /// Pods are made of released revisions only.
    PodGuard,
    /// Only Siskin says which revisions are released.
    GuardList,
}

impl Probe {
    /// The policy that protects, by its name in `deploy/admission`.
    pub fn policy(self) -> &'static str {
        match self {
            Self::Park | Self::OptIn => "siskin-park",
            Self::Hold => "siskin-hold",
            Self::State | Self::Stable | Self::Type | Self::Approve => "siskin-guard",
            Self::PodGuard => "siskin-pod-guard",
            Self::GuardList => "siskin-pod-guard-list",
        }
    }

    /// A short name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Park => "partition",
            Self::OptIn => "opt-in",
            Self::Hold => "hold",
            Self::State => "state",
            Self::Stable => "stable",
            Self::Type => "type",
            Self::Approve => "approve",
            Self::PodGuard => "pod guard",
            Self::GuardList => "guard list",
        }
    }
}

/// What one dry run showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probed {
    /// What was tried.
    pub probe: Probe,
    /// What came of it.
    #[serde(flatten)]
    pub answer: Answer,
}

/// What came of a dry run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "answer", rename_all_fields = "camelCase")]
pub enum Answer {
    /// It came out other than it was sent.
    Corrected {
        /// How.
        how: String,
    },
    /// A policy refused it.
    Refused {
        /// Which.
        by: String,
    },
    /// It would have been done.
    LetThrough {
        /// What.
        what: String,
    },
    /// It was not found out.
    Unknown {
        /// Why not.
        why: String,
    },
}

impl Answer {
    /// It would not have been done.
    pub fn protects(&self) -> bool {
        matches!(self, Self::Corrected { .. } | Self::Refused { .. })
    }
}

/// Something that is not as it is meant to be, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding(pub String);

impl Diagnosis {
    /// How Siskin looks after the workload, if one was named.
    pub fn care(&self) -> Option<Care> {
        self.workload.as_ref().map(|workload| workload.care)
    }

    /// What came of a probe.
    pub fn answer(&self, probe: Probe) -> Answer {
        let found = self.probes.iter().find(|probed| probed.probe == probe);
        found.map_or_else(|| Answer::Unknown { why: "not tried".to_owned() }, |found| found.answer.clone())
    }

    /// What is not as it is meant to be. A protection that isn't installed is none: all are optional.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.nobody_runs());
        findings.extend(self.strangers());
        findings.extend(self.not_in_force());
        findings.extend(self.no_list());
        findings.extend(self.not_parked());
        findings.extend(self.rights());
        findings.into_iter().map(Finding).collect()
    }

    fn nobody_runs(&self) -> Option<String> {
        let nobody = self.daemons.get().is_some_and(Vec::is_empty);
        nobody.then(|| "no Siskin runs in this cluster: apply deploy/kustomize/base".to_owned())
    }

    /// Daemons that no policy knows.
    fn strangers(&self) -> Vec<String> {
        let (Some(daemons), Some(policies)) = (self.daemons.get(), self.policies.get()) else {
            return Vec::new();
        };
        let stranger = |policy: &Policy| {
            let named = policy.siskin_user.as_ref()?;
            let known = daemons.iter().any(|daemon| daemon.user == *named);
            let users: Vec<_> = daemons.iter().map(|daemon| daemon.user.as_str()).collect();
            (!known && !users.is_empty()).then(|| {
                format!(
                    "{} takes {named} for Siskin, but Siskin is {}: set the user of deploy/admission and apply it again",
                    policy.name,
                    users.join(", ")
                )
            })
        };
        policies.iter().filter_map(stranger).collect()
    }

    /// Policies that are there and don't act.
    fn not_in_force(&self) -> Vec<String> {
        let installed = |name: &str| {
            self.policies.get().is_some_and(|policies| policies.iter().any(|policy| policy.name == name))
        };
        let mut idle: Vec<&str> = self
            .probes
            .iter()
            .filter(|probed| matches!(probed.answer, Answer::LetThrough { .. }))
            .map(|probed| probed.probe)
            .filter(|probe| *probe != Probe::PodGuard || self.has_list())
            .map(Probe::policy)
            .filter(|policy| installed(policy))
            .collect();
        idle.dedup();
        let told = |policy: &str| {
            format!(
                "{policy} is installed but doesn't act in namespace {}: see its binding, and whether it is a minute old",
                self.namespace
            )
        };
        idle.into_iter().map(told).collect()
    }

    fn has_list(&self) -> bool {
        let released = self.workload.as_ref().and_then(|workload| workload.released.get());
        released.is_some_and(Option::is_some)
    }

    fn no_list(&self) -> Option<String> {
        let workload = self.workload.as_ref().filter(|workload| workload.care != Care::None)?;
        let installed = self.policies.get()?.iter().any(|policy| policy.name == Probe::PodGuard.policy());
        let none = workload.released.get().is_some_and(Option::is_none);
        (installed && none).then(|| {
            "the pod guard is installed, but there is no list of released revisions for this workload: set `podGuard: true` in Siskin's configuration".to_owned()
        })
    }

    fn not_parked(&self) -> Option<String> {
        const OPEN: [&str; 3] = ["Opening", "Undoing", "Completing"];
        let workload = self.workload.as_ref().filter(|workload| workload.care == Care::Open)?;
        let moving = workload.phase.is_some_and(|phase| OPEN.contains(&phase));
        (!moving).then(|| {
            format!(
                "the partition is {} and not parked: see that Siskin runs, then `siskin status {} -n {}`",
                workload.partition, workload.name, self.namespace
            )
        })
    }

    fn rights(&self) -> Vec<String> {
        let missing = self.missing_rights.get().into_iter().flatten();
        let told = |MissingRight { user, right, given_by, .. }: &MissingRight| {
            format!("{user} may not {right}: apply deploy/kustomize/{given_by}")
        };
        missing.map(told).collect()
    }
}
