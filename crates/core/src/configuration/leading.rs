//! `leaderElection`: which of several processes works.

use std::time::Duration;

use crate::{
    lease::Timing,
    policy::{GoDuration, between, name},
    yaml::Reader,
};

/// Shorter Leases change hands because a node was busy for a moment.
const SHORTEST: GoDuration = GoDuration::from_secs(3);
/// For longer nobody should be without a leader.
const LONGEST: GoDuration = GoDuration::from_secs(300);
/// The longest name of a Lease that is read.
const NAME: usize = 63;

/// Which of several processes works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeaderElection {
    /// Default true. Without it every process works, so there may only be one.
    pub enabled: bool,
    /// Default 15s, 10s and 2s.
    pub timing: Timing,
    /// Where the Lease is. Default: the process's own namespace.
    pub namespace: Option<String>,
    /// The Lease's name. Default `siskin`, with a class `siskin-<class>`.
    pub name: Option<String>,
}

impl Default for LeaderElection {
    fn default() -> Self {
        Self {
            enabled: true,
            timing: Timing {
                lease_duration: Duration::from_secs(15),
                renew_deadline: Duration::from_secs(10),
                retry_period: Duration::from_secs(2),
            },
            namespace: None,
            name: None,
        }
    }
}

impl LeaderElection {
    /// The Lease's name for an installation of this class.
    pub fn lease(&self, class: Option<&str>) -> String {
        let by_class = || class.map_or_else(|| "siskin".to_owned(), |class| format!("siskin-{class}"));
        self.name.clone().unwrap_or_else(by_class)
    }
}

/// Reads the field's value.
pub(super) fn read(reader: &Reader<'_>) -> Option<LeaderElection> {
    let default = LeaderElection::default();
    let mut fields = reader.fields()?;
    let enabled = fields.or("enabled", default.enabled, Reader::bool);
    let duration = |least: GoDuration, most: GoDuration| {
        move |it: &Reader<'_>| between(it, least, most).map(|duration| duration.0)
    };
    let lease_duration = fields.or("leaseDuration", default.timing.lease_duration, |it| {
        let duration = between(it, SHORTEST, LONGEST)?.0;
        if duration.subsec_millis() > 0 {
            it.expected("whole seconds, as a Lease has them");
            return None;
        }
        Some(duration)
    });
    let renew_deadline = fields.or(
        "renewDeadline",
        default.timing.renew_deadline,
        duration(GoDuration::from_secs(1), LONGEST),
    );
    let retry_period = fields.or(
        "retryPeriod",
        default.timing.retry_period,
        duration(GoDuration::from_millis(200), LONGEST),
    );
    let namespace = fields.optional("namespace", |it| name(it, NAME));
    let lease = fields.optional("name", |it| name(it, NAME));
    let timing = Timing {
        lease_duration: lease_duration?,
        renew_deadline: renew_deadline?,
        retry_period: retry_period?,
    };
    if let Some(why) = unsafe_timing(timing) {
        fields.refuse(why);
        return None;
    }
    Some(LeaderElection { enabled: enabled?, timing, namespace: namespace?, name: lease? })
}

/// Why two could lead at once, or a leader would give up too early.
fn unsafe_timing(timing: Timing) -> Option<String> {
    let Timing { lease_duration, renew_deadline, retry_period } = timing;
    let shown = |duration| GoDuration(duration).to_string();
    if renew_deadline * 4 > lease_duration * 3 {
        return Some(format!(
            "found renewDeadline {} with leaseDuration {}, expected at most three quarters of it: a leader has to stop before others may take over",
            shown(renew_deadline),
            shown(lease_duration),
        ));
    }
    if retry_period * 2 > renew_deadline {
        return Some(format!(
            "found retryPeriod {} with renewDeadline {}, expected at most half of it: one failure must not end a leader",
            shown(retry_period),
            shown(renew_deadline),
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::{super::parse, *};

    fn whole(rest: &str) -> String {
        format!("apiVersion: siskin.dev/v1alpha1\nkind: Configuration\n{rest}")
    }

    #[test]
    fn a_class_names_the_lease() {
        let lease = |rest: &str| {
            let configuration = parse("c.yaml", &whole(rest)).unwrap();
            configuration.leader_election.lease(configuration.class.as_deref())
        };
        assert_eq!(lease(""), "siskin");
        assert_eq!(lease("class: blue\n"), "siskin-blue");
        assert_eq!(lease("class: blue\nleaderElection: { name: mine }\n"), "mine");
    }

    #[test]
    fn leader_election_is_read() {
        let text = "leaderElection: { enabled: false, leaseDuration: 8s, renewDeadline: 5s, retryPeriod: 500ms, namespace: ns }\n";
        let read = parse("c.yaml", &whole(text)).unwrap().leader_election;
        let timing = |(lease, renew, retry)| Timing {
            lease_duration: Duration::from_millis(lease),
            renew_deadline: Duration::from_millis(renew),
            retry_period: Duration::from_millis(retry),
        };
        let expected = LeaderElection {
            enabled: false,
            timing: timing((8000, 5000, 500)),
            namespace: Some("ns".to_owned()),
            name: None,
        };
        assert_eq!(read, expected);
        assert_eq!(LeaderElection::default().timing, timing((15_000, 10_000, 2000)));
    }

    #[test]
    fn timing_that_lets_two_lead_is_refused() {
        let refused = |text: &str| parse("c.yaml", &whole(text)).unwrap_err().to_string();
        assert_eq!(
            refused("class: Blue\nleaderElection: { leaseDuration: 2500ms, renewDeadline: 400s }\n"),
            "c.yaml:3:8: class: found `Blue`, expected a name of at most 40 lower-case letters, digits and `-`, with a letter or digit at both ends\n\
             c.yaml:4:34: leaderElection.leaseDuration: found `2500ms`, expected a duration from `3s` to `5m`\n\
             c.yaml:4:57: leaderElection.renewDeadline: found `400s`, expected a duration from `1s` to `5m`"
        );
        assert_eq!(
            refused("leaderElection: { leaseDuration: 3500ms }\n"),
            "c.yaml:3:34: leaderElection.leaseDuration: found `3500ms`, expected whole seconds, as a Lease has them"
        );
        assert_eq!(
            refused("leaderElection: { leaseDuration: 10s }\n"),
            "c.yaml:3:17: leaderElection: found renewDeadline 10s with leaseDuration 10s, expected at most three quarters of it: a leader has to stop before others may take over"
        );
        assert_eq!(
            refused("leaderElection: { retryPeriod: 6s }\n"),
            "c.yaml:3:17: leaderElection: found retryPeriod 6s with renewDeadline 10s, expected at most half of it: one failure must not end a leader"
        );
    }
}
