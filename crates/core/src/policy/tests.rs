use std::time::Duration;

use super::*;

mod generated;

const HEAD: &str = "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: { name: p }\nspec:\n";

/// A whole policy; the first line of `spec` is line 5.
fn whole(spec: &str) -> String {
    format!("{HEAD}{spec}")
}

fn parsed(spec: &str) -> Policy {
    parse("p.yaml", &whole(spec)).unwrap().remove(0)
}

/// `refused.txt` holds specs, each followed by `=>` and the full text of its errors.
#[test]
fn bad_input_is_refused_with_place_reason_and_remedy() {
    let table = include_str!("tests/refused.txt");
    let cases = table.split("\n\n").filter(|block| !block.starts_with('#') && !block.trim().is_empty());
    let mut count = 0;
    for case in cases {
        let (spec, expected) = case.split_once("=>\n").unwrap();
        let found = parse("p.yaml", &whole(spec)).expect_err(spec).to_string();
        assert_eq!(found, expected.trim_end(), "\n{spec}");
        count += 1;
    }
    assert!(count > 50, "only {count} cases were read");
}

#[test]
fn documents_that_are_no_policy_are_refused() {
    for (text, expected) in [
        ("", "p.yaml:1:1: nothing is in this file, expected at least one document"),
        ("# nothing\n---\n", "p.yaml:1:1: nothing is in this file, expected at least one document"),
        ("[]", "p.yaml:1:1: found a list, expected a map of fields"),
        ("a: [", "p.yaml:2:1: not YAML: while parsing a node, did not find expected node content"),
        ("a: &x 1\nb: *x\n", "p.yaml:2:4: found a YAML alias (`*`), expected the value itself"),
        ("a: !!str x\n", "p.yaml:1:4: found a YAML tag (`!`), expected plain YAML: put the text in quotes"),
        ("? [a]\n: b\n", "p.yaml:1:3: found a list or map as a field name, expected a text"),
        (
            "a:\n  b: 1\n c: 2\n",
            "p.yaml:3:2: not YAML: while parsing a block mapping, did not find expected key: look at the indentation of \
             this line and of those above it",
        ),
        (
            "a:\n\t- b\n",
            "p.yaml:2:2: not YAML: tabs disallowed within this context (block indentation): indent with spaces",
        ),
        (
            "apiVersion: siskin.dev/v1\nkind: Configuration\nmetadata: { name: a, namespace: b }\nspec: {}\n",
            "p.yaml:1:13: apiVersion: found `siskin.dev/v1`, expected `siskin.dev/v1alpha1`\n\
             p.yaml:2:7: kind: found `Configuration`, expected `RolloutPolicy`\n\
             p.yaml:3:22: metadata.namespace: found an unknown field, expected `name`\n\
             p.yaml:4:7: spec: found no field `strategy`, expected at least `strategy: { type: Canary }`",
        ),
    ] {
        assert_eq!(parse("p.yaml", text).expect_err(text).to_string(), expected);
    }
}

#[test]
fn errors_before_a_syntax_error_are_told_too() {
    let text = format!("{}---\nkind: [", whole("  strategy: { type: Canari }\n"));
    assert_eq!(
        parse("p.yaml", &text).unwrap_err().to_string(),
        "p.yaml:5:21: spec.strategy.type: found `Canari`, expected `Canary` or `RollingUpdate`; did you mean `Canary`?\n\
         p.yaml:8:1: not YAML: while parsing a node, did not find expected node content"
    );
}

#[test]
fn the_smallest_policy_has_careful_defaults() {
    let first = Step {
        name: "first".to_owned(),
        exposure: Amount::Percent(25),
        bake: GoDuration::from_secs(300),
        decide_within: None,
        approval: false,
    };
    let remainder = Batches::default();
    assert_eq!(
        parsed("  strategy: { type: Canary }\n"),
        Policy {
            name: "p".to_owned(),
            mode: Mode::Enforce,
            strategy: Strategy::Canary(Canary {
                placement: Placement::InPlace,
                steps: vec![first],
                remainder
            }),
            windows: Vec::new(),
            bounds: Bounds {
                max_unavailable: Amount::Count(1),
                progress_deadline: GoDuration::from_secs(3600)
            },
            readiness: Readiness {
                within: GoDuration::from_secs(300),
                max_restarts: 0,
                pull_error_grace: GoDuration::from_secs(20),
                unschedulable_grace: GoDuration::from_secs(30),
            },
            checks: Vec::new(),
            outcome: Outcome {
                on_failure: OnFailure::RollBack,
                on_undecided: OnFailure::Pause,
                on_no_data: OnNoData::Hold,
                after_completion: AfterCompletion::Pause,
                on_forgotten: OnForgotten::Hold,
                on_surge_refused: OnSurgeRefused::Pause,
                on_config_change: OnConfigChange::Warn,
            },
            notify: Vec::new(),
            pod_labels: false,
        }
    );
}

