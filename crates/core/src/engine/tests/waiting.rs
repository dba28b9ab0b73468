//! Windows, freezes and turns: what waits, what doesn't, and how it goes on.

use std::time::Duration;

use super::world::{World, canary, in_place};
use crate::{
    facts::{PARKED, UpdateStrategy, Writer},
    group::{MaxParallelRollouts, MemberFacts, Standing},
    policy::{Placement, Policy},
    state::{Awaited, Phase, Record, Waiting},
    time::Wall,
    window::{Freeze, TimeOfDay, Weekday, Window},
};

/// The small world begins at 00:16:40 on Thursday, 1 January 1970.
fn open_at(from: &str, to: &str, mut policy: Policy) -> Policy {
    let time = |text: &str| TimeOfDay::try_from(text.to_owned()).unwrap();
    policy.windows = vec![Window {
        days: vec![Weekday::Thu],
        from: time(from),
        to: time(to),
        time_zone: "UTC".to_owned(),
    }];
    policy
}

fn waiting(world: &World) -> Option<Waiting> {
    world.state.record.as_ref()?.waiting.clone()
}

fn roller(workload: &str) -> MemberFacts {
    MemberFacts { workload: workload.to_owned(), standing: Standing::Rolling }
}

fn one_at_once() -> MaxParallelRollouts {
    MaxParallelRollouts { total: Some(1), per_namespace: None }
}

#[test]
fn outside_a_window_no_rollout_starts_and_it_starts_when_the_window_opens() {
    let mut world = World::at_rest(4, open_at("00:20", "01:00", in_place()));
    world.release("v2");
    world.run(60);
    assert_eq!((world.phase(), world.sts.partition), (Phase::Idle, PARKED));
    assert_eq!(world.count("Waiting"), 1, "{:?}", world.told);
    let told = waiting(&world).expect("it waits");
    assert_eq!(told.awaited, Awaited::Window);
    assert_eq!(told.detail, "outside the windows of the policy; it goes on at Thu 1970-01-01 00:20 UTC");
    let writes = world.writes;
    world.run(30);
    assert_eq!(world.writes, writes, "waiting writes nothing");
    world.until("started", |world| world.phase() == Phase::Opening);
    assert_eq!(world.at / 1000, 20 * 60, "not a second late");
    assert_eq!(waiting(&world), None);
    world.until_idle();
    assert_eq!(world.pods(), ["v2"; 4]);
}

#[test]
fn the_engine_wakes_itself_when_the_window_opens() {
    let mut world = World::at_rest(4, open_at("00:18", "01:00", in_place()));
    world.release("v2");
    world.run(30);
    let asked = world.wake.expect("a time to wake up").as_secs();
    assert_eq!(world.at / 1000 + asked, 18 * 60);
}

#[test]
fn the_clock_is_looked_at_every_minute_as_somebody_may_set_it() {
    let mut world = World::at_rest(4, open_at("00:50", "01:00", in_place()));
    world.release("v2");
    world.run(5);
    assert_eq!(world.wake, Some(Duration::from_mins(1)));
}

#[test]
fn a_freeze_that_takes_the_place_of_a_closed_window_is_told_instead_of_it() {
    let mut world = World::at_rest(4, open_at("00:18", "01:00", in_place()));
    let reason = "the year's end".to_owned();
    world.rules.freezes = vec![Freeze { from: Wall(18 * 60), to: Wall(18 * 60 + 10), reason }];
    world.release("v2");
    world.run(5);
    assert!(waiting(&world).unwrap().detail.starts_with("outside the windows"));
    world.until("the window opens", |world| world.at / 1000 >= 18 * 60);
    world.turn_once();
    assert!(waiting(&world).unwrap().detail.starts_with("frozen: the year's end"));
    world.until("started", |world| world.phase() == Phase::Opening);
    assert_eq!(world.at / 1000, 18 * 60 + 10);
}

