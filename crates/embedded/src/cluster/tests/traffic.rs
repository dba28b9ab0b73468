//! Services, and requests through them.

use super::*;
use crate::cluster::operations::annotate;
use crate::model::{
    application::{Health, Service},
    traffic::Clients,
};

fn serving(rate: u64) -> World {
    let mut world = parallel();
    world.cluster.create_service(USER, "web", app()).unwrap();
    world.settle();
    world.cluster.open_traffic(Clients::new("web", rate));
    world
}

/// The endpoints, such as `db-0 db-1(not ready, serving, terminating)`.
fn endpoints(world: &World) -> String {
    let tell = |endpoint: &crate::object::Endpoint| {
        let marks = [
            (!endpoint.ready, "not ready"),
            (endpoint.serving, "serving"),
            (endpoint.terminating, "terminating"),
        ];
        let marks: Vec<&str> = marks.into_iter().filter(|(is, _)| *is).map(|(_, mark)| mark).collect();
        format!("{}({})", endpoint.pod, marks.join(", "))
    };
    world.cluster.slices().get("web").unwrap().endpoints.iter().map(tell).collect::<Vec<_>>().join(" ")
}

// [V 8], [V 2]
#[test]
fn a_terminating_pod_is_serving_and_not_ready() {
    let mut world = serving(0);
    world.cluster.behave("v1", Behaviour { stop: 5_000, ..Behaviour::default() });
    world.delete("db-2").pass(100);
    assert_eq!(endpoints(&world), "db-0(serving) db-1(serving) db-2(not ready, serving, terminating)");
    world.settle();
    assert_eq!(endpoints(&world), "db-0(serving) db-1(serving) db-2(serving)");
}

// [V 8]: a publishNotReadyAddresses Service says ready=true for a terminating pod.
#[test]
fn a_service_that_publishes_not_ready_addresses_calls_everything_ready() {
    let mut world = serving(0);
    world
        .cluster
        .update_service(USER, "web", Precondition::NONE, |service| service.publish_not_ready = true)
        .unwrap();
    world.cluster.behave("v1", Behaviour { stop: 5_000, ..Behaviour::default() });
    world.cluster.behave("bad", Behaviour { start: Start::NoImage, ..Behaviour::default() });
    world.delete("db-2").pass(100);
    assert_eq!(endpoints(&world), "db-0(serving) db-1(serving) db-2(serving, terminating)");
}

// [V 2]: one update from blue to green.
#[test]
fn a_selector_flip_is_one_write_of_the_slice_and_loses_no_request() {
    let mut world = serving(100);
    world.partition(3).image("v2").scale(6).settle();
    let revision = |world: &World, pod: &str| world.pod(pod).revision().to_owned();
    let (blue, green) = (revision(&world, "db-0"), revision(&world, "db-3"));
    let flip = |world: &mut World, to: &str| {
        let selector = labels([("controller-revision-hash", to)]);
        world
            .cluster
            .update_service(USER, "web", Precondition::NONE, |service| service.selector = selector)
            .unwrap();
    };
    flip(&mut world, &blue);
    world.settle();
    assert_eq!(endpoints(&world), "db-0(serving) db-1(serving) db-2(serving)");
    let before = world.cluster.trace().len();
    flip(&mut world, &green);
    world.settle();
    assert_eq!(endpoints(&world), "db-3(serving) db-4(serving) db-5(serving)");
    let slices = world.cluster.trace()[before..]
        .iter()
        .filter(|write| write.kind == crate::object::Kind::EndpointSlice);
    assert_eq!(slices.count(), 1);
    let clients = &world.cluster.clients()[0];
    assert_eq!((clients.failed, clients.refused), (0, 0));
    assert!(clients.sent > 5_000);
}

/// Requests refused while three surge pods are scaled away behind a Service that selects them.
fn refused_in_scale_down(template: Template, prepare: impl FnOnce(&mut World)) -> u64 {
    let mut world = serving(300);
    world.cluster.set_template(USER, "db", template).unwrap();
    world.pass(120_000).scale(6).settle();
    prepare(&mut world);
    let before = world.cluster.clients()[0].refused;
    world.scale(3).settle();
    world.cluster.clients()[0].refused - before
}