#[test]
fn checks_have_careful_defaults() {
    let policy = parsed(
        "  strategy: { type: RollingUpdate }
  checks:
  - { name: a, http: { port: web, path: / } }
  - { name: b, every: 20s, timeout: 300ms, scrape: { port: 80, ratio: { bad: e, total: t } }, limit: { maxShare: 7% }, compare: { maxRatio: 2 } }
  - { name: c, scrape: { port: 80, histogram: h }, limit: { quantile: 0.5, maxLatency: 1s } }
  notify: [{ receiver: a }]
",
    );
    let [a, b, c] = policy.checks.as_slice() else { panic!("{:?}", policy.checks) };
    assert_eq!((a.every.0, a.timeout.0), (Duration::from_secs(1), Duration::from_secs(2)));
    assert_eq!((a.connect_timeout.0, a.mode), (Duration::from_millis(500), Mode::Enforce));
    let Signal::Pods(Probe::Http(http)) = &a.signal else { panic!("{a:?}") };
    assert_eq!((http.failure_threshold, &http.expected_status, &http.body_match), (3, &Vec::new(), &None));
    assert_eq!((http.endpoint.scheme, http.endpoint.allow_host_network), (Scheme::Http, false));
    let Signal::Pods(Probe::Scrape(scrape)) = &b.signal else { panic!("{b:?}") };
    let limit = scrape.limit.clone().unwrap();
    assert_eq!(b.connect_timeout.0, Duration::from_millis(300), "never longer than the whole probe");
    assert_eq!(scrape.endpoint.path, "/metrics");
    assert_eq!(limit.bound, Bound::MaxShare { max: 0.07 });
    assert_eq!(limit.window.0, Duration::from_secs(20), "never shorter than the interval");
    assert_eq!((limit.min_count, limit.failure_threshold), (50, 1));
    let compare = Compare { max_ratio: 2.0, warm_up: GoDuration::from_secs(60), min_count: 50 };
    assert_eq!(scrape.compare, Some(compare));
    let Signal::Pods(Probe::Scrape(scrape)) = &c.signal else { panic!("{c:?}") };
    assert_eq!(scrape.limit.as_ref().unwrap().window.0, Duration::from_secs(10));
    assert_eq!(policy.notify[0].events.len(), 7);
}

#[test]
fn checks_of_sources_have_careful_defaults() {
    let policy = parsed(
        "  strategy: { type: Canary }
  checks:
  - { name: lag, prometheus: { source: main, query: 'lag{pod=~\"{{ canary.pods }}\"}' }, limit: { max: 5 } }
  - { name: queue, timeout: 1s, json: { source: queue, path: '/q', pointer: /depth }, limit: { min: -1.5 } }
",
    );
    let [lag, queue] = policy.checks.as_slice() else { panic!("{:?}", policy.checks) };
    assert_eq!((lag.every.0, lag.timeout.0), (Duration::from_secs(10), Duration::from_secs(5)));
    assert_eq!(lag.connect_timeout.0, Duration::from_secs(2));
    assert_eq!(queue.connect_timeout.0, Duration::from_secs(1), "never longer than the whole probe");
    let Signal::Source(query) = &lag.signal else { panic!("{lag:?}") };
    assert_eq!((query.source.as_str(), query.warm_up.0), ("main", Duration::from_mins(1)));
    assert_eq!(query.limit, Range { min: None, max: Some(5.0), failure_threshold: 1 });
    assert!(matches!(query.question, Question::Prometheus { accept_warnings: false, .. }));
    let Signal::Source(query) = &queue.signal else { panic!("{queue:?}") };
    assert_eq!(query.limit.min, Some(-1.5));
    assert!(matches!(&query.question, Question::Json { pointer, .. } if pointer == "/depth"));
    assert_eq!(
        warnings(&policy).last().map(String::as_str),
        Some(
            "spec.checks[1]: `queue` names neither `canary.pods` nor `canary.revision`, so it also judges what isn't the \
             canary"
        )
    );
}

