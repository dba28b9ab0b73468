//! Whole pages, and what counts as wrong.

use super::{
    as_json,
    diagnosis::{Answer, Care, Daemon, Diagnosis, Known, MissingRight, Policy, Probe, Probed, Workload},
    page::page,
    table::{COLUMNS, column, here},
};
use crate::cli::daemon::rights::Need;

const SISKIN: &str = "system:serviceaccount:siskin-system:siskin";

fn corrected(how: &str) -> Answer {
    Answer::Corrected { how: how.to_owned() }
}

fn refused(by: &str) -> Answer {
    Answer::Refused { by: by.to_owned() }
}

fn through(what: &str) -> Answer {
    Answer::LetThrough { what: what.to_owned() }
}

fn probes(answer: impl Fn(Probe) -> Answer) -> Vec<Probed> {
    use Probe::{Approve, GuardList, Hold, OptIn, Park, PodGuard, Stable, State, Type};
    [OptIn, Park, Hold, State, Stable, Approve, Type, PodGuard, GuardList]
        .map(|probe| Probed { probe, answer: answer(probe) })
        .into()
}

fn policies(names: &[&str], user: &str) -> Known<Vec<Policy>> {
    let policy = |name: &&str| Policy {
        name: (*name).to_owned(),
        siskin_user: ["siskin-park", "siskin-guard", "siskin-pod-guard-list"]
            .contains(name)
            .then(|| user.to_owned()),
    };
    Known::Is(names.iter().map(policy).collect())
}

/// A workload at rest in a cluster without policies.
fn parked() -> Diagnosis {
    Diagnosis {
        you: Known::Is("ann".into()),
        namespace: "payments".into(),
        workload: Some(Workload {
            name: "db".into(),
            policy: Some("careful".into()),
            partition: 1_000_000,
            care: Care::Parked,
            phase: Some("Idle"),
            released: Known::Is(None),
        }),
        daemons: Known::Is(vec![Daemon {
            deployment: "siskin-system/siskin".into(),
            user: SISKIN.into(),
            ..Daemon::default()
        }]),
        policies: policies(&[], SISKIN),
        probes: probes(|probe| through(&format!("{} was let through", probe.name()))),
        missing_rights: Known::Is(Vec::new()),
    }
}

/// The same with every policy.
fn protected() -> Diagnosis {
    let mut diagnosis = parked();
    diagnosis.policies = policies(
        &["siskin-guard", "siskin-hold", "siskin-park", "siskin-pod-guard", "siskin-pod-guard-list"],
        SISKIN,
    );
    diagnosis.probes = probes(|probe| match probe {
        Probe::OptIn | Probe::Park | Probe::Hold => corrected("it came back as it was"),
        _ => refused(probe.policy()),
    });
    if let Some(workload) = &mut diagnosis.workload {
        workload.released = Known::Is(Some(vec!["db-1".into()]));
    }
    diagnosis
}

fn marked(diagnosis: &Diagnosis) -> Option<&'static str> {
    column(here(diagnosis)).map(|column| COLUMNS[column])
}

fn findings(diagnosis: &Diagnosis) -> Vec<String> {
    diagnosis.findings().into_iter().map(|finding| finding.0).collect()
}

#[test]
fn the_page_of_a_protected_workload() {
    let expected = "\
Workload   payments/db, policy careful, parked
Siskin     system:serviceaccount:siskin-system:siskin (Deployment siskin-system/siskin)
Policies   siskin-guard, siskin-hold, siskin-park, siskin-pod-guard, siskin-pod-guard-list
You        ann

DRY RUNS as you; nothing was changed
  opt-in     yes  it came back as it was
  partition  yes  it came back as it was
  hold       yes  it came back as it was
  state      yes  refused by siskin-guard
  stable     yes  refused by siskin-guard
  approve    yes  refused by siskin-guard
  type       yes  refused by siskin-guard
  pod guard  yes  refused by siskin-pod-guard
  guard list yes  refused by siskin-pod-guard-list

WITH SISKIN DEAD                                     nothing  parked  + refusing  + correcting  [+ pod guard]
  new template; scale-up, eviction, node loss        rolls    holds   holds       holds         holds
  a manifest with `partition: 0` applied again       rolls    rolls   refused     holds         holds
  opt-in and new image in one write                  rolls    rolls   refused     holds         holds
  scale to zero and back                             rolls    rolls   rolls       holds         holds
  all pods updated and Ready before they are judged  rolls    rolls   rolls       holds         holds
  deleted without its pods and created anew          rolls    rolls   rolls       rolls         stops
  updateStrategy becomes OnDelete                    rolls    rolls   refused     refused       refused
rolls: the unjudged revision reaches the pods. stops: no pod starts rather than one of it.

Nothing is wrong.
";
    assert_eq!(page(&protected()), expected);
}

