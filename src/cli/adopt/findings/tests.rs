use siskin_core::{
    facts::{Pod, Revision, Workload},
    policy,
};

use super::{super::page::page, *};

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
        readiness_probe: true,
        pre_stop: false,
        autoscalers: Ok(Vec::new()),
        blocking_budgets: Ok(Vec::new()),
        services: Ok(vec![Service { name: "db".into(), publishes_not_ready: false }]),
        missing_rights: Ok(Vec::new()),
        may_delete_claims: Ok(false),
        daemon: Ok(true),
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
            Box::new(|s| s.applied_partition = Some((0, "flux".into()))),
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
        (Box::new(|s| s.daemon = Ok(false)), "WARNS the daemon has no ready pod"),
        (
            Box::new(|s| s.missing_rights = Ok(vec!["patch statefulsets".into()])),
            "STOPS the daemon may not patch statefulsets",
        ),
    ];
    for (change, expected) in cases {
        assert_eq!(found(change), [expected]);
    }
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
    assert!(stopped(", surge: { claims: Discard }", false)[0].contains("may not delete claims here"));
    assert!(stopped(", surge: { claims: Keep }", true)[0].contains("whenScaled: Delete deletes them"));
    assert!(stopped(", surge: { claims: Keep }", false).is_empty());
}

#[test]
fn the_page_says_what_happens_and_then_what_stands_against_it() {
    let mut seen = good();
    seen.readiness_probe = false;
    seen.workload.revision_history_limit = 0;
    assert_eq!(page(&seen, "own", &findings(&seen)), include_str!("page.txt"));
}
