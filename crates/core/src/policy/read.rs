//! From the YAML tree to a [`Policy`]: the schema, its defaults and its ranges.

use super::{
    AfterCompletion, Amount, AutoscalerUse, Batches, Bounds, Canary, ClaimUse, GoDuration, Mode, Notify,
    OnConfigChange, OnFailure, OnForgotten, OnNoData, OnSurgeRefused, Outcome, Placement, Policy, Readiness,
    Step, Strategy, Surge, Topic, read_check::checks, read_window::windows, value,
};
use crate::yaml::{Fields, Place, Reader};

/// `apiVersion` of every document.
pub const API_VERSION: &str = "siskin.dev/v1alpha1";
/// `kind` of a policy.
pub const KIND: &str = "RolloutPolicy";

/// A rollout's state carries its policy whole, within an annotation of 32 KiB.
const MAX_SIZE: usize = 12 << 10;
/// More steps than this are a loop that somebody unrolled; batches do that.
const MAX_STEPS: usize = 30;

const TOPICS: [(&str, Topic); 7] = [
    ("Started", Topic::Started),
    ("WaitingForApproval", Topic::WaitingForApproval),
    ("Paused", Topic::Paused),
    ("Failed", Topic::Failed),
    ("RolledBack", Topic::RolledBack),
    ("Promoted", Topic::Promoted),
    ("ConfigChanged", Topic::ConfigChanged),
];

/// A policy and where its name stands.
#[derive(Clone, Debug)]
pub struct Placed {
    pub policy: Policy,
    pub place: Place,
}

/// Reads `apiVersion` and `kind`, which every document begins with.
pub fn header(fields: &mut Fields<'_>, kind: &'static str) -> Option<()> {
    let version =
        fields.required("apiVersion", &format!("`{API_VERSION}`"), |it| it.choice(&[(API_VERSION, ())], &[]));
    let kind = fields.required("kind", &format!("`{kind}`"), |it| it.choice(&[(kind, ())], &[]));
    version.and(kind)
}

/// Reads one document.
pub fn policy(document: &Reader<'_>) -> Option<Placed> {
    let mut fields = document.fields()?;
    let header = header(&mut fields, KIND);
    let name = fields.required("metadata", "`metadata: { name: ... }`", |metadata| {
        let mut fields = metadata.fields()?;
        fields.required("name", "the name that workloads refer to", |name| {
            Some((value::name(name, 63)?, name.place()))
        })
    });
    let spec = fields.required("spec", "at least `spec: { strategy: { type: Canary } }`", |reader| {
        let mut fields = reader.fields()?;
        fields.later("baseline", "rollouts begin with the first step");
        fields.later("hooks", "nothing is called before or after pods change");
        let mode = fields.or("mode", Mode::Enforce, |it| {
            it.choice(&[("Enforce", Mode::Enforce), ("Observe", Mode::Observe)], &[])
        });
        let strategy = fields.required("strategy", "at least `strategy: { type: Canary }`", strategy);
        let windows = fields.or("windows", Vec::new(), windows);
        let bounds = fields.or("bounds", Bounds::default(), bounds);
        let readiness = fields.or("readiness", Readiness::default(), readiness);
        let checks = fields.or("checks", Vec::new(), checks);
        let outcome = fields.or("outcome", Outcome::default(), outcome);
        let notify = fields.or("notify", Vec::new(), notify);
        let pod_labels = fields.or("podLabels", false, Reader::bool);
        Some((mode?, strategy?, windows?, bounds?, readiness?, checks?, outcome?, notify?, pod_labels?))
    });
    header?;
    let ((name, place), (mode, strategy, windows, bounds, readiness, checks, outcome, notify, pod_labels)) =
        (name?, spec?);
    let policy =
        Policy { name, mode, strategy, windows, bounds, readiness, checks, outcome, notify, pod_labels };
    let size = serde_json::to_string(&policy).map_or(usize::MAX, |json| json.len());
    if size > MAX_SIZE {
        document.refuse(format!(
            "found a policy of {size} bytes with its defaults, expected at most {MAX_SIZE}: a rollout keeps its policy in \
             an annotation; use fewer steps or checks, or shorter texts"
        ));
        return None;
    }
    Some(Placed { policy, place })
}

fn strategy(reader: &Reader<'_>) -> Option<Strategy> {
    #[derive(Clone, Copy, PartialEq)]
    enum Type {
        Canary,
        RollingUpdate,
    }
    let mut fields = reader.fields()?;
    let chosen = fields.required("type", "`Canary` or `RollingUpdate`", |it| {
        it.choice(
            &[("Canary", Type::Canary), ("RollingUpdate", Type::RollingUpdate)],
            &["Recreate", "BlueGreen", "OnDelete"],
        )
    });
    for name in ["recreate", "blueGreen", "onDelete"] {
        fields.later(name, "use `canary` or `rollingUpdate`");
    }
    let canary = fields.get("canary");
    let rolling = fields.get("rollingUpdate");
    match chosen? {
        Type::Canary => {
            value::none(rolling.as_ref(), "Canary", "RollingUpdate");
            let strategy = canary.map_or_else(|| Some(Canary::default()), |it| self::canary(&it));
            strategy.filter(|_| rolling.is_none()).map(Strategy::Canary)
        }
        Type::RollingUpdate => {
            value::none(canary.as_ref(), "RollingUpdate", "Canary");
            let strategy = rolling.map_or_else(|| Some(Batches::default()), |it| batches(&it));
            strategy.filter(|_| canary.is_none()).map(Strategy::RollingUpdate)
        }
    }
}

