//! `siskin check`: every mistake of a file at once, or what the file means in full.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use siskin_core::{
    configuration::{self, Configuration, missing},
    document::{self, Document},
    policy::{Policy, irrevocable, render, warnings},
    yaml::Errors,
};

use super::out;

/// Checks policy and configuration files; prints policies with every default filled in
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Policy or configuration files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The daemon's configuration: policies may name only the receivers and sources that it has
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print mistakes and warnings only
    #[arg(long, short)]
    quiet: bool,
}

/// Why a file is no good.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nothing can be read.
    #[error("{file}: can't be read: {source}")]
    Unreadable {
        /// The file.
        file: String,
        /// Why.
        source: std::io::Error,
    },
    /// What was read is wrong.
    #[error(transparent)]
    Mistakes(#[from] Errors),
}

/// Checks all files; 1 if any has a mistake.
pub fn check(Check { files, config, quiet }: &Check) -> ExitCode {
    let names = config.as_deref().map(read_configuration).transpose();
    let (names, mut good) = match names {
        Ok(names) => (names, true),
        Err(error) => {
            eprintln!("{error}");
            (None, false)
        }
    };
    for file in files {
        let name = file.display().to_string();
        match read(file) {
            Ok(documents) => {
                for document in &documents {
                    tell(&name, document, *quiet);
                    if let (Document::Policy(policy), Some(names)) = (document, &names) {
                        let unknown = unknown(names, policy);
                        for text in &unknown {
                            eprintln!("{name}: policy {}: {text}", policy.name);
                        }
                        good &= unknown.is_empty();
                    }
                }
            }
            Err(error) => {
                eprintln!("{error}");
                good = false;
            }
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// What a policy names and the configuration doesn't have.
fn unknown(names: &Configuration, policy: &Policy) -> Vec<String> {
    let there = |name: &str| names.receivers.iter().any(|receiver| receiver.name == name);
    let mut unknown = missing(&names.sources, policy);
    unknown.extend((policy.notify.iter()).filter(|notify| !there(&notify.receiver)).map(|notify| {
        format!("it tells the receiver `{}`, which the configuration of siskin doesn't have", notify.receiver)
    }));
    unknown
}

fn read_configuration(file: &Path) -> Result<Configuration, CheckError> {
    let (name, text) = text(file)?;
    Ok(configuration::parse(&name, &text)?)
}

/// The documents of a file, or of standard input for `-`.
pub fn read(file: &Path) -> Result<Vec<Document>, CheckError> {
    let (name, text) = text(file)?;
    Ok(document::parse(&name, &text)?)
}

fn text(file: &Path) -> Result<(String, String), CheckError> {
    let name = file.display().to_string();
    let text =
        if name == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    match text {
        Ok(text) => Ok((name, text)),
        Err(source) => Err(CheckError::Unreadable { file: name, source }),
    }
}

fn tell(file: &str, document: &Document, quiet: bool) {
    match document {
        Document::Policy(policy) => {
            for warning in warnings(policy) {
                eprintln!("{file}: policy {}: warning: {warning}", policy.name);
            }
            if !quiet {
                out::text(format_args!("---\n{}", in_full(policy)));
            }
        }
        Document::Configuration(configuration) if !quiet => {
            let receivers =
                configuration.receivers.iter().map(|receiver| receiver.name.as_str()).collect::<Vec<_>>();
            let sources = configuration.sources.iter().map(|source| source.name.as_str()).collect::<Vec<_>>();
            let class = configuration.class.as_deref();
            let elects = configuration.leader_election.enabled;
            let lease = elects.then(|| configuration.leader_election.lease(class));
            out::line(format_args!(
                "{file}: listens on {}, class: {}, Lease: {}, receivers: {}; sources: {}",
                configuration.listen,
                class.unwrap_or("none"),
                lease.as_deref().unwrap_or("none"),
                receivers.join(", "),
                sources.join(", ")
            ));
        }
        Document::Configuration(_) => {}
    }
}

/// The policy with its defaults, under comments on what can't be taken back.
fn in_full(policy: &Policy) -> String {
    let comments = irrevocable(policy).into_iter().map(|text| format!("# {text}\n"));
    comments.chain([render(policy)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_printed_with_its_irrevocable_steps_and_still_loads() {
        let standard = siskin_core::policy::builtin("standard").unwrap();
        let text = in_full(&standard);
        for part in ["# without the hold", "# step `first`", "# with the hold"] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        assert_eq!(siskin_core::policy::parse("standard.yaml", &text).unwrap(), [standard]);
    }

    #[test]
    fn what_a_policy_names_must_be_in_the_configuration_that_is_given() {
        let head = "apiVersion: siskin.dev/v1alpha1\nkind: ";
        let policy = format!(
            "{head}RolloutPolicy\nmetadata: {{ name: p }}\nspec:\n  strategy: {{ type: Canary }}\n  checks:\n  \
             - {{ name: a, prometheus: {{ source: main, query: up }}, limit: {{ min: 1 }} }}\n  notify: [{{ receiver: team }}]\n"
        );
        let policy = siskin_core::policy::parse("p.yaml", &policy).unwrap().remove(0);
        assert_eq!(
            unknown(&Configuration::default(), &policy),
            [
                "check `a` asks the prometheus source `main`, which the configuration of siskin doesn't have; there are \
                 none of that kind",
                "it tells the receiver `team`, which the configuration of siskin doesn't have",
            ]
        );
        let whole = "Configuration\nsources: [{ name: main, prometheus: { url: 'http://x' } }]\n\
                     receivers: [{ name: team, slack: { urlFile: /x } }]\n";
        let whole = configuration::parse("c.yaml", &format!("{head}{whole}")).unwrap();
        assert_eq!(unknown(&whole, &policy), Vec::<String>::new());
    }
}