#[test]
fn the_built_in_policies_load_and_nothing_else_is_built_in() {
    let standard = builtin("standard").unwrap();
    assert_eq!(
        (standard.name.as_str(), &standard.strategy),
        ("standard", &Strategy::Canary(Canary::default()))
    );
    let careful = builtin("careful").unwrap();
    assert_eq!((careful.name.as_str(), careful.checks.len()), ("careful", 0));
    let Strategy::Canary(canary) = careful.strategy else { panic!("a canary") };
    assert_eq!(canary.steps[0].exposure, Amount::Percent(10));
    assert!(canary.steps.iter().all(|step| !step.approval));
    assert_eq!(builtin("hasty"), None);
}

fn file(name: &str, bake: &str) -> String {
    format!(
        "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: {{ name: {name} }}\n\
         spec: {{ strategy: {{ type: RollingUpdate, rollingUpdate: {{ bake: {bake} }} }} }}\n"
    )
}

#[test]
fn one_bad_file_takes_no_other_down() {
    let good = file("good", "1m");
    let bad = format!("{}---\n{}", file("standard", "1"), file("beside", "1m"));
    let library = load(&[("good.yaml", good.as_str()), ("bad.yaml", &bad)]);
    assert_eq!(library.policies.keys().collect::<Vec<_>>(), ["good"]);
    assert!(library.lookup("good").is_ok());
    assert_eq!(library.lookup("careful").unwrap(), builtin("careful").unwrap());
    assert_eq!(
        library.lookup("standard").unwrap_err().to_string(),
        "the policy `standard` doesn't load: bad.yaml:4:65: spec.strategy.rollingUpdate.bake: found the number `1`, \
         expected a duration with the units h, m, s or ms, such as `90s` or `1h30m`",
        "what a file replaced doesn't come back because the file is broken"
    );
    assert!(matches!(library.lookup("beside"), Err(LookupError::Broken { .. })));
    assert_eq!(
        library.lookup("gone").unwrap_err().to_string(),
        "there is no policy `gone`; known are `careful`, `good`, `standard`; there is a mistake in a policy file: run `siskin check`"
    );
}

#[test]
fn the_name_before_a_syntax_error_is_known() {
    let library = load(
        &[("bad.yaml", format!("{}  a: b: c\n", file("standard", "1m")))].map(|(a, b)| (a.to_owned(), b)),
    );
    assert!(matches!(library.lookup("standard"), Err(LookupError::Broken { .. })), "{library:?}");
}

#[test]
fn a_name_that_occurs_twice_loads_nowhere() {
    let (one, two) = (file("twin", "1m"), format!("{}---\n{}", file("other", "1m"), file("twin", "2m")));
    let library = load(&[("a.yaml", one.as_str()), ("b.yaml", &two)]);
    assert_eq!(library.policies.keys().collect::<Vec<_>>(), ["other"]);
    assert_eq!(
        library.errors.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "a.yaml:3:19: metadata.name: found `twin`, expected another name: the policy at b.yaml:8:19 has this one, \
             and neither is loaded",
            "b.yaml:8:19: metadata.name: found `twin`, expected another name: the policy at a.yaml:3:19 has this one, \
             and neither is loaded",
        ]
    );
    assert!(matches!(library.lookup("twin"), Err(LookupError::Broken { .. })));
    let same_file = format!("{one}---\n{one}");
    assert_eq!(parse("c.yaml", &same_file).unwrap_err().0.len(), 2);
    assert_eq!(crate::document::parse("c.yaml", &same_file).unwrap_err().0.len(), 2);
}

#[test]
fn a_policy_of_a_file_goes_before_the_built_in_one() {
    let library = load(&[("s.yaml".to_owned(), file("standard", "7m"))]);
    assert_ne!(library.lookup("standard").unwrap(), builtin("standard").unwrap());
}

#[test]
fn a_policy_that_a_rollout_cannot_carry_is_refused() {
    let path = "x".repeat(600);
    let check = |index: i32| format!("  - {{ name: c{index}, http: {{ port: 80, path: /{path} }} }}\n");
    let checks: String = (0..20).map(check).collect();
    let spec = format!("  strategy: {{ type: Canary }}\n  checks:\n{checks}");
    let errors = parse("p.yaml", &whole(&spec)).unwrap_err().to_string();
    assert!(
        errors.contains("expected at most 12288: a rollout keeps its policy in an annotation"),
        "{errors}"
    );
}

