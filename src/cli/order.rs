//! The verbs: each writes one annotation that names what it means, and the daemon does the rest.

use kube::config::Kubeconfig;
use serde_json::json;
use siskin_core::{
    command::{Command, PAUSED},
    decision::PREFIX,
    facts::{Revision, RevisionFact, RevisionVerdict, Workload},
    state::{Phase, Record, Rollout, Unreadable},
    strategy,
};

use super::{
    out,
    workload::{Found, LookError, Named, find},
};
use siskin_daemon::{
    cluster::{Access, Error, Resource, Scope},
    watch::{revisions::ControllerRevision, statefulsets::Whole},
};

/// The arguments of `approve`.
#[derive(Debug, clap::Args)]
pub struct Approve {
    /// The workload.
    #[command(flatten)]
    pub named: Named,
    /// Who approves; by default the user of the kubeconfig's context, or $USER
    #[arg(long)]
    pub user: Option<String>,
}

/// The arguments of `promote`.
#[derive(Debug, clap::Args)]
pub struct Promote {
    /// The workload.
    #[command(flatten)]
    pub named: Named,
    /// The revision to promote, where it isn't the one being judged: after opting in with mixed revisions
    #[arg(long)]
    pub revision: Option<String>,
}

/// What is to happen.
#[derive(Debug, PartialEq, Eq)]
pub enum Verb {
    /// Pass the gate.
    Approve {
        /// Who.
        user: Option<String>,
    },
    /// Skip the rest.
    Promote {
        /// Which; `None`: the canary revision.
        revision: Option<String>,
    },
    /// Go back.
    Abort,
    /// Go back by the template.
    Undo,
    /// Stop.
    Pause,
    /// Go on.
    Resume,
    /// Try again.
    Retry,
}

