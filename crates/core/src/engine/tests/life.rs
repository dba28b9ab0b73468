//! Opting in and out, first installs, templates that come in between, lost states.

use super::world::{World, canary, in_place, surge};
use crate::{
    facts::{PARKED, PolicyFact, UpdateStrategy, Writer},
    policy::{Notify, OnFailure, Placement, Topic},
    state::Phase,
};

#[test]
fn opting_in_parks_and_adopts_what_runs() {
    let mut world = World::new(3, in_place());
    world.annotate("policy", "test");
    world.run(2);
    assert_eq!(world.sts.partition, PARKED);
    assert_eq!(world.annotation("stable"), Some("db-v1"));
    assert!(world.told("OptedIn") && world.told("Adopted"));
}

#[test]
fn a_policy_that_does_not_load_parks_all_the_same() {
    let mut world = World::new(3, in_place());
    world.policy = PolicyFact::Unusable { name: "x".to_owned(), reason: "no policy of that name".to_owned() };
    world.annotate("policy", "x");
    world.run(2);
    assert_eq!((world.sts.partition, world.problem), (PARKED, Some("PolicyUnusable")));
    world.release("v2");
    world.run(10);
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    assert_eq!(world.count("PolicyUnusable"), 1);
    world.policy = PolicyFact::Loaded(in_place());
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_running_rollout_keeps_its_policy() {
    let mut world = World::at_rest(3, in_place());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.policy = PolicyFact::Unusable { name: "test".to_owned(), reason: "gone".to_owned() };
    world.restart();
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn on_delete_is_refused_and_nothing_is_written() {
    let mut world = World::new(3, in_place());
    world.sts.update_strategy = UpdateStrategy::OnDelete;
    world.annotate("policy", "test");
    world.run(5);
    assert_eq!((world.writes, world.problem), (0, Some("UnsupportedUpdateStrategy")));
}

#[test]
fn a_short_history_is_refused() {
    let mut world = World::at_rest(3, in_place());
    world.sts.revision_history_limit = 1;
    world.release("v2");
    world.run(5);
    assert_eq!(world.problem, Some("HistoryLimitTooLow"));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
}

#[test]
fn mixed_revisions_wait_until_a_person_names_the_stable_one() {
    for (named, loser) in [("v1", "v2"), ("v2", "v1")] {
        let mut world = World::new(4, in_place());
        world.sts.partition = 2;
        world.down = true;
        world.release("v2");
        world.run(10);
        world.down = false;
        assert_eq!(world.pods(), ["v1", "v1", "v2", "v2"]);
        world.annotate("policy", "test");
        world.until("asked", |world| world.told("PausedMixedRevisions"));
        world.run(5);
        assert_eq!(world.pods(), ["v1", "v1", "v2", "v2"]);
        world.annotate("promote", &format!("db-{named}"));
        world.until("brought together", |world| world.told("RolledBack"));
        assert_eq!(world.pods(), vec![named; 4], "{loser} is gone");
        assert_eq!(world.annotation("stable"), Some(format!("db-{named}").as_str()));
        assert_eq!(world.annotation("paused"), None);
        // If v1 was named, the template that waits is v2's: it is judged now like any other.
        world.until("at rest on v2's template", |world| world.annotation("stable") == Some("db-v2"));
        world.until_idle();
        world.run(1);
        assert_eq!(world.sts.partition, PARKED);
    }
}

/// A first install of v2, whose pods never get ready, not opted in.
pub fn broken_install(replicas: u32, ordered: bool) -> World {
    let mut world = World::new(replicas, in_place());
    world.scale(0, Writer::Unknown);
    world.down = true;
    world.run(5);
    world.broken.insert("v2".to_owned());
    world.release("v2");
    world.run(1);
    world.scale(replicas, Writer::Unknown);
    world.sts.parallel = !ordered;
    world.run(5);
    world.down = false;
    world
}

#[test]
fn a_broken_first_install_is_replaced_at_once() {
    for ordered in [false, true] {
        let mut world = broken_install(3, ordered);
        world.annotate("policy", "test");
        world.run(5);
        assert_eq!(world.phase(), Phase::Installing);
        assert_eq!(world.annotation("stable"), None);
        world.release("v3");
        world.until_idle();
        assert_eq!(world.pods(), ["v3", "v3", "v3"]);
        world.run(1);
        assert_eq!((world.annotation("stable"), world.sts.partition), (Some("db-v3"), PARKED));
    }
}

#[test]
fn opting_out_at_rest_gives_the_partition_back() {
    let mut world = World::at_rest(3, in_place());
    world.unannotate("policy");
    world.run(2);
    assert_eq!(world.sts.partition, 0);
    assert!(world.sts.annotations.is_empty(), "{:?}", world.sts.annotations);
}

#[test]
fn opting_out_with_a_pending_template_stays_parked_and_says_how_to_go_on() {
    let mut world = World::at_rest(3, in_place());
    world.policy = PolicyFact::Unusable { name: "test".to_owned(), reason: "gone".to_owned() };
    world.release("v2");
    world.run(2);
    world.unannotate("policy");
    world.run(2);
    assert_eq!((world.sts.partition, world.pods()), (PARKED, vec!["v1".to_owned(); 3]));
    assert!(world.told.iter().any(|note| note.to_string().contains("kubectl patch")));
}

#[test]
fn opting_out_during_a_rollout_reverts_first() {
    let mut world = World::at_rest(3, surge());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.unannotate("policy");
    world.until("gone", |world| world.state.record.is_none());
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    assert_eq!((world.sts.replicas, world.claims.len()), (3, 3));
    assert!(world.sts.annotations.is_empty());
}

#[test]
fn a_newer_template_takes_the_place_of_the_one_being_tried() {
    for policy in [surge(), in_place(), canary(Placement::InPlace, &[(50, 30)])] {
        let mut world = World::at_rest(4, policy);
        world.release("v2");
        world.until("baking", |world| {
            world.phase() == Phase::Baking && world.pods().iter().all(|pod| pod.len() == 2)
        });
        world.release("v3");
        world.until("promoted", |world| world.told("Promoted"));
        world.run(1);
        assert_eq!(world.pods(), ["v3", "v3", "v3", "v3"]);
        assert_eq!((world.verdict_of("v2"), world.verdict_of("v3")), (Some("superseded"), Some("stable")));
        assert_eq!(world.claims.len(), 4);
        assert!(world.fewest_ready >= 3);
    }
}

#[test]
fn a_newer_template_that_mends_a_broken_canary_takes_no_second_pod_down() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(50, 30)]));
    world.release("v2");
    world.until("one ready", |world| world.phase() == Phase::Baking && world.pods()[3] == "v2");
    assert_eq!(world.pods()[2], "v2!");
    world.release("v3");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.fewest_ready, 3);
}

