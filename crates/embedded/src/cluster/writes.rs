//! Writing objects: a version for each write, a line in the trace, and a call for those who watch.

use super::{
    Cluster, Object, Refused, Store,
    queue::Task,
    trace::{Verb, Write},
};
use crate::{
    Millis,
    object::{Claim, ControllerRevision, EndpointSlice, Kind, Name, Pod, Service, StatefulSet, Uid},
};

/// An object that the cluster stores.
pub(super) trait Stored: Object {
    fn store(cluster: &mut Cluster) -> &mut Store<Self>;
}

macro_rules! stored {
    ($($object:ident $store:ident),*) => { $(impl Stored for $object {
        fn store(cluster: &mut Cluster) -> &mut Store<Self> {
            &mut cluster.$store
        }
    })* };
}

stored!(StatefulSet sets, ControllerRevision revisions, Pod pods, Claim claims, Service services, EndpointSlice slices);

impl Cluster {
    /// Makes an object; its UID and times are filled in.
    pub(super) fn create<T: Stored>(&mut self, actor: &str, mut object: T) -> Result<Uid, Refused> {
        let name = object.metadata().name.clone();
        if T::store(self).get(&name).is_some() {
            return Err(Refused::AlreadyExists { kind: T::KIND, name });
        }
        let uid = self.new_uid();
        object.metadata_mut().uid = uid;
        object.metadata_mut().created = self.now;
        self.put(actor, Verb::Create, object);
        Ok(uid)
    }

    fn new_uid(&mut self) -> Uid {
        Uid(u128::from(self.uids.draw()) << 64 | u128::from(self.uids.draw()))
    }

    /// Writes an object as it is to be.
    pub(super) fn put<T: Stored>(&mut self, actor: &str, verb: Verb, mut object: T) {
        self.version += 1;
        let version = self.version;
        let name = object.metadata().name.clone();
        object.metadata_mut().resource_version = version;
        T::store(self).put(version, object);
        self.written(actor, verb, T::KIND, &name);
    }

    /// Removes an object that has no finalizers; one that has is only marked, and goes with the last of them.
    pub(super) fn remove<T: Stored>(&mut self, actor: &str, name: &Name) {
        let found = T::store(self).get(name).map(|object| object.metadata());
        if let Some(uid) =
            found.filter(|metadata| metadata.finalizers.is_empty()).map(|metadata| metadata.uid)
        {
            self.nodes.forget_pod(uid);
            self.version += 1;
            let version = self.version;
            // Those who watch an object look at what it was.
            self.written(actor, Verb::Remove, T::KIND, name);
            T::store(self).remove(version, name);
        }
    }

    /// Notes a write, and who has to look.
    fn written(&mut self, actor: &str, verb: Verb, kind: Kind, name: &Name) {
        self.trace.push(Write {
            at: self.now,
            version: self.version,
            actor: actor.into(),
            verb,
            kind,
            name: name.clone(),
        });
        let now = self.now;
        match kind {
            Kind::StatefulSet => {
                self.ask_within(Task::StatefulSet(name.clone()), 2, 15);
                if matches!(verb, Verb::Delete | Verb::Remove) {
                    self.ask_within(Task::Garbage, 20, 120);
                }
            }
            Kind::Pod => {
                self.wake_sets_of(name);
                self.queue.ask(Task::Kubelet(name.clone()), now + 5);
                let services: Vec<Name> =
                    self.services.iter().map(|service| service.metadata.name.clone()).collect();
                for service in services {
                    self.ask_within(Task::Endpoints(service), 10, 60);
                }
                if verb == Verb::Remove {
                    self.ask_within(Task::Claims, 5, 30);
                    self.ask_within(Task::Garbage, 20, 120);
                }
            }
            // The StatefulSet controller doesn't watch claims.
            Kind::Claim => {
                self.ask_within(Task::Claims, 5, 30);
                let users = self.pods.iter().filter(|pod| pod.claims.contains(name));
                for user in users {
                    self.queue.ask(Task::Kubelet(user.metadata.name.clone()), now + 5);
                }
                if verb != Verb::Create {
                    self.ask_within(Task::Garbage, 20, 120);
                }
            }
            Kind::Service => self.ask_within(Task::Endpoints(name.clone()), 5, 30),
            Kind::ControllerRevision if verb == Verb::Remove => self.ask_within(Task::Garbage, 20, 120),
            Kind::ControllerRevision | Kind::Other => {}
            // [V]: the last answer from the old pods came 57 to 194 ms after a flip of the selector.
            Kind::EndpointSlice => self.ask_within(Task::Route(name.clone()), 40, 180),
        }
    }

    pub(super) fn ask_within(&mut self, task: Task, low: Millis, high: Millis) {
        let at = self.now + self.chance.between(low, high);
        self.queue.ask(task, at);
    }

    /// The owner has to look; at an orphan, everybody.
    fn wake_sets_of(&mut self, pod: &Name) {
        let owner =
            self.pods.get(pod).and_then(|pod| pod.metadata.controller()).map(|owner| owner.name.clone());
        let sets = match owner {
            Some(owner) => vec![owner],
            None => self.sets.iter().map(|set| set.metadata.name.clone()).collect(),
        };
        for set in sets {
            self.ask_within(Task::StatefulSet(set), 2, 15);
        }
    }
}
