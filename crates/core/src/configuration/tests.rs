use super::*;
use crate::{time::Wall, window::Freeze};

fn whole(rest: &str) -> String {
    format!("apiVersion: siskin.dev/v1alpha1\nkind: Configuration\n{rest}")
}

#[test]
fn an_empty_configuration_has_defaults() {
    let configuration = parse("c.yaml", &whole("")).unwrap();
    assert_eq!(configuration, Configuration::default());
    assert_eq!(configuration.listen.to_string(), "0.0.0.0:8080");
}

#[test]
fn a_configuration_is_read() {
    let configuration = parse(
        "c.yaml",
        &whole(
            "listen: '[::1]:9000'\nlog: { format: JSON, level: debug }\npodGuard: true\nwatchConfiguration: true\nreceivers:\n\
             - { name: a, slack: { url: 'https://hooks.example/x' } }\n\
             - { name: b, slack: { urlFile: /etc/b, timeout: 1s } }\n\
             maxParallelRollouts: { total: 5, perNamespace: 1 }\n\
             freezes:\n\
             - { from: '2026-12-20T00:00:00+01:00', to: '2027-01-03T00:00:00Z', reason: holidays }\n",
        ),
    )
    .unwrap();
    let (a, b) = (Address::Url("https://hooks.example/x".to_owned()), Address::File("/etc/b".to_owned()));
    let receiver = |name: &str, address, timeout| Receiver {
        name: name.to_owned(),
        slack: Slack { address, timeout: GoDuration::from_secs(timeout) },
    };
    assert_eq!(
        configuration,
        Configuration {
            listen: "[::1]:9000".parse().unwrap(),
            log: Log { format: LogFormat::Json, level: LogLevel::Debug },
            pod_guard: true,
            class: None,
            leader_election: LeaderElection::default(),
            watch_configuration: true,
            receivers: vec![receiver("a", a, 5), receiver("b", b, 1)],
            rules: Rules {
                max_parallel_rollouts: MaxParallelRollouts { total: Some(5), per_namespace: Some(1) },
                freezes: vec![Freeze {
                    from: Wall(1_797_721_200),
                    to: Wall(1_798_934_400),
                    reason: "holidays".to_owned()
                }],
            },
            sources: Vec::new(),
        }
    );
    assert!(!format!("{configuration:?}").contains("hooks.example"), "an address is a secret");
}

#[test]
fn bad_configurations_are_refused() {
    let text = whole(
        "listen: 8080\nlog: { format: json, level: loud }\nrecievers: []\nreceivers:\n\
         - { name: a, slack: { url: 'ftp://secret' } }\n\
         - { name: a, slack: { url: 'http://x', urlFile: /x } }\n\
         - { name: c, slack: {} }\n\
         - { name: d, slack: { urlFile: x, timeout: 0s } }\n\
         - { name: e }\n\
         maxParallelRollouts: { total: 0, perTeam: 1 }\n\
         freezes:\n\
         - { from: 2026-12-20, to: '2027-01-03T00:00:00Z', reason: x }\n\
         - { from: '2026-12-20T00:00:00Z', to: '2026-12-20T00:00:00Z', reason: x }\n\
         - { from: '2026-12-20T00:00:00Z', to: '2026-12-21T00:00:00Z', reason: '' }\n",
    );
    assert_eq!(
        parse("c.yaml", &text).unwrap_err().to_string(),
        "c.yaml:3:9: listen: found the number `8080`, expected an address and a port, in quotes\n\
         c.yaml:4:16: log.format: found `json`, expected `Text` or `JSON`; did you mean `JSON`?\n\
         c.yaml:4:29: log.level: found `loud`, expected `error`, `warn`, `info`, `debug` or `trace`\n\
         c.yaml:5:1: recievers: found an unknown field; did you mean `receivers`?\n\
         c.yaml:7:28: receivers[0].slack.url: found a text that is no URL, expected one that begins with `https://` or `http://`\n\
         c.yaml:8:11: receivers[1].name: found `a`, expected another name: the receiver on line 7 has this one\n\
         c.yaml:8:21: receivers[1].slack: found both `url` and `urlFile`, expected one of them\n\
         c.yaml:9:21: receivers[2].slack: found neither `url` nor `urlFile`, expected one of them\n\
         c.yaml:10:32: receivers[3].slack.urlFile: found `x`, expected an absolute path\n\
         c.yaml:10:44: receivers[3].slack.timeout: found `0s`, expected a duration from `100ms` to `30s`\n\
         c.yaml:11:3: receivers[4]: found no field `slack`, expected a Slack incoming webhook\n\
         c.yaml:12:31: maxParallelRollouts.total: found the number `0`, expected a whole number from 1 to 10000\n\
         c.yaml:12:34: maxParallelRollouts.perTeam: found an unknown field, expected `total` or `perNamespace`\n\
         c.yaml:14:11: freezes[0].from: found `2026-12-20`, expected a time with its offset from UTC, such as `2026-12-20T00:00:00+01:00`\n\
         c.yaml:15:3: freezes[1]: found a freeze that ends before it begins, expected `to` after `from`\n\
         c.yaml:16:71: freezes[2].reason: found 0 characters, expected 1 to 200"
    );
    assert_eq!(
        parse("c.yaml", &format!("{}---\n{}", whole(""), whole(""))).unwrap_err().to_string(),
        "c.yaml:4:1: found a second document, expected one configuration"
    );
}

