//! What keeps an unjudged revision off the pods while Siskin is dead: the table of `docs/admission.md`, and where a
//! cluster or a workload stands in it.

use serde::Serialize;

use super::diagnosis::{Answer, Care, Diagnosis, Probe};

/// What comes of a threat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Cell {
    /// The unjudged revision reaches the pods.
    Rolls,
    /// Pods stay on the stable revision, and come back on it.
    Holds,
    /// The same, as the write is refused.
    Refused,
    /// No pod starts rather than one on an unjudged revision.
    Stops,
    /// It was not found out.
    Unknown,
}

impl Cell {
    /// A word for the table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rolls => "rolls",
            Self::Holds => "holds",
            Self::Refused => "refused",
            Self::Stops => "stops",
            Self::Unknown => "?",
        }
    }
}

/// The columns, each with what the one before it has, but for the two kinds of policies, of which one is enough.
pub const COLUMNS: [&str; 5] = ["nothing", "parked", "+ refusing", "+ correcting", "+ pod guard"];

/// One threat.
pub struct Row {
    /// What happens.
    pub threat: &'static str,
    /// What comes of it in each of [`COLUMNS`].
    pub cells: [Cell; 5],
    /// What comes of it here.
    here: fn(&Diagnosis) -> Cell,
}

use Cell::{Holds, Refused, Rolls, Stops, Unknown};

/// The threats, in the order of `docs/admission.md`.
pub const ROWS: [Row; 7] = [
    Row {
        threat: "new template; scale-up, eviction, node loss",
        cells: [Rolls, Holds, Holds, Holds, Holds],
        here: parked,
    },
    Row {
        threat: "a manifest with `partition: 0` applied again",
        cells: [Rolls, Rolls, Refused, Holds, Holds],
        here: |it| corrected_or_refused(it, Probe::Park),
    },
    Row {
        threat: "opt-in and new image in one write",
        cells: [Rolls, Rolls, Refused, Holds, Holds],
        here: |it| corrected_or_refused(it, Probe::OptIn),
    },
    Row {
        threat: "scale to zero and back",
        cells: [Rolls, Rolls, Rolls, Holds, Holds],
        here: |it| match corrected_or_refused(it, Probe::Hold) {
            Rolls => guarded(it),
            held => held,
        },
    },
    Row {
        threat: "all pods updated and Ready before they are judged",
        cells: [Rolls, Rolls, Rolls, Holds, Holds],
        here: |it| corrected_or_refused(it, Probe::Hold),
    },
    Row {
        threat: "deleted without its pods and created anew",
        cells: [Rolls, Rolls, Rolls, Rolls, Stops],
        here: guarded,
    },
    Row {
        threat: "updateStrategy becomes OnDelete",
        cells: [Rolls, Rolls, Refused, Refused, Refused],
        here: |it| corrected_or_refused(it, Probe::Type),
    },
];

/// What comes of each threat here, in the order of [`ROWS`].
pub fn here(diagnosis: &Diagnosis) -> [Cell; 7] {
    ROWS.map(|row| if diagnosis.care() == Some(Care::None) { Rolls } else { (row.here)(diagnosis) })
}

/// The column in which every threat comes out as it does here.
pub fn column(here: [Cell; 7]) -> Option<usize> {
    (0..COLUMNS.len())
        .find(|&column| ROWS.iter().zip(here).all(|(row, here)| row.cells.get(column) == Some(&here)))
}

/// Siskin parks whatever comes into its care.
fn parked(diagnosis: &Diagnosis) -> Cell {
    match diagnosis.care() {
        Some(Care::None | Care::Open) => Rolls,
        Some(Care::Parked) => Holds,
        None if diagnosis.daemons.runs() => Holds,
        None => Unknown,
    }
}

fn corrected_or_refused(diagnosis: &Diagnosis, probe: Probe) -> Cell {
    match diagnosis.answer(probe) {
        Answer::Corrected { .. } => Holds,
        Answer::Refused { .. } => Refused,
        Answer::LetThrough { .. } => Rolls,
        Answer::Unknown { .. } => Unknown,
    }
}

/// What the pod guard lets start is on a released revision.
fn guarded(diagnosis: &Diagnosis) -> Cell {
    match diagnosis.answer(Probe::PodGuard) {
        Answer::Refused { .. } => Stops,
        Answer::Corrected { .. } | Answer::LetThrough { .. } => Rolls,
        Answer::Unknown { .. } => Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The cells of each line of the table in `docs/admission.md`, its head first.
    fn documented() -> Vec<Vec<&'static str>> {
        let page = include_str!("../../../docs/admission.md");
        let (_, after) = page.split_once("| threat |").unwrap();
        let table = after.split("\n\n").next().unwrap();
        let lines = table.lines().filter(|line| !line.starts_with("|---"));
        lines.map(|line| line.trim_matches('|').split('|').map(str::trim).collect()).collect()
    }

    #[test]
    fn it_is_the_table_of_the_documentation() {
        let documented = documented();
        let (head, rows) = documented.split_first().unwrap();
        assert_eq!(head[..COLUMNS.len()], COLUMNS);
        assert_eq!(rows.len(), ROWS.len());
        for (documented, row) in rows.iter().zip(&ROWS) {
            let (threat, cells) = documented.split_first().unwrap();
            assert!(threat.starts_with(row.threat), "{threat} is not {}", row.threat);
            let words: Vec<&str> =
                cells.iter().take(COLUMNS.len()).filter_map(|cell| cell.split(' ').next()).collect();
            assert_eq!(words, row.cells.map(Cell::word), "{threat}");
        }
    }
}