// [V 2]: 41 of 253 refused; with preStop 0 of 686; with a label taken off 2 s before 0 of 700.
#[test]
fn pods_that_leave_a_service_lose_requests_unless_they_sleep_first_or_were_drained() {
    let refused = refused_in_scale_down(template("v1"), |_| ());
    assert!(refused > 5, "{refused}");

    let sleeping = serde_json::json!({ "metadata": { "labels": { "app": "db" } }, "spec": { "containers": [
        { "name": "app", "image": "v1", "lifecycle": { "preStop": { "sleep": { "seconds": 5 } } } }] } });
    assert_eq!(refused_in_scale_down(Template::new(sleeping), |_| ()), 0);

    let drained = Template::of_image("v1", &labels([("app", "db"), ("serve", "yes")]));
    let drain = |world: &mut World| {
        let selector = labels([("serve", "yes")]);
        world
            .cluster
            .update_service(USER, "web", Precondition::NONE, |service| service.selector = selector)
            .unwrap();
        world.settle();
        for pod in ["db-3", "db-4", "db-5"] {
            let off = |labels: &mut Labels, _: &mut Labels| annotate(labels, ("serve", None));
            world.cluster.update_pod(USER, pod, Precondition::NONE, off).unwrap();
        }
        world.pass(2_000);
    };
    assert_eq!(refused_in_scale_down(drained, drain), 0);
}

#[test]
fn a_service_without_a_selector_selects_nothing() {
    let mut world = serving(0);
    world
        .cluster
        .update_service(USER, "web", Precondition::NONE, |service| service.selector = Labels::default())
        .unwrap();
    world.settle();
    assert_eq!(endpoints(&world), "");
}

#[test]
fn pods_count_what_they_serve_by_the_behaviour_of_their_revision() {
    let mut world = serving(300);
    world.cluster.behave("v2", Behaviour::failing(50_000));
    world.partition(2).image("v2").pass(120_000);
    let (good, bad) = (world.cluster.ask("db-0").unwrap(), world.cluster.ask("db-2").unwrap());
    assert_eq!(good.counters.failed, 0);
    let all = bad.counters.ok + bad.counters.failed;
    assert!(all > 10_000, "{all}");
    // 5 %, give or take five standard deviations.
    assert!((bad.counters.failed * 1_000 / all).abs_diff(50) < 11, "{:?}", bad.counters);
    let clients = &world.cluster.clients()[0];
    assert!(clients.failed >= bad.counters.failed);
    assert!(
        bad.metrics().contains(&format!("http_requests_total{{code=\"500\"}} {}\n", bad.counters.failed))
    );
}

#[test]
fn counters_begin_anew_with_the_process_and_visits_on_a_volume_go_on() {
    let mut world = World::new(PodManagement::Parallel, with_claims);
    world.cluster.create_service(USER, "web", app()).unwrap();
    world.cluster.open_traffic(Clients::new("web", 300));
    world.settle();
    let before = world.cluster.ask("db-1").unwrap();
    world.cluster.kill("db-1").unwrap();
    world.pass(500);
    assert_eq!(world.cluster.ask("db-1"), None);
    world.pass(5_000);
    let after = world.cluster.ask("db-1").unwrap();
    assert!(after.counters.ok < before.counters.ok && after.visits > before.visits, "{after:?}");
    world.delete("db-1").pass(5_000);
    assert!(world.cluster.ask("db-1").unwrap().visits > after.visits);
}

#[test]
fn what_an_image_has_answered_outlives_its_pods() {
    let mut world = serving(100);
    world.cluster.behave("v2", Behaviour::failing(500_000));
    world.pass(5_000).partition(2).image("v2").settle();
    let tried = world.pass(5_000).cluster.served("v2");
    assert!(tried.failed > 0 && tried.failed < tried.requests, "{tried:?}");
    world.image("v1").partition(0).settle();
    let before = world.cluster.served("v2");
    assert!(before.requests >= tried.requests);
    world.pass(5_000);
    assert_eq!(world.cluster.served("v2"), before);
    let (all, failed, refused) = {
        let clients = &world.cluster.clients()[0];
        (clients.sent, clients.failed, clients.refused)
    };
    let stable = world.cluster.served("v1");
    assert_eq!((before.requests + stable.requests + refused, before.failed), (all, failed));
}

#[test]
fn a_behaviour_that_turns_bad_with_age_does_so_in_every_pod_at_its_own_time() {
    let mut world = serving(0);
    let late = Service { from: 60_000, health: Health::Slow, ..Service::default() };
    world.cluster.behave("v2", Behaviour { phases: vec![Service::default(), late], ..Behaviour::default() });
    world.partition(2).image("v2").settle();
    assert_eq!(world.cluster.ask("db-2").unwrap().health(), Health::Ok);
    world.pass(40_000);
    assert_eq!(world.cluster.ask("db-2").unwrap().health(), Health::Slow);
    assert_eq!(world.cluster.ask("db-0").unwrap().health(), Health::Ok);
}
