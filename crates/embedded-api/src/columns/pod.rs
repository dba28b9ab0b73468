//! The state of a pod in one word, as kubectl shows it.

use jiff::Timestamp;
use serde_json::Value;

use super::age;
use crate::value;

/// Ready containers of all.
pub fn ready(pod: &Value, _: Timestamp) -> String {
    let running = statuses(pod).filter(|container| is_ready(container)).count();
    format!("{running}/{}", value::items(pod, &["spec", "containers"]).len())
}

/// The phase, or what is more telling: why a container waits or ended, or that the pod is on its way out.
pub fn status(pod: &Value, _: Timestamp) -> String {
    let phase = value::text(pod, &["status", "phase"]);
    if value::of(pod, &["metadata", "deletionTimestamp"]).is_string()
        && !matches!(phase, "Failed" | "Succeeded")
    {
        return "Terminating".to_owned();
    }
    let told = match value::text(pod, &["status", "reason"]) {
        "" => phase,
        reason => reason,
    };
    // The first container is looked at last, so it has the last word.
    let telling = statuses(pod).find_map(|container| telling(&container["state"]));
    match telling {
        Some(done) if done == "Completed" && statuses(pod).any(is_ready) => "Running".to_owned(),
        Some(reason) => reason,
        None => told.to_owned(),
    }
}

/// How often containers were started again, and when the last of them ended.
pub fn restarts(pod: &Value, now: Timestamp) -> String {
    let count: u64 = statuses(pod).filter_map(|container| container["restartCount"].as_u64()).sum();
    let ended =
        statuses(pod).map(|container| value::text(container, &["lastState", "terminated", "finishedAt"]));
    match ended.max() {
        Some(last) if count > 0 && !last.is_empty() => format!("{count} ({} ago)", age::since(last, now)),
        _ => count.to_string(),
    }
}

fn statuses(pod: &Value) -> impl Iterator<Item = &Value> {
    value::items(pod, &["status", "containerStatuses"]).iter()
}

fn is_ready(container: &Value) -> bool {
    container["ready"] == true && value::of(container, &["state", "running"]).is_object()
}

fn telling(state: &Value) -> Option<String> {
    let reason =
        |of: &str| Some(value::text(state, &[of, "reason"]).to_owned()).filter(|reason| !reason.is_empty());
    if let Some(waiting) = reason("waiting") {
        return Some(waiting);
    }
    let ended = state.get("terminated")?;
    let code = || match ended["signal"].as_i64() {
        Some(signal) if signal != 0 => format!("Signal:{signal}"),
        _ => format!("ExitCode:{}", ended["exitCode"].as_i64().unwrap_or(0)),
    };
    Some(reason("terminated").unwrap_or_else(code))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(pod: &Value) -> [String; 3] {
        let now = Timestamp::from_second(100).unwrap();
        [ready(pod, now), status(pod, now), restarts(pod, now)]
    }

    #[test]
    fn a_pod_that_crashes_says_so_rather_than_its_phase() {
        let container = json!({ "restartCount": 2, "ready": false, "state": { "waiting": { "reason": "CrashLoopBackOff" } },
            "lastState": { "terminated": { "finishedAt": "1970-01-01T00:01:00Z" } } });
        let pod = json!({ "spec": { "containers": [{}] }, "status": { "phase": "Running", "containerStatuses": [container] } });
        assert_eq!(shown(&pod), ["0/1", "CrashLoopBackOff", "2 (40s ago)"]);
    }

    #[test]
    fn a_pod_on_its_way_out_is_terminating() {
        let container = json!({ "restartCount": 0, "ready": true, "state": { "running": {} } });
        let pod = json!({
            "metadata": { "deletionTimestamp": "1970-01-01T00:01:00Z" },
            "spec": { "containers": [{}] },
            "status": { "phase": "Running", "containerStatuses": [container] },
        });
        assert_eq!(shown(&pod), ["1/1", "Terminating", "0"]);
    }
}
