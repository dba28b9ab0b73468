//! Events that say why Kubernetes could not create a pod: nothing else does.

use serde::Deserialize;
use siskin_core::facts::{Uid, Workload};

use crate::cluster::{Cluster, Error, Resource, Scope};

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Event {
    regarding: Regarding,
    note: String,
    #[serde(rename = "eventTime")]
    time: Option<String>,
    deprecated_last_timestamp: Option<String>,
    series: Option<Series>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Regarding {
    uid: Uid,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Series {
    last_observed_time: String,
}

impl Event {
    /// When it was seen last. RFC 3339 in UTC compares as text, to the second.
    fn seen(&self) -> &str {
        let series = self.series.as_ref().map(|series| series.last_observed_time.as_str());
        let seen = [series, self.deprecated_last_timestamp.as_deref(), self.time.as_deref()];
        seen.into_iter().flatten().max().unwrap_or_default()
    }
}

/// Why the last pod of a workload could not be created, if an Event says so.
pub async fn last(cluster: &Cluster, workload: &Workload) -> Result<Option<String>, Error> {
    let scope = Scope {
        resource: Resource::Events,
        namespace: Some(workload.namespace.clone()),
        selector: None,
        name: None,
    };
    let fields = format!("regarding.kind=StatefulSet,regarding.name={},reason=FailedCreate", workload.name);
    let listed = cluster.list_where::<Event>(&scope, &fields).await?;
    Ok(newest(listed.items, &workload.uid))
}

fn newest(events: Vec<Event>, uid: &Uid) -> Option<String> {
    let ours = events.into_iter().filter(|event| event.regarding.uid == *uid && !event.note.is_empty());
    let newest = ours.max_by(|a, b| a.seen().cmp(b.seen()))?;
    Some(newest.note.chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_newest_event_about_this_very_workload_counts() {
        let event = |uid: &str, note: &str, fields: serde_json::Value| {
            let mut event = json!({ "regarding": { "uid": uid }, "note": note });
            event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            serde_json::from_value::<Event>(event).unwrap()
        };
        let events = vec![
            event(
                "u-1",
                "old",
                json!({ "deprecatedLastTimestamp": "2026-01-01T10:00:00Z", "eventTime": null }),
            ),
            event(
                "u-1",
                "new",
                json!({ "series": { "count": 3, "lastObservedTime": "2026-01-01T10:00:09.5Z" } }),
            ),
            event("u-1", "between", json!({ "eventTime": "2026-01-01T10:00:05.000000Z" })),
            event("u-0", "another's", json!({ "eventTime": "2026-01-01T11:00:00.000000Z" })),
        ];
        assert_eq!(newest(events, &Uid::from("u-1")).as_deref(), Some("new"));
        assert_eq!(newest(Vec::new(), &Uid::from("u-1")), None);
    }
}