#[test]
fn the_page_of_a_namespace() {
    let mut diagnosis = parked();
    diagnosis.workload = None;
    diagnosis.daemons = Known::Is(Vec::new());
    diagnosis.probes = probes(|probe| match probe {
        Probe::OptIn => through("a new StatefulSet with a policy came back unparked"),
        Probe::Hold => Answer::Unknown { why: "no right".into() },
        _ => Answer::Unknown { why: "needs a workload".into() },
    });
    let expected = "\
Namespace  payments; name a workload to see more
Siskin     none runs
Policies   none of Siskin's
You        ann

DRY RUNS as you; nothing was changed
  opt-in     no   a new StatefulSet with a policy came back unparked
  not seen: partition, state, stable, approve, type, pod guard, guard list: needs a workload
  not seen: hold: no right

WITH SISKIN DEAD                                     nothing  parked  + refusing  + correcting  + pod guard  [here]
  new template; scale-up, eviction, node loss        rolls    holds   holds       holds         holds        ?
  a manifest with `partition: 0` applied again       rolls    rolls   refused     holds         holds        ?
  opt-in and new image in one write                  rolls    rolls   refused     holds         holds        rolls
  scale to zero and back                             rolls    rolls   rolls       holds         holds        ?
  all pods updated and Ready before they are judged  rolls    rolls   rolls       holds         holds        ?
  deleted without its pods and created anew          rolls    rolls   rolls       rolls         stops        ?
  updateStrategy becomes OnDelete                    rolls    rolls   refused     refused       refused      ?
rolls: the unjudged revision reaches the pods. stops: no pod starts rather than one of it.

TO MEND
  - no Siskin runs in this cluster: apply deploy/kustomize/base
";
    assert_eq!(page(&diagnosis), expected);
}

#[test]
fn every_column_is_recognised() {
    assert_eq!(marked(&parked()), Some("parked"));
    assert_eq!(marked(&protected()), Some("+ pod guard"));
    let mut correcting = protected();
    correcting.probes.retain(|probed| probed.probe != Probe::PodGuard);
    correcting.probes.push(Probed { probe: Probe::PodGuard, answer: through("a pod") });
    assert_eq!(marked(&correcting), Some("+ correcting"));
    let mut refusing = parked();
    refusing.probes = probes(|probe| match probe {
        Probe::Hold | Probe::PodGuard => through("it"),
        _ => refused(probe.policy()),
    });
    assert_eq!(marked(&refusing), Some("+ refusing"));
    let mut nothing = protected();
    nothing.workload.as_mut().unwrap().care = Care::None;
    assert_eq!(marked(&nothing), Some("nothing"));
}

#[test]
fn without_policies_nothing_is_wrong_as_all_are_optional() {
    assert_eq!(findings(&parked()), Vec::<String>::new());
}

#[test]
fn policies_that_take_somebody_else_for_siskin_are_told() {
    let mut diagnosis = protected();
    diagnosis.policies = policies(&["siskin-park"], "wren");
    let told = findings(&diagnosis);
    assert!(
        told[0].starts_with(&format!("siskin-park takes wren for Siskin, but Siskin is {SISKIN}")),
        "{told:?}"
    );
    diagnosis.daemons = Known::Unknown("no right".into());
    assert!(findings(&diagnosis).is_empty(), "who Siskin is isn't known");
}

#[test]
fn a_policy_that_is_there_and_does_not_act_is_told_once() {
    let mut diagnosis = protected();
    diagnosis.probes = probes(|probe| match probe {
        Probe::State | Probe::Stable => through("it"),
        _ => refused(probe.policy()),
    });
    let told = findings(&diagnosis);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].starts_with("siskin-guard is installed but doesn't act in namespace payments"));
}

#[test]
fn a_pod_guard_without_a_list_is_told() {
    let mut diagnosis = protected();
    diagnosis.workload.as_mut().unwrap().released = Known::Is(None);
    diagnosis.probes.retain(|probed| probed.probe != Probe::PodGuard);
    diagnosis.probes.push(Probed { probe: Probe::PodGuard, answer: through("a pod") });
    let told = findings(&diagnosis);
    assert!(told.len() == 1 && told[0].contains("`podGuard: true`"), "{told:?}");
}

#[test]
fn a_guard_of_the_lists_that_does_not_act_is_told() {
    let mut diagnosis = protected();
    diagnosis.probes = probes(|probe| match probe {
        Probe::GuardList => through("a list could be made"),
        _ => refused(probe.policy()),
    });
    let told = findings(&diagnosis);
    assert!(
        told.len() == 1 && told[0].starts_with("siskin-pod-guard-list is installed but doesn't act"),
        "{told:?}"
    );
}

#[test]
fn an_open_partition_is_wrong_unless_a_step_is_being_opened() {
    let mut diagnosis = parked();
    let workload = diagnosis.workload.as_mut().unwrap();
    (workload.care, workload.partition) = (Care::Open, 2);
    assert!(findings(&diagnosis)[0].starts_with("the partition is 2 and not parked"));
    diagnosis.workload.as_mut().unwrap().phase = Some("Opening");
    assert!(findings(&diagnosis).is_empty());
}

#[test]
fn a_right_that_is_missing_is_told_with_what_gives_it() {
    let mut diagnosis = parked();
    diagnosis.missing_rights = Known::Is(vec![MissingRight {
        user: "robin".into(),
        right: "patch statefulsets/status".into(),
        given_by: "components/hold-probe",
        need: Need::Hold,
    }]);
    let expected = "robin may not patch statefulsets/status: apply deploy/kustomize/components/hold-probe";
    assert_eq!(findings(&diagnosis), [expected]);
}

#[test]
fn as_json_it_says_everything() {
    let json = as_json(&protected());
    assert_eq!(json["table"]["column"], "+ pod guard");
    assert_eq!(json["table"]["rows"][5]["here"], "Stops");
    assert_eq!(json["diagnosis"]["you"]["is"], "ann");
    assert_eq!(
        json["diagnosis"]["probes"][3],
        serde_json::json!({ "probe": "State", "answer": "Refused", "by": "siskin-guard" })
    );
    assert_eq!(json["findings"], serde_json::json!([]));
}
