//! Whatever happens in whatever order: when it stops, the rollout ends and the world is whole.

use proptest::prelude::*;

use super::world::{World, canary, in_place, surge};
use crate::{
    facts::{PARKED, Writer},
    policy::{Placement, Policy},
    state::{Contest, Phase},
};

/// Whether the policies park, hold and pod guard are there.
const PROTECTIONS: [(bool, bool, bool); 6] = [
    (false, false, false),
    (true, false, false),
    (true, true, false),
    (true, false, true),
    (false, false, true),
    (true, true, true),
];

#[derive(Clone, Debug)]
pub(super) enum Event {
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
    Undo,
    Retry(u8),
    OptOut,
    OptIn,
    LosesAnswers(bool),
    Renamed(u8),
    ApplierScales(u32),
    Hold(bool),
    ZeroAndBack(u64),
    Recreate(u8),
    EditList(u8),
    DeleteList,
    Apply(u8, u32),
}

pub(super) fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (2u8..5).prop_map(Event::Release),
        1 => Just(Event::Release(1)),
        2 => (0u32..6).prop_map(Event::Scale),
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
        1 => Just(Event::Undo),
        1 => (2u8..5).prop_map(Event::Retry),
        1 => Just(Event::OptOut),
        2 => Just(Event::OptIn),
        1 => any::<bool>().prop_map(Event::LosesAnswers),
        1 => (1u8..5).prop_map(Event::Renamed),
        1 => (1u32..6).prop_map(Event::ApplierScales),
        1 => any::<bool>().prop_map(Event::Hold),
        1 => (0u64..4).prop_map(Event::ZeroAndBack),
        1 => (1u8..4).prop_map(Event::Recreate),
        1 => (1u8..4).prop_map(Event::EditList),
        1 => Just(Event::DeleteList),
        1 => (1u8..4, 1u32..6).prop_map(|(version, replicas)| Event::Apply(version, replicas)),
    ]
}