#[test]
fn a_policy_from_an_edited_state_is_held_against_the_schema() {
    let mut policy = builtin("careful").unwrap();
    assert_eq!(validate(&policy), Ok(()));
    let Strategy::Canary(canary) = &mut policy.strategy else { panic!("a canary") };
    canary.steps[0].bake = GoDuration::default();
    canary.steps[1].name = "first\nx".to_owned();
    canary.steps[2].exposure = Amount::Percent(1);
    assert_eq!(validate(&policy).unwrap_err().0.len(), 3);
    let Strategy::Canary(canary) = &mut policy.strategy else { panic!("a canary") };
    canary.steps.clear();
    assert!(validate(&policy).is_err());
}

#[test]
fn what_is_rarely_meant_is_warned_of() {
    let policy = parsed(
        "  strategy: { type: Canary, canary: { placement: { type: Surge }, steps: [{ name: a, exposure: 1, approval: {} }], remainder: { approval: {} } } }
  checks:
  - { name: e, mode: Observe, scrape: { port: 80, ratio: { bad: e, total: t } }, compare: { maxRatio: 2, warmUp: 0s } }
  outcome: { onNoData: RollBack, afterCompletion: Undo, onForgotten: Restore }
",
    );
    let places: Vec<String> =
        warnings(&policy).iter().map(|text| text.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(
        places,
        [
            "spec.strategy.canary.placement",
            "spec.strategy.canary.steps[0].approval",
            "spec.strategy.canary.remainder.approval",
            "spec.checks",
            "spec.checks[0].compare.warmUp",
            "spec.outcome.onNoData",
            "spec.outcome.afterCompletion",
            "spec.outcome.onForgotten",
        ]
    );
    assert_eq!(
        warnings(&builtin("standard").unwrap()),
        ["spec.checks: there are none, so only the readiness of pods is judged"]
    );
}

#[test]
fn a_query_may_select_the_canary_by_the_role_of_its_pods() {
    let warned = |more: &str| {
        let query = r#"'max(lag{siskin_dev_role="canary"})'"#;
        let check =
            format!("{{ name: lag, prometheus: {{ source: main, query: {query} }}, limit: {{ max: 5 }} }}");
        warnings(&parsed(&format!("  strategy: {{ type: Canary }}\n  checks: [{check}]\n{more}")))
    };
    assert_eq!(warned("  podLabels: true\n"), Vec::<String>::new());
    assert_eq!(
        warned(""),
        [
            "spec.checks[0]: `lag` selects pods by `siskin_dev_role`, which they only have with `podLabels: true`"
        ]
    );
}

#[test]
fn an_approval_is_said_to_be_anybody_s_only_without_the_guard() {
    let policy =
        parsed("  strategy: { type: Canary, canary: { steps: [{ name: a, exposure: 1, approval: {} }] } }\n");
    let told = warnings(&policy).remove(0);
    assert!(
        told.contains("without the admission policy siskin-guard") && told.contains("step `a`"),
        "{told}"
    );
}

#[test]
fn a_rendered_policy_shows_its_defaults() {
    let text = render(&parsed(
        "  strategy: { type: Canary, canary: { placement: { type: Surge, surge: { claims: Keep } } } }
  checks: [{ name: e, scrape: { port: 80, ratio: { bad: 'e{c=~\"5..\"}', total: t }, headers: { X-A: it's } }, limit: { maxShare: 0.5% } }]
  notify: [{ receiver: a, events: [Promoted, Failed] }]
",
    ));
    assert_eq!(text, include_str!("tests/rendered.yaml"));
}

#[test]
fn every_file_and_every_example_of_the_documentation_loads() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts =
        vec![("siskin.yaml".to_owned(), std::fs::read_to_string(root.join("config/siskin.yaml")).unwrap())];
    for entry in std::fs::read_dir(root.join("config/policies")).unwrap() {
        let path = entry.unwrap().path();
        texts.push((path.display().to_string(), std::fs::read_to_string(path).unwrap()));
    }
    for path in ["examples/siskin/visits.yaml", "examples/siskin/config.yaml", "kustomize/base/config.yaml"] {
        texts.push((path.to_owned(), std::fs::read_to_string(root.join("deploy").join(path)).unwrap()));
    }
    let files = texts.len();
    for page in ["README.md", "docs/policy.md", "docs/operations.md"] {
        let text = std::fs::read_to_string(root.join(page)).unwrap();
        for (index, block) in text.split("```yaml\n").skip(1).enumerate() {
            let (yaml, _) = block.split_once("```").unwrap();
            texts.push((format!("{page}, example {}", index + 1), yaml.to_owned()));
        }
    }
    assert!(files >= 9 && texts.len() >= files + 4, "{} texts", texts.len());
    for (name, text) in texts {
        crate::document::parse(&name, &text).unwrap_or_else(|errors| panic!("{errors}"));
    }
}