fn canary(reader: &Reader<'_>) -> Option<Canary> {
    let mut fields = reader.fields()?;
    let placement = fields.or("placement", Placement::InPlace, placement);
    let steps = fields.or("steps", Canary::default().steps, steps);
    let remainder = fields.or("remainder", Batches::default(), batches);
    Some(Canary { placement: placement?, steps: steps?, remainder: remainder? })
}

fn placement(reader: &Reader<'_>) -> Option<Placement> {
    let mut fields = reader.fields()?;
    let surges = fields.required("type", "`InPlace` or `Surge`", |it| {
        it.choice(&[("InPlace", false), ("Surge", true)], &["Separate"])
    });
    let surge = fields.optional("surge", |surge_reader| {
        let mut fields = surge_reader.fields()?;
        let pods = fields.optional("pods", value::amount);
        let claims = fields.optional("claims", |it| {
            it.choice(
                &[("Discard", ClaimUse::Discard), ("Keep", ClaimUse::Keep), ("Reuse", ClaimUse::Reuse)],
                &[],
            )
        });
        let autoscaler = fields.optional("autoscaler", |it| {
            it.choice(&[("Refuse", AutoscalerUse::Refuse), ("Follow", AutoscalerUse::Follow)], &[])
        });
        let surge = Surge { pods: pods?, claims: claims?, autoscaler: autoscaler?.unwrap_or_default() };
        if surge.autoscaler == AutoscalerUse::Follow && surge.pods != Some(Amount::Count(1)) {
            // A number of extra pods that changes with the replicas would make both write in turns.
            surge_reader.expected("`pods: 1` next to `autoscaler: Follow`");
            return None;
        }
        Some(surge)
    });
    if surges? {
        Some(Placement::Surge(surge?.unwrap_or_default()))
    } else {
        let member = fields.get("surge");
        value::none(member.as_ref(), "InPlace", "Surge");
        member.is_none().then_some(Placement::InPlace)
    }
}

fn steps(reader: &Reader<'_>) -> Option<Vec<Step>> {
    let expected = format!("a list of 1 to {MAX_STEPS} steps");
    // Names and exposures are compared over all steps, so that a wrong field in one doesn't hide the rest.
    let seen = value::Distinct::default();
    let floor = Floor::default();
    let steps = reader.list(&expected, |reader| step(reader, &seen, &floor))?;
    if steps.is_empty() || steps.len() > MAX_STEPS {
        reader.refuse(format!("found {} steps, expected {expected}", steps.len()));
        return None;
    }
    Some(steps)
}

