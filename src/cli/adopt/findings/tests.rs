use siskin_core::{
    facts::{Pod, Revision, Workload},
    policy,
};

use super::{super::page::page, *};
use crate::cli::daemon::rights::Need;
use siskin_core::facts::UpdateStrategy;

fn pod(ordinal: u32, revision: &str) -> Pod {
    Pod {
        name: format!("db-{ordinal}"),
        revision: Some(Revision::from(revision)),
        ready: true,
        ..Pod::default()
    }
}

fn parsed(spec: &str) -> Named {
    let text = format!(
        "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: own }}\nspec:\n  {spec}\n"
    );
    Named::Loaded(Box::new(policy::parse("own.yaml", &text).unwrap().remove(0)))
}

fn daemon(ready: bool) -> Daemon {
    Daemon { deployment: "siskin-system/siskin".into(), user: ROBIN.into(), ready, ..Daemon::default() }
}

fn lacks(need: Need, right: &str, given_by: &'static str) -> Vec<MissingRight> {
    vec![MissingRight { user: ROBIN.into(), right: right.into(), given_by, need }]
}

fn applied(value: u32, manager: &str) -> Applied {
    Applied { value, manager: manager.into() }
}

const ROBIN: &str = "system:serviceaccount:siskin-system:robin";

/// A workload that nothing stands against.
fn good() -> Surroundings {
    let check = "checks: [{ name: health, http: { port: web, path: / } }]";
    Surroundings {
        workload: Workload {
            namespace: "payments".into(),
            name: "db".into(),
            replicas: 3,
            revision_history_limit: 10,
            current_revision: Some(Revision::from("db-1")),
            update_revision: Some(Revision::from("db-1")),
            ..Workload::default()
        },
        pods: (0..3).map(|ordinal| pod(ordinal, "db-1")).collect(),
        policy: parsed(&format!("strategy: {{ type: Canary }}\n  {check}")),
        applied_partition: None,
        applied_replicas: None,
        readiness_probe: true,
        pre_stop: false,
        autoscalers: Ok(Vec::new()),
        blocking_budgets: Ok(Vec::new()),
        services: Ok(vec![Service { name: "db".into(), publishes_not_ready: false }]),
        daemon: Ok(Some(daemon(true))),
        configuration: Some(Configuration::default()),
        missing_rights: Ok(Vec::new()),
        parked_by_others: Ok(false),
    }
}

fn surging(claims: &str) -> Named {
    parsed(&format!(
        "strategy: {{ type: Canary, canary: {{ placement: {{ type: Surge{claims} }} }} }}\n  checks: [{{ name: h, http: {{ port: web, path: / }} }}]"
    ))
}

/// What is found when one thing is changed, as `severity what`.
fn found(change: impl FnOnce(&mut Surroundings)) -> Vec<String> {
    let mut seen = good();
    change(&mut seen);
    findings(&seen).into_iter().map(|finding| format!("{} {}", finding.severity, finding.what)).collect()
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    assert_eq!(found(|_| {}), Vec::<String>::new());
}

