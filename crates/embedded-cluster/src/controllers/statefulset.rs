//! Doing what the StatefulSet controller wants.

use siskin_embedded::{
    Millis,
    model::statefulset::{self, Action, NewPod},
    object::{Name, StatefulSet},
};
use siskin_embedded_api::{
    kinds::{CLAIM, CONTROLLER_REVISION, Kind, POD, STATEFUL_SET},
    refusal::Refusal,
    store::{DeleteOptions, Part, Query, Target},
};

use serde_json::{Value, json};

use super::Pass;
use crate::{
    events::Told,
    memory::Queued,
    seen::{Object, Seen, all, typed, versions},
    translate::{self, with_owner, with_owners, without_owners},
};

/// The controller writes under this name, and tells under the other.
const MANAGER: &str = "kube-controller-manager";
const COMPONENT: &str = "statefulset-controller";

/// A pass over each StatefulSet that is new to the controller, itself or in its pods: it doesn't watch claims. After a refused write those on pods that follow are left out, and the pass is tried
/// again after 5 ms, then twice as long each time.
pub(super) fn sync(pass: &mut Pass<'_>, seen: &Seen) {
    if pass.memory.faults.controller_stopped {
        return;
    }
    for (namespace, space) in &seen.spaces {
        for set in &space.sets {
            let uid = set.typed.metadata.uid;
            let pods = space.pods.iter().map(|pod| &pod.json);
            let looked_at = versions(pods.chain([&set.json]));
            let queued = pass.memory.sets.entry(uid).or_default();
            if queued.looked_at == looked_at && queued.due.is_none_or(|due| due > pass.now) {
                if let Some(due) = queued.due {
                    pass.wake_at(due);
                }
                continue;
            }
            *queued = Queued { looked_at, due: None, failures: queued.failures };
            let view = statefulset::View {
                set: &set.typed,
                pods: typed(&space.pods),
                revisions: typed(&space.revisions),
                claims: typed(&space.claims),
            };
            let actions = statefulset::sync(&view, pass.now);
            let done = Work { pass: &mut *pass, namespace, set, due: None }.all(actions);
            let due = match (done, pass.memory.sets.get_mut(&uid)) {
                (Ok(due), Some(queued)) => {
                    (queued.failures, queued.due) = (0, due);
                    due
                }
                (Err(Refused), Some(queued)) => {
                    let retry = pass.now + (5_u64 << queued.failures.min(17));
                    (queued.failures, queued.due) = (queued.failures + 1, Some(retry));
                    Some(retry)
                }
                (_, None) => None,
            };
            if let Some(due) = due {
                pass.wake_at(due);
            }
        }
    }
    let lives =
        |uid| seen.spaces.values().any(|space| space.sets.iter().any(|set| set.typed.metadata.uid == uid));
    pass.memory.sets.retain(|uid, _| lives(*uid));
}

/// Something was refused.
struct Refused;

struct Work<'a, 'b> {
    pass: &'a mut Pass<'b>,
    namespace: &'a str,
    set: &'a Object<StatefulSet>,
    /// When the controller wants to look again.
    due: Option<Millis>,
}

impl Work<'_, '_> {
    /// Does everything that can be done, and gives when to look again.
    fn all(mut self, actions: Vec<Action>) -> Result<Option<Millis>, Refused> {
        let mut failed = false;
        for action in actions {
            if failed && action.is_on_pods() {
                continue;
            }
            match action {
                Action::Retry => failed = true,
                Action::SyncAgainAt(at) => self.due = Some(at),
                action => failed |= self.one(action).is_err(),
            }
        }
        if failed { Err(Refused) } else { Ok(self.due) }
    }

