//! Histories by chance in which rollouts also have to wait, and extra pods are not let in.

use proptest::prelude::*;

use super::{
    faults::{Event, apply, event, settle},
    world::{World, canary, in_place, seconds, surge},
};
use crate::{
    facts::{PARKED, PolicyFact},
    group::{MaxParallelRollouts, MemberFacts, Standing},
    policy::{OnSurgeRefused, Placement, Policy},
    state::Phase,
    time::Wall,
    window::Freeze,
};

#[derive(Clone, Debug)]
enum Interruption {
    Other(Event),
    /// A quota of so many pods more than now; none.
    Quota(Option<usize>),
    /// Nodes with room for so many pods more than now; for any number.
    Room(Option<usize>),
    Freeze(bool),
    OthersRoll(bool),
}

fn interruption() -> impl Strategy<Value = Interruption> {
    prop_oneof![
        6 => event().prop_map(Interruption::Other),
        2 => prop::option::of(0usize..2).prop_map(Interruption::Quota),
        2 => prop::option::of(0usize..2).prop_map(Interruption::Room),
        1 => any::<bool>().prop_map(Interruption::Freeze),
        1 => any::<bool>().prop_map(Interruption::OthersRoll),
    ]
}

fn interrupt(world: &mut World, interruption: &Interruption) {
    let pods = world.pods().len();
    match interruption {
        Interruption::Other(event) => apply(world, event),
        Interruption::Quota(more) => world.quota = more.map(|more| pods + more),
        Interruption::Room(more) => world.room = more.map(|more| pods + more),
        Interruption::Freeze(on) => {
            let freeze = Freeze { from: Wall(0), to: Wall(i64::MAX), reason: "chance".to_owned() };
            world.rules.freezes = on.then_some(freeze).into_iter().collect();
        }
        Interruption::OthersRoll(on) => {
            world.rules.max_parallel_rollouts = MaxParallelRollouts { total: Some(1), per_namespace: None };
            let other = MemberFacts { workload: "other/db".to_owned(), standing: Standing::Rolling };
            world.peers = on.then_some(other).into_iter().collect();
        }
    }
}

fn policies() -> impl Strategy<Value = Policy> {
    let refused = prop_oneof![
        Just(OnSurgeRefused::Pause),
        Just(OnSurgeRefused::InPlace),
        Just(OnSurgeRefused::RollBack)
    ];
    let surging = refused.prop_map(|on| {
        let mut policy = surge();
        policy.outcome.on_surge_refused = on;
        policy.readiness.unschedulable_grace = seconds(4);
        policy
    });
    prop_oneof![3 => surging, 1 => Just(in_place()), 1 => Just(canary(Placement::InPlace, &[(25, 2), (50, 2)]))]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn when_nothing_stands_in_the_way_any_more_every_rollout_ends(
        policy in policies(),
        ordered in any::<bool>(),
        hold in any::<bool>(),
        replicas in 1u32..5,
        events in prop::collection::vec((interruption(), 0u64..12), 1..20),
    ) {
        let mut world = World::new(replicas, policy);
        world.hold = hold;
        world.annotate("policy", "test");
        world.run(5);
        if ordered {
            world = world.ordered();
        }
        world.undo_after_completion();
        for (event, wait) in &events {
            if matches!(event, Interruption::Other(Event::EditList(_))) {
                continue;
            }
            interrupt(&mut world, event);
            world.run(*wait);
        }
        (world.quota, world.room) = (None, None);
        world.rules.freezes.clear();
        world.peers.clear();
        world.let_nodes_take_pods();
        settle(&mut world);
        let told: Vec<String> = world.told.iter().map(ToString::to_string).collect();
        prop_assert!(matches!(world.policy, PolicyFact::Loaded(_)) && world.state.record.is_some());
        prop_assert_eq!(world.phase(), Phase::Idle, "pods {:?}, problem {:?}, told {:#?}", world.pods(), world.problem, told);
        let record = world.state.record.clone().unwrap();
        prop_assert_eq!(record.waiting, None, "told {:#?}", told);
        prop_assert_eq!((world.sts.partition, world.sts.replicas), (PARKED, world.user_replicas()));
        let template = |name: &str| name.trim_start_matches("db-").trim_end_matches('b').to_owned();
        let stable = template(world.annotation("stable").unwrap());
        let pods: Vec<String> = world.pods().iter().map(|pod| template(pod)).collect();
        prop_assert_eq!(pods, vec![stable; world.sts.replicas as usize], "told {:#?}", told);
        // That nothing stands against it any more is saved a little later.
        world.run(60);
        let writes = world.writes;
        world.run(30);
        prop_assert_eq!(world.writes, writes, "writes at rest");
    }
}
