//! A policy that only observes: everything is said, nothing is changed.

use super::world::{World, canary, in_place, seconds};
use crate::{
    facts::{PARKED, PolicyFact},
    policy::{Mode, Notify, Placement, Policy, Topic},
    state::Phase,
};

fn observing() -> Policy {
    Policy { mode: Mode::Observe, ..canary(Placement::InPlace, &[(25, 5)]) }
}

/// A workload of four pods that is only observed.
fn observed() -> World {
    let mut world = World::new(4, observing());
    world.annotate("policy", "test");
    world.run(5);
    assert!(world.told("Observing"), "{:?}", world.told);
    world
}

/// Nothing but the annotation of the user's own is there.
fn is_untouched(world: &World) {
    assert_eq!(world.writes, 0, "{:?}", world.told);
    assert_eq!(world.sts.annotations.keys().collect::<Vec<_>>(), ["policy"]);
    assert_eq!((world.sts.partition, world.sts.replicas), (0, 4));
}

#[test]
fn a_good_revision_rolls_natively_and_would_have_been_promoted() {
    let mut world = observed();
    world.release("v2");
    world.until("all on v2", |world| world.pods() == ["v2"; 4]);
    world.until("judged", |world| world.told("WouldPromote"));
    assert_eq!((world.count("WouldStart"), world.told("WouldRollBack")), (1, false));
    world.run(30);
    assert_eq!(world.count("WouldPromote"), 1);
    is_untouched(&world);
}

#[test]
fn a_bad_revision_would_have_been_rolled_back_and_why() {
    let mut world = observed();
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("judged", |world| world.told("WouldRollBack"));
    let told = world.told.iter().find(|note| note.reason() == "WouldRollBack").unwrap();
    assert_eq!(told.to_string(), "db-v2 would have been rolled back: check errors failed: as the world says");
    assert!(told.is_warning());
    world.run(30);
    assert_eq!(world.pods(), ["v2"; 4], "nothing is taken back");
    assert_eq!((world.count("WouldRollBack"), world.told("WouldPromote")), (1, false));
    is_untouched(&world);
}

#[test]
fn a_newer_template_ends_one_trial_and_begins_another() {
    let mut world = observed();
    world.release("v2");
    world.until("v2 is judged", |world| world.told("WouldStart"));
    world.run(1);
    world.release("v3");
    world.until("v3 is judged", |world| world.told("WouldPromote"));
    assert_eq!((world.count("WouldStart"), world.count("WouldStop")), (2, 1));
    is_untouched(&world);
}

#[test]
fn without_a_verdict_a_person_would_be_asked() {
    let mut world = observed();
    world.with_policy(|policy| policy.bounds.progress_deadline = seconds(20));
    world.silent = true;
    world.release("v2");
    world.until("given up", |world| world.told("WouldAsk"));
    is_untouched(&world);
}

#[test]
fn a_restart_forgets_and_begins_anew() {
    let mut world = observed();
    world.release("v2");
    world.until("judged", |world| world.told("WouldPromote"));
    world.restart();
    world.run(20);
    assert_eq!((world.count("Observing"), world.count("WouldPromote")), (2, 1));
    is_untouched(&world);
}

#[test]
fn a_template_that_is_parked_already_is_told_and_stays_parked() {
    let mut world = World::new(4, observing());
    world.set_partition(PARKED);
    world.annotate("policy", "test");
    world.release("v2");
    world.run(30);
    assert_eq!((world.problem, world.writes), (Some("ParkedWhileObserved"), 0));
    assert_eq!(world.pods(), ["v1"; 4]);
}

#[test]
fn a_policy_that_breaks_while_it_observes_parks_nothing() {
    let mut world = observed();
    world.policy = PolicyFact::Unusable { name: "test".to_owned(), reason: "a typing mistake".to_owned() };
    world.release("v2");
    world.until("all on v2", |world| world.pods() == ["v2"; 4]);
    assert_eq!(world.problem, Some("PolicyUnusable"));
    is_untouched(&world);
}

#[test]
fn another_policy_that_is_unknown_parks_as_ever() {
    let mut world = observed();
    world.policy = PolicyFact::Unusable { name: "other".to_owned(), reason: "unknown".to_owned() };
    world.until("parked", |world| world.sts.partition == PARKED);
}

