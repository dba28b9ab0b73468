use super::*;

fn world() -> World {
    World::new(policy("within: 60s, pullErrorGrace: 20s, unschedulableGrace: 30s", ""))
}

fn with(container: Container) -> World {
    let mut world = world();
    world.canary = vec![pod(4)];
    world.after(500);
    world.pod(4).containers = vec![Container { name: "app".to_owned(), ..container }];
    world.after(500);
    world
}

fn waiting(reason: &str) -> Container {
    Container {
        waiting: Some(reason.to_owned()),
        waiting_message: Some("why".to_owned()),
        ..Container::default()
    }
}

fn died(restarts: u32, code: i32, reason: &str) -> Container {
    Container { restarts, exit_code: Some(code), terminated: Some(reason.to_owned()), ..Container::default() }
}

#[test]
fn without_a_canary_pod_nothing_is_decided() {
    world().says("readiness", Outcome::Undecided, "no canary pod yet");
}

#[test]
fn pods_that_are_ready_in_time_pass() {
    let mut world = world();
    world.canary = vec![pod(4), pod(5)];
    world.pod(5).ready = true;
    world.after(0).after(59_000);
    world.says("readiness", Outcome::Undecided, "pod db-4 is not Ready yet after 59s of 1m");
    world.pod(4).ready = true;
    world.after(10_000);
    world.says("readiness", Outcome::Pass, "2 of 2 canary pods Ready");
}

#[test]
fn a_pod_that_is_not_ready_in_time_fails() {
    let mut world = world();
    world.canary = vec![pod(4)];
    world.after(0).after(59_999);
    assert_eq!(world.outcome("readiness"), Outcome::Undecided);
    world.after(1);
    world.says("readiness", Outcome::Fail, "pod db-4: was not Ready within 1m");
}

#[test]
fn flapping_neither_passes_nor_fails_and_resets_no_deadline() {
    let mut world = world();
    world.canary = vec![pod(4)];
    world.after(0);
    for _ in 0..50 {
        world.pod(4).ready = true;
        world.after(1000);
        assert_eq!(world.outcome("readiness"), Outcome::Pass);
        world.pod(4).ready = false;
        world.after(1000);
        world.says("readiness", Outcome::Undecided, "pod db-4 is not Ready any more after 0s of 1m");
    }
    world.after(60_000);
    world.says("readiness", Outcome::Fail, "pod db-4: was Ready once and isn't for 1m");
}

#[test]
fn a_restart_fails_at_once_also_while_ready_flickers() {
    let mut world = with(died(1, 1, "Error"));
    let evidence = "pod db-4: container app restarted 1 time (exit code 1, Error), at most 0 allowed";
    world.says("readiness", Outcome::Fail, evidence);
    world.pod(4).ready = true;
    world.after(1000);
    world.says("readiness", Outcome::Fail, evidence);
}

#[test]
fn a_container_killed_for_memory_fails_before_its_restart() {
    with(died(0, 137, "OOMKilled")).says(
        "readiness",
        Outcome::Fail,
        "pod db-4: container app restarted 1 time (exit code 137, OOMKilled), at most 0 allowed",
    );
}

#[test]
fn an_init_container_that_ended_well_is_no_restart() {
    let mut world = with(Container { init: true, ..died(0, 0, "Completed") });
    world.pod(4).ready = true;
    world.after(0);
    assert_eq!(world.outcome("readiness"), Outcome::Pass);
}

#[test]
fn restarts_are_forgiven_up_to_the_policys_number_over_all_containers() {
    let mut world = World::new(policy("maxRestarts: 2", ""));
    world.canary = vec![Pod { ready: true, ..pod(4) }];
    let container = |name: &str, restarts| Container { name: name.to_owned(), ..died(restarts, 2, "Error") };
    world.pod(4).containers = vec![container("app", 1), container("proxy", 1)];
    world.after(0);
    assert_eq!(world.outcome("readiness"), Outcome::Pass);
    world.pod(4).containers = vec![container("app", 2), container("proxy", 1)];
    world.after(0);
    world.says(
        "readiness",
        Outcome::Fail,
        "pod db-4: container app restarted 2 of 3 times (exit code 2, Error), at most 2 allowed",
    );
    world.pod(4).containers =
        vec![Container { waiting: Some("CrashLoopBackOff".to_owned()), ..container("app", 2) }];
    world.after(0);
    world.says("readiness", Outcome::Fail, "pod db-4: container app: CrashLoopBackOff after 2 restarts");
}

