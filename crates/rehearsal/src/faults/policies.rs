//! The policies of the stories, with bakes of seconds.

use siskin_core::policy::{self, OnForgotten, Policy};

/// How many there are.
pub const COUNT: usize = 7;

const CHECKS: &str = "
  bounds: { maxUnavailable: 1, progressDeadline: 60s }
  readiness: { within: 20s, maxRestarts: 0, pullErrorGrace: 3s, unschedulableGrace: 5s }
  checks:
  - name: health
    every: 1s
    http: { port: 8080, path: /healthz, failureThreshold: 2 }
  - name: errors
    every: 1s
    scrape: { port: 8080, path: /metrics, ratio: { bad: 'http_requests_total{code=~\"5..\"}', total: http_requests_total } }
    limit: { maxShare: 5%, window: 5s, minCount: 5, failureThreshold: 2 }
";

const PROMETHEUS: &str = "
  - name: share
    every: 1s
    prometheus: { source: main, query: 'max by (pod) (bad:share{pod=~\"{{ canary.pods }}\"})' }
    limit: { max: 0.05, failureThreshold: 2, warmUp: 1s }
";

/// Open from the second minute of each day on, so that the first rollouts wait.
const JSON: &str = "
  - name: share
    every: 1s
    json: { source: ledger, path: '/share/{{ workload.name }}', pointer: /errors/share }
    limit: { max: 0.05, failureThreshold: 2, warmUp: 1s }
  windows: [{ from: \"00:01\", to: \"24:00\" }]
";

/// Who is told.
pub const RECEIVER: &str = "people";

const STRATEGIES: [&str; COUNT] = [
    "{ type: Canary, canary: { steps: [{ name: first, exposure: 25%, bake: 4s }], remainder: { batch: 1, bake: 3s } } }",
    "{ type: Canary, canary: { steps: [{ name: first, exposure: 1, bake: 3s }, { name: half, exposure: 50%, bake: 3s, approval: {} }], remainder: { batch: 2, bake: 3s } } }",
    "{ type: Canary, canary: { placement: { type: Surge, surge: { pods: 1, claims: Discard, autoscaler: Follow } }, steps: [{ name: first, exposure: 25%, bake: 4s }], remainder: { batch: 1, bake: 3s } } }",
    "{ type: Canary, canary: { steps: [{ name: all, exposure: 100%, bake: 4s }] } }",
    "{ type: RollingUpdate, rollingUpdate: { batch: 1, bake: 3s } }",
    "{ type: Canary, canary: { steps: [{ name: first, exposure: 25%, bake: 4s }], remainder: { batch: 2, bake: 3s } } }",
    "{ type: RollingUpdate, rollingUpdate: { batch: 1, bake: 3s } }",
];

/// Whether a policy asks a source.
pub fn asks_a_source(number: usize) -> bool {
    number >= 5
}

/// The policy of a number.
pub fn policy(number: usize, restore: bool) -> Policy {
    let strategy = STRATEGIES.get(number).copied().unwrap_or("{ type: Canary }");
    let on_refused = if number == 2 { "InPlace" } else { "Pause" };
    let sources = match number {
        5 => PROMETHEUS,
        6 => JSON,
        _ => "",
    };
    let text = format!(
        "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: rehearsed }}\nspec:\n  \
         strategy: {strategy}{CHECKS}{sources}  outcome: {{ afterCompletion: Undo, onSurgeRefused: {on_refused} }}\n  \
         notify: [{{ receiver: {RECEIVER} }}]\n"
    );
    let mut read = policy::parse("the rehearsal", &text).unwrap_or_else(|errors| unreachable!("{errors}"));
    let mut policy = read.pop().unwrap_or_else(|| unreachable!("one policy"));
    if restore {
        policy.outcome.on_forgotten = OnForgotten::Restore;
    }
    policy
}
