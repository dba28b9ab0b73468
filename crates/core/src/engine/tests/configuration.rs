//! ConfigMaps and Secrets that change under the pods.

use proptest::prelude::*;
use serde_json::json;

use super::world::{World, in_place};
use crate::{
    decision::Note,
    policy::{Notify, OnConfigChange, Topic},
    references::Kind::{ConfigMap, Secret},
    state::{MAX_BYTES, Phase},
};

/// At rest, with everything that v1 and v2 refer to.
fn configured(replicas: u32) -> World {
    let mut world = World::at_rest(replicas, in_place());
    for (kind, name) in [(ConfigMap, "app"), (Secret, "v1"), (Secret, "v2"), (ConfigMap, "unrelated")] {
        world.configure(kind, name);
    }
    world.run(5);
    assert!(!world.told("ConfigChanged"), "what is seen for the first time is no change");
    world.writes = 0;
    world
}

fn pausing(world: &mut World) {
    world.with_policy(|policy| policy.outcome.on_config_change = OnConfigChange::Pause);
}

fn changes(world: &World) -> Vec<String> {
    world.told.iter().filter(|note| matches!(note, Note::ConfigChanged(_))).map(ToString::to_string).collect()
}

fn evidence(world: &World) -> String {
    let record = world.state.record.as_ref().unwrap();
    let verdicts = record.rollout.iter().flat_map(|rollout| &rollout.verdicts);
    verdicts.map(|verdict| verdict.evidence.clone()).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_change_at_rest_is_told_once_and_costs_one_write() {
    let mut world = configured(3);
    world.with_policy(|policy| {
        policy.notify = vec![Notify { receiver: "team".to_owned(), events: vec![Topic::ConfigChanged] }];
    });
    world.configure(ConfigMap, "app");
    world.run(120);
    assert_eq!(
        changes(&world),
        [
            "ConfigMap app changed, db-0, db-1, db-2 started before that; pods and containers that start from now on get \
          what it is now"
        ]
    );
    assert_eq!((world.writes, world.phase()), (1, Phase::Idle));
    let message = world.state.messages().last().unwrap();
    assert_eq!(message.topic, Topic::ConfigChanged);

    world.restart();
    world.run(120);
    assert_eq!((changes(&world).len(), world.writes), (1, 1), "a new process knows what was told");
}

#[test]
fn what_no_template_refers_to_is_nobodys_business() {
    let mut world = configured(3);
    world.configure(ConfigMap, "unrelated");
    world.configure(Secret, "v2");
    world.run(120);
    assert_eq!((changes(&world).len(), world.writes), (0, 0));
}

#[test]
fn changes_while_the_daemon_is_down_are_found_when_it_is_back() {
    let mut world = configured(3);
    world.down = true;
    world.configure(Secret, "v1");
    world.run(5);
    world.restart();
    world.run(5);
    assert_eq!(changes(&world).len(), 1);
}

#[test]
fn what_is_deleted_or_made_is_told_as_such() {
    let mut world = configured(3);
    let app = world.configuration.as_mut().unwrap();
    app.retain(|reference, _| reference.name != "app");
    world.run(5);
    world.run(60);
    world.configure(ConfigMap, "app");
    world.run(5);
    let told = changes(&world);
    assert!(told[0].starts_with("ConfigMap app was deleted;"), "{told:?}");
    assert!(told[1].starts_with("ConfigMap app was made;"), "{told:?}");
}

#[test]
fn many_changes_in_a_row_are_few_messages() {
    let mut world = configured(3);
    for _ in 0..100 {
        world.configure(ConfigMap, "app");
        world.run(1);
    }
    world.run(60);
    assert_eq!((changes(&world).len(), world.writes), (3, 3));
}

#[test]
fn a_change_in_a_rollout_is_told_and_the_rollout_goes_on() {
    let mut world = configured(4);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.run(2);
    world.configure(ConfigMap, "app");
    world.run(1);
    assert_eq!(changes(&world).len(), 1);
    world.until_promoted();
    assert!(!world.told("PausedConfigChanged"));
}

#[test]
fn pods_that_are_configured_differently_mark_the_evidence() {
    let mut world = configured(4);
    world.run(2);
    world.configure(ConfigMap, "app");
    world.run(2);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    let evidence = evidence(&world);
    let mark = "(configured differently: ConfigMap app is newer than db-0, db-1, db-2 and older than db-3)";
    assert!(evidence.lines().all(|line| line.ends_with(mark)), "{evidence}");
}

#[test]
fn the_policy_can_pause_and_a_person_resumes() {
    let mut world = configured(4);
    pausing(&mut world);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.configure(Secret, "v2");
    world.until("paused", |world| world.told_last("PausedConfigChanged"));
    world.run(300);
    assert_eq!(world.phase(), Phase::Baking);
    world.unannotate("paused");
    world.until_promoted();
    assert_eq!(world.count("PausedConfigChanged"), 1);
}

#[test]
fn a_second_change_pauses_again_without_waiting() {
    let mut world = configured(4);
    pausing(&mut world);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    for count in 1..=2 {
        world.configure(ConfigMap, "app");
        world.until("paused", |world| world.count("PausedConfigChanged") == count);
        world.unannotate("paused");
        world.run(1);
    }
    world.until_promoted();
}

#[test]
fn a_change_at_rest_or_on_the_way_back_pauses_nothing() {
    let mut world = configured(4);
    pausing(&mut world);
    world.configure(ConfigMap, "app");
    world.run(5);
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("going back", |world| world.phase() == Phase::Reverting);
    world.configure(ConfigMap, "app");
    world.until_idle();
    assert!(!world.told("PausedConfigChanged"));
    assert!(world.told("RolledBack"));
}

#[test]
fn a_policy_that_wants_to_pause_says_so_when_nothing_is_watched() {
    let mut world = World::at_rest(4, in_place());
    pausing(&mut world);
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    assert_eq!(world.problem, Some("ConfigurationUnwatched"));
    world.until_promoted();
    assert_eq!(world.count("ConfigurationUnwatched"), 1);
}

#[test]
fn what_only_the_old_version_referred_to_is_forgotten_after_the_promotion() {
    let mut world = configured(4);
    world.release("v2");
    world.until_promoted();
    world.until_idle();
    world.run(5);
    world.configure(Secret, "v1");
    world.run(5);
    assert!(!world.told("ConfigChanged"));
    world.configure(Secret, "v2");
    world.run(5);
    assert!(world.told("ConfigChanged"));
}

#[test]
fn after_a_rollback_the_stable_version_s_own_secret_still_counts() {
    let mut world = configured(4);
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("rolled back", |world| world.told("RolledBack"));
    world.run(5);
    world.configure(Secret, "v1");
    world.run(5);
    assert_eq!(changes(&world).len(), 1);
}

#[derive(Clone, Debug)]
enum Event {
    Configures(&'static str),
    Deletes(&'static str),
    Release(&'static str),
    DeletePod(u32),
    Crash,
    Waits(u64),
}

fn event() -> impl Strategy<Value = Event> {
    let name = || prop::sample::select(vec!["app", "v1", "v2"]);
    prop_oneof![
        3 => name().prop_map(Event::Configures),
        1 => name().prop_map(Event::Deletes),
        2 => prop::sample::select(vec!["v1", "v2", "v3"]).prop_map(Event::Release),
        1 => (0u32..4).prop_map(Event::DeletePod),
        1 => Just(Event::Crash),
        2 => (1u64..90).prop_map(Event::Waits),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever changes when: nothing is told without a change, and when it stops the rollout ends and nothing is
    /// written any more.
    #[test]
    fn changes_are_told_at_most_once_each_and_hold_up_nothing(events in prop::collection::vec(event(), 1..14)) {
        let mut world = configured(3);
        let mut made = 0;
        for event in &events {
            match *event {
                Event::Configures(name) => {
                    made += 1;
                    world.configure(if name == "app" { ConfigMap } else { Secret }, name);
                }
                Event::Deletes(name) => {
                    made += 1;
                    world.configuration.as_mut().unwrap().retain(|reference, _| reference.name != name);
                }
                Event::Release(version) => world.release(version),
                Event::DeletePod(index) => world.delete_pod(index),
                Event::Crash => world.restart(),
                Event::Waits(seconds) => world.run(seconds),
            }
            world.run(1);
        }
        world.until_idle();
        world.run(70);
        prop_assert!(changes(&world).len() <= made, "{:?}", changes(&world));
        let writes = world.writes;
        world.run(300);
        prop_assert_eq!(world.writes, writes, "at rest nothing is written");
    }
}

#[test]
fn what_the_state_has_no_room_for_is_not_followed_and_that_is_told() {
    let mut world = configured(3);
    let name = |index: usize| format!("c{index:03}{}", "x".repeat(200));
    let volumes = (0..120).map(|index| json!({ "configMap": { "name": name(index) } })).collect::<Vec<_>>();
    world.write_template(json!({ "image": "v2", "spec": { "volumes": volumes } }));
    for index in 0..120 {
        world.configure(ConfigMap, &name(index));
    }
    world.until_promoted();
    world.run(5);
    let length = world.annotation("state").unwrap().len();
    assert!(length < MAX_BYTES / 2, "{length}");
    assert_eq!(world.problem, Some("ConfigurationNotFollowed"));
    assert!(world.told("ConfigurationNotFollowed"));
    world.configure(ConfigMap, &name(119));
    world.run(70);
    assert!(changes(&world).is_empty());
    world.configure(ConfigMap, &name(0));
    world.run(70);
    assert_eq!(changes(&world).len(), 1);
}
