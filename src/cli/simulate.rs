//! `siskin simulate`: what a policy does with a good and with a bad release, before production.

use std::{
    io::IsTerminal as _,
    num::NonZeroUsize,
    path::{Path, PathBuf},
    process::ExitCode,
};

use serde_json::json;
use siskin_core::{
    document::Document,
    policy::{self, GoDuration, Policy},
};
use siskin_simulate::{
    Course, Pair, Rate, Releases, Scenario, ScenarioError, Setting, Share, Simulation, StartUp, Times, json,
    plot, quantity::Age, simulate, text,
};

use super::{
    check::{self, CheckError},
    out,
};

/// Tries a policy many times on a model, in virtual time: how long a good release takes, how surely and how soon a bad
/// one is caught
///
/// A change is written STABLE..CANARY, with @ONSET where it begins that long after the start of each process. Without
/// any, the bad release answers a tenth of its requests with an error. docs/simulate.md says what the model contains.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Simulate {
    /// A policy file, `-` for standard input, or a built-in policy: `standard`, `careful`
    #[arg(value_name = "POLICY")]
    policy: PathBuf,
    /// Only the policy of this name, where the file holds several
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Pods of the workload
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=1000))]
    replicas: u32,
    /// Requests a second over all pods; fewer as `30/m` or `100/h`
    #[arg(long, value_name = "RPS", default_value = "50", allow_hyphen_values = true)]
    rate: Rate,
    /// Requests answered with an error, such as `0.1%..1%@2m` [default: 0.1%, and 10% if nothing else is worse]
    #[arg(long, value_name = "CHANGE", allow_hyphen_values = true)]
    errors: Option<Course<Share>>,
    /// Median answer time, such as `20ms..60ms@2m`; the 99th percentile is four times that, or `20ms/50ms..60ms/1s`
    #[arg(long, value_name = "CHANGE", default_value = "20ms", allow_hyphen_values = true)]
    latency: Course<Times>,
    /// Time until a process listens, such as `5s..2m`
    #[arg(long, value_name = "CHANGE", default_value = "5s", allow_hyphen_values = true)]
    start_up: Pair<StartUp>,
    /// The bad release's health endpoint fails from this age of a process on
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    unhealthy: Option<Age>,
    /// The bad release's processes end at this age
    #[arg(long, value_name = "AGE", allow_hyphen_values = true)]
    crash: Option<Age>,
    /// The bad release's image can't be pulled
    #[arg(long)]
    no_image: bool,
    /// A person approves this long after being asked
    #[arg(long, value_name = "TIME", default_value = "0s", allow_hyphen_values = true)]
    approval_after: GoDuration,
    /// Runs of each release
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    runs: u32,
    /// What all chance follows from: the same seed gives the same output
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// How the figures are printed
    #[arg(long, short, value_enum, default_value = "text")]
    output: Output,
    /// Also write a picture of them to this file, as SVG
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  siskin simulate careful                                      a tenth of the requests fails
  siskin simulate db.yaml --errors 0.1%..1% --rate 50          is 1 % of errors caught at 50 requests a second?
  siskin simulate db.yaml --latency 20ms..60ms@2m              slow, two minutes after the start of each pod
  siskin simulate db.yaml --crash 30s --plot db.svg            a crash loop, with a picture";

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Output {
    Text,
    Json,
}

/// Errors of any release, unless something else is said.
const FEW: Share = Share(1_000);
/// Errors of a bad release of which nothing is said.
const MANY: Share = Share(100_000);

/// Why nothing is simulated, or shown.
#[derive(Debug, thiserror::Error)]
enum SimulateError {
    #[error(transparent)]
    Policy(#[from] CheckError),
    #[error(
        "{file}: there is no such file, and no built-in policy of that name; built in are `standard` and `careful`"
    )]
    Unknown { file: String },
    #[error("{file}: there is no policy in it")]
    Empty { file: String },
    #[error("{file}: there is no policy `{name}` in it; there are {known}")]
    NoSuchName { file: String, name: String, known: String },
    #[error("--plot shows one policy; expected --name with one of {known}")]
    ManyToPlot { known: String },
    #[error(transparent)]
    Scenario(#[from] ScenarioError),
}

