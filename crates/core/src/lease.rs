//! Who leads: what a process makes of the Lease that all processes of one installation share.
//!
//! Only the leader writes to workloads. The rules, and why two never lead at once:
//!
//! - The Lease is only written over the version that was seen last, so of two who try, one succeeds.
//! - A leader leads for [`Timing::renew_deadline`] from *before* it sent the write that succeeded last.
//! - Others wait until the Lease stayed the same for [`Lease::duration`], which is longer, from *after* they saw it so.
//!   Both times are read on the monotonic clock of the process that waits: whatever wall clocks say, and however far
//!   they are apart, doesn't matter. `renewTime` in the Lease is for people.
//!
//! This holds as long as no clock runs faster than another by the ratio of the two (half as fast again by default),
//! and nobody deletes the Lease while new processes start. What a leader sends in its last moment may still arrive
//! after its time: such a write is stopped by a precondition of its own (resourceVersion, UID).
//!
//! [`Candidate`] decides and knows no I/O: it says what to do [`Candidate::next`] and is told what came of it.

use std::time::Duration;

use crate::time::Instant;

/// How leading is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// For how long others leave a Lease alone that doesn't change. Whole seconds, as the Lease has it.
    pub lease_duration: Duration,
    /// A leader that couldn't renew for this long stops. Shorter than `lease_duration`.
    pub renew_deadline: Duration,
    /// The time between two renewals, and between two tries that failed. At most half of `renew_deadline`.
    pub retry_period: Duration,
}

/// What a Lease says, as far as anything is decided by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Its resourceVersion: the precondition of the next write.
    pub version: String,
    /// Who leads; `None`: it was given back.
    pub holder: Option<String>,
    /// How long its holder may be silent.
    pub duration: Duration,
    /// How often it went from one holder to another.
    pub transitions: u32,
}

/// A write of the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The version that it may replace; `None`: there must be no Lease.
    pub over: Option<String>,
    /// Who holds it then; `None`: nobody.
    pub holder: Option<String>,
    /// Its transitions then.
    pub transitions: u32,
    /// Whether the holder begins to hold it.
    pub begins: bool,
}

/// What to do about the Lease.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read it: what is known of it isn't true any more.
    Read,
    /// Write it.
    Write(Claim),
    /// Nothing before this moment, unless the Lease changes.
    Wait(Instant),
}

/// One process that leads or stands by.
#[derive(Clone, Debug)]
pub struct Candidate {
    me: String,
    timing: Timing,
    view: View,
    /// Before the last write was sent that made or kept this process the leader.
    renewed: Option<Instant>,
    /// The newest version that was seen: a watch may tell of older ones.
    newest: u128,
    /// After a failure: no other try before this.
    not_before: Instant,
}

/// What is known of the Lease.
#[derive(Clone, Debug)]
enum View {
    /// Nothing, or nothing certain.
    Unknown(Option<Instant>),
    /// There is none. One that was deleted may have a holder who doesn't know yet: it counts until this moment.
    Absent(Option<Instant>),
    /// It said this, for the first time at `since`.
    Seen { lease: Lease, since: Instant },
}

impl Candidate {
    /// A process that knows nothing yet. `me` is a name that no other running process has.
    pub fn new(me: String, timing: Timing) -> Self {
        let view = View::Unknown(None);
        Self { me, timing, view, renewed: None, newest: 0, not_before: Instant::default() }
    }

    /// Until when this process may begin a write; before `now` if it doesn't lead.
    pub fn leads_until(&self) -> Instant {
        self.renewed.map_or_else(Instant::default, |renewed| renewed + self.timing.renew_deadline)
    }

    /// Whether this process leads.
    pub fn leads(&self, now: Instant) -> bool {
        now < self.leads_until()
    }

    /// Who leads, as far as is known.
    pub fn holder(&self) -> Option<&str> {
        match &self.view {
            View::Seen { lease, .. } => lease.holder.as_deref(),
            View::Unknown(_) | View::Absent(_) => None,
        }
    }

