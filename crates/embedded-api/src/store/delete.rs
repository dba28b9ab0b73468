//! Deleting: with preconditions, a grace for pods, and finalizers.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{Call, Page, Query, Store, Target, event_forms, written};
use crate::{kinds, refusal::Refusal, value};

/// How an object is deleted.
#[derive(Clone, Debug, Default)]
pub struct DeleteOptions {
    /// Only the object with this UID.
    pub uid: Option<String>,
    /// Only this version of the object.
    pub version: Option<String>,
    /// How long a pod may take to end, in seconds; 0 says that it is gone. By default what the pod says.
    pub grace_seconds: Option<i64>,
    /// What becomes of the objects it owns.
    pub propagation: Propagation,
}

/// What becomes of the objects that a deleted one owns. The garbage collector does it; here it leaves a mark.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Propagation {
    /// They go after it.
    #[default]
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

impl Propagation {
    /// The finalizer that holds the object until the garbage collector has done its part.
    fn finalizer(self) -> Option<&'static str> {
        match self {
            Self::Background => None,
            Self::Foreground => Some("foregroundDeletion"),
            Self::Orphan => Some("orphan"),
        }
    }
}

/// What a deletion came to.
#[derive(Clone, Debug)]
pub struct Deleted {
    /// The object's last version so far.
    pub object: Arc<Value>,
    /// Whether it is gone; otherwise its grace runs or finalizers hold it.
    pub gone: bool,
}

impl Store {
    /// Deletes an object.
    pub fn delete(
        &mut self,
        target: &Target,
        options: &DeleteOptions,
        call: &Call,
    ) -> Result<Deleted, Refusal> {
        let key = target.key();
        let live = self.objects.get(&key).cloned();
        let live = live.ok_or_else(|| Refusal::not_found(target.kind, &target.name))?;
        check(target, &live, options)?;
        let mut object = Value::clone(&live);
        if let Some(finalizer) = options.propagation.finalizer() {
            let mut finalizers = value::items(&object, &["metadata", "finalizers"]).to_vec();
            if !finalizers.iter().any(|held| held == finalizer) {
                finalizers.push(finalizer.into());
            }
            value::set(&mut object, &["metadata"], "finalizers", finalizers);
        }
        let wanted = grace(target, &live, options);
        let running = value::of(&live, &["metadata", "deletionTimestamp"]).is_string();
        let left = value::of(&live, &["metadata", "deletionGracePeriodSeconds"]).as_i64().unwrap_or(0);
        // A grace that runs is only ever shortened.
        let grace = if running { wanted.min(left) } else { wanted };
        let held = !value::items(&object, &["metadata", "finalizers"]).is_empty() || self.has_content(target);
        if grace == 0 && !held {
            if call.dry_run {
                return Ok(Deleted { object: event_forms::shown(target.kind, &live), gone: true });
            }
            let last = self.drop_object(key).unwrap_or(live);
            return Ok(Deleted { object: event_forms::shown(target.kind, &last), gone: true });
        }
        if !running || grace < left {
            let ends = call.now.saturating_add(SignedDuration::from_secs(grace)).unwrap_or(call.now);
            value::set(&mut object, &["metadata"], "deletionTimestamp", written(ends));
            value::set(&mut object, &["metadata"], "deletionGracePeriodSeconds", grace);
            if let (false, Some(generation)) =
                (running, value::of(&live, &["metadata", "generation"]).as_u64())
            {
                value::set(&mut object, &["metadata"], "generation", generation + 1);
            }
            if target.kind == kinds::NAMESPACE {
                value::set(&mut object, &["status"], "phase", "Terminating");
            }
        }
        if call.dry_run || object == *live {
            return Ok(Deleted { object: event_forms::shown(target.kind, &Arc::new(object)), gone: false });
        }
        Ok(Deleted { object: event_forms::shown(target.kind, &self.keep(key, object)), gone: false })
    }

    /// Deletes every object of a selection and gives what was there.
    pub fn delete_all(
        &mut self,
        query: &Query,
        options: &DeleteOptions,
        call: &Call,
    ) -> Result<Vec<Arc<Value>>, Refusal> {
        let items = self.list(query, &Page::default())?.items;
        for object in &items {
            let (namespace, name) =
                (value::text(object, &["metadata", "namespace"]), value::text(object, &["metadata", "name"]));
            self.delete(&Target::new(query.kind, namespace, name), options, call)?;
        }
        Ok(items)
    }

    /// Lets every object go whose grace has ended and that no finalizer holds, and gives the next such time.
    pub fn end_graces(&mut self, now: Timestamp) -> Option<Timestamp> {
        let mut next = None;
        let mut ended = Vec::new();
        for (key, object) in &self.objects {
            let metadata = &object["metadata"];
            let grace = metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
            let held = !value::items(object, &["metadata", "finalizers"]).is_empty();
            let ends = metadata["deletionTimestamp"].as_str().and_then(|time| time.parse::<Timestamp>().ok());
            match ends {
                Some(ends) if ends <= now && grace > 0 => ended.push((key.clone(), held)),
                Some(ends) if grace > 0 => next = Some(next.map_or(ends, |next: Timestamp| next.min(ends))),
                _ => {}
            }
        }
        for (key, held) in ended {
            if !held {
                self.drop_object(key);
            } else if let Some(object) = self.objects.get(&key) {
                // Only finalizers hold it from now on.
                let mut object = Value::clone(object);
                value::set(&mut object, &["metadata"], "deletionGracePeriodSeconds", 0);
                self.keep(key, object);
            }
        }
        next
    }

    /// A namespace stays while anything is in it.
    fn has_content(&self, target: &Target) -> bool {
        target.kind == kinds::NAMESPACE && self.objects.keys().any(|key| key.namespace == target.name)
    }
}

fn check(target: &Target, live: &Value, options: &DeleteOptions) -> Result<(), Refusal> {
    let Target { kind, name, .. } = target;
    let live = |field| value::text(live, &["metadata", field]);
    match (&options.uid, &options.version) {
        (Some(uid), _) if uid != live("uid") => {
            let why = format!(
                "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
                live("uid")
            );
            Err(Refusal::stale_delete(kind, name, &why))
        }
        (_, Some(version)) if version != live("resourceVersion") => {
            let why = format!(
                "the ResourceVersion in the precondition ({version}) does not match the ResourceVersion in record ({}). The object might have been modified",
                live("resourceVersion")
            );
            Err(Refusal::stale_delete(kind, name, &why))
        }
        _ => Ok(()),
    }
}

/// Only pods have a grace, and only those that a node runs.
fn grace(target: &Target, live: &Value, options: &DeleteOptions) -> i64 {
    if target.kind != kinds::POD
        || value::text(live, &["spec", "nodeName"]).is_empty()
        || matches!(value::text(live, &["status", "phase"]), "Failed" | "Succeeded")
    {
        return 0;
    }
    let own = value::of(live, &["spec", "terminationGracePeriodSeconds"]).as_i64();
    match options.grace_seconds.or(own).unwrap_or(0) {
        negative if negative < 0 => 1,
        seconds => seconds,
    }
}
