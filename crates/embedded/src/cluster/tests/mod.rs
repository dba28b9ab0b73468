//! What Kubernetes does, as sentences. Each test names its source: a Kubernetes issue, `[src]` for the controller's
//! source of 1.35, `[V n]` for an experiment on a real 1.35.4 (section n of the project's record of them).

mod claims;
mod completion;
mod failures;
mod host;
mod ordered;
mod ownership;
mod partition;
mod revisions;
mod traffic;

use super::{Cluster, Precondition, Refused};
use crate::{
    Millis,
    model::application::{Behaviour, Start},
    object::{
        ClaimTemplate, Labels, Name, Pod, PodManagement, StatefulSet, StatefulSetSpec, Template,
        UpdateStrategy, labels,
    },
};

const USER: &str = "user";
/// Higher than any replicas: nothing is replaced.
const PARKED: u32 = 1_000_000;

/// A cluster with the StatefulSet `db`, whose templates are told apart by their image.
struct World {
    cluster: Cluster,
}

fn app() -> Labels {
    labels([("app", "db")])
}

fn template(image: &str) -> Template {
    Template::of_image(image, &app())
}

/// Three pods on v1, all ready.
fn ordered() -> World {
    World::new(PodManagement::OrderedReady, |_| ())
}

/// Three pods on v1, all ready.
fn parallel() -> World {
    World::new(PodManagement::Parallel, |_| ())
}

fn both() -> [World; 2] {
    [ordered(), parallel()]
}

fn with_claims(spec: &mut StatefulSetSpec) {
    spec.claim_templates = vec![ClaimTemplate { name: "data".into(), labels: Labels::default() }];
}

impl World {
    fn new(management: PodManagement, change: impl FnOnce(&mut StatefulSetSpec)) -> Self {
        let mut cluster = Cluster::new(7);
        for (image, start) in
            [("bad", Start::NoImage), ("no-command", Start::NoCommand), ("no-config", Start::NoConfig)]
        {
            cluster.behave(image, Behaviour { start, ..Behaviour::default() });
        }
        cluster.behave("crashing", Behaviour { crash_after: Some(100), ..Behaviour::default() });
        let mut spec = StatefulSetSpec::new(app(), template("v1"));
        spec.replicas = 3;
        spec.pod_management = management;
        change(&mut spec);
        cluster.create_statefulset(USER, "db", spec).unwrap();
        let mut world = Self { cluster };
        world.settle();
        world
    }

    /// Half a minute, in which everything that goes well is done.
    fn settle(&mut self) -> &mut Self {
        self.pass(30_000)
    }

    fn pass(&mut self, time: Millis) -> &mut Self {
        self.cluster.run_for(time);
        self
    }

    fn image(&mut self, image: &str) -> &mut Self {
        self.cluster.set_template(USER, "db", template(image)).unwrap();
        self
    }

    fn scale(&mut self, replicas: u32) -> &mut Self {
        self.cluster.set_replicas(USER, "db", replicas).unwrap();
        self
    }

    fn partition(&mut self, partition: u32) -> &mut Self {
        self.cluster.set_partition(USER, "db", partition).unwrap();
        self
    }

    fn park(&mut self) -> &mut Self {
        self.partition(PARKED)
    }

    fn delete(&mut self, pod: &str) -> &mut Self {
        self.cluster.delete_pod(USER, pod, Precondition::NONE, None).unwrap();
        self
    }

    fn force_delete(&mut self, pod: &str) -> &mut Self {
        self.cluster.delete_pod(USER, pod, Precondition::NONE, Some(0)).unwrap();
        self
    }

    fn change(&mut self, change: impl FnOnce(&mut StatefulSet)) -> Result<(), Refused> {
        self.cluster.update_statefulset(USER, "db", Precondition::NONE, change)
    }

    fn set(&self) -> &StatefulSet {
        self.cluster.statefulset("db").unwrap()
    }

    fn pod(&self, name: &str) -> &Pod {
        self.cluster.pods().get(name).unwrap()
    }

    /// The pods by ordinal, such as `0:v1 1:v2! 2:v2-`; `!` is not ready, `-` is terminating.
    fn pods(&self) -> String {
        let mut pods: Vec<&Pod> = self.cluster.pods().iter().collect();
        pods.sort_by_key(|pod| pod.ordinal());
        let tell = |pod: &&Pod| {
            let image = self.image_of(pod.revision());
            let state = match (pod.metadata.terminating(), pod.ready()) {
                (true, _) => "-",
                (false, true) => "",
                (false, false) => "!",
            };
            format!("{}:{image}{state}", pod.ordinal().unwrap())
        };
        pods.iter().map(tell).collect::<Vec<_>>().join(" ")
    }

    /// The image of a revision, and the revision's name if there is no such revision (any more).
    fn image_of(&self, revision: &str) -> String {
        let found = self.cluster.revisions().get(revision);
        found.map_or_else(|| revision.to_owned(), |revision| revision.template.image().to_string())
    }

    /// The images of current and update revision, such as `v1 > v2`.
    fn revisions(&self) -> String {
        let status = &self.set().status;
        format!("{} > {}", self.image_of(&status.current_revision), self.image_of(&status.update_revision))
    }

    /// The images of all revisions by number, such as `v1 v2`.
    fn history(&self) -> String {
        let mut revisions: Vec<_> = self.cluster.revisions().iter().collect();
        revisions.sort_by_key(|revision| revision.number);
        revisions.iter().map(|revision| revision.template.image().to_string()).collect::<Vec<_>>().join(" ")
    }

    /// The messages of its Events `FailedCreate`.
    fn refusals(&self) -> Vec<&str> {
        self.cluster.refusals("db").iter().map(|refusal| &*refusal.message).collect()
    }

    fn waiting(&self, pod: &str) -> Option<Name> {
        match &self.pod(pod).status.container.as_ref()?.state {
            crate::object::ContainerState::Waiting { reason } => Some(reason.clone()),
            _ => None,
        }
    }
}