    fn one(&mut self, action: Action) -> Result<(), Refusal> {
        let set = self.set.typed.metadata.name.clone();
        match action {
            Action::CreateRevision(new) => self.create(CONTROLLER_REVISION, translate::revision::new(&new)),
            Action::RenumberRevision { name, number } => {
                self.patch(CONTROLLER_REVISION, &name, |_| json!({ "revision": number }))
            }
            Action::AdoptRevision { name, uid, owner } => {
                self.patch(CONTROLLER_REVISION, &name, |object| of_uid(with_owner(object, &owner), uid))
            }
            Action::DeleteRevision { name } => self.delete(CONTROLLER_REVISION, &name),
            Action::AdoptPod { name, uid, owner } => {
                self.patch(POD, &name, |object| of_uid(with_owner(object, &owner), uid))
            }
            Action::ReleasePod { name, uid, owner } => {
                self.patch(POD, &name, |object| of_uid(without_owners(object, &[owner]), uid))
            }
            Action::CreateClaim { name, labels } => {
                let claim = translate::statefulset::claim(&self.set.json, &name, &labels);
                let ordinal = name.rsplit('-').next().unwrap_or_default();
                let made = self.create(CLAIM, claim);
                let what = format!("create Claim {name} Pod {set}-{ordinal} in StatefulSet {set}");
                self.tell("Create", &what, made, "success")
            }
            Action::SetClaimOwners { name, owners } => {
                self.patch(CLAIM, &name, |object| with_owners(object, &owners))
            }
            Action::CreatePod(new) => {
                let what = format!("create Pod {} in StatefulSet {set}", new.name);
                let made = self.make_pod(&new);
                self.tell("Create", &what, made, "successful")
            }
            Action::DeletePod { name } => {
                let what = format!("delete Pod {name} in StatefulSet {set}");
                let deleted = self.delete(POD, &name);
                self.tell("Delete", &what, deleted, "successful")
            }
            Action::Refuse { pod, message } => {
                let what = format!("create Pod {pod} in StatefulSet {set} failed error: {message}");
                self.pass.record(COMPONENT, &self.set.json, &Told::warning("FailedCreate", what));
                Ok(())
            }
            Action::UpdateStatus(status) => {
                let target = Target::new(STATEFUL_SET, self.namespace, &set);
                let patch = translate::statefulset::status_patch(&status);
                self.pass.patch(MANAGER, &target, Part::Status, patch).map(drop)
            }
            Action::Retry | Action::SyncAgainAt(_) => Ok(()),
        }
    }

    fn make_pod(&mut self, new: &NewPod) -> Result<(), Refusal> {
        if let Some(quota) = self.pass.memory.faults.pod_quota {
            let used = all(self.pass.store, &Query::namespaced(POD, self.namespace)).len();
            if used >= quota {
                let why = format!(
                    "exceeded quota: pods, requested: pods=1, used: pods={used}, limited: pods={quota}"
                );
                return Err(Refusal::forbidden(POD, &new.name, &why));
            }
        }
        self.create(POD, translate::statefulset::pod(new, &self.set.typed.spec.service_name))
    }

    fn create(&mut self, kind: &'static Kind, object: Value) -> Result<(), Refusal> {
        let call = self.pass.call(MANAGER);
        self.pass.store.create(kind, self.namespace, object, &call).map(drop)
    }

    fn patch(
        &mut self,
        kind: &'static Kind,
        name: &Name,
        patch: impl FnOnce(&Value) -> Value,
    ) -> Result<(), Refusal> {
        let target = Target::new(kind, self.namespace, name);
        let live = self.pass.store.get(&target)?;
        self.pass.patch(MANAGER, &target, Part::Whole, patch(&live)).map(drop)
    }

    fn delete(&mut self, kind: &'static Kind, name: &Name) -> Result<(), Refusal> {
        let target = Target::new(kind, self.namespace, name);
        self.pass.delete(MANAGER, &target, &DeleteOptions::default())
    }

    /// Tells what was done, or that it failed.
    fn tell(&mut self, verb: &str, what: &str, done: Result<(), Refusal>, well: &str) -> Result<(), Refusal> {
        let told = match (&done, verb) {
            (Ok(()), "Create") => Told::normal("SuccessfulCreate", format!("{what} {well}")),
            (Ok(()), _) => Told::normal("SuccessfulDelete", format!("{what} {well}")),
            (Err(why), "Create") => Told::warning("FailedCreate", format!("{what} failed error: {why}")),
            (Err(why), _) => Told::warning("FailedDelete", format!("{what} failed error: {why}")),
        };
        self.pass.record(COMPONENT, &self.set.json, &told);
        done
    }
}

/// The patch with the UID as its precondition.
fn of_uid(mut patch: Value, uid: siskin_embedded::object::Uid) -> Value {
    translate::merge(&mut patch, json!({ "metadata": { "uid": uid.to_string() } }));
    patch
}