fn step(reader: &Reader<'_>, seen: &value::Distinct, floor: &Floor) -> Option<Step> {
    let mut fields = reader.fields()?;
    let name = fields.required("name", "a name for approvals and metrics", |it| {
        let name = seen.name(it, 40, "step")?;
        if name.strip_prefix("remainder-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()))
        {
            it.expected("another name: the batches of the remainder are called so");
            return None;
        }
        Some(name)
    });
    let exposure = fields.required("exposure", "a share such as `25%` or a count", |it| {
        let exposure = value::amount(it)?;
        floor.raise(it, exposure).then_some(exposure)
    });
    let bake = fields.or("bake", GoDuration::from_secs(300), value::positive);
    let decide_within = fields.optional("decideWithin", |it| {
        let within = value::positive(it)?;
        if let Some(bake) = bake.filter(|bake| within <= *bake) {
            it.expected(format_args!("more than the step's bake of `{bake}`, which counts in it"));
            return None;
        }
        Some(within)
    });
    let approval = fields.optional("approval", approval);
    Some(Step {
        name: name?,
        exposure: exposure?,
        bake: bake?,
        decide_within: decide_within?,
        approval: approval?.is_some(),
    })
}

/// The highest exposure so far, of each kind: counts and shares only compare when the replicas are known.
#[derive(Default)]
struct Floor(std::cell::Cell<(u32, u32)>);

impl Floor {
    fn raise(&self, reader: &Reader<'_>, exposure: Amount) -> bool {
        let (count, percent) = self.0.get();
        let (before, rises) = match exposure {
            Amount::Count(now) => (Amount::Count(count), now >= count),
            Amount::Percent(now) => (Amount::Percent(percent), now >= percent),
        };
        if rises {
            self.0.set(match exposure {
                Amount::Count(now) => (now, percent),
                Amount::Percent(now) => (count, now),
            });
        } else {
            reader.expected(format_args!("at least the `{before}` of an earlier step: exposure never falls"));
        }
        rises
    }
}

fn batches(reader: &Reader<'_>) -> Option<Batches> {
    let mut fields = reader.fields()?;
    let default = Batches::default();
    let batch = fields.or("batch", default.batch, value::amount);
    let bake = fields.or("bake", default.bake, value::positive);
    let approval = fields.optional("approval", approval);
    Some(Batches { batch: batch?, bake: bake?, approval: approval?.is_some() })
}

fn approval(reader: &Reader<'_>) -> Option<()> {
    let mut fields = reader.fields()?;
    fields.later(
        "approvers",
        "it cannot be enforced who approves; `approval: {}` waits for anyone who may annotate",
    );
    Some(())
}

fn bounds(reader: &Reader<'_>) -> Option<Bounds> {
    let mut fields = reader.fields()?;
    let default = Bounds::default();
    let max_unavailable = fields.or("maxUnavailable", default.max_unavailable, value::amount);
    let progress_deadline = fields.or("progressDeadline", default.progress_deadline, value::positive);
    Some(Bounds { max_unavailable: max_unavailable?, progress_deadline: progress_deadline? })
}

fn readiness(reader: &Reader<'_>) -> Option<Readiness> {
    let mut fields = reader.fields()?;
    let default = Readiness::default();
    let within = fields.or("within", default.within, value::positive);
    let max_restarts = fields.or("maxRestarts", default.max_restarts, |it| value::number(it, 0, 1000));
    let pull_error_grace = fields.or("pullErrorGrace", default.pull_error_grace, value::duration);
    let unschedulable_grace = fields.or("unschedulableGrace", default.unschedulable_grace, value::duration);
    Some(Readiness {
        within: within?,
        max_restarts: max_restarts?,
        pull_error_grace: pull_error_grace?,
        unschedulable_grace: unschedulable_grace?,
    })
}

fn outcome(reader: &Reader<'_>) -> Option<Outcome> {
    let mut fields = reader.fields()?;
    let default = Outcome::default();
    let failure = [("RollBack", OnFailure::RollBack), ("Pause", OnFailure::Pause)];
    let no_data = [("Hold", OnNoData::Hold), ("Pause", OnNoData::Pause), ("RollBack", OnNoData::RollBack)];
    let completion = [("Pause", AfterCompletion::Pause), ("Undo", AfterCompletion::Undo)];
    let on_failure = fields.or("onFailure", default.on_failure, |it| it.choice(&failure, &[]));
    let on_undecided = fields.or("onUndecided", default.on_undecided, |it| it.choice(&failure, &[]));
    let on_no_data = fields.or("onNoData", default.on_no_data, |it| it.choice(&no_data, &[]));
    let after_completion =
        fields.or("afterCompletion", default.after_completion, |it| it.choice(&completion, &[]));
    let refused = [
        ("Pause", OnSurgeRefused::Pause),
        ("InPlace", OnSurgeRefused::InPlace),
        ("RollBack", OnSurgeRefused::RollBack),
    ];
    let on_surge_refused =
        fields.or("onSurgeRefused", default.on_surge_refused, |it| it.choice(&refused, &[]));
    let on_forgotten = fields.or("onForgotten", default.on_forgotten, |it| {
        it.choice(&[("Hold", OnForgotten::Hold), ("Restore", OnForgotten::Restore)], &[])
    });
    let on_config_change = fields.or("onConfigChange", default.on_config_change, |it| {
        it.choice(&[("Warn", OnConfigChange::Warn), ("Pause", OnConfigChange::Pause)], &[])
    });
    Some(Outcome {
        on_failure: on_failure?,
        on_undecided: on_undecided?,
        on_no_data: on_no_data?,
        after_completion: after_completion?,
        on_forgotten: on_forgotten?,
        on_surge_refused: on_surge_refused?,
        on_config_change: on_config_change?,
    })
}

fn notify(reader: &Reader<'_>) -> Option<Vec<Notify>> {
    let seen = value::Distinct::default();
    reader.list("a list of receivers", |reader| {
        let mut fields = reader.fields()?;
        let receiver = fields.required("receiver", "a receiver's name in the daemon's configuration", |it| {
            seen.name(it, 63, "receiver")
        });
        let every_topic = || TOPICS.iter().map(|(_, topic)| *topic).collect();
        let events = fields.or("events", every_topic(), |it| {
            let mut events = it.list("a list of events", |item| item.choice(&TOPICS, &[]))?;
            if events.is_empty() {
                it.refuse("found no events, expected some; left out, all are told");
                return None;
            }
            events.sort_unstable();
            events.dedup();
            Some(events)
        });
        Some(Notify { receiver: receiver?, events: events? })
    })
}
