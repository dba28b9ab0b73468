//! One pass of all controllers and the kubelet over a store.

mod claims;
mod endpoints;
mod garbage;
mod kubelet;
mod namespaces;
mod statefulset;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use kubelet::NODE;

use jiff::Timestamp;
use serde_json::Value;
use siskin_embedded::{Millis, chance::Chance, object::Uid};
use siskin_embedded_api::{
    kinds::Kind,
    refusal::Refusal,
    store::{Call, DeleteOptions, Part, Patch, Store, Target},
};

use crate::{events::Told, memory::Memory, seen::Seen, translate};

/// How long controllers take to see a write, at least and at most.
pub(crate) const LAG: (Millis, Millis) = (2, 15);
/// The longest time that clients' requests are sent at once.
const TICK: Millis = 1_000;

/// Lets every controller and the kubelet look at the store once, as it is at the beginning, and do what they then
/// do. Gives when to call again, at the latest; `None`: when the store or the memory changes.
pub fn run(store: &mut Store, memory: &mut Memory, now: Timestamp, chance: &mut Chance) -> Option<Timestamp> {
    let moment = translate::millis(now);
    memory.send_traffic(moment, chance);
    let before = store.version();
    let seen = Seen::of(store, &memory.seen);
    let mut pass = Pass { store, memory, time: now, now: moment, chance, wake: None };
    namespaces::sync(&mut pass);
    statefulset::sync(&mut pass, &seen);
    claims::sync(&mut pass, &seen);
    kubelet::sync(&mut pass, &seen);
    endpoints::sync(&mut pass, &seen);
    garbage::sync(&mut pass);
    if pass.store.version() != before {
        let lag = pass.chance.between(LAG.0, LAG.1);
        pass.wake_at(moment + lag);
    }
    if pass.memory.clients().next().is_some() {
        pass.wake_at(moment + TICK);
    }
    let routes = pass.memory.routes.values().filter_map(|route| Some(route.next.as_ref()?.0)).min();
    let wake = [pass.wake, routes].into_iter().flatten().min();
    memory.left_alone.clone_from(&seen.left_alone);
    memory.seen = seen;
    wake.map(|wake| {
        Timestamp::from_millisecond(i64::try_from(wake).unwrap_or(i64::MAX)).unwrap_or(Timestamp::MAX)
    })
}

/// A pass: what is looked at and done, when, and when to look again.
struct Pass<'a> {
    store: &'a mut Store,
    memory: &'a mut Memory,
    time: Timestamp,
    now: Millis,
    chance: &'a mut Chance,
    wake: Option<Millis>,
}

impl Pass<'_> {
    fn wake_at(&mut self, moment: Millis) {
        let moment = moment.max(self.now + 1);
        self.wake = Some(self.wake.map_or(moment, |wake| wake.min(moment)));
    }

    fn call(&self, manager: &str) -> Call {
        Call::new(manager, self.time)
    }

    /// Merges a patch into a part of an object.
    fn patch(
        &mut self,
        manager: &str,
        target: &Target,
        part: Part,
        patch: Value,
    ) -> Result<Arc<Value>, Refusal> {
        let call = self.call(manager);
        self.store.patch(target, part, &Patch::Merge(patch), &call)
    }

    /// The object of this name, if it is the one with this UID.
    fn live(
        &self,
        kind: &'static Kind,
        namespace: &str,
        name: &str,
        uid: Uid,
    ) -> Option<(Target, Arc<Value>)> {
        let target = Target::new(kind, namespace, name);
        let object = self.store.get(&target).ok()?;
        (translate::text(&object, "/metadata/uid") == uid.to_string()).then_some((target, object))
    }

    /// Deletes an object in the background. One that is gone or replaced meanwhile needs no deleting.
    fn delete(&mut self, manager: &str, target: &Target, options: &DeleteOptions) -> Result<(), Refusal> {
        let call = self.call(manager);
        match self.store.delete(target, options, &call) {
            Err(refusal) if !matches!(refusal.code, 404 | 409) => Err(refusal),
            _ => Ok(()),
        }
    }

    fn record(&mut self, component: &str, about: &Value, told: &Told) {
        let call = self.call(component);
        let at = (&call, self.now);
        self.memory.recorded.record(self.store, about, told, component, at, self.chance);
    }
}

/// Only the object with this UID.
fn only(uid: Uid) -> DeleteOptions {
    DeleteOptions { uid: Some(uid.to_string()), ..DeleteOptions::default() }
}
