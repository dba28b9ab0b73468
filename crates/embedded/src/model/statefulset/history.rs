//! Revisions: which is current, which is wanted, what they are called, how many are kept.

use super::{Action, NewRevision, View, members::reference};
use crate::object::{ControllerRevision, Name, Pod, StatefulSet, Template};

/// The two revisions of a pass, and the others.
#[derive(Clone, Debug)]
pub struct History<'a> {
    /// `status.currentRevision`, or the update revision where there is no such revision (any more).
    pub current: Revision,
    /// The revision of `spec.template`.
    pub update: Revision,
    /// `status.collisionCount`.
    pub collisions: u32,
    /// All that the pass found, lowest number first.
    found: Vec<&'a ControllerRevision>,
}

/// A revision's name and template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revision {
    /// Its full name.
    pub name: Name,
    /// Its template.
    pub template: Template,
}

impl Revision {
    fn of(revision: &ControllerRevision) -> Self {
        Self { name: revision.metadata.name.clone(), template: revision.template.clone() }
    }
}

/// Finds the revisions, and makes or renumbers the one of `spec.template`.
///
/// Equal bytes reuse the old revision under a new number, whichever it is; equal meaning only the latest one
/// (kubernetes#135017). So A, B, A ends at the first revision's name.
pub fn resolve<'a>(
    view: &View<'a>,
    found: Vec<&'a ControllerRevision>,
    actions: &mut Vec<Action>,
) -> History<'a> {
    let set = view.set;
    let template = &set.spec.template;
    let latest = found.last();
    let next = latest.map_or(1, |latest| latest.number + 1);
    let mut collisions = set.status.collision_count;
    let equal = found.iter().rfind(|revision| revision.template == *template);
    let update = match (latest, equal) {
        (Some(latest), Some(equal)) if latest.template == equal.template => Revision::of(latest),
        (_, Some(equal)) => {
            actions.push(Action::RenumberRevision { name: equal.metadata.name.clone(), number: next });
            Revision::of(equal)
        }
        (Some(latest), None) if latest.template.means_same_as(template) => Revision::of(latest),
        _ => create(view, next, &mut collisions, actions),
    };
    let current = found.iter().find(|revision| revision.metadata.name == set.status.current_revision);
    let current = current.map_or_else(|| update.clone(), |revision| Revision::of(revision));
    History { current, update, collisions, found }
}

/// A new revision, under the first name that isn't taken by another template.
fn create(view: &View<'_>, number: i64, collisions: &mut u32, actions: &mut Vec<Action>) -> Revision {
    let set = view.set;
    let template = set.spec.template.clone();
    loop {
        let name = revision_name(&set.metadata.name, &template, *collisions);
        match view.revisions.iter().find(|revision| revision.metadata.name == name) {
            Some(taken) if taken.template == template => return Revision::of(taken),
            Some(_) => *collisions += 1,
            None => {
                actions.push(Action::CreateRevision(NewRevision {
                    name: name.clone(),
                    number,
                    template: template.clone(),
                    labels: template.labels().clone(),
                    annotations: set.metadata.annotations.clone(),
                    owner: reference(set),
                }));
                return Revision { name, template };
            }
        }
    }
}

/// `<statefulset>-<hash>`: FNV-1 (32 bits) over the template and the collision count, its decimal digits written in
/// letters that make no words. The way of Kubernetes; the hashes differ, as its bytes are another encoding.
pub fn revision_name(set: &str, template: &Template, collisions: u32) -> Name {
    const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
    let collisions = collisions.to_string();
    let bytes = template.text().bytes().chain(collisions.bytes());
    let hash = bytes.fold(2_166_136_261_u32, |hash, byte| hash.wrapping_mul(16_777_619) ^ u32::from(byte));
    let digits = hash.to_string();
    let letters = digits.bytes().filter_map(|digit| LETTERS.get(usize::from(digit) % LETTERS.len()));
    let hash: String = letters.map(|&letter| char::from(letter)).collect();
    format!("{set}-{hash}").into()
}

/// Deletes the lowest revisions beyond `revisionHistoryLimit`. The current, the wanted and those of pods stay and
/// don't count.
pub fn truncate(set: &StatefulSet, pods: &[&Pod], history: &History<'_>, actions: &mut Vec<Action>) {
    let live = |name: &Name| {
        *name == history.current.name
            || *name == history.update.name
            || pods.iter().any(|pod| pod.revision() == &**name)
    };
    let idle = history.found.iter().map(|revision| &revision.metadata.name).filter(|name| !live(name));
    let limit = usize::try_from(set.spec.revision_history_limit).unwrap_or(usize::MAX);
    let surplus = idle.clone().count().saturating_sub(limit);
    actions.extend(idle.take(surplus).map(|name| Action::DeleteRevision { name: name.clone() }));
}
