//! Whatever happens in whatever order: when it stops, the rollout ends and the world is whole.

use proptest::prelude::*;

use super::world::{World, canary, in_place, surge};
use crate::{
    facts::{PARKED, Writer},
    policy::{Placement, Policy},
    state::Phase,
};

#[derive(Clone, Debug)]
enum Event {
    Release(u8),
    Scale(u32),
    AutoscalerScales(u32),
    DeletePod(u32),
    Crash,
    Pause,
    Resume,
    LowerPartition(u32),
    Fails(u8),
    Breaks(u8),
    Abort,
    Promote,
    DiesSoon(usize),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (2u8..5).prop_map(Event::Release),
        1 => Just(Event::Release(1)),
        2 => (1u32..6).prop_map(Event::Scale),
        1 => (1u32..6).prop_map(Event::AutoscalerScales),
        2 => (0u32..6).prop_map(Event::DeletePod),
        2 => Just(Event::Crash),
        1 => Just(Event::Pause),
        2 => Just(Event::Resume),
        1 => (0u32..4).prop_map(Event::LowerPartition),
        1 => (2u8..5).prop_map(Event::Fails),
        1 => (2u8..5).prop_map(Event::Breaks),
        1 => Just(Event::Abort),
        1 => Just(Event::Promote),
        2 => (1usize..4).prop_map(Event::DiesSoon),
    ]
}

fn apply(world: &mut World, event: &Event) {
    let person = || Writer::Person("ann".to_owned());
    match event {
        Event::Release(version) => world.release(&format!("v{version}")),
        Event::Scale(replicas) => world.scale(*replicas, person()),
        Event::AutoscalerScales(replicas) => world.scale(*replicas, Writer::Autoscaler("hpa".to_owned())),
        Event::DeletePod(index) => world.delete_pod(*index),
        Event::Crash => world.restart(),
        Event::Pause => world.annotate("paused", "true"),
        Event::Resume => world.unannotate("paused"),
        Event::LowerPartition(partition) => world.set_partition(*partition),
        Event::Fails(version) => drop(world.failing.insert(format!("v{version}"))),
        Event::Breaks(version) => drop(world.broken.insert(format!("v{version}"))),
        Event::Abort => {
            if let Some(id) = world.open_rollout() {
                world.annotate("abort", &id);
            }
        }
        Event::Promote => world.annotate("promote", "db-v2"),
        Event::DiesSoon(writes) => world.die_after = Some(world.writes + writes),
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    prop_oneof![
        Just(surge()),
        Just(in_place()),
        Just(canary(Placement::InPlace, &[(25, 2), (50, 2)])),
        Just(canary(Placement::InPlace, &[(100, 2)])),
    ]
}

/// Lets a person mend what is asked for until everything is at rest.
fn settle(world: &mut World) {
    world.failing.clear();
    world.broken.clear();
    for _ in 0..12 {
        world.run(60);
        let at_rest = world.phase() == Phase::Idle && world.annotation("paused").is_none();
        match world.problem {
            _ if world.told_last("PausedClaimLeftOver") && !at_rest => world.drop_stray_claims(),
            Some("StableForgotten") => {
                let current = world.sts.current_revision.clone().unwrap();
                world.annotate("promote", &current.0);
            }
            None if at_rest => return,
            _ => {}
        }
        if world.told_last("PausedFailedAfterCompletion")
            && let Some(id) = world.open_rollout()
        {
            world.annotate("undo", &id);
        }
        world.unannotate("paused");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn when_faults_stop_every_rollout_ends_and_every_pod_is_stable(
        policy in policies(),
        ordered in any::<bool>(),
        hold in any::<bool>(),
        replicas in 1u32..5,
        events in prop::collection::vec((event(), 0u64..12), 1..20),
    ) {
        let mut world = World::at_rest(replicas, policy);
        if ordered {
            world = world.ordered();
        }
        world.hold = hold;
        world.undo_after_completion();
        for (event, wait) in &events {
            apply(&mut world, event);
            world.run(*wait / 2);
        }
        settle(&mut world);
        let told: Vec<String> = world.told.iter().map(ToString::to_string).collect();
        prop_assert_eq!(world.phase(), Phase::Idle, "pods {:?}, problem {:?}, told {:#?}", world.pods(), world.problem, told);
        prop_assert_eq!(world.sts.partition, PARKED);
        prop_assert_eq!(world.sts.replicas, world.user_replicas());
        let stable = world.annotation("stable").unwrap().trim_start_matches("db-").to_owned();
        prop_assert_eq!(world.pods(), vec![stable; world.sts.replicas as usize], "told {:#?}", told);
        let writes = world.writes;
        world.run(30);
        prop_assert_eq!(world.writes, writes, "writes at rest");
    }
}
