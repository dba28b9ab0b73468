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
            "listen: '[::1]:9000'\nlog: { format: JSON, level: debug }\nreceivers:\n\
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
            receivers: vec![receiver("a", a, 5), receiver("b", b, 1)],
            rules: Rules {
                max_parallel_rollouts: MaxParallelRollouts { total: Some(5), per_namespace: Some(1) },
                freezes: vec![Freeze {
                    from: Wall(1_797_721_200),
                    to: Wall(1_798_934_400),
                    reason: "holidays".to_owned()
                }],
            },
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