#[test]
fn a_newer_template_while_opening_is_never_let_in() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(50, 30)]));
    world.release("v2");
    world.until("opening", |world| world.sts.partition == 2);
    world.broken.insert("v3".to_owned());
    world.release("v3");
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
}

#[test]
fn the_stable_template_put_back_ends_the_rollout() {
    let mut world = World::at_rest(4, surge());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.release("v1");
    world.until_idle();
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v1"]);
    assert_eq!(world.verdict_of("v2"), Some("superseded"));
    world.release("v2");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn the_stable_template_put_back_after_completion_is_an_undo_without_a_template_write() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(100, 60)]));
    world.release("v2");
    world.until("completed", |world| {
        world.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v2")
    });
    world.release("v1");
    world.until_idle();
    assert_eq!(world.pods(), ["v1", "v1"]);
    world.run(1);
    assert_eq!(world.sts.partition, PARKED);
}

#[test]
fn a_newer_template_after_completion_is_judged_against_the_same_stable() {
    let mut world = World::at_rest(2, canary(Placement::InPlace, &[(50, 5), (100, 60)]));
    world.release("v2");
    world.until("completed", |world| {
        world.sts.current_revision.as_ref().is_some_and(|current| current.0 == "db-v2")
    });
    world.release("v3");
    world.until("promoted", |world| world.told("Promoted"));
    assert_eq!(world.pods(), ["v3", "v3"]);
    assert_eq!(world.annotation("stable"), Some("db-v3"));
}

