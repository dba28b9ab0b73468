//! Clients that send requests through a Service at a rate, in whole requests per tick.

use super::application::Service;
use crate::{
    Millis,
    chance::{Chance, Share},
    object::{Name, Uid},
};

/// Clients of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clients {
    /// The Service.
    pub service: Name,
    /// Requests in each [`Clients::every`], over all clients.
    pub rate: u64,
    /// The length of time that the rate counts in; at least 1.
    pub every: Millis,
    /// Requests that the ticks before left, in parts of one: as many as `every` are a whole one.
    owed: u64,
    /// Requests sent so far.
    pub sent: u64,
    /// Of those, the ones answered with an error.
    pub failed: u64,
    /// Of those, the ones that nobody answered.
    pub refused: u64,
}

/// A ready endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target {
    /// The pod's UID.
    pub uid: Uid,
    /// How it serves; `None`: nothing answers there (any more).
    pub service: Option<Service>,
}

/// Requests that reached a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// The pod's UID.
    pub uid: Uid,
    /// How it serves them.
    pub service: Service,
    /// How many.
    pub requests: u64,
}

impl Clients {
    /// Clients that send `rate` requests per second.
    pub fn new(service: impl Into<Name>, rate: u64) -> Self {
        Self::each(service, rate, 1_000)
    }

    /// Clients that send `rate` requests in each `every`, evenly.
    pub fn each(service: impl Into<Name>, rate: u64, every: Millis) -> Self {
        Self { service: service.into(), rate, every: every.max(1), owed: 0, sent: 0, failed: 0, refused: 0 }
    }

    /// Sends the requests of a tick, each to one of the targets with the same chance. Returns what reached whom.
    pub fn tick(&mut self, length: Millis, targets: &[Target], chance: &mut Chance) -> Vec<Load> {
        self.owed += self.rate * length;
        let mut left = self.owed / self.every;
        self.owed %= self.every;
        self.sent += left;
        let mut loads = Vec::with_capacity(targets.len());
        for (target, others) in targets.iter().zip((1..=targets.len() as u64).rev()) {
            let requests = chance.binomial(left, Share::of(1, others));
            left -= requests;
            match target.service {
                Some(service) => loads.push(Load { uid: target.uid, service, requests }),
                None => self.refused += requests,
            }
        }
        self.refused += left;
        loads
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(uid: u128) -> Target {
        Target { uid: Uid(uid), service: Some(Service::default()) }
    }

    #[test]
    fn a_rate_is_kept_to_the_request_over_uneven_ticks() {
        let mut clients = Clients::new("web", 7);
        let mut chance = Chance::new(1);
        let reached: u64 = [100, 333, 67, 500]
            .map(|length| clients.tick(length, &[target(1)], &mut chance))
            .iter()
            .flatten()
            .map(|load| load.requests)
            .sum();
        assert_eq!((clients.sent, reached, clients.refused), (7, 7, 0));
    }

    #[test]
    fn a_rate_may_be_less_than_one_a_second() {
        let mut clients = Clients::each("web", 90, 60_000);
        let mut chance = Chance::new(1);
        let each_second: Vec<u64> = (0..60)
            .map(|_| clients.tick(1_000, &[target(1)], &mut chance).iter().map(|load| load.requests).sum())
            .collect();
        assert_eq!(each_second.iter().sum::<u64>(), 90);
        assert!(each_second.iter().all(|count| (1..=2).contains(count)), "{each_second:?}");
    }

    #[test]
    fn requests_are_spread_over_the_targets_and_none_is_lost() {
        let mut clients = Clients::new("web", 3_000);
        let loads = clients.tick(1_000, &[target(1), target(2), target(3)], &mut Chance::new(1));
        let requests: Vec<u64> = loads.iter().map(|load| load.requests).collect();
        assert_eq!(requests.iter().sum::<u64>(), 3_000);
        assert!(requests.iter().all(|count| count.abs_diff(1_000) < 120), "{requests:?}");
    }

    #[test]
    fn where_nothing_answers_requests_are_refused() {
        let mut clients = Clients::new("web", 100);
        assert_eq!(clients.tick(1_000, &[], &mut Chance::new(1)), []);
        assert_eq!(clients.refused, 100);
        let dead = Target { uid: Uid(1), service: None };
        assert_eq!(clients.tick(1_000, &[dead], &mut Chance::new(1)), []);
        assert_eq!(clients.refused, 200);
    }
}