    /// What to do now.
    pub fn next(&self, now: Instant) -> Next {
        let due = self.due(now);
        if now < due {
            return Next::Wait(due);
        }
        match &self.view {
            View::Unknown(_) => Next::Read,
            View::Absent(_) => {
                Next::Write(Claim { over: None, holder: Some(self.me.clone()), transitions: 0, begins: true })
            }
            View::Seen { lease, .. } => {
                let mine = lease.holder.as_ref() == Some(&self.me);
                Next::Write(Claim {
                    over: Some(lease.version.clone()),
                    holder: Some(self.me.clone()),
                    transitions: lease.transitions + u32::from(!mine),
                    begins: !mine || self.renewed.is_none(),
                })
            }
        }
    }

    /// When [`Self::next`] is due.
    fn due(&self, now: Instant) -> Instant {
        let due = match &self.view {
            View::Unknown(_) => now,
            View::Absent(held_until) => held_until.filter(|_| !self.leads(now)).unwrap_or(now),
            View::Seen { lease, since } => match &lease.holder {
                Some(holder) if *holder != self.me => *since + lease.duration,
                Some(_) => self.renewed.map_or(now, |renewed| renewed + self.timing.retry_period),
                None => now,
            },
        };
        due.max(self.not_before)
    }

    /// The Lease was read; `None`: there is none.
    pub fn read(&mut self, lease: Option<Lease>, now: Instant) {
        let Some(lease) = lease else {
            self.view = View::Absent(self.held_until());
            return;
        };
        if lease.holder.as_ref() != Some(&self.me) {
            self.renewed = None;
        }
        let known = match &self.view {
            View::Seen { lease: known, since } if known.version == lease.version => Some(*since),
            _ => None,
        };
        self.sees(lease, known.unwrap_or(now));
    }

    /// A watch told of the Lease, maybe late; `None`: it was deleted.
    pub fn told(&mut self, lease: Option<Lease>, now: Instant) {
        let old = lease.as_ref().is_some_and(|lease| number(&lease.version) < self.newest);
        if !old {
            self.read(lease, now);
        }
    }

    /// A write of this process has become the Lease; `sent` is a moment before it was sent.
    pub fn wrote(&mut self, lease: Lease, sent: Instant, now: Instant) {
        self.renewed = (lease.holder.as_ref() == Some(&self.me)).then_some(sent);
        self.not_before = Instant::default();
        self.sees(lease, now);
    }

    /// Somebody else wrote the Lease first: it has to be read.
    pub fn contradicted(&mut self) {
        self.view = View::Unknown(self.held_until());
    }

    /// A read or a write that was sent after `sent` failed, or its answer was lost: what became of it has to be read.
    pub fn failed(&mut self, sent: Instant) {
        self.contradicted();
        self.not_before = sent + self.timing.retry_period;
    }

    /// The last write of a process that ends: it gives the Lease back, so that another needn't wait. Only to be sent
    /// when nothing else of this process is under way. `None`: there is nothing to give back.
    pub fn release(&self) -> Option<Claim> {
        match &self.view {
            View::Seen { lease, .. } if lease.holder.as_ref() == Some(&self.me) => Some(Claim {
                over: Some(lease.version.clone()),
                holder: None,
                transitions: lease.transitions,
                begins: false,
            }),
            _ => None,
        }
    }

    /// Until when somebody else may count on what was seen last.
    fn held_until(&self) -> Option<Instant> {
        match &self.view {
            View::Unknown(held_until) | View::Absent(held_until) => *held_until,
            View::Seen { lease, since } => lease.holder.as_ref().map(|_| *since + lease.duration),
        }
    }

    fn sees(&mut self, lease: Lease, since: Instant) {
        self.newest = number(&lease.version);
        // A Lease without a duration was edited by hand.
        let duration = if lease.duration.is_zero() { self.timing.lease_duration } else { lease.duration };
        self.view = View::Seen { lease: Lease { duration, ..lease }, since };
    }
}

/// resourceVersions are numbers that grow (KEP-5504); a text that isn't one is older than all.
fn number(version: &str) -> u128 {
    version.parse().unwrap_or_default()
}

#[cfg(test)]
mod tests;