/// Why an order isn't given.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The workload can't be looked at.
    #[error(transparent)]
    Look(#[from] LookError),
    /// Its state can't be read.
    #[error("{0}; the daemon will build it anew, see the StatefulSet's Events")]
    Unreadable(#[from] Unreadable),
    /// There is nothing that the order could mean.
    #[error("{0}")]
    Nothing(String),
    /// It can't be written.
    #[error(transparent)]
    Write(#[from] Error),
}

/// An annotation to write, and what to say.
#[derive(Debug, PartialEq, Eq)]
struct Order {
    name: &'static str,
    value: Option<String>,
    done: String,
}

impl Order {
    fn command(command: &Command, done: String) -> Self {
        Self { name: command.name(), value: Some(command.value()), done }
    }
}

/// While a rollout runs, the StatefulSet's status changes between a look and a write; each time it is looked at anew.
const LOOKS: u32 = 5;

/// Gives an order.
pub async fn give(access: &Access, named: &Named, verb: &Verb) -> Result<(), OrderError> {
    for look in 1.. {
        match give_once(access, named, verb).await {
            Err(OrderError::Write(error)) if error.is_conflict() && look < LOOKS => {}
            ended => return ended,
        }
    }
    Ok(())
}

async fn give_once(access: &Access, named: &Named, verb: &Verb) -> Result<(), OrderError> {
    let found = find(access, named).await?;
    let workload = &found.managed.workload;
    let (namespace, name) = (&workload.namespace, &workload.name);
    let Some(record) = found.record()? else {
        return Err(OrderError::Nothing(format!(
            "{namespace}/{name} is not looked after: it has no state of Siskin; annotate it with \
             siskin.dev/policy=standard, and see that the daemon runs"
        )));
    };
    let rejected = if *verb == Verb::Retry { rejecting_rollout(&found).await? } else { None };
    let user = || user(access);
    let order = order(verb, &record, paused(workload), rejected, user)
        .map_err(|why| OrderError::Nothing(format!("{namespace}/{name}: {why}")))?;
    let body = json!({ "metadata": {
        "resourceVersion": workload.resource_version,
        "annotations": { format!("{PREFIX}{}", order.name): order.value },
    } });
    found.cluster.patch::<Whole>(Resource::StatefulSets, namespace, name, &body).await?;
    out::line(format_args!("{namespace}/{name}: {}", order.done));
    Ok(())
}

/// Any other value than `true` pauses nothing.
fn paused(workload: &Workload) -> bool {
    workload.annotations.get(PAUSED).is_some_and(|value| value == "true")
}

/// What a verb means in this state of the workload, or why nothing.
fn order(
    verb: &Verb,
    record: &Record,
    paused: bool,
    rejected: Option<(Revision, String)>,
    current_user: impl FnOnce() -> String,
) -> Result<Order, String> {
    let open = || {
        record.rollout.as_ref().ok_or_else(|| format!("no rollout is open (phase {})", record.phase.as_str()))
    };
    match verb {
        Verb::Approve { user } => {
            let rollout = open()?;
            if record.phase != Phase::AwaitingApproval {
                return Err(format!("nothing waits for approval (phase {})", record.phase.as_str()));
            }
            let step =
                step_name(record, rollout).ok_or("the policy of the rollout no longer fits the workload")?;
            let user = user.clone().unwrap_or_else(current_user);
            let done = format!("step {step} of {} approved by {user}", rollout.canary);
            Ok(Order::command(&Command::Approve { revision: rollout.canary.clone(), step, user }, done))
        }
        Verb::Promote { revision } => {
            let revision = match revision {
                Some(revision) => Revision(revision.clone()),
                None => forward(record)?.canary.clone(),
            };
            let done = format!("{revision} is to be promoted");
            Ok(Order::command(&Command::Promote(revision), done))
        }
        Verb::Abort => {
            let rollout = forward(record)?;
            let done = format!("rollout {} of {} is to be aborted", rollout.id, rollout.canary);
            Ok(Order::command(&Command::Abort(rollout.id.clone()), done))
        }
        Verb::Undo => {
            let rollout = open()?;
            if matches!(record.phase, Phase::Completing | Phase::Undoing) {
                return Err(format!(
                    "rollout {} can't be undone in phase {}",
                    rollout.id,
                    record.phase.as_str()
                ));
            }
            let done = format!("rollout {} of {} is to be undone", rollout.id, rollout.canary);
            Ok(Order::command(&Command::Undo(rollout.id.clone()), done))
        }
        Verb::Pause if paused => Err("it is paused already".to_owned()),
        Verb::Pause => Ok(Order {
            name: PAUSED,
            value: Some("true".to_owned()),
            done: "paused; `siskin resume` lets it go on".into(),
        }),
        Verb::Resume if !paused => Err("it is not paused".to_owned()),
        Verb::Resume => Ok(Order { name: PAUSED, value: None, done: "goes on".to_owned() }),
        Verb::Retry => {
            if record.rollout.is_some() {
                return Err(format!(
                    "a rollout is open (phase {}); there is nothing to retry",
                    record.phase.as_str()
                ));
            }
            let (revision, rollout) =
                rejected.ok_or("the template that is now wanted was not rolled back")?;
            Ok(Order::command(&Command::Retry(rollout), format!("{revision} is to be tried again")))
        }
    }
}

/// The open rollout, if it goes forward.
fn forward(record: &Record) -> Result<&Rollout, String> {
    match (&record.rollout, record.phase) {
        (Some(rollout), Phase::Opening | Phase::Baking | Phase::AwaitingApproval) => Ok(rollout),
        (Some(rollout), phase) => {
            Err(format!("rollout {} goes forward no more (phase {})", rollout.id, phase.as_str()))
        }
        (None, phase) => Err(format!("no rollout is open (phase {})", phase.as_str())),
    }
}

/// The name of the step that a rollout is in.
fn step_name(record: &Record, rollout: &Rollout) -> Option<String> {
    // Claims decide whether a plan fits, not what its steps are called.
    let plan = strategy::compile_rollout(rollout, record.user_replicas, false).ok()?;
    plan.steps.get(rollout.step).map(|step| step.name.clone())
}

/// The wanted revision and the rollout that rejected it.
async fn rejecting_rollout(found: &Found) -> Result<Option<(Revision, String)>, Error> {
    let workload = &found.managed.workload;
    let scope = Scope {
        resource: Resource::ControllerRevisions,
        namespace: Some(workload.namespace.clone()),
        selector: Some(found.managed.selector.clone()),
        name: None,
    };
    let listed = found.cluster.list::<ControllerRevision>(&scope).await?;
    let revisions: Vec<RevisionFact> =
        listed.items.into_iter().filter(|one| one.owned_by(&workload.uid)).map(RevisionFact::from).collect();
    let Some(wanted) = revisions.iter().find(|one| Some(&one.name) == workload.update_revision.as_ref())
    else {
        return Ok(None);
    };
    // The same template can come back under another name.
    let rejected = revisions.iter().rev().find_map(|one| {
        let same = one.name == wanted.name || siskin_core::template::equal(&one.template, &wanted.template);
        let rollout = one.rollout.clone().filter(|_| one.verdict == Some(RevisionVerdict::Rejected))?;
        same.then(|| (wanted.name.clone(), rollout))
    });
    Ok(rejected)
}

/// Who gives the order, as far as can be told from here.
fn user(access: &Access) -> String {
    let kubeconfig = access.kubeconfig.as_ref().map_or_else(Kubeconfig::read, Kubeconfig::read_from).ok();
    let from_context = kubeconfig.and_then(|kubeconfig| {
        let current = access.context.clone().or(kubeconfig.current_context)?;
        let context = kubeconfig.contexts.into_iter().find(|context| context.name == current)?;
        context.context?.user
    });
    from_context
        .or_else(|| std::env::var("USER").ok())
        .filter(|user| !user.is_empty())
        .unwrap_or_else(|| "unknown".into())
}

#[cfg(test)]
mod tests {
    use siskin_core::{facts::Uid, policy, state::ClaimLedger, time::Wall};

    use super::*;

    fn record(phase: Phase) -> Record {
        let policy = policy::builtin("careful").unwrap();
        let rollout = Rollout::new("r7".into(), Revision::from("db-2"), policy, Wall(0));
        let mut record: Record = serde_json::from_value(json!({
            "version": 1, "workloadUID": Uid::from("u-1"), "seq": 3, "userReplicas": 4, "userPartition": 0, "phase": phase,
        }))
        .unwrap();
        record.claims = ClaimLedger::default();
        record.rollout = record.in_rollout().then_some(rollout);
        record
    }

    fn value(verb: &Verb, record: &Record) -> Result<String, String> {
        let order =
            order(verb, record, false, Some((Revision::from("db-2"), "r6".into())), || "ann".to_owned())?;
        Ok(format!("{}={}", order.name, order.value.unwrap_or_default()))
    }

    #[test]
    fn an_order_names_the_rollout_that_it_means() {
        let baking = record(Phase::Baking);
        assert_eq!(value(&Verb::Abort, &baking).unwrap(), "abort=r7");
        assert_eq!(value(&Verb::Undo, &baking).unwrap(), "undo=r7");
        assert_eq!(value(&Verb::Promote { revision: None }, &baking).unwrap(), "promote=db-2");
        assert_eq!(value(&Verb::Pause, &baking).unwrap(), "paused=true");
    }

    #[test]
    fn only_the_annotation_true_is_a_pause() {
        let annotated = |value: &str| Workload {
            annotations: [(PAUSED.to_owned(), value.to_owned())].into(),
            ..Workload::default()
        };
        assert!(paused(&annotated("true")));
        assert!(!paused(&annotated("false")) && !paused(&Workload::default()));
    }

    #[test]
    fn an_approval_names_revision_step_and_user() {
        let waiting = record(Phase::AwaitingApproval);
        let step = step_name(&waiting, waiting.rollout.as_ref().unwrap()).unwrap();
        assert_eq!(
            value(&Verb::Approve { user: None }, &waiting).unwrap(),
            format!("approve=db-2/{step}/ann")
        );
        let bob = Verb::Approve { user: Some("bob".into()) };
        assert_eq!(value(&bob, &waiting).unwrap(), format!("approve=db-2/{step}/bob"));
        assert!(
            value(&Verb::Approve { user: None }, &record(Phase::Baking))
                .unwrap_err()
                .contains("nothing waits")
        );
    }

    #[test]
    fn at_rest_there_is_nothing_to_abort_but_a_rejected_revision_to_retry() {
        let idle = record(Phase::Idle);
        for verb in [Verb::Abort, Verb::Undo, Verb::Promote { revision: None }] {
            assert!(value(&verb, &idle).unwrap_err().contains("no rollout is open"));
        }
        assert_eq!(value(&Verb::Retry, &idle).unwrap(), "retry=r6");
        assert!(value(&Verb::Resume, &idle).unwrap_err().contains("not paused"));
        assert!(value(&Verb::Retry, &record(Phase::Baking)).unwrap_err().contains("nothing to retry"));
    }
}