/// Simulates; 2 for what can't be simulated, 1 for a picture that can't be written.
pub fn main(arguments: &Simulate) -> ExitCode {
    let scenarios = match scenarios(arguments) {
        Ok(scenarios) => scenarios,
        Err(error) => {
            eprintln!("siskin: {error}");
            return ExitCode::from(2);
        }
    };
    let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
    if std::io::stderr().is_terminal() {
        eprintln!("{} runs of each release on {threads} threads ...", arguments.runs);
    }
    let simulations: Vec<Simulation> =
        scenarios.into_iter().map(|scenario| simulate(scenario, threads)).collect();
    match arguments.output {
        Output::Text => {
            let pages: Vec<String> = simulations.iter().map(text::text).collect();
            out::text(pages.join("\n"));
        }
        Output::Json => {
            let simulations: Vec<_> = simulations.iter().map(json::json).collect();
            out::line(format_args!("{:#}", json!({ "simulations": simulations })));
        }
    }
    let (Some(file), Some(simulation)) = (&arguments.plot, simulations.first()) else {
        return ExitCode::SUCCESS;
    };
    match std::fs::write(file, plot::plot(simulation)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("siskin: {}: can't be written: {error}", file.display());
            ExitCode::from(1)
        }
    }
}

fn scenarios(arguments: &Simulate) -> Result<Vec<Scenario>, SimulateError> {
    let policies = policies(&arguments.policy, arguments.name.as_deref())?;
    if arguments.plot.is_some() && policies.len() > 1 {
        return Err(SimulateError::ManyToPlot { known: names(&policies) });
    }
    let setting = setting(arguments);
    let scenario = |policy| Scenario::new(policy, setting.clone()).map_err(SimulateError::from);
    policies.into_iter().map(scenario).collect()
}

fn setting(arguments: &Simulate) -> Setting {
    let mut releases = Releases {
        errors: arguments.errors.unwrap_or(usual(FEW)),
        latency: arguments.latency,
        start_up: arguments.start_up,
        unhealthy: arguments.unhealthy,
        crash: arguments.crash,
        no_image: arguments.no_image,
    };
    if arguments.errors.is_none() && !releases.differ() {
        releases.errors = usual(MANY);
    }
    Setting {
        replicas: arguments.replicas,
        rate: arguments.rate,
        releases,
        approval_after: arguments.approval_after,
        runs: arguments.runs,
        seed: arguments.seed,
    }
}

/// The usual errors of a stable revision, and these of the bad release.
fn usual(canary: Share) -> Course<Share> {
    Course { pair: Pair { stable: FEW, canary }, onset: GoDuration::default() }
}

/// The policies of a file, or the built-in one of that name. A file goes before it, as it does for the daemon.
fn policies(file: &Path, name: Option<&str>) -> Result<Vec<Policy>, SimulateError> {
    let given = file.display().to_string();
    let mut policies: Vec<Policy> = if given == "-" || file.exists() {
        let documents = check::read(file)?.into_iter();
        documents
            .filter_map(|document| match document {
                Document::Policy(policy) => Some(policy),
                Document::Configuration(_) => None,
            })
            .collect()
    } else {
        vec![policy::builtin(&given).ok_or_else(|| SimulateError::Unknown { file: given.clone() })?]
    };
    if policies.is_empty() {
        return Err(SimulateError::Empty { file: given });
    }
    if let Some(name) = name {
        let known = names(&policies);
        policies.retain(|policy| policy.name == name);
        if policies.is_empty() {
            return Err(SimulateError::NoSuchName { file: given, name: name.to_owned(), known });
        }
    }
    Ok(policies)
}

