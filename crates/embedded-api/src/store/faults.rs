//! What goes wrong on purpose, as data: whoever serves the store asks before each request.

use std::time::Duration;

use crate::kinds::{Kind, Verb};

/// Requests that something is done to.
#[derive(Clone, Debug, Default)]
pub struct Requests {
    /// With these verbs; none: all.
    pub verbs: Vec<Verb>,
    /// Of this resource in the plural; `None`: all.
    pub resource: Option<String>,
    /// In this namespace; `None`: all.
    pub namespace: Option<String>,
    /// Of the object of this name; `None`: all.
    pub name: Option<String>,
}

impl Requests {
    /// Requests with a verb to a resource.
    pub fn new(verb: Verb, resource: &str) -> Self {
        Self { verbs: vec![verb], resource: Some(resource.to_owned()), ..Self::default() }
    }

    fn include(&self, request: &Seen<'_>) -> bool {
        let is =
            |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|wanted| wanted == found);
        (self.verbs.is_empty() || self.verbs.contains(&request.verb))
            && is(&self.resource, request.kind.plural)
            && is(&self.namespace, request.namespace)
            && is(&self.name, request.name)
    }
}

/// A request as faults see it.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// What is to be done.
    pub verb: Verb,
    /// To what.
    pub kind: &'static Kind,
    /// Where; empty for everywhere.
    pub namespace: &'a str,
    /// To which; empty for all.
    pub name: &'a str,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Nothing is done, and the answer is this HTTP status: 409, 410, 429, 500, 503 or 504.
    Refuse(u16),
    /// It is done, and the answer is this HTTP status all the same.
    DoAndRefuse(u16),
    /// It is done after this time.
    Delay(Duration),
    /// It is never answered; whether it is done.
    Hang {
        /// Whether it takes effect.
        done: bool,
    },
    /// A read shows the state of so many changes ago.
    Stale(u64),
    /// A watch stays open and tells nothing, no bookmarks either, while the fault is there.
    Silence,
}

/// Something that goes wrong.
#[derive(Clone, Debug)]
pub struct Fault {
    /// With which requests.
    pub requests: Requests,
    /// How often; `None`: until it is lifted.
    pub times: Option<u32>,
    /// What.
    pub effect: Effect,
}

/// The faults that are there, in the order in which they came; the first that fits a request has its effect.
#[derive(Debug, Default)]
pub struct Faults {
    all: Vec<Fault>,
    edits: u64,
}

impl Faults {
    /// Adds a fault.
    pub fn add(&mut self, requests: Requests, times: Option<u32>, effect: Effect) {
        self.all.push(Fault { requests, times, effect });
        self.edits += 1;
    }

    /// Lifts all faults.
    pub fn lift(&mut self) {
        self.all.clear();
        self.edits += 1;
    }

    /// How often faults were added or lifted.
    pub(crate) fn edits(&self) -> u64 {
        self.edits
    }

    /// What goes wrong with a request; it counts as once.
    pub fn strike(&mut self, request: &Seen<'_>) -> Option<Effect> {
        let hits = |fault: &Fault| {
            fault.effect != Effect::Silence && fault.times != Some(0) && fault.requests.include(request)
        };
        let fault = self.all.iter_mut().find(|fault| hits(fault))?;
        fault.times = fault.times.map(|times| times - 1);
        Some(fault.effect.clone())
    }

    /// Whether a watch tells nothing now.
    pub fn silence(&self, watch: &Seen<'_>) -> bool {
        self.all.iter().any(|fault| fault.effect == Effect::Silence && fault.requests.include(watch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds;

    fn request(verb: Verb, name: &str) -> Seen<'_> {
        Seen { verb, kind: kinds::STATEFUL_SET, namespace: "shop", name }
    }

    #[test]
    fn a_fault_strikes_what_it_is_for_and_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.add(Requests::new(Verb::Patch, "statefulsets"), Some(2), Effect::Refuse(409));
        assert_eq!(faults.strike(&request(Verb::Get, "db")), None);
        let struck: Vec<_> = (0..3).map(|_| faults.strike(&request(Verb::Patch, "db"))).collect();
        assert_eq!(struck, [Some(Effect::Refuse(409)), Some(Effect::Refuse(409)), None]);
    }

    #[test]
    fn silence_lasts_until_it_is_lifted() {
        let mut faults = Faults::default();
        faults.add(Requests { name: Some("db".into()), ..Requests::default() }, None, Effect::Silence);
        assert!(faults.silence(&request(Verb::Watch, "db")) && !faults.silence(&request(Verb::Watch, "web")));
        assert_eq!(faults.strike(&request(Verb::Watch, "db")), None);
        faults.lift();
        assert!(!faults.silence(&request(Verb::Watch, "db")));
    }
}