#[test]
fn each_trap_is_found_with_its_weight() {
    type Change = Box<dyn Fn(&mut Surroundings)>;
    let cases: Vec<(Change, &str)> = vec![
        (
            Box::new(|s| s.workload.update_strategy = UpdateStrategy::OnDelete),
            "STOPS updateStrategy.type is OnDelete",
        ),
        (Box::new(|s| s.workload.revision_history_limit = 1), "STOPS revisionHistoryLimit is 1"),
        (
            Box::new(|s| s.applied_partition = Some(applied(0, "flux"))),
            "WARNS the manifest of flux has partition: 0",
        ),
        (Box::new(|s| s.workload.name = "x".repeat(53)), "WARNS the name is 53 characters long"),
        (
            Box::new(|s| s.workload.delete_claims_when_scaled = true),
            "TELLS persistentVolumeClaimRetentionPolicy.whenScaled is Delete",
        ),
        (Box::new(|s| s.pods[2] = pod(2, "db-2")), "WARNS pods run 2 revisions: db-1, db-2"),
        (Box::new(|s| s.pods[2].ready = false), "WARNS 2 of 3 pods are ready"),
        (
            Box::new(|s| s.workload.update_revision = Some(Revision::from("db-2"))),
            "WARNS a new template waits behind the partition",
        ),
        (Box::new(|s| s.readiness_probe = false), "WARNS no container has a readiness probe"),
        (
            Box::new(|s| s.policy = Named::Unusable("there is no policy `x`; known are `careful`".into())),
            "STOPS there is no policy `x`; known are `careful`",
        ),
        (
            Box::new(|s| s.policy = Named::NotSeen("no right".into())),
            "TELLS the daemon's policies could not be looked at",
        ),
        (Box::new(|s| s.policy = parsed("strategy: { type: Canary }")), "TELLS policy `own` has no checks"),
        (
            Box::new(|s| s.autoscalers = Ok(vec!["the HorizontalPodAutoscaler db".into()])),
            "TELLS the HorizontalPodAutoscaler db scales it",
        ),
        (Box::new(|s| s.autoscalers = Err("no right".into())), "TELLS autoscalers could not be looked at"),
        (
            Box::new(|s| s.blocking_budgets = Ok(vec!["the budget db".into()])),
            "TELLS the budget db allows no disruption now",
        ),
        (Box::new(|s| s.daemon = Ok(None)), "WARNS no Siskin looks after it"),
        (
            Box::new(|s| s.daemon = Ok(Some(daemon(false)))),
            "WARNS the Deployment siskin-system/siskin has no ready pod",
        ),
        (
            Box::new(|s| s.daemon = Err("several could".into())),
            "TELLS who Siskin is, and what it may do, could not be looked at",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(found(change), [expected]);
    }
}

#[test]
fn each_missing_right_is_found_with_what_follows_from_it() {
    let cases = [
        (Need::Watch, "STOPS"),
        (Need::Enforce, "STOPS"),
        (Need::Claims, "STOPS"),
        (Need::PodGuard, "STOPS"),
        (Need::Labels, "WARNS"),
        (Need::Configuration, "WARNS"),
        (Need::Hold, "WARNS"),
    ];
    for (need, weight) in cases {
        let told = found(|s| s.missing_rights = Ok(lacks(need, "do it", "base")));
        assert_eq!(told, [format!("{weight} {ROBIN} may not do it")], "{need:?}");
    }
    let mut seen = good();
    seen.missing_rights =
        Ok(lacks(Need::Claims, "delete persistentvolumeclaims", "components/claim-deletion"));
    assert_eq!(findings(&seen)[0].mend, "apply deploy/kustomize/components/claim-deletion");
}

#[test]
fn rights_for_one_need_are_one_finding() {
    let told = found(|s| {
        let of = |right: &str| MissingRight {
            user: ROBIN.into(),
            right: right.into(),
            given_by: "base",
            need: Need::Enforce,
        };
        s.missing_rights = Ok(vec![of("patch statefulsets"), of("delete pods")]);
    });
    assert_eq!(told, [format!("STOPS {ROBIN} may not patch statefulsets, delete pods")]);
}

#[test]
fn extra_pods_have_traps_of_their_own() {
    let claims = |s: &mut Surroundings| s.workload.claim_templates = vec!["data".into()];
    let pre_stop = "WARNS extra pods serve behind the Service db, and no container has a preStop hook";
    assert_eq!(found(|s| s.policy = surging("")), [pre_stop]);
    assert_eq!(
        found(|s| {
            s.policy = surging("");
            s.services = Ok(vec![Service { name: "early".into(), publishes_not_ready: true }]);
            s.pre_stop = true;
        }),
        ["WARNS the Service early has publishNotReadyAddresses"]
    );
    let stopped = |policy: &str, deletes: bool| {
        let found = found(|s| {
            s.policy = surging(policy);
            s.workload.delete_claims_when_scaled = deletes;
            s.pre_stop = true;
            claims(s);
        });
        found.into_iter().filter(|finding| finding.starts_with("STOPS")).collect::<Vec<_>>()
    };
    assert!(stopped("", false)[0].contains("say what the data of surge pods is worth"));
    assert!(stopped(", surge: { claims: Keep }", true)[0].contains("whenScaled: Delete deletes them"));
    assert!(stopped(", surge: { claims: Keep }", false).is_empty());
}

#[test]
fn replicas_in_a_manifest_stand_against_extra_pods_only() {
    let with_replicas = |policy: Option<Named>| {
        let mut seen = good();
        seen.applied_replicas = Some(applied(3, "flux"));
        seen.pre_stop = true;
        seen.policy = policy.unwrap_or(seen.policy);
        findings(&seen)
    };
    assert_eq!(with_replicas(None), []);
    let found = with_replicas(Some(surging("")));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].what, "the manifest of flux has replicas: 3, and the policy adds extra pods");
    assert!(found[0].why.contains("ReplicasContested") && found[0].mend.contains("line `replicas: 3`"));
}

#[test]
fn a_policy_that_pauses_on_changes_needs_a_daemon_that_sees_them() {
    let pauses = "strategy: { type: Canary }\n  checks: [{ name: h, http: { port: web, path: / } }]\n  \
                  outcome: { onConfigChange: Pause }";
    let told = found(|s| s.policy = parsed(pauses));
    assert!(told.len() == 1 && told[0].contains("the daemon doesn't watch them"), "{told:?}");
    let watching = Configuration { watch_configuration: true, ..Configuration::default() };
    assert_eq!(
        found(|s| {
            s.policy = parsed(pauses);
            s.configuration = Some(watching);
        }),
        Vec::<String>::new()
    );
}

fn observing() -> Surroundings {
    let policy = parsed(
        "mode: Observe\n  strategy: { type: Canary }\n  checks: [{ name: h, http: { port: web, path: / } }]",
    );
    Surroundings { policy, ..good() }
}

#[test]
fn of_a_policy_that_only_observes_nothing_is_said_to_be_parked() {
    let seen = observing();
    assert_eq!(findings(&seen), []);
    let page = page(&seen, "own", &[]);
    assert!(!page.contains("park") && !page.contains("becomes the stable revision"), "{page}");
    assert!(page.contains("Siskin changes nothing: templates roll as Kubernetes does by itself"), "{page}");
}

#[test]
fn what_stands_against_rollouts_is_only_told_while_the_policy_observes() {
    let mut seen = observing();
    seen.workload.revision_history_limit = 1;
    let found = findings(&seen);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Tells));
    assert!(
        found[0].why.starts_with("not while the policy only observes; when it enforces: Kubernetes would")
    );
}

#[test]
fn under_admission_policies_that_park_an_observing_policy_would_stop_every_template() {
    let mut seen = observing();
    seen.parked_by_others = Ok(true);
    let found = findings(&seen);
    assert_eq!((found.len(), found[0].severity), (1, Severity::Stops));
    assert!(found[0].why.contains("ParkedWhileObserved"), "{found:?}");
    let mut parked = observing();
    parked.workload.partition = siskin_core::facts::PARKED;
    assert_eq!(findings(&parked)[0].what, "it is parked, and the policy only observes");
}

#[test]
fn the_page_says_what_happens_and_then_what_stands_against_it() {
    let mut seen = good();
    seen.readiness_probe = false;
    seen.workload.revision_history_limit = 0;
    assert_eq!(page(&seen, "own", &findings(&seen)), include_str!("page.txt"));
}
