//! Two runs of the same scenarios, side by side.

use std::collections::BTreeMap;
use std::fmt;

use super::{Course, Outcome};

/// What is different between two folders of outcomes.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// The scenarios that came out the same.
    pub same: Vec<String>,
    /// The others, each with every difference.
    pub different: BTreeMap<String, Vec<Difference>>,
    /// Of only one of the two: the first, the second.
    pub alone: [Vec<String>; 2],
}

/// Something that two runs of a scenario differ in.
#[derive(Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub what: String,
    /// In the first run, and in the second.
    pub values: [String; 2],
}

/// Compares two runs, by the names of their scenarios.
pub fn compare(first: &BTreeMap<String, Outcome>, second: &BTreeMap<String, Outcome>) -> Comparison {
    let only = |of: &BTreeMap<String, Outcome>, other: &BTreeMap<String, Outcome>| {
        of.keys().filter(|name| !other.contains_key(*name)).cloned().collect()
    };
    let mut comparison =
        Comparison { alone: [only(first, second), only(second, first)], ..Comparison::default() };
    for (name, one) in first {
        let Some(other) = second.get(name) else { continue };
        let differences = differences(one, other);
        if differences.is_empty() {
            comparison.same.push(name.clone());
        } else {
            comparison.different.insert(name.clone(), differences);
        }
    }
    comparison
}

fn differences(one: &Outcome, other: &Outcome) -> Vec<Difference> {
    let (one, other) = (facts(one), facts(other));
    let mut all: Vec<&String> = one.keys().chain(other.keys()).collect();
    all.sort_unstable();
    all.dedup();
    let value = |facts: &BTreeMap<String, String>, what: &str| facts.get(what).cloned().unwrap_or_default();
    let pairs = all.into_iter().map(|what| (what, [value(&one, what), value(&other, what)]));
    pairs
        .filter(|(_, [one, other])| one != other)
        .map(|(what, values)| Difference { what: what.clone(), values })
        .collect()
}

/// An outcome as one value for each thing that may differ.
fn facts(outcome: &Outcome) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let ended = if outcome.passed { "passed" } else { "failed" };
    facts.insert("it".to_owned(), ended.to_owned());
    for (number, place) in (1..).zip(&outcome.places) {
        for (name, course) in place {
            let of = if outcome.places.len() == 1 {
                name.clone()
            } else {
                format!("{name} in namespace {number}")
            };
            // A field that is new must be compared, too.
            let Course { partitions, replicas, rollouts, pods, claims } = course;
            for (what, sequence) in [("partitions", partitions), ("replicas", replicas)] {
                facts.insert(format!("{what} of {of}"), sequence.join(" "));
            }
            facts.insert(format!("rollouts of {of}"), rollouts.join(", "));
            for (ordinal, revisions) in pods {
                facts.insert(format!("pods {ordinal} of {of}"), revisions.join(" "));
            }
            for (ordinal, count) in claims {
                facts.insert(format!("claims {ordinal} of {of}"), count.to_string());
            }
        }
    }
    facts
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, differences) in &self.different {
            writeln!(f, "{name}")?;
            for Difference { what, values: [one, other] } in differences {
                writeln!(f, "  {what}")?;
                writeln!(f, "    - {}", if one.is_empty() { "none" } else { one })?;
                writeln!(f, "    + {}", if other.is_empty() { "none" } else { other })?;
            }
        }
        for (which, names) in ["first", "second"].iter().zip(&self.alone) {
            if !names.is_empty() {
                writeln!(f, "only in the {which}: {}", names.join(", "))?;
            }
        }
        writeln!(f, "{} the same, {} different", self.same.len(), self.different.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(scenario: &str, pods_of_two: &[&str]) -> (String, Outcome) {
        let sequence = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let course = Course {
            partitions: sequence(&["0", "1000000"]),
            pods: BTreeMap::from([(0, sequence(&["v1"])), (2, sequence(pods_of_two))]),
            ..Course::default()
        };
        let places = vec![BTreeMap::from([("db".to_owned(), course)])];
        (scenario.to_owned(), Outcome { scenario: scenario.into(), passed: true, places })
    }

    #[test]
    fn what_is_different_is_told_and_what_is_missing_too() {
        let real = BTreeMap::from([run("a", &["v1", "v2"]), run("b", &["v1"]), run("c", &["v1"])]);
        let mut embedded = BTreeMap::from([run("a", &["v1", "v2"]), run("b", &["v1", "v2"]), run("d", &[])]);
        embedded.get_mut("b").unwrap().passed = false;
        let told = compare(&real, &embedded).to_string();
        assert_eq!(
            told,
            "b\n  it\n    - passed\n    + failed\n  pods 2 of db\n    - v1\n    + v1 v2\n\
             only in the first: c\nonly in the second: d\n1 the same, 1 different\n"
        );
    }

    #[test]
    fn a_namespace_or_an_ordinal_too_many_is_a_difference() {
        let (name, one) = run("a", &["v1"]);
        let mut more = one.clone();
        more.places.push(one.places[0].clone());
        let mut fewer = one.clone();
        fewer.places[0].get_mut("db").unwrap().pods.remove(&2);
        for other in [more, fewer] {
            let of = |outcome: &Outcome| BTreeMap::from([(name.clone(), outcome.clone())]);
            let comparison = compare(&of(&one), &of(&other));
            assert!(comparison.same.is_empty() && comparison.different.contains_key("a"), "{comparison}");
        }
    }
}