#[test]
fn scaled_to_zero_in_the_middle_the_rollout_ends() {
    let mut world = World::at_rest(3, surge());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.scale(0, Writer::Person("ann".to_owned()));
    world.until_idle();
    world.run(5);
    assert_eq!((world.pods().len(), world.sts.replicas), (0, 0));
    assert_eq!(world.claims.len(), 3);
    assert!(world.told("StableForgotten"), "Kubernetes made v2 current at zero");
    world.scale(3, Writer::Person("ann".to_owned()));
    world.run(10);
    assert_eq!((world.phase(), world.problem), (Phase::Idle, Some("StableForgotten")));
    world.annotate("promote", "db-v2");
    world.run(2);
    assert_eq!(world.annotation("stable"), Some("db-v2"));
}

#[test]
fn a_lost_state_at_rest_is_rebuilt_quietly() {
    for garbage in [None, Some("{")] {
        let mut world = World::at_rest(3, in_place());
        match garbage {
            None => world.unannotate("state"),
            Some(garbage) => world.annotate("state", garbage),
        }
        world.restart();
        world.run(2);
        assert_eq!((world.phase(), world.annotation("stable")), (Phase::Idle, Some("db-v1")));
        assert_eq!(world.annotation("paused"), None);
        assert!(world.told("StateRebuilt"));
    }
}

#[test]
fn a_state_of_a_newer_release_is_left_alone() {
    let mut world = World::at_rest(3, in_place());
    world.annotate("state", "{\"version\": 9}");
    world.restart();
    world.release("v2");
    world.run(5);
    assert_eq!((world.writes, world.problem), (0, Some("StateFromNewerRelease")));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
}

#[test]
fn a_lost_state_in_a_rollout_parks_and_asks() {
    let mut world = World::at_rest(3, in_place());
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.annotate("state", "garbage");
    world.restart();
    world.until("asked", |world| world.told("PausedStateLost"));
    world.run(5);
    assert_eq!(world.pods(), ["v1", "v1", "v2"]);
    world.unannotate("paused");
    world.until("brought back", |world| world.told("RolledBack"));
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    world.until("judged anew", |world| world.told("Promoted"));
}

#[test]
fn a_state_of_another_workload_is_not_ours() {
    let mut world = World::at_rest(3, in_place());
    world.sts.uid = crate::facts::Uid::from("set-2");
    world.restart();
    world.run(2);
    assert_eq!(world.phase(), Phase::Idle);
    assert_eq!(world.state_json()["workloadUID"], "set-2");
}