#[test]
fn a_bake_goes_on_when_the_window_closes_and_the_next_step_waits() {
    let policy = open_at("00:00", "00:18", canary(Placement::InPlace, &[(25, 90), (50, 5)]));
    let mut world = World::at_rest(4, policy);
    world.with_policy(|policy| policy.bounds.progress_deadline = super::world::seconds(30));
    world.release("v2");
    world.until("baking", |world| world.phase() == Phase::Baking);
    world.until("the window is closed", |world| world.at / 1000 >= 18 * 60);
    let step = |world: &World| world.state.record.as_ref().unwrap().rollout.as_ref().map(|it| it.step);
    assert_eq!((world.phase(), step(&world)), (Phase::Baking, Some(0)));
    world.until("the next step", |world| step(world) == Some(1));
    world.run(120);
    assert_eq!((world.phase(), step(&world)), (Phase::Opening, Some(1)), "no deadline runs meanwhile");
    assert_eq!(world.pods(), ["v1", "v1", "v1", "v2"]);
    assert_eq!(world.sts.partition, PARKED);
    assert_eq!(world.count("Waiting"), 1);
    assert!(!world.told("RollingBack"));
}

#[test]
fn a_way_back_never_waits() {
    let mut world = World::at_rest(4, open_at("00:00", "00:17", canary(Placement::InPlace, &[(25, 90)])));
    world.release("v2");
    world.until("the window is closed", |world| world.at / 1000 > 17 * 60);
    assert_eq!(world.phase(), Phase::Baking);
    world.failing.insert("v2".to_owned());
    world.until("rolled back", |world| world.told("RolledBack"));
    assert_eq!(waiting(&world), None);
}

#[test]
fn a_rollout_that_waits_for_its_window_goes_back_at_once_when_it_fails() {
    let mut world =
        World::at_rest(4, open_at("00:00", "00:17", canary(Placement::InPlace, &[(25, 30), (50, 5)])));
    world.release("v2");
    world.until("the second step waits", |world| waiting(world).is_some());
    world.failing.insert("v2".to_owned());
    let since = world.at;
    world.until("rolled back", |world| world.told("RolledBack"));
    assert!(world.at - since < 5000, "{} ms", world.at - since);
    assert_eq!(waiting(&world), None);
}

#[test]
fn a_freeze_holds_every_policy_and_says_why() {
    let mut world = World::at_rest(4, in_place());
    let end = Wall(i64::try_from(world.at / 1000).unwrap() + 60);
    world.rules.freezes = vec![Freeze { from: Wall(0), to: end, reason: "the year's end".to_owned() }];
    world.release("v2");
    world.run(30);
    assert_eq!(world.phase(), Phase::Idle);
    assert!(
        waiting(&world).unwrap().detail.starts_with("frozen: the year's end; it goes on at Thu 1970-01-01")
    );
    world.until("promoted", |world| world.told("Promoted"));
}

#[test]
fn the_stable_template_put_back_ends_the_wait() {
    let mut world = World::at_rest(4, open_at("00:50", "01:00", in_place()));
    world.release("v2");
    world.until("it waits", |world| waiting(world).is_some());
    world.release("v1");
    world.run(5);
    assert_eq!((waiting(&world), world.phase()), (None, Phase::Idle));
}

#[test]
fn a_full_house_holds_a_rollout_until_there_is_a_place() {
    let mut world = World::at_rest(4, in_place());
    world.rules.max_parallel_rollouts = one_at_once();
    world.peers = vec![roller("other/db")];
    world.release("v2");
    world.run(10);
    assert_eq!((world.phase(), world.count("Waiting")), (Phase::Idle, 1));
    let told = waiting(&world).unwrap();
    assert_eq!((told.awaited, told.detail.as_str()), (Awaited::Turn, "1 at once in all, after other/db"));
    let writes = world.writes;
    world.peers = vec![roller("third/db")];
    world.run(10);
    assert_eq!((world.writes, world.count("Waiting")), (writes, 1), "who is ahead is told once");
    world.peers.clear();
    world.until_promoted();
}

