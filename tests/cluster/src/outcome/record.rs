//! From what the observer saw to an [`Outcome`].

use std::collections::BTreeMap;

use super::{Course, Outcome};
use crate::observer::Change;

/// The fields that an object has at one moment.
type Fields = BTreeMap<String, String>;

impl Outcome {
    /// That of a scenario, from the changes of each of its namespaces.
    pub fn of(scenario: &str, passed: bool, places: &[Vec<Change>]) -> Self {
        Self {
            scenario: scenario.into(),
            passed,
            places: places.iter().map(|place| courses(place)).collect(),
        }
    }
}

/// Reads the changes of one namespace.
fn courses(changes: &[Change]) -> BTreeMap<String, Course> {
    let sets = changes.iter().filter_map(|change| change.object.strip_prefix("set/"));
    let mut courses: BTreeMap<String, Course> =
        sets.map(|name| (name.to_owned(), Course::default())).collect();
    let mut names = Revisions::default();
    let mut objects: BTreeMap<&str, Fields> = BTreeMap::new();
    // What one event changed has one time.
    for event in changes.chunk_by(|one, next| one.at == next.at && one.object == next.object) {
        let Some(first) = event.first() else { continue };
        let fields = objects.entry(&first.object).or_default();
        for Change { field, value, .. } in event {
            fields.insert(field.clone(), value.clone());
        }
        let new = |field: &str| {
            let change = event.iter().rfind(|change| change.field == field)?;
            Some(change.value.clone()).filter(|value| !value.is_empty())
        };
        let Some((kind, name)) = first.object.split_once('/') else { continue };
        match kind {
            "set" => {
                let Some(course) = courses.get_mut(name) else { continue };
                course.partitions.extend(new("partition"));
                course.replicas.extend(new("replicas"));
                course.rollouts.extend(new("ended").map(|ended| names.in_words(name, &ended)));
            }
            "pod" => {
                if let (Some(_), Some((course, ordinal))) = (new("uid"), of_set(&mut courses, name)) {
                    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
                    let revision = names.name(field("revision"), field("version"));
                    course.pods.entry(ordinal).or_default().push(revision);
                }
            }
            "claim" => {
                let claim = name.strip_prefix("data-").filter(|_| new("uid").is_some());
                if let Some((course, ordinal)) = claim.and_then(|name| of_set(&mut courses, name)) {
                    *course.claims.entry(ordinal).or_default() += 1;
                }
            }
            _ => {}
        }
    }
    courses
}

/// The StatefulSet and the ordinal in a name like `db-2`.
fn of_set<'a>(courses: &'a mut BTreeMap<String, Course>, name: &str) -> Option<(&'a mut Course, u32)> {
    let (set, ordinal) = name.rsplit_once('-')?;
    Some((courses.get_mut(set)?, ordinal.parse().ok()?))
}

/// What revisions are called, by their hashes.
#[derive(Default)]
struct Revisions(BTreeMap<String, String>);

impl Revisions {
    /// The name of a revision, a new one if it is seen for the first time.
    fn name(&mut self, revision: &str, version: &str) -> String {
        if let Some(name) = self.0.get(revision) {
            return name.clone();
        }
        let mut name = version.to_owned();
        while self.0.values().any(|taken| *taken == name) {
            name.push('\'');
        }
        self.0.insert(revision.to_owned(), name.clone());
        name
    }

    /// How a rollout of a StatefulSet ended, from `ID CANARY END`: without its id, its evidence, and hashes.
    fn in_words(&self, set: &str, ended: &str) -> String {
        let hash = |word: &str| word.strip_prefix(set).is_some_and(|rest| rest.starts_with('-'));
        let word = |word| match self.0.get(word) {
            Some(name) => name.as_str(),
            None if hash(word) => "what no pod ran",
            None => word,
        };
        let words = ended.split_once(": ").map_or(ended, |(end, _)| end).split(' ').skip(1);
        words.map(word).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Events as `object field=value field=value`, one a second.
    fn seen(events: &[&str]) -> Vec<Change> {
        let start = Instant::now();
        let mut changes = Vec::new();
        for (second, event) in (0..).zip(events) {
            let mut words = event.split('|');
            let object = words.next().unwrap();
            for (field, value) in words.map(|word| word.split_once('=').unwrap()) {
                let (field, value) = (field.to_owned(), value.to_owned());
                changes.push(Change {
                    at: start + Duration::from_secs(second),
                    object: object.into(),
                    field,
                    value,
                });
            }
        }
        changes
    }

    const ROLLED_BACK: [&str; 15] = [
        "set/db|partition=0|replicas=2",
        "claim/data-db-0|uid=c0",
        "pod/db-0|revision=db-a|uid=p0|version=v1",
        "claim/data-db-1|uid=c1",
        "pod/db-1|revision=db-a|uid=p1|version=v1",
        "pod/db-1|ready=true",
        "set/db|partition=1000000",
        "scenario|does=sets v2",
        "set/db|partition=1",
        "pod/db-1|ready=|revision=|uid=|version=",
        "pod/db-1|revision=db-b|uid=p2|version=v2",
        "set/db|partition=1000000",
        "pod/db-1|revision=db-a|uid=p3|version=v1",
        "set/db|ended=r1 db-b rolled back: errors: 50 of 100 requests",
        "set/db|ended=r2 db-c superseded by db-b",
    ];

    #[test]
    fn each_ordinal_and_each_field_has_its_sequence() {
        let outcome = Outcome::of("back", true, &[seen(&ROLLED_BACK)]);
        let course = &outcome.places[0]["db"];
        assert_eq!(course.partitions, ["0", "1000000", "1", "1000000"]);
        assert_eq!(course.replicas, ["2"]);
        assert_eq!(course.rollouts, ["v2 rolled back", "what no pod ran superseded by v2"]);
        assert_eq!(course.pods[&0], ["v1"]);
        assert_eq!(course.pods[&1], ["v1", "v2", "v1"], "also where the end of a pod was not seen");
        assert_eq!(course.claims, BTreeMap::from([(0, 1), (1, 1)]));
    }

    #[test]
    fn another_order_of_pods_and_other_hashes_are_the_same_outcome() {
        let mut events = ROLLED_BACK;
        events[1..6].reverse();
        let events = events.map(|event| event.replace("db-a", "db-7c9").replace("db-b", "db-5f6"));
        let other = seen(&events.each_ref().map(String::as_str));
        assert_eq!(Outcome::of("back", true, &[other]), Outcome::of("back", true, &[seen(&ROLLED_BACK)]));
    }

    #[test]
    fn a_second_revision_of_a_version_has_a_name_of_its_own() {
        let changes = seen(&[
            "set/db|replicas=1",
            "pod/db-0|revision=db-a|uid=p0|version=v2",
            "pod/db-0|revision=db-b|uid=p1|version=v2",
            "pod/db-0|revision=db-a|uid=p2|version=v2",
            "pod/other-0|revision=other-a|uid=p3|version=v2",
        ]);
        let outcome = Outcome::of("again", true, &[changes]);
        assert_eq!(outcome.places[0]["db"].pods[&0], ["v2", "v2'", "v2"]);
        assert!(!outcome.places[0].contains_key("other"), "a pod without its StatefulSet is nobody's");
    }
}
