//! A copy of another cluster, write by write, so that all that looks at a cluster can look at that one.

use super::{
    Cluster,
    trace::{Verb, Write},
    writes::Stored,
};
use crate::{
    Millis,
    object::{Claim, ControllerRevision, Kind, Name, Pod, StatefulSet},
};

/// What a write left in the other cluster.
#[derive(Clone, Debug)]
pub enum Copied {
    /// A StatefulSet.
    StatefulSet(StatefulSet),
    /// A pod.
    Pod(Pod),
    /// A claim.
    Claim(Claim),
    /// A `ControllerRevision`.
    Revision(ControllerRevision),
    /// No object of this kind and name any more.
    Gone(Kind, Name),
    /// Something that isn't copied. The write counts all the same.
    Other,
}

impl Cluster {
    /// Takes in the other cluster's next write. In a copy nothing happens by itself because of it.
    pub fn copy(&mut self, at: Millis, actor: &str, verb: Verb, copied: Copied) {
        self.now = self.now.max(at);
        self.version += 1;
        let (kind, name) = match copied {
            Copied::StatefulSet(set) => self.keep(set),
            Copied::Pod(pod) => self.keep(pod),
            Copied::Claim(claim) => self.keep(claim),
            Copied::Revision(revision) => self.keep(revision),
            Copied::Gone(kind, name) => {
                match kind {
                    Kind::StatefulSet => self.sets.remove(self.version, &name),
                    Kind::Pod => self.pods.remove(self.version, &name),
                    Kind::Claim => self.claims.remove(self.version, &name),
                    Kind::ControllerRevision => self.revisions.remove(self.version, &name),
                    Kind::Service | Kind::EndpointSlice | Kind::Other => {}
                }
                (kind, name)
            }
            Copied::Other => (Kind::Other, "".into()),
        };
        self.trace.push(Write { at, version: self.version, actor: actor.into(), verb, kind, name });
    }

    fn keep<T: Stored>(&mut self, mut object: T) -> (Kind, Name) {
        let version = self.version;
        object.metadata_mut().resource_version = version;
        let name = object.metadata().name.clone();
        T::store(self).put(version, object);
        (T::KIND, name)
    }
}