pub(super) fn apply(world: &mut World, event: &Event) {
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
        Event::Undo => {
            if let Some(id) = world.open_rollout() {
                world.annotate("undo", &id);
            }
        }
        Event::Retry(version) => {
            if let Some(id) = world.rollout_of(&format!("v{version}")) {
                world.annotate("retry", &id);
            }
        }
        Event::OptOut => world.unannotate("policy"),
        Event::OptIn => world.annotate("policy", "test"),
        Event::LosesAnswers(lost) => world.answers_lost = *lost,
        Event::Renamed(version) => world.release_renamed(&format!("v{version}")),
        Event::ApplierScales(replicas) => world.scale(*replicas, Writer::Applier("argocd".to_owned())),
        Event::Hold(hold) => world.hold = *hold,
        Event::ZeroAndBack(seconds) => {
            let replicas = world.sts.replicas;
            world.scale(0, person());
            world.run(*seconds);
            world.scale(replicas, person());
        }
        Event::Recreate(version) => world.recreate(&format!("v{version}")),
        Event::EditList(version) => world.edit_list(&[&format!("v{version}")]),
        Event::DeleteList => world.list = None,
        Event::Apply(version, replicas) => world.apply(&format!("v{version}"), *replicas),
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
pub(super) fn settle(world: &mut World) {
    world.failing.clear();
    world.broken.clear();
    world.answers_lost = false;
    if world.annotation("policy").is_none() {
        world.run(60);
        world.annotate("policy", "test");
    }
    // A problem may stand for ten minutes, and the state shows it a little longer.
    for _ in 0..14 {
        world.run(60);
        let Some(record) = &world.state.record else { continue };
        let told_over = record.problem.is_none();
        let at_rest = world.phase() == Phase::Idle && world.annotation("paused").is_none() && told_over;
        match world.problem {
            _ if world.told_last("PausedClaimLeftOver") && !at_rest => world.drop_stray_claims(),
            Some("CompletionBlocked") => {
                let stable = world.annotation("stable").unwrap().trim_start_matches("db-").to_owned();
                match stable.strip_suffix('b') {
                    Some(version) => world.release_renamed(version),
                    None => world.release(&stable),
                }
            }
            Some("InstallUnclear") => {
                let update = world.sts.update_revision.clone().unwrap();
                world.annotate("promote", &update.0);
            }
            Some("StableForgotten") => {
                let current = world.sts.current_revision.clone().unwrap();
                world.annotate("promote", &current.0);
            }
            None if at_rest => return,
            _ => {}
        }
        // Without a stable revision a person names one; a revision that was rolled back is not adopted in silence.
        let nameless = world.annotation("stable").is_none() && world.told_last("PausedStateLost");
        if nameless || world.told_last("PausedMixedRevisions") {
            let current = world.sts.current_revision.clone().unwrap();
            world.annotate("promote", &current.0);
            continue;
        }
        if world.told_last("PausedFailedAfterCompletion")
            && let Some(id) = world.open_rollout()
        {
            world.annotate("undo", &id);
        }
        world.unannotate("paused");
    }
}

fn harmless() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1u8..5).prop_map(Event::Release),
        2 => Just(Event::Crash),
        1 => Just(Event::Pause),
        2 => Just(Event::Resume),
        2 => (2u8..5).prop_map(Event::Fails),
        1 => (2u8..5).prop_map(Event::Breaks),
        2 => Just(Event::Abort),
        1 => (2u8..5).prop_map(Event::Retry),
        1 => Just(Event::Promote),
        1 => Just(Event::OptOut),
        2 => Just(Event::OptIn),
        1 => (1u8..5).prop_map(Event::Renamed),
        1 => any::<bool>().prop_map(Event::LosesAnswers),
        2 => (1usize..4).prop_map(Event::DiesSoon),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn while_nobody_else_takes_pods_down_one_at_most_is_down(
        policy in policies(),
        ordered in any::<bool>(),
        hold in any::<bool>(),
        guard in any::<bool>(),
        replicas in 2u32..5,
        events in prop::collection::vec((harmless(), 0u64..8), 1..16),
    ) {
        let mut world = World::at_rest(replicas, policy);
        if ordered {
            world = world.ordered();
        }
        (world.hold, world.guarded) = (hold, guard);
        world.undo_after_completion();
        for (event, wait) in &events {
            // Kubernetes itself takes a second pod down for a template that comes while a step is open.
            if !matches!(event, Event::Release(_) | Event::Renamed(_)) || world.sts.partition >= PARKED {
                apply(&mut world, event);
            }
            for _ in 0..wait * wait {
                world.turn_once();
            }
            if world.annotation("policy").is_some() && world.state.record.is_some() {
                let told: Vec<String> = world.told.iter().map(ToString::to_string).collect();
                prop_assert!(world.fewest_ready >= replicas as usize - 1, "{} of {replicas}, {:?}, told {:#?}", world.fewest_ready, world.pods(), told);
            } else {
                break;
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn when_faults_stop_every_rollout_ends_and_every_pod_is_stable(
        policy in policies(),
        ordered in any::<bool>(),
        protection in prop::sample::select(&PROTECTIONS[..]),
        restore in any::<bool>(),
        replicas in 1u32..5,
        events in prop::collection::vec((event(), 0u64..12), 1..20),
    ) {
        let mut world = World::new(replicas, policy);
        (world.parks, world.hold, world.guarded) = protection;
        world.annotate("policy", "test");
        world.run(5);
        if ordered {
            world = world.ordered();
        }
        world.undo_after_completion();
        if restore {
            world.restore_when_forgotten();
        }
        let protected = protection == (true, true, true);
        for (event, wait) in &events {
            let unprotects = matches!(event, Event::Hold(_) | Event::EditList(_) | Event::DeleteList);
            if protected && unprotects || !world.guarded && matches!(event, Event::EditList(_)) {
                continue;
            }
            apply(&mut world, event);
            world.run(*wait / 2);
        }
        settle(&mut world);
        let told: Vec<String> = world.told.iter().map(ToString::to_string).collect();
        prop_assert!(world.state.record.is_some(), "told {:#?}", told);
        prop_assert_eq!(world.phase(), Phase::Idle, "pods {:?}, problem {:?}, told {:#?}", world.pods(), world.problem, told);
        prop_assert_eq!(world.sts.partition, PARKED);
        prop_assert_eq!(world.sts.replicas, world.user_replicas());
        // The same template may have two names, and pods keep the one they were made under.
        let template = |name: &str| name.trim_start_matches("db-").trim_end_matches('b').to_owned();
        let stable = template(world.annotation("stable").unwrap());
        let pods: Vec<String> = world.pods().iter().map(|pod| template(pod)).collect();
        prop_assert_eq!(pods, vec![stable; world.sts.replicas as usize], "told {:#?}", told);
        // That others wrote the partition stands for ten minutes, and its end is worth one write.
        world.state.memory.contest = Contest::default();
        world.run(40);
        let writes = world.writes;
        world.run(30);
        prop_assert_eq!(world.writes, writes, "writes at rest");
    }
}
