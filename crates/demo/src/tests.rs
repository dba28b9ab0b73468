//! Every story to its end, on a clock that stands still while there is something to do.

use std::{io, net::Ipv4Addr};

use jiff::Timestamp;

use crate::{
    scenario::{self, ALL, Scenario},
    story::Story,
    text::Line,
    world::World,
};

/// Tests of several processes at once have addresses of their own.
fn network(place: usize) -> Ipv4Addr {
    let place = u32::try_from(place).unwrap();
    Ipv4Addr::from_bits(0x7f00_0000 | (std::process::id() << 12 & 0x00ff_f000) | place << 8)
}

/// What a story tells, line by line, and whether it ended as it has to.
fn told(scenario: &'static Scenario, seed: u64) -> (Vec<String>, bool) {
    // Of timers that are due together, which goes first depends on the age of their runtime.
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(tell(scenario, seed))
}

async fn tell(scenario: &'static Scenario, seed: u64) -> (Vec<String>, bool) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let place = ALL.iter().position(|other| other.name == scenario.name).unwrap();
    let start = Timestamp::from_second(1_800_000_000).unwrap();
    let world = World::begin(seed, start, network(place), scenario.policy).unwrap();
    let mut story = Story::new(scenario, world);
    let mut lines = Vec::new();
    let is_as_expected = story.tell(|view| {
        lines.extend(view.news.iter().map(|news| news.line().text));
        io::Result::Ok(())
    });
    let is_as_expected = is_as_expected.await;
    lines.extend(is_as_expected.as_ref().err().map(ToString::to_string));
    lines.extend(story.summary.lines().into_iter().map(|Line { text, .. }| text));
    (lines, matches!(is_as_expected, Ok(true)))
}

#[test]
fn every_story_ends_as_it_has_to() {
    for scenario in &ALL {
        let (lines, is_as_expected) = told(scenario, 1);
        assert!(is_as_expected, "{}:\n{}", scenario.name, lines.join("\n"));
    }
}

#[test]
fn the_tour_tells_what_people_siskin_and_kubernetes_do_and_why() {
    let (lines, _) = told(scenario::named(scenario::DEFAULT).unwrap(), 1);
    let expected = [
        "siskin  OptedIn",
        "siskin  Adopted",
        "next    kubectl set image statefulset/visits visits=visits:v2",
        "you     open the traffic: 200 requests a second",
        "you     kubectl set image statefulset/visits visits=visits:v2",
        "siskin  StepOpening: step first: 1 extra",
        "pod     visits-4 (visits:v2, canary): ready",
        "check   errors: Pass",
        "siskin  StepOpening: step half: 1 extra and 1 in place",
        "pod     visits-3: gone",
        "siskin  Promoted",
        "you     kubectl set image statefulset/visits visits=visits:v3-errors",
        "check   errors: Fail",
        "siskin  RolledBack",
        "next    nothing: it is parked until its template changes",
        "visits:v2         promoted after",
        "visits:v3-errors  rolled back after",
    ];
    let mut rest = lines.iter();
    for text in expected {
        assert!(
            rest.any(|line| line.contains(text)),
            "{text} is not there, or not in order:\n{}",
            lines.join("\n")
        );
    }
}
