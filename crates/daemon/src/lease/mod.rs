//! Leading: of all processes of one installation the one that holds the Lease works, the others stand by with their
//! watches warm.
//!
//! Who leads is decided by [`siskin_core::lease`], carried out by [`election`]. A leader whose time is over stops by
//! its own clock, without being told: no worker of its steps any more, and [`crate::cluster`] sends no write. What
//! remains is a write that left in time and arrives late, because the network held it or the process was stopped
//! between the look at the clock and the socket. Such a write must do no harm next to another leader's:
//!
//! - The StatefulSet is written over the resourceVersion that the decision was made on, state, partition, replicas and
//!   template in one patch. After any write of another leader, the late one is refused (409).
//! - A verdict is written over the resourceVersion of its ControllerRevision, after the state that it follows from; the
//!   pod guard's list over its own, or only if there is none.
//! - Pods and claims are deleted by UID. The state that wants it was written before, so a new leader finds it and wants
//!   the same: the delete finds the object, or nothing. A pod comes back on the revision that the partition allows. What
//!   remains open: the process is stopped right before it sends the delete of an extra pod's claim, another leads before
//!   that claim is gone, and a person scales up in between so that the claim becomes the user's.
//! - A new leader reads a workload that isn't at rest before it acts on it, and never acts on what its watch, which may
//!   be late, said of it.
//! - A role label is put on a pod by UID and decides nothing here: a query may count the pod to another side until the
//!   new leader looks at it again.
//! - Events and messages may be told twice.
//!
//! Services, routes and other objects that aren't written over their resourceVersion need `siskin.dev/epoch`; Siskin
//! writes none yet.

mod election;
mod object;

use std::time::Duration;

use siskin_core::time::Instant;
use tokio::sync::watch;

pub use self::election::{Election, identity};
use crate::clock::Clock;

/// Whether this process leads; cheap to clone.
#[derive(Clone, Debug)]
pub enum Leadership {
    /// There is no election: the command line, or a daemon that was told to be the only one.
    Always,
    /// By a Lease.
    Elected {
        /// Until when this process leads, if nothing more comes.
        until: watch::Receiver<Instant>,
        /// The time from then on in which nobody else leads.
        grace: Duration,
        /// What this process tells the time by.
        clock: Clock,
    },
}

impl Leadership {
    /// Whether this process leads now.
    pub fn leads(&self) -> bool {
        self.time_for_a_write().is_some()
    }

    /// How long a write may take that is sent now: when it is over, others may lead. `None`: this process doesn't.
    pub fn time_for_a_write(&self) -> Option<Duration> {
        match self {
            Self::Always => Some(Duration::MAX),
            Self::Elected { until, grace, clock } => {
                let (until, now) = (*until.borrow(), clock.mono());
                (now < until).then(|| until.since(now) + *grace)
            }
        }
    }

    /// Waits until leading is something else than `leads`, and says what.
    pub async fn turned(&mut self, leads: bool) -> bool {
        loop {
            if self.leads() != leads {
                return !leads;
            }
            let Self::Elected { until, clock, .. } = self else { return std::future::pending().await };
            let left = until.borrow_and_update().since(clock.mono());
            tokio::select! {
                biased;
                Ok(()) = until.changed() => {}
                () = tokio::time::sleep(left), if leads => {}
                // The election has ended.
                else => return std::future::pending().await,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use http::{Request, Response};
    use kube::{Client, client::Body};
    use serde::de::IgnoredAny;
    use serde_json::json;

    use super::*;
    use crate::{
        clock::TokioClock,
        cluster::{Cluster, Precondition, Resource},
        report::metrics::Metrics,
    };

    fn elected(millis: u64) -> (watch::Sender<Instant>, Leadership) {
        let (tell, until) = watch::channel(Clock::Machine.mono() + Duration::from_millis(millis));
        (tell, Leadership::Elected { until, grace: Duration::from_secs(5), clock: Clock::Machine })
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_may_take_until_others_may_lead() {
        let clock = TokioClock::new(jiff::Timestamp::UNIX_EPOCH);
        let (_tell, until) = watch::channel(Instant(Duration::from_secs(10)));
        let grace = Duration::from_secs(5);
        let leadership = Leadership::Elected { until, grace, clock: Clock::Tokio(clock.clone()) };
        assert_eq!(leadership.time_for_a_write(), Some(Duration::from_secs(15)));
        clock.slept(Duration::from_secs(9));
        assert_eq!(leadership.time_for_a_write(), Some(Duration::from_secs(6)));
        clock.slept(Duration::from_secs(1));
        assert_eq!(leadership.time_for_a_write(), None);
    }

    #[tokio::test]
    async fn a_leader_s_time_ends_by_itself() {
        let (_tell, mut leadership) = elected(50);
        assert!(!leadership.turned(true).await);
        assert!(!leadership.leads());
    }

    #[tokio::test]
    async fn a_standby_is_told_when_it_leads() {
        let (tell, mut leadership) = elected(0);
        let waiting = tokio::spawn(async move { leadership.turned(false).await });
        tell.send_replace(Clock::Machine.mono() + Duration::from_secs(10));
        assert!(waiting.await.unwrap());
    }

    #[tokio::test]
    async fn who_does_not_lead_sends_no_write_but_those_of_the_lease_and_events() {
        let sent = Arc::new(Mutex::new(Vec::new()));
        let seen = sent.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            seen.lock().unwrap().push(request.uri().path().rsplit('/').nth(1).unwrap().to_owned());
            async { Response::builder().status(200).body(Body::from(b"{}".to_vec())) }
        });
        let cluster = Cluster::with(Client::new(service, "default"), "test", Metrics::default());
        let (tell, leadership) = elected(0);
        let cluster = cluster.led_by(leadership);
        let patch = async |resource| {
            cluster.patch::<IgnoredAny>(resource, "payments", "db", &json!({})).await.map(drop)
        };
        for resource in [Resource::StatefulSets, Resource::ControllerRevisions] {
            assert!(patch(resource).await.unwrap_err().is_not_leading());
        }
        let deleted =
            cluster.delete(Resource::Claims, "payments", "data-db-3", Precondition::Version("7")).await;
        assert!(deleted.unwrap_err().is_not_leading());
        for resource in [Resource::Leases, Resource::Events] {
            patch(resource).await.unwrap();
        }
        tell.send_replace(Clock::Machine.mono() + Duration::from_secs(10));
        patch(Resource::StatefulSets).await.unwrap();
        assert_eq!(*sent.lock().unwrap(), ["leases", "events", "statefulsets"]);
    }
}
