//! A diagnosis as a page for people.

use std::fmt::Write;

use super::{
    diagnosis::{Answer, Care, Daemon, Diagnosis, Finding, Known, Policy, Workload},
    table::{COLUMNS, ROWS, column, here},
};

/// The page.
pub fn page(diagnosis: &Diagnosis) -> String {
    let mut page = String::new();
    head(&mut page, diagnosis);
    dry_runs(&mut page, diagnosis);
    table(&mut page, diagnosis);
    findings(&mut page, &diagnosis.findings());
    page
}

fn head(page: &mut String, diagnosis: &Diagnosis) {
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(page, "{name:<11}{value}");
    };
    match &diagnosis.workload {
        Some(workload) => line("Workload", &told(&diagnosis.namespace, workload)),
        None => {
            line("Namespace", &format!("{}; name a workload to see more", diagnosis.namespace));
        }
    }
    line("Siskin", &daemons(&diagnosis.daemons));
    line("Policies", &policies(&diagnosis.policies));
    if let Known::Unknown(why) = &diagnosis.missing_rights {
        line("Rights", &format!("of Siskin not known: {why}"));
    }
    line("You", you(&diagnosis.you));
}

fn told(namespace: &str, workload: &Workload) -> String {
    let Workload { name, policy, partition, care, .. } = workload;
    let policy = policy.as_ref().map_or("no policy".to_owned(), |policy| format!("policy {policy}"));
    let care = match care {
        Care::None => "not in Siskin's care".to_owned(),
        Care::Parked => "parked".to_owned(),
        Care::Open => format!("partition {partition}"),
    };
    format!("{namespace}/{name}, {policy}, {care}")
}

fn daemons(daemons: &Known<Vec<Daemon>>) -> String {
    match daemons {
        Known::Unknown(why) => format!("not known: {why}"),
        Known::Is(daemons) if daemons.is_empty() => "none runs".to_owned(),
        Known::Is(daemons) => {
            let told = |Daemon { deployment, user, .. }: &Daemon| format!("{user} (Deployment {deployment})");
            daemons.iter().map(told).collect::<Vec<_>>().join(", ")
        }
    }
}

fn policies(policies: &Known<Vec<Policy>>) -> String {
    match policies {
        Known::Unknown(why) => format!("not known: {why}"),
        Known::Is(policies) if policies.is_empty() => "none of Siskin's".to_owned(),
        Known::Is(policies) => {
            policies.iter().map(|policy| policy.name.as_str()).collect::<Vec<_>>().join(", ")
        }
    }
}

fn you(you: &Known<String>) -> &str {
    match you {
        Known::Is(user) => user,
        Known::Unknown(_) => "not known",
    }
}

fn dry_runs(page: &mut String, diagnosis: &Diagnosis) {
    page.push_str("\nDRY RUNS as you; nothing was changed\n");
    let mut unknown: Vec<(&str, Vec<&str>)> = Vec::new();
    for probed in &diagnosis.probes {
        let name = probed.probe.name();
        let (protected, how) = match &probed.answer {
            Answer::Corrected { how } => ("yes", how.clone()),
            Answer::Refused { by } => ("yes", format!("refused by {by}")),
            Answer::LetThrough { what } => ("no", what.clone()),
            Answer::Unknown { why } => {
                match unknown.iter_mut().find(|(known, _)| known == why) {
                    Some((_, names)) => names.push(name),
                    None => unknown.push((why, vec![name])),
                }
                continue;
            }
        };
        let _ = writeln!(page, "  {name:<10} {protected:<4} {how}");
    }
    for (why, names) in unknown {
        let _ = writeln!(page, "  not seen: {}: {why}", names.join(", "));
    }
}

fn table(page: &mut String, diagnosis: &Diagnosis) {
    let here = here(diagnosis);
    let marked = column(here);
    let mut head: Vec<String> = COLUMNS.map(str::to_owned).into();
    if let Some(name) = marked.and_then(|marked| head.get_mut(marked)) {
        *name = format!("[{name}]");
    } else {
        head.push("[here]".to_owned());
    }
    let line = |page: &mut String, first: &str, cells: &[&str]| {
        let mut line = format!("{first:<52}");
        for (cell, head) in cells.iter().zip(&head) {
            let width = head.len();
            let _ = write!(line, " {cell:<width$} ");
        }
        page.push_str(line.trim_end());
        page.push('\n');
    };
    let names: Vec<&str> = head.iter().map(String::as_str).collect();
    page.push('\n');
    line(page, "WITH SISKIN DEAD", &names);
    for (row, here) in ROWS.iter().zip(here) {
        let cells = row.cells.iter().copied().chain(marked.is_none().then_some(here));
        let words: Vec<&str> = cells.map(super::table::Cell::word).collect();
        line(page, &format!("  {}", row.threat), &words);
    }
    page.push_str(
        "rolls: the unjudged revision reaches the pods. stops: no pod starts rather than one of it.\n",
    );
}

fn findings(page: &mut String, findings: &[Finding]) {
    if findings.is_empty() {
        page.push_str("\nNothing is wrong.\n");
        return;
    }
    page.push_str("\nTO MEND\n");
    for Finding(finding) in findings {
        let _ = writeln!(page, "  - {finding}");
    }
}