#[test]
fn sources_are_read() {
    let configuration = parse(
        "c.yaml",
        &whole(
            "sources:\n\
             - { name: main, prometheus: { url: 'https://prometheus:9090/base/', bearerTokenFile: /t, caFile: /ca, timeout: 3s } }\n\
             - { name: lag, json: { url: 'http://lag', basicAuth: { username: u, passwordFile: /p } } }\n",
        ),
    )
    .unwrap();
    assert_eq!(
        configuration.sources,
        [
            Source {
                name: "main".into(),
                kind: SourceKind::Prometheus,
                url: "https://prometheus:9090/base".into(),
                credentials: Some(Credentials::BearerToken("/t".into())),
                ca_file: Some("/ca".into()),
                timeout: GoDuration::from_secs(3),
            },
            Source {
                name: "lag".into(),
                kind: SourceKind::Json,
                url: "http://lag".into(),
                credentials: Some(Credentials::Basic { username: "u".into(), password_file: "/p".into() }),
                ca_file: None,
                timeout: GoDuration::from_secs(10),
            },
        ]
    );
}

#[test]
fn bad_sources_are_refused_without_their_secrets() {
    let text = whole(
        "sources:\n\
         - { name: a }\n\
         - { name: a, json: { url: 'http://x' }, prometheus: { url: 'http://x' } }\n\
         - { name: b, json: { url: 'http://me:hidden@x' } }\n\
         - { name: c, json: { url: 'x:9090/?a=b', bearerTokenFile: t, timeout: 1m } }\n\
         - { name: d, json: { url: 'http://x', caFile: /ca, bearerTokenFile: /t, basicAuth: { username: 'a:b', passwordFile: /p } } }\n\
         - { name: e, json: { url: 'http://x', bearerTokenFile: /t, basicAuth: { username: a, passwordFile: /p }, token: hidden } }\n",
    );
    let errors = parse("c.yaml", &text).unwrap_err().to_string();
    assert!(!errors.contains("hidden"), "{errors}");
    assert_eq!(
        errors,
        "c.yaml:4:3: sources[0]: found neither `prometheus` nor `json`, expected one of them\n\
         c.yaml:5:3: sources[1]: found both `prometheus` and `json`, expected one of them\n\
         c.yaml:5:11: sources[1].name: found `a`, expected another name: the source on line 4 has this one\n\
         c.yaml:6:27: sources[2].json.url: found an address with a user, expected one without: use `basicAuth` or `bearerTokenFile`\n\
         c.yaml:7:27: sources[3].json.url: found `x:9090/?a=b`, expected an address that begins with `http://` or `https://`, without user, `?` and `#`\n\
         c.yaml:7:59: sources[3].json.bearerTokenFile: found `t`, expected an absolute path\n\
         c.yaml:7:71: sources[3].json.timeout: found `1m`, expected a duration from `100ms` to `30s`\n\
         c.yaml:8:47: sources[4].json.caFile: found next to an `http://` address, expected with `https://` only\n\
         c.yaml:8:96: sources[4].json.basicAuth.username: found `a:b`, expected a user's name without `:`\n\
         c.yaml:9:20: sources[5].json: found both `bearerTokenFile` and `basicAuth`, expected one of them at most\n\
         c.yaml:9:106: sources[5].json.token: found an unknown field, expected `url`, `bearerTokenFile`, `basicAuth`, `caFile` or `timeout`"
    );
}

#[test]
fn what_a_policy_wants_and_is_not_there_is_said_with_what_is() {
    let configuration =
        parse("c.yaml", &whole("sources: [{ name: main, prometheus: { url: 'http://x' } }]\n")).unwrap();
    let policy = "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: { name: p }\nspec:\n  \
                  strategy: { type: Canary }\n  checks:\n  \
                  - { name: a, prometheus: { source: main, query: up }, limit: { min: 1 } }\n  \
                  - { name: b, prometheus: { source: mian, query: up }, limit: { min: 1 } }\n  \
                  - { name: c, json: { source: main, path: /, pointer: '' }, limit: { min: 1 } }\n";
    let policy = crate::policy::parse("p.yaml", policy).unwrap().remove(0);
    assert_eq!(
        missing(&configuration.sources, &policy),
        [
            "check `b` asks the prometheus source `mian`, which the configuration of siskin doesn't have; known are `main`",
            "check `c` asks the json source `main`, which the configuration of siskin doesn't have; there are none of that kind",
        ]
    );
}

#[test]
fn the_example_has_every_source_that_the_example_policies_name() {
    let file = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let configuration = parse("siskin.yaml", &file("siskin.yaml")).unwrap();
    let policy = crate::policy::parse("lag.yaml", &file("policies/lag.yaml")).unwrap().remove(0);
    assert_eq!(policy.queries().count(), 2);
    assert_eq!(missing(&configuration.sources, &policy), Vec::<String>::new());
}