#[test]
fn what_no_waiting_mends_fails_at_once() {
    for reason in [
        "InvalidImageName",
        "ErrImageNeverPull",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
    ] {
        let evidence = format!("pod db-4: container app: {reason} (why)");
        with(waiting(reason)).says("readiness", Outcome::Fail, &evidence);
        let start_error = Container { waiting: Some(reason.to_owned()), ..died(1, 128, "StartError") };
        with(start_error).says("readiness", Outcome::Fail, &format!("pod db-4: container app: {reason}"));
    }
    for reason in ["ContainerCreating", "PodInitializing"] {
        let evidence = format!("pod db-4 is not Ready yet after 1s of 1m ({reason})");
        let mut world = with(waiting(reason));
        world.after(500);
        world.says("readiness", Outcome::Undecided, &evidence);
    }
}

#[test]
fn an_image_that_cant_be_pulled_fails_after_the_grace_however_the_reason_alternates() {
    let mut world = with(waiting("ErrImagePull"));
    for second in 0..19 {
        let reason = if second % 2 == 0 { "ImagePullBackOff" } else { "ErrImagePull" };
        world.pod(4).containers[0].waiting = Some(reason.to_owned());
        world.after(1000);
        assert_eq!(world.outcome("readiness"), Outcome::Undecided);
    }
    world.after(1000);
    world.says(
        "readiness",
        Outcome::Fail,
        "pod db-4: container app can't get its image for 20s: ImagePullBackOff (why)",
    );
}

#[test]
fn a_pull_that_worked_in_the_end_is_forgotten() {
    let mut world = with(waiting("ErrImagePull"));
    world.after(15_000);
    world.pod(4).containers[0] = Container::default();
    world.after(1000);
    world.pod(4).containers[0] = waiting("ErrImagePull");
    world.after(10_000).after(15_000);
    assert_eq!(world.outcome("readiness"), Outcome::Undecided);
}

#[test]
fn an_unschedulable_pod_fails_after_the_grace() {
    let mut world = world();
    world.canary = vec![Pod { unschedulable: Some("0/3 nodes".to_owned()), phase: Phase::Pending, ..pod(4) }];
    world.after(0).after(29_000);
    let waiting = "pod db-4 is not Ready yet after 29s of 1m (unschedulable: 0/3 nodes)";
    world.says("readiness", Outcome::Undecided, waiting);
    world.after(1000);
    world.says("readiness", Outcome::Fail, "pod db-4: no node takes it for 30s: 0/3 nodes");
}

#[test]
fn the_kubelets_eviction_fails_and_other_ends_wait_for_the_next_pod() {
    let mut world = world();
    let ended =
        |reason: &str| Pod { phase: Phase::Failed, reason: Some(reason.to_owned()), ready: true, ..pod(4) };
    world.canary = vec![ended("Evicted")];
    world.after(0);
    let evidence = "pod db-4: evicted by the kubelet, so its node was short of a resource";
    world.says("readiness", Outcome::Fail, evidence);
    world.canary = vec![ended("NodeShutdown")];
    world.after(0);
    let evidence = "pod db-4 is not Ready yet after 0s of 1m (phase Failed: NodeShutdown)";
    world.says("readiness", Outcome::Undecided, evidence);
}

#[test]
fn stable_and_terminating_pods_are_not_judged() {
    let mut world = world();
    world.pod(0).containers = vec![died(7, 1, "Error")];
    world.canary = vec![Pod { ready: true, ..pod(4) }, Pod { terminating: true, ..pod(5) }];
    world.pod(5).containers = vec![died(7, 1, "Error")];
    world.after(0);
    world.says("readiness", Outcome::Pass, "1 of 1 canary pods Ready");
}

#[test]
fn a_pod_of_the_same_name_has_its_own_time() {
    let mut world = world();
    world.canary = vec![pod(4)];
    world.after(0).after(59_000);
    world.pod(4).uid = Uid::from("another");
    world.after(2000);
    world.says("readiness", Outcome::Undecided, "pod db-4 is not Ready yet after 0s of 1m");
}

#[test]
fn many_broken_pods_are_told_in_one_readable_sentence() {
    let mut world = world();
    world.canary = (4..9).map(pod).collect();
    for ordinal in 4..9 {
        world.pod(ordinal).containers =
            vec![Container { name: "a".to_owned(), ..waiting("CreateContainerError") }];
    }
    world.after(0);
    let each = |ordinal: u32| format!("pod db-{ordinal}: container a: CreateContainerError (why)");
    let evidence = format!("{}; {}; {}; and 2 more", each(4), each(5), each(6));
    world.says("readiness", Outcome::Fail, &evidence);
}
