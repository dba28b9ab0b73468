//! `siskin check`: every mistake of a file at once, or what the file means in full.

use std::{path::PathBuf, process::ExitCode};

use siskin_core::{
    document::{self, Document},
    policy::{render, warnings},
    yaml::Errors,
};

/// Checks policy and configuration files; prints policies with every default filled in
#[derive(Debug, clap::Args)]
pub struct Check {
    /// Policy or configuration files; `-` is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Print mistakes and warnings only
    #[arg(long, short)]
    quiet: bool,
}

/// Why a file is no good.
#[derive(Debug, thiserror::Error)]
enum CheckError {
    #[error("{file}: can't be read: {source}")]
    Unreadable { file: String, source: std::io::Error },
    #[error(transparent)]
    Mistakes(#[from] Errors),
}

/// Checks all files; 1 if any has a mistake.
pub fn check(Check { files, quiet }: &Check) -> ExitCode {
    let mut good = true;
    for file in files {
        match read(file) {
            Ok(documents) => {
                for document in &documents {
                    tell(&file.display().to_string(), document, *quiet);
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

fn read(file: &PathBuf) -> Result<Vec<Document>, CheckError> {
    let name = file.display().to_string();
    let text =
        if name == "-" { std::io::read_to_string(std::io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|source| CheckError::Unreadable { file: name.clone(), source })?;
    Ok(document::parse(&name, &text)?)
}

fn tell(file: &str, document: &Document, quiet: bool) {
    match document {
        Document::Policy(policy) => {
            for warning in warnings(policy) {
                eprintln!("{file}: policy {}: warning: {warning}", policy.name);
            }
            if !quiet {
                print!("---\n{}", render(policy));
            }
        }
        Document::Configuration(configuration) if !quiet => {
            let receivers =
                configuration.receivers.iter().map(|receiver| receiver.name.as_str()).collect::<Vec<_>>();
            println!("{file}: listens on {}, receivers: {}", configuration.listen, receivers.join(", "));
        }
        Document::Configuration(_) => {}
    }
}
