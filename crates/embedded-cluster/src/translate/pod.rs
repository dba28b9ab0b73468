//! Pods, as the models look at them.

use serde_json::{Value, json};
use siskin_embedded::object::{Container, ContainerState, Name, Phase, Pod, PodStatus, Template, Terminated};

use super::{Untranslatable, items, metadata::metadata, moment, number, text};

/// Reads a pod. Its template is what it runs: its labels and spec.
pub fn read(object: &Value) -> Result<Pod, Untranslatable> {
    let claim = |volume: &Value| Name::from(text(volume, "/persistentVolumeClaim/claimName"));
    let claims = items(object, "/spec/volumes").iter().map(claim).filter(|claim| !claim.is_empty());
    let labels = object.pointer("/metadata/labels");
    Ok(Pod {
        metadata: metadata(object)?,
        template: Template::new(json!({ "metadata": { "labels": labels }, "spec": object["spec"] })),
        claims: claims.collect(),
        status: status(&object["status"]),
    })
}

fn status(status: &Value) -> PodStatus {
    let condition = |kind: &str| items(status, "/conditions").iter().find(|found| found["type"] == kind);
    let unschedulable = condition("PodScheduled").filter(|condition| condition["reason"] == "Unschedulable");
    let ready = condition("Ready").filter(|condition| condition["status"] == "True");
    PodStatus {
        phase: match text(status, "/phase") {
            "Running" => Phase::Running,
            "Succeeded" => Phase::Succeeded,
            "Failed" => Phase::Failed,
            _ => Phase::Pending,
        },
        reason: some_name(text(status, "/reason")),
        unschedulable: unschedulable.map(|condition| text(condition, "/message").into()),
        has_ip: !text(status, "/podIP").is_empty(),
        ready_since: ready.map(|condition| moment(condition, "/lastTransitionTime").unwrap_or(0)),
        container: items(status, "/containerStatuses").first().map(container),
    }
}

fn some_name(text: &str) -> Option<Name> {
    (!text.is_empty()).then(|| text.into())
}

fn container(status: &Value) -> Container {
    let waiting = || ContainerState::Waiting { reason: text(status, "/state/waiting/reason").into() };
    let running = moment(status, "/state/running/startedAt");
    let state = match (running, terminated(&status["state"])) {
        (Some(since), _) => ContainerState::Running { since },
        (None, Some(how)) => ContainerState::Terminated(how),
        (None, None) => waiting(),
    };
    Container {
        restarts: u32::try_from(number(status, "/restartCount")).unwrap_or(0),
        state,
        last: terminated(&status["lastState"]),
    }
}

fn terminated(state: &Value) -> Option<Terminated> {
    let ended = state.get("terminated").filter(|ended| ended.is_object())?;
    Some(Terminated {
        reason: text(ended, "/reason").into(),
        exit_code: i32::try_from(number(ended, "/exitCode")).unwrap_or(0),
        at: moment(ended, "/finishedAt").unwrap_or(0),
    })
}