fn names(policies: &[Policy]) -> String {
    policies.iter().map(|policy| format!("`{}`", policy.name)).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        simulate: Simulate,
    }

    fn line(arguments: &[&str]) -> Result<Simulate, String> {
        let line = Line::try_parse_from([&["siskin"], arguments].concat());
        line.map(|line| line.simulate).map_err(|error| {
            assert_eq!(error.exit_code(), 2);
            error.to_string().lines().next().unwrap_or_default().to_owned()
        })
    }

    #[test]
    fn a_policy_is_all_that_must_be_given() {
        let setting = setting(&line(&["standard"]).unwrap());
        assert_eq!((setting.replicas, setting.runs, setting.seed), (5, 1000, 1));
        assert_eq!(setting.releases.good(), "0.1% errors, answers in 20ms (99 %: 80ms), starts in 5s");
        assert_eq!(setting.releases.bad(), "10% errors");
    }

    #[test]
    fn what_is_said_of_the_bad_release_is_all_that_is_bad() {
        let of = |arguments: &[&str]| setting(&line(arguments).unwrap()).releases.bad();
        assert_eq!(of(&["standard", "--crash", "30s"]), "its processes end 30s after their start");
        assert_eq!(
            of(&["standard", "--errors", "0%..1%@2m", "--latency", "20ms..60ms/1s"]),
            "1% errors from 2m after the start of each process, answers in 60ms (99 %: 1s)"
        );
    }

    #[test]
    fn impossible_arguments_are_one_line_and_exit_code_2() {
        for (arguments, said) in [
            (["--rate", "0"], "found `0`, expected a whole number of requests a second from 1 to 100000"),
            (["--rate", "-5"], "found `-5`, expected a whole number of requests a second"),
            (["--rate", "5/d"], "found `5/d`, expected a whole number of requests a second"),
            (["--runs", "0"], "0 is not in 1..=1000000"),
            (["--replicas", "0"], "0 is not in 1..=1000"),
            (["--errors", "0.1%..120%"], "found `120%`, expected a share from `0%` to `100%`"),
            (["--latency", "20us"], "found `20us`, expected a median of at most `1h`"),
            (["--start-up", "1d"], "found `1d`, expected a duration of at most `1h`"),
            (["--crash", "soon"], "found `soon`, expected a time since the start of a pod's process"),
            (["--approval-after", "1d"], "`1d` is not a duration"),
        ] {
            let error = line(&["standard", arguments[0], arguments[1]]).unwrap_err();
            assert!(error.contains(arguments[0]) && error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_cant_be_simulated_is_said() {
        let refusal = |arguments: &[&str]| scenarios(&line(arguments).unwrap()).unwrap_err().to_string();
        assert_eq!(
            refusal(&["standart"]),
            "standart: there is no such file, and no built-in policy of that name; built in are `standard` and `careful`"
        );
        assert_eq!(
            refusal(&["standard", "--errors", "1%"]),
            "the bad release behaves as the good one; expected a difference, such as --errors 0.1%..10% or --crash 30s"
        );
        assert_eq!(
            refusal(&["standard", "--name", "other"]),
            "standard: there is no policy `other` in it; there are `standard`"
        );
    }

    #[test]
    fn a_file_may_hold_several_policies() {
        let file = std::env::temp_dir().join(format!("siskin-simulate-{}.yaml", std::process::id()));
        let head = "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\n";
        let one = |name: &str| {
            format!("{head}metadata: {{ name: {name} }}\nspec: {{ strategy: {{ type: Canary }} }}\n---\n")
        };
        let configuration = "apiVersion: siskin.dev/v1alpha1\nkind: Configuration\n";
        std::fs::write(&file, format!("{}{}{configuration}", one("a"), one("b"))).unwrap();
        let given = file.display().to_string();
        let names = |arguments: &[&str]| {
            let arguments = [&[given.as_str()], arguments].concat();
            let scenarios = scenarios(&line(&arguments).unwrap());
            scenarios.map(|them| them.into_iter().map(|it| it.policy.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["a", "b"]);
        assert_eq!(names(&["--name", "b", "--plot", "x.svg"]).unwrap(), ["b"]);
        assert_eq!(
            names(&["--plot", "x.svg"]).unwrap_err().to_string(),
            "--plot shows one policy; expected --name with one of `a`, `b`"
        );
        std::fs::write(&file, configuration).unwrap();
        assert!(names(&[]).unwrap_err().to_string().ends_with("there is no policy in it"));
        std::fs::remove_file(&file).unwrap();
    }
}
