//! What was written to the API server, by whom, in the words of the models: so that all that looks at a cluster of the
//! models can look at this one.

use jiff::Timestamp;
use serde_json::Value;
use siskin_core::{decision::Note, state::Record};
use siskin_embedded::{
    Millis,
    cluster::{Cluster, Copied, Object, Verb},
    object::{Kind, Metadata},
};
use siskin_embedded_api::{
    kinds::{CLAIM, CONTROLLER_REVISION, POD, STATEFUL_SET},
    store::{Change, Event, Query, Store},
};
use siskin_embedded_cluster::translate::{self, Untranslatable, millis};
use siskin_rehearsal::{faults::strangers::SET, wire::ACTOR};

/// Whoever writes and isn't named.
const OTHERS: &str = "kubernetes";

/// A copy of the cluster, with all writes so far.
pub struct History {
    /// The copy. Nothing happens in it by itself.
    pub copy: Cluster,
    /// What the state says has happened: when, at which version.
    pub told: Vec<(Millis, u64, Note)>,
    start: Timestamp,
    /// Who made the writes up to a version, in order.
    authors: Vec<(u64, u64, &'static str)>,
    /// The rollout that was told of last as begun.
    begun: Option<String>,
}

impl History {
    /// Of a cluster whose clock said `start` at the beginning.
    pub fn new(start: Timestamp) -> Self {
        Self { copy: Cluster::new(0), told: Vec::new(), start, authors: Vec::new(), begun: None }
    }

    /// These writes, the first of which comes after `before`, are an author's.
    pub fn wrote(&mut self, author: &'static str, before: u64, last: u64) {
        if last > before {
            self.authors.push((before, last, author));
        }
    }

    /// Copies what was written since.
    ///
    /// # Errors
    /// An object that the models can't look at.
    pub fn catch_up(&mut self, store: &Store, now: Timestamp) -> Result<(), Untranslatable> {
        let known = self.copy.version();
        if store.version() == known {
            return Ok(());
        }
        let at = millis(now).saturating_sub(millis(self.start));
        let mut events: Vec<(Kind, Event)> = Vec::new();
        for (kind, resource) in [
            (Kind::StatefulSet, STATEFUL_SET),
            (Kind::Pod, POD),
            (Kind::Claim, CLAIM),
            (Kind::ControllerRevision, CONTROLLER_REVISION),
        ] {
            // The history is copied at every change, long before the store forgets it.
            let news = store.events_after(known, &Query::all(resource)).unwrap_or_default();
            events.extend(news.into_iter().map(|event| (kind, event)));
        }
        events.sort_by_key(|(_, event)| event.version);
        let mut events = events.into_iter().peekable();
        for version in known + 1..=store.version() {
            let author = self.author(version);
            match events.next_if(|(_, event)| event.version == version) {
                Some((kind, event)) => self.take(at, author, kind, &event)?,
                None => self.copy.copy(at, author, Verb::Update, Copied::Other),
            }
        }
        Ok(())
    }

    fn author(&self, version: u64) -> &'static str {
        let mut known = self.authors.iter().rev();
        known.find(|(before, last, _)| (before + 1..=*last).contains(&version)).map_or(OTHERS, |(.., it)| it)
    }

    fn take(
        &mut self,
        at: Millis,
        author: &'static str,
        kind: Kind,
        event: &Event,
    ) -> Result<(), Untranslatable> {
        let object = &*event.object;
        if event.change == Change::Deleted {
            let name = translate::text(object, "/metadata/name");
            self.copy.copy(at, author, Verb::Remove, Copied::Gone(kind, name.into()));
            return Ok(());
        }
        match kind {
            Kind::StatefulSet => {
                let set = translate::statefulset::read(object)?;
                let before = self.copy.statefulset(&set.metadata.name);
                let same = before.is_some_and(|before| before.spec == set.spec);
                let verb = verb(before.map(|before| &before.metadata), &set.metadata, same);
                self.copy.copy(at, author, verb, Copied::StatefulSet(set));
                if author == ACTOR {
                    self.read_state(at, object);
                }
            }
            Kind::Pod => {
                let pod = translate::pod::read(object)?;
                let verb = known_verb(self.copy.pods().get(&pod.metadata.name), &pod.metadata);
                self.copy.copy(at, author, verb, Copied::Pod(pod));
            }
            Kind::Claim => {
                let claim = translate::claim::read(object)?;
                let verb = known_verb(self.copy.claims().get(&claim.metadata.name), &claim.metadata);
                self.copy.copy(at, author, verb, Copied::Claim(claim));
            }
            _ => {
                let revision = translate::revision::read(object)?;
                let verb = known_verb(self.copy.revisions().get(&revision.metadata.name), &revision.metadata);
                self.copy.copy(at, author, verb, Copied::Revision(revision));
            }
        }
        Ok(())
    }

    /// What a state that Siskin wrote says of rollouts. Events may be lost; this can't be.
    fn read_state(&mut self, at: Millis, set: &Value) {
        if translate::text(set, "/metadata/name") != SET {
            return;
        }
        let state = translate::text(set, "/metadata/annotations/siskin.dev~1state");
        let Ok(record) = serde_json::from_str::<Record>(state) else { return };
        let version = self.copy.version();
        let open = record.rollout.as_ref().map(|rollout| (&rollout.id, &rollout.canary));
        if let Some((id, canary)) = open.filter(|(id, _)| self.begun.as_ref() != Some(*id)) {
            self.begun = Some(id.clone());
            let stable = record.stable.clone().unwrap_or_else(|| canary.clone());
            self.told.push((
                at,
                version,
                Note::Started { rollout: id.clone(), stable, canary: canary.clone(), plan: String::new() },
            ));
        }
        let ended = |id: &String| {
            self.told.iter().rev().any(|(.., note)| match note {
                Note::Promoted { rollout, .. } | Note::RolledBack { rollout, .. } => rollout == id,
                _ => false,
            })
        };
        let Some(past) = record.history.last().filter(|past| !ended(&past.id)) else { return };
        let (rollout, canary) = (past.id.clone(), past.canary.clone());
        let note = match (past.end.as_str(), record.stable) {
            ("promoted", _) => Note::Promoted { rollout, revision: canary },
            (end, Some(stable)) if end.starts_with("rolled back") => {
                Note::RolledBack { rollout, canary, stable, why: end.to_owned() }
            }
            _ => return,
        };
        self.told.push((at, version, note));
    }
}

fn known_verb<T: Object>(before: Option<&std::sync::Arc<T>>, now: &Metadata) -> Verb {
    verb(before.map(|before| before.metadata()), now, true)
}

/// What was done to an object. `same`: but for metadata and status nothing changed.
fn verb(before: Option<&Metadata>, now: &Metadata, same: bool) -> Verb {
    match before {
        None => Verb::Create,
        Some(before) if before.uid != now.uid => Verb::Create,
        Some(before) if now.terminating() && !before.terminating() => Verb::Delete,
        Some(before) if same && before.labels == now.labels && before.annotations == now.annotations => {
            Verb::UpdateStatus
        }
        Some(_) => Verb::Update,
    }
}
