//! The stories.

mod adopting;
mod autoscalers;
mod baseline;
mod claims;
mod commands;
mod configuration;
mod daemon;
mod disturbed;
mod doctor;
mod figures;
mod forgotten;
mod guarded;
mod guards;
mod leading;
mod lists;
mod messages;
mod observing;
mod opting;
mod pages;
mod promote;
mod refused;
mod roll_back;
mod sources;
mod state;
mod table;
mod template;
mod tools;
mod waiting;
mod writers;

use crate::scenario::{Scenario, Tag};

/// Makes the [`Scenario`] of an async function; the words after it are its tags.
macro_rules! scenario {
    ($name:expr, $run:path, $about:literal $(, $tag:ident)*) => {
        Scenario { name: $name, about: $about, tags: &[$(Tag::$tag),*], run: |world| Box::pin($run(world)) }
    };
}

/// The scenario that the others' lost requests are compared with.
pub const BASELINE: &str = "baseline";

/// Every scenario, in the order of `list`.
pub const ALL: &[Scenario] = &[
    scenario!(
        BASELINE,
        baseline::rolling_update,
        "a plain rolling update without Siskin: what it costs in requests on this cluster",
        Ci,
        Alone,
        Bare
    ),
    scenario!("promote", promote::in_place, "a good version, in place", Ci),
    scenario!("promote-surge", promote::surge, "a good version, on an extra pod first", Ci),
    scenario!("promote-surge-10", promote::surge_of_ten, "the same with 10 replicas"),
    scenario!("promote-one", promote::one_replica, "a good version of the only pod"),
    scenario!(
        "promote-one-surge",
        promote::one_replica_with_surge,
        "the same on an extra pod first: no request is lost"
    ),
    scenario!("promote-ordered", promote::ordered, "a good version, OrderedReady"),
    scenario!(
        "promote-ordinals",
        promote::ordinals_from_five,
        "a good version of pods that are numbered from 5"
    ),
    scenario!("promote-batches", promote::batches, "a good version as a rolling update in batches"),
    scenario!("back-errors", roll_back::errors, "rolled back by its share of errors", Ci),
    scenario!("back-health", roll_back::health, "rolled back by its health"),
    scenario!("back-latency", roll_back::latency, "rolled back by its latency"),
    scenario!("back-unpullable", roll_back::unpullable, "rolled back since its image doesn't exist", Ci),
    scenario!(
        "back-crash-loop",
        roll_back::crash_loop,
        "rolled back since its container ends again and again"
    ),
    scenario!("back-never-ready", roll_back::never_ready, "rolled back since its pod is never ready"),
    scenario!(
        "back-ordered",
        roll_back::ordered_never_ready,
        "the same with OrderedReady, which would wait for ever",
        Ci
    ),
    scenario!("back-surge", roll_back::surge, "the extra pod turns bad: it goes, and its claim", Ci),
    scenario!(
        "undo",
        roll_back::after_completion_undo,
        "a failure after Kubernetes has completed: back by the template",
        Ci
    ),
    scenario!("undo-asked", roll_back::after_completion_pause, "the same after a person's word"),
    scenario!("abort", commands::abort, "abort takes the canary back"),
    scenario!("repeated-command", commands::repeated, "a command that Git brings back does nothing more"),
    scenario!("pause", commands::pause, "paused, a failure still rolls back"),
    scenario!("resume", commands::resume, "paused and resumed"),
    scenario!("approval", commands::approval, "one approval passes one gate", Ci),
    scenario!("skip", commands::promote, "promote skips the steps that are left"),
    scenario!("retry", commands::retry, "what was rejected is tried again when a person says so"),
    scenario!("comes-back", daemon::comes_back, "Siskin ended by SIGKILL is ready again", Alone),
    scenario!(
        "changed-while-down",
        daemon::changed_while_down,
        "a template that comes while Siskin is down waits for it",
        Ci,
        Alone
    ),
    scenario!(
        "killed-promoting",
        daemon::killed_while_promoting,
        "Siskin killed after each write of a promotion",
        Alone
    ),
    scenario!(
        "killed-surge",
        daemon::killed_while_surging,
        "the same with an extra pod, whose claim is deleted",
        Alone
    ),
    scenario!(
        "killed-rolling-back",
        daemon::killed_while_rolling_back,
        "Siskin killed after each write of a rollback",
        Ci,
        Alone
    ),
    scenario!(
        "hand-over",
        leading::hand_over,
        "the leader ends in good order in the middle: the other goes on within a second",
        Ci,
        Alone
    ),
    scenario!(
        "rolled-daemon",
        leading::rolled,
        "Siskin itself is upgraded in the middle of a rollout",
        Alone
    ),
    scenario!(
        "frozen",
        leading::frozen,
        "the leader stands still in the middle, and goes on when another leads",
        Alone
    ),
    scenario!(
        "killed-at-random-promoting",
        leading::killed_promoting,
        "20 SIGKILLs of the leader at seeded times in promotions",
        Alone,
        Drawn
    ),
    scenario!(
        "killed-at-random-rolling-back",
        leading::killed_rolling_back,
        "20 SIGKILLs of the leader at seeded times in rollbacks",
        Alone,
        Drawn
    ),
    scenario!("two-classes", leading::two_classes, "two installations, one of a class of its own"),
    scenario!("superseded", template::superseded, "a newer version in the middle"),
    scenario!("put-back", template::put_back, "the stable template is put back in the middle"),
    scenario!("evicted", disturbed::evicted, "the canary pod is evicted: no failure", Ci),
    scenario!("scaled-in-place", disturbed::scaled_in_place, "scaled up while a pod in place is judged"),
    scenario!("scaled-surge", disturbed::scaled_with_surge, "scaled up while an extra pod is judged"),
    scenario!("apply", writers::apply, "kubectl apply at each moment of a rollout"),
    scenario!("apply-surge", writers::apply_surge, "the same with an extra pod"),
    scenario!("apply-server-side", writers::server_side, "kubectl apply --server-side at each moment"),
    scenario!(
        "apply-forced-surge",
        writers::forced_surge,
        "the same with --force-conflicts and an extra pod"
    ),
    scenario!("helm3", writers::helm_3, "Helm 3 upgrades at each moment and rolls back", Helm),
    scenario!(
        "helm3-surge",
        writers::helm_3_surge,
        "Helm 3 upgrades at each moment, with an extra pod",
        Helm
    ),
    scenario!("helm4", writers::helm_4, "Helm 4 upgrades at each moment and rolls back", Helm),
    scenario!(
        "helm4-surge",
        writers::helm_4_surge,
        "Helm 4 upgrades at each moment, with an extra pod",
        Helm
    ),
    scenario!("argocd", writers::argo_cd, "Argo CD heals itself every second of a rollout"),
    scenario!("argocd-surge", writers::argo_cd_surge, "the same with an extra pod; replicas are not in Git"),
    scenario!("flux", writers::flux, "Flux heals itself every second of a rollout"),
    scenario!("flux-surge", writers::flux_surge, "the same with an extra pod; replicas are not in Git", Ci),
    scenario!("argocd-guarded", writers::argo_cd_guarded, "Argo CD under the admission policies"),
    scenario!(
        "partition-contested",
        writers::partition_contested,
        "a manifest with a partition: told once, not fought over"
    ),
    scenario!(
        "partition-guarded",
        writers::partition_guarded,
        "the same with Flux under the admission policies: nothing happens"
    ),
    scenario!(
        "partition-in-rollout",
        writers::partition_in_rollout,
        "a manifest with a partition while a step opens, is judged and is taken back"
    ),
    scenario!("partition-in-surge", writers::partition_in_surge, "the same with an extra pod"),
    scenario!("person", writers::person, "a person scales at each moment, while an extra pod runs"),
    scenario!("autoscaler", autoscalers::in_place, "an autoscaler scales at each moment, in place"),
    scenario!(
        "autoscaler-refused",
        autoscalers::refused,
        "no extra pods beside an autoscaler until it is gone"
    ),
    scenario!("autoscaler-followed", autoscalers::followed, "extra pods that follow an autoscaler"),
    scenario!(
        "replicas-contested",
        writers::replicas_contested,
        "the manifest takes the extra pod away: asked once, not fought over"
    ),
    scenario!("claim-left-over", claims::left_over, "a left-over claim refuses the extra pod"),
    scenario!("claim-reused", claims::reused, "a left-over claim is used where the policy says so"),
    scenario!("claim-own", claims::only_its_own, "only the claim of the extra pod is deleted"),
    scenario!("opt-in-mixed", opting::mixed, "opted in with pods of two versions"),
    scenario!("opt-in-broken", opting::broken_install, "a first install that never worked is mended"),
    scenario!("policy-unknown", opting::unknown_policy, "a policy that doesn't exist: parked and told"),
    scenario!(
        "policy-late",
        opting::late_policy,
        "a policy that comes while Siskin runs: what waited rolls out"
    ),
    scenario!("policy-renamed", opting::renamed, "another policy in the middle is for the next rollout"),
    scenario!("policy-removed", opting::removed, "the policy taken away in the middle: back, then out"),
    scenario!("state-garbled", state::garbled, "the state can't be read"),
    scenario!("state-removed", state::removed, "the state is gone"),
    scenario!("state-foreign", state::foreign, "the state is another workload's"),
    scenario!("dead-template", table::template, "Siskin dead: a new template, scaled up, evicted", Alone),
    scenario!("dead-partition", table::partition, "Siskin dead: a manifest with partition 0", Ci, Alone),
    scenario!("dead-opt-in", table::opt_in, "Siskin dead: the annotation comes with a new template", Alone),
    scenario!("dead-zero", table::zero, "Siskin dead: scaled to zero and back", Alone),
    scenario!("dead-completed", table::completed, "Siskin dead: all pods are updated and Ready", Alone),
    scenario!(
        "dead-recreated",
        table::recreated,
        "Siskin dead: deleted without its pods, created anew",
        Alone
    ),
    scenario!("dead-on-delete", table::on_delete, "Siskin dead: the type becomes OnDelete", Alone),
    scenario!(
        "forgotten-held",
        forgotten::zero_with_hold,
        "to zero and back with the hold alone: nothing is forgotten"
    ),
    scenario!("forgotten-held-all", forgotten::zero_with_all, "the same with all admission policies"),
    scenario!(
        "forgotten-restored",
        forgotten::zero_restored,
        "to zero and back without it: the stable template is restored"
    ),
    scenario!(
        "forgotten-guarded",
        forgotten::zero_guarded,
        "to zero and back with the pod guard: no pod starts"
    ),
    scenario!(
        "forgotten-told",
        forgotten::zero_told,
        "to zero and back without it: told, and a person decides"
    ),
    scenario!(
        "forgotten-one",
        forgotten::only_pod,
        "the only pod is missing when its extra pod is taken back"
    ),
    scenario!(
        "forgotten-recreated",
        forgotten::recreated_unprotected,
        "deleted without its pods, created anew with another template: told, and a person decides"
    ),
    scenario!("forgotten-recreated-held", forgotten::recreated_with_hold, "the same with the hold"),
    scenario!(
        "forgotten-recreated-guarded",
        forgotten::recreated_guarded,
        "the same with hold and pod guard: no pod starts",
        Ci
    ),
    scenario!(
        "forgotten-recreated-restored",
        forgotten::recreated_restored,
        "the same without them: the stable template is restored"
    ),
    scenario!(
        "history-limit",
        forgotten::history_limit,
        "a history limit that loses the way back: told, and no rollout starts"
    ),
    scenario!("guarded-promote", guarded::promotion, "admission policies: a good version, in place"),
    scenario!("guarded-surge", guarded::surge, "admission policies: a good version, on an extra pod first"),
    scenario!("guarded-errors", guarded::errors, "admission policies: rolled back by its share of errors"),
    scenario!(
        "config-changed-in-rollout",
        configuration::in_rollout,
        "a ConfigMap changes in the middle: told, and it goes on"
    ),
    scenario!(
        "config-changed-paused",
        configuration::in_rollout_paused,
        "a Secret changes in the middle, and the policy wants to be asked",
        Ci
    ),
    scenario!(
        "config-changed-at-rest",
        configuration::at_rest,
        "a Secret changes at rest: told, and in the evidence of the next rollout"
    ),
    scenario!("pages-openmetrics", pages::openmetrics, "metrics in OpenMetrics and gzip decide"),
    scenario!("pages-text", pages::text, "metrics in the plain text format decide"),
    scenario!(
        "guarded-all-bad",
        guarded::all_pods_bad,
        "all pods turn bad: back by the hold, without the template",
        Ci
    ),
    scenario!("guarded-all-good", guarded::all_pods_good, "all pods are good: promoted by one patch"),
    scenario!("guarded-refusing", guarded::refusing, "validating policies only: a good version, in place"),
    scenario!("guarded-removed", guarded::removed, "admission policies: the policy taken away in the middle"),
    scenario!("guards", guards::refusals, "others can't change what Siskin relies on"),
    scenario!("guard-approvals", guards::approvals, "an approval is its author's, and only of those who may"),
    scenario!("break-glass", guards::break_glass, "Siskin is down and a hotfix must go out", Alone),
    scenario!(
        "bad-receiver",
        messages::bad_receiver,
        "messages: a receiver that is down, hangs or fails holds nothing up"
    ),
    scenario!("command-line", tools::command_line, "a rollout led by the command line alone"),
    scenario!(
        "one-namespace",
        tools::one_namespace,
        "Siskin installed for one namespace, with a Role only",
        Alone
    ),
    scenario!(
        "adopt",
        adopting::adopt,
        "adopted by the command line, after it said what stands against it",
        Ci
    ),
    scenario!(
        "adopt-obstacles",
        adopting::obstacles,
        "everything that stands against adopting it is found, stops it or comes as told"
    ),
    scenario!("leave", adopting::leave, "out by the command line, in the middle and at rest"),
    scenario!("budget", waiting::budget, "rollouts that may run two at once, and one in a namespace", Alone),
    scenario!("window", waiting::window, "a window that is closed, and a freeze when it opens", Alone),
    scenario!(
        "observe",
        observing::bad_version,
        "an observing policy says that it would roll back, and changes nothing"
    ),
    scenario!(
        "observe-guarded",
        observing::under_admission_policies,
        "an observing policy under the admission policies: parked, told, and taken up by one that enforces"
    ),
    scenario!(
        "quota",
        refused::quota,
        "a quota that refuses the extra pod: the same rollout goes on in place",
        Ci
    ),
    scenario!("quota-pause", refused::quota_pause, "the same where a person is asked, who raises the quota"),
    scenario!(
        "full-node",
        refused::full_node,
        "no node has room for the extra pod: a person is asked, who makes room"
    ),
    scenario!("list-kept", lists::kept, "the pod guard's list follows the rollout, and is put back"),
    scenario!("list-name-taken", lists::name_taken, "another's object has the name of the pod guard's list"),
    scenario!("doctor", doctor::columns, "the doctor finds each column of the table"),
    scenario!(
        "stranger",
        doctor::stranger,
        "the policies take somebody else for Siskin: not ready, nothing rolls, and all goes on when they know it again",
        Alone
    ),
    scenario!("prometheus-promote", sources::promote, "Prometheus says that a version is good", Prometheus),
    scenario!("prometheus-back", sources::back, "rolled back by what Prometheus says", Ci, Prometheus),
    scenario!(
        "prometheus-down",
        sources::down,
        "Prometheus goes away: held, not taken back, and on when it is there again",
        Prometheus
    ),
    scenario!("prometheus-empty", sources::empty, "no series: held until there are some", Prometheus),
    scenario!("prometheus-nan", sources::nan, "0 / 0: held until there are requests again", Prometheus),
    scenario!(
        "prometheus-stale",
        sources::stale,
        "Prometheus stands still and answers with old values: held until there are new ones",
        Prometheus
    ),
    scenario!("json-back", sources::json, "rolled back by a number in a JSON document"),
    scenario!(
        "sources-secured",
        sources::secured,
        "sources with TLS, a token or a password, each right and wrong"
    ),
    scenario!("figures-one-tick", figures::one_tick, "how fast a check of one tick decides", Alone),
    scenario!("figures-two-ticks", figures::two_ticks, "how fast a check of two ticks decides", Alone),
    scenario!("figures-surge", figures::surge, "how soon a bad extra pod is gone", Alone),
    scenario!(
        "figures-start",
        figures::start,
        "how soon the first pod of a new version is ready, beside Kubernetes by itself",
        Alone
    ),
    scenario!("figures-at-rest", figures::at_rest, "what a hundred workloads at rest cost", Alone),
    scenario!("figures-at-rest-1000", figures::a_thousand_at_rest, "what a thousand cost", Alone),
    scenario!(
        "figures-take-over",
        leading::take_over,
        "how soon somebody leads after the leader ended",
        Alone
    ),
];
