//! The Lease that the processes of a story share, and what each of them makes of it.

use std::time::Duration;

use siskin_core::{
    lease::{Candidate, Claim, Lease, Next, Timing},
    time::Instant,
};
use siskin_embedded::Millis;

/// Short, as stories are.
const TIMING: Timing = Timing {
    lease_duration: Duration::from_secs(6),
    renew_deadline: Duration::from_secs(4),
    retry_period: Duration::from_secs(1),
};

/// The process of a number, seen by the Lease.
#[derive(Debug)]
struct Stander {
    candidate: Candidate,
    /// How many milliseconds its clock counts in a second.
    pace: u64,
    /// The Lease can't be reached before.
    cut_until: Millis,
    due: Millis,
}

/// Who leads.
#[derive(Debug, Default)]
pub struct Election {
    lease: Option<Lease>,
    writes: u64,
    /// Empty: there is one process, and it leads.
    standers: Vec<Stander>,
}

impl Election {
    /// Among processes whose clocks count so many milliseconds in a second.
    pub fn among(paces: &[u64]) -> Self {
        let standers = paces.iter().zip(0..).map(|(pace, number)| Stander {
            candidate: candidate(number, 0),
            pace: *pace,
            cut_until: 0,
            due: 0,
        });
        Self { lease: None, writes: 0, standers: standers.collect() }
    }

    /// Whether a process may begin a write at this moment.
    pub fn leads(&self, who: usize, now: Millis) -> bool {
        self.standers.get(who).is_none_or(|stander| stander.candidate.leads(local(now, stander.pace)))
    }

    /// How many lead at this moment.
    pub fn leaders(&self, now: Millis) -> usize {
        (0..self.standers.len()).filter(|who| self.leads(*who, now)).count()
    }

    /// When a process has to see to the Lease.
    pub fn next(&self, who: usize) -> Option<Millis> {
        self.standers.get(who).map(|stander| stander.due)
    }

    /// A process can't reach the Lease until then.
    pub fn cut(&mut self, who: usize, until: Millis) {
        if let Some(stander) = self.standers.get_mut(who) {
            stander.cut_until = until;
        }
    }

    /// Every process can reach it.
    pub fn heal(&mut self) {
        self.standers.iter_mut().for_each(|stander| stander.cut_until = 0);
    }

    /// In the place of a process comes another, which knows nothing. In the same pod it has the same name.
    pub fn replace(&mut self, who: usize, now: Millis, name: u64) {
        if let Some(stander) = self.standers.get_mut(who) {
            stander.candidate = candidate(who, name);
            stander.due = now;
        }
    }

    /// A process sees to the Lease, if it has to.
    pub fn turn(&mut self, who: usize, now: Millis) {
        while let Some(stander) = self.standers.get_mut(who).filter(|stander| stander.due <= now) {
            let at = local(now, stander.pace);
            let cut = now < stander.cut_until;
            match stander.candidate.next(at) {
                Next::Wait(until) => {
                    let until = u64::try_from(until.0.as_millis()).unwrap_or(u64::MAX);
                    stander.due = (until * 1000 / stander.pace + 1).max(now + 1);
                }
                Next::Read | Next::Write(_) if cut => stander.candidate.failed(at),
                Next::Read => stander.candidate.read(self.lease.clone(), at),
                Next::Write(claim)
                    if claim.over == self.lease.as_ref().map(|lease| lease.version.clone()) =>
                {
                    self.writes += 1;
                    let lease = granted(&claim, self.writes);
                    stander.candidate.wrote(lease.clone(), at, at);
                    self.lease = Some(lease);
                }
                Next::Write(_) => stander.candidate.contradicted(),
            }
        }
    }
}

fn candidate(who: usize, name: u64) -> Candidate {
    Candidate::new(format!("siskin-{who}-{name}"), TIMING)
}

fn granted(claim: &Claim, version: u64) -> Lease {
    Lease {
        version: version.to_string(),
        holder: claim.holder.clone(),
        duration: TIMING.lease_duration,
        transitions: claim.transitions,
    }
}

/// The moment on a clock of this pace.
fn local(now: Millis, pace: u64) -> Instant {
    Instant(Duration::from_millis(now * pace / 1000))
}