#[test]
fn what_was_only_observed_once_is_not_let_go_because_its_policy_breaks() {
    let mut world = observed();
    world.with_policy(|policy| policy.mode = Mode::Enforce);
    world.until("adopted", |world| world.told("Adopted"));
    world.policy = PolicyFact::Unusable { name: "test".to_owned(), reason: "a typing mistake".to_owned() };
    world.release("v2");
    world.run(30);
    assert_eq!((world.phase(), world.sts.partition), (Phase::Idle, PARKED));
    assert_eq!(world.pods(), ["v1"; 4]);
}

#[test]
fn a_workload_at_rest_is_let_go_when_its_policy_begins_to_observe() {
    let mut world = World::at_rest(4, in_place());
    world.with_policy(|policy| policy.mode = Mode::Observe);
    world.until("let go", |world| world.told("OptedOut") && world.told("Observing"));
    assert_eq!(world.sts.annotations.keys().collect::<Vec<_>>(), ["policy"]);
    assert_eq!(world.sts.partition, 0);
    let writes = world.writes;
    world.release("v2");
    world.until("judged", |world| world.told("WouldPromote"));
    assert_eq!((world.writes, world.pods()), (writes, vec!["v2".to_owned(); 4]));
}

#[test]
fn an_open_rollout_ends_first_when_its_policy_begins_to_observe() {
    let mut world = World::baking(4, in_place());
    world.with_policy(|policy| policy.mode = Mode::Observe);
    world.failing.insert("v2".to_owned());
    world.until("rolled back", |world| world.told("RolledBack"));
    world.until("let go", |world| world.told("OptedOut"));
    world.run(10);
    assert_eq!(world.pods(), ["v1"; 4], "v2 is pending, so it stays parked: {:?}", world.told);
}

#[test]
fn from_the_next_template_on_a_policy_that_enforces_again_decides() {
    let mut world = observed();
    world.with_policy(|policy| policy.mode = Mode::Enforce);
    world.until("adopted", |world| world.told("Adopted"));
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!((world.phase(), world.pods()), (Phase::Idle, vec!["v1".to_owned(); 4]));
}

#[test]
fn a_completed_rollout_that_a_newer_template_ends_is_let_go() {
    let mut world = World::at_rest(1, canary(Placement::InPlace, &[(100, 60)]));
    world.release("v2");
    world.until("completed natively", World::completed);
    world.with_policy(|policy| policy.mode = Mode::Observe);
    world.release("v3");
    world.until("let go", |world| world.told("OptedOut") && world.told("Observing"));
    assert_eq!((world.pods(), world.sts.partition), (vec!["v2".to_owned()], PARKED));
}

#[test]
fn people_are_told_what_would_have_happened_and_that_it_was_only_observed() {
    let mut world = observed();
    let events = vec![Topic::Started, Topic::Failed, Topic::Promoted];
    world.with_policy(|policy| policy.notify = vec![Notify { receiver: "team".to_owned(), events }]);
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("judged", |world| world.told("WouldRollBack"));
    let topics: Vec<Topic> = world.state.messages().iter().map(|message| message.topic).collect();
    assert_eq!(topics, [Topic::Started, Topic::Failed]);
    let failed = world.state.messages().last().unwrap().clone();
    assert!(failed.observed && failed.text.contains("would have been rolled back"), "{failed:?}");
    world.state.delivered("team", failed.seq);
    world.release("v3");
    world.until("judged", |world| world.told("WouldPromote"));
    let messages = world.state.messages();
    assert!(
        messages.iter().all(|message| message.seq > failed.seq),
        "what arrived is not kept: {messages:?}"
    );
    is_untouched(&world);
}

#[test]
fn a_policy_that_enforces_again_tells_under_numbers_that_nobody_got_yet() {
    let mut world = observed();
    let events = vec![Topic::Started];
    world.with_policy(|policy| policy.notify = vec![Notify { receiver: "team".to_owned(), events }]);
    for version in ["v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9"] {
        world.release(version);
        world.run(3);
    }
    let observed = world.state.messages().last().unwrap().seq;
    world.state.delivered("team", observed);
    world.until("judged", |world| world.told("WouldPromote"));
    world.with_policy(|policy| policy.mode = Mode::Enforce);
    world.until("adopted", |world| world.told("Adopted"));
    world.release("v10");
    world.until("started", |world| world.told("RolloutStarted"));
    let message = world.state.messages().last().unwrap();
    assert!(message.seq > observed && !message.observed && world.state.notified("team") < message.seq);
}