#[test]
fn an_edited_stable_annotation_stops_everything() {
    let mut world = World::at_rest(3, in_place());
    world.annotate("stable", "db-v9");
    world.release("v2");
    world.run(10);
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    assert!(world.told("PausedStateMismatch"));
    world.annotate("stable", "db-v1");
    world.unannotate("paused");
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_partition_lowered_at_rest_is_raised_again() {
    let mut world = World::at_rest(3, in_place());
    world.set_partition(0);
    world.run(1);
    assert_eq!((world.sts.partition, world.pods()), (PARKED, vec!["v1".to_owned(); 3]));
}

#[test]
fn a_template_changed_while_siskin_is_down_waits_for_it() {
    let mut world = World::at_rest(3, in_place());
    world.down = true;
    world.release("v2");
    world.run(30);
    assert_eq!(world.pods(), ["v1", "v1", "v1"]);
    world.restart();
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn a_message_that_arrived_is_written_down_once() {
    let mut world = World::at_rest(2, in_place());
    world.with_policy(|policy| {
        policy.notify =
            vec![Notify { receiver: "team".to_owned(), events: vec![Topic::Started, Topic::Promoted] }];
    });
    world.release("v2");
    world.until("promoted", |world| world.told("Promoted"));
    let message = world.state.messages().last().unwrap().clone();
    assert_eq!(message.topic, Topic::Promoted);
    assert!(message.text.contains("db-v2 is promoted"), "{}", message.text);
    assert!(message.receivers.contains("team"));
    let writes = world.writes;
    world.state.delivered("team", message.seq);
    world.run(5);
    assert_eq!(world.writes, writes + 1);
    assert_eq!(world.state_json()["notified"]["team"], message.seq);
    world.state.delivered("team", message.seq);
    world.run(5);
    assert_eq!(world.writes, writes + 1, "once is enough");
}

#[test]
fn of_two_messages_that_arrived_in_a_bake_the_end_of_the_process_repeats_none() {
    let mut world = World::at_rest(4, canary(Placement::InPlace, &[(25, 60)]));
    world.with_policy(|policy| {
        policy.outcome.on_failure = OnFailure::Pause;
        let events = vec![Topic::Started, Topic::Paused];
        policy.notify = vec![Notify { receiver: "team".to_owned(), events }];
    });
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.failing.insert("v2".to_owned());
    world.until("paused", |world| world.state.messages().len() == 2);
    world.run(2);
    let writes = world.writes;
    let seqs: Vec<u64> = world.state.messages().iter().map(|message| message.seq).collect();
    world.state.delivered("team", seqs[0]);
    world.run(2);
    assert_eq!(world.writes, writes, "one is written with the next state");
    world.state.delivered("team", seqs[1]);
    world.run(2);
    assert_eq!(world.writes, writes + 1);
    world.restart();
    assert!(world.state.messages().is_empty(), "{:?}", world.state.messages());
}

#[test]
fn a_broken_first_install_waits_for_a_policy_that_loads() {
    let mut world = broken_install(2, false);
    world.policy = PolicyFact::Unusable { name: "test".to_owned(), reason: "a typo".to_owned() };
    world.annotate("policy", "test");
    world.release("v3");
    world.run(10);
    assert_eq!((world.problem, world.sts.partition), (Some("PolicyUnusable"), PARKED));
    world.policy = PolicyFact::Loaded(in_place());
    world.until_idle();
    assert_eq!(world.pods(), ["v3", "v3"]);
}

#[test]
fn what_was_rolled_back_is_not_adopted_in_silence() {
    let mut world = World::at_rest(2, in_place());
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("rolled back", |world| world.told("RolledBack"));
    world.unannotate("policy");
    world.until("gone", |world| world.state.record.is_none());
    world.set_partition(0);
    world.run(10);
    assert_eq!(world.pods(), ["v2", "v2"]);
    world.annotate("policy", "test");
    world.until("asked", |world| world.told("PausedStateLost"));
    assert_eq!(world.annotation("stable"), None);
    world.annotate("promote", "db-v2");
    world.until_idle();
    assert_eq!(world.annotation("stable"), Some("db-v2"));
}

#[test]
fn messages_wait_in_the_state_until_everybody_got_them() {
    let mut world = World::at_rest(2, in_place());
    world.with_policy(|policy| {
        let events = vec![Topic::Started, Topic::Failed, Topic::RolledBack];
        policy.notify = vec![Notify { receiver: "team".to_owned(), events }];
    });
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("rolled back", |world| world.told("RolledBack"));
    world.restart();
    let topics: Vec<Topic> = world.state.messages().iter().map(|message| message.topic).collect();
    assert_eq!(topics, [Topic::Started, Topic::Failed, Topic::RolledBack]);
    let last = world.state.messages().last().unwrap().seq;
    world.state.delivered("team", last);
    world.run(5);
    assert!(world.state.messages().is_empty());
}

#[test]
fn a_name_that_leaves_no_room_for_the_revision_is_told_at_opt_in() {
    let mut world = World::at_rest(1, in_place());
    world.sts.name = "d".repeat(53);
    world.run(5);
    assert_eq!(world.problem, Some("NameTooLong"));
    world.sts.name = "d".repeat(52);
    world.run(5);
    assert_eq!(world.problem, None);
}