#[test]
fn who_waits_longest_goes_first_also_after_a_restart() {
    let mut world = World::at_rest(4, in_place());
    world.rules.max_parallel_rollouts = one_at_once();
    world.peers = vec![roller("other/db")];
    world.release("v2");
    world.run(5);
    let since = waiting(&world).unwrap().since;
    world.run(60);
    world.restart();
    world.run(5);
    assert_eq!(waiting(&world).unwrap().since, since);
    let late = Standing::Waiting { since: Wall(since.0 + 1) };
    world.peers = vec![MemberFacts { workload: "a/a".to_owned(), standing: late }];
    world.until_promoted();
}

#[test]
fn a_rollout_that_is_open_keeps_its_place_when_a_newer_template_takes_it_over() {
    let mut world = World::at_rest(1, canary(Placement::InPlace, &[(100, 20)]));
    world.release("v2");
    world.until("completed natively", World::completed);
    world.rules.max_parallel_rollouts = one_at_once();
    world.peers = vec![roller("other/db")];
    world.release("v3");
    world.until("v3 is judged", |world| world.phase() == Phase::Baking && world.pods() == ["v3"]);
    assert!(!world.told("Waiting"));
}

#[test]
fn what_cannot_start_anyway_stands_in_nobodys_way() {
    let mut world = World::at_rest(4, in_place());
    world.rules.max_parallel_rollouts = one_at_once();
    world.peers = vec![roller("other/db")];
    world.release("v2");
    world.run(5);
    assert!(waiting(&world).is_some());
    world.annotate("paused", "true");
    world.run(5);
    assert_eq!(waiting(&world), None);
    assert_eq!(world.state.record.as_ref().map(Record::standing), Some(Standing::Resting));
}

#[test]
fn a_person_who_asks_for_a_retry_waits_like_everybody() {
    let mut world = World::at_rest(4, in_place());
    world.failing.insert("v2".to_owned());
    world.release("v2");
    world.until("rolled back", |world| world.told("RolledBack"));
    world.failing.clear();
    world.rules.max_parallel_rollouts = one_at_once();
    world.peers = vec![roller("other/db")];
    let id = world.rollout_of("v2").unwrap();
    world.annotate("retry", &id);
    world.run(10);
    assert!(world.phase() == Phase::Idle && waiting(&world).is_some(), "{:?}", world.told);
    world.peers.clear();
    world.until_promoted();
}

#[test]
fn who_waits_and_can_no_longer_start_stands_in_nobodys_way() {
    type Change = (&'static str, fn(&mut World));
    let changes: [Change; 3] = [
        ("forgotten", |world| {
            world.down = true;
            world.scale(0, Writer::Person("ann".to_owned()));
            world.run(5);
            world.restart();
        }),
        ("stable contradicted", |world| world.annotate("stable", "db-v9")),
        ("another update strategy", |world| {
            world.sts.update_strategy = UpdateStrategy::OnDelete;
            world.annotate("touched", "");
        }),
    ];
    for (what, change) in changes {
        let mut world = World::at_rest(4, in_place());
        world.rules.max_parallel_rollouts = one_at_once();
        world.peers = vec![roller("other/db")];
        world.release("v2");
        world.run(5);
        assert!(waiting(&world).is_some());
        change(&mut world);
        world.turn_once();
        world.turn_once();
        assert_eq!(world.state.record.as_ref().map(Record::standing), Some(Standing::Resting), "{what}");
    }
}

#[test]
fn a_step_whose_pods_come_back_by_themselves_waits_no_longer() {
    let mut world = World::at_rest(1, open_at("00:00", "00:17", canary(Placement::InPlace, &[(100, 90)])));
    world.release("v2");
    world.until("completed", World::completed);
    world.until("the window is closed", |world| world.at / 1000 > 17 * 60);
    world.delete_pod(0);
    world.until("it waits", |world| waiting(world).is_some());
    world.until("baking", |world| world.phase() == Phase::Baking);
    assert_eq!(waiting(&world), None);
}
