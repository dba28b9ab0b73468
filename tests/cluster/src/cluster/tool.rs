//! A program beside the cluster that one scenario needs. What a killed run left is ended by the next, or with the
//! cluster.

use std::path::Path;

use super::{Error, Layout, Process, daemons};

/// A running program; it ends with this.
pub struct Tool {
    process: Process,
}

impl Tool {
    /// Starts `program` under a name that no other has; its log is kept as that of a daemon.
    pub fn start(
        layout: &Layout,
        name: &'static str,
        program: &Path,
        arguments: &[String],
    ) -> Result<Self, Error> {
        let recorded = |layout| daemons::running(layout).into_iter().filter(|(other, _)| other == name);
        let left: Vec<Process> = recorded(layout).map(|(_, process)| process).collect();
        daemons::end(&left, true);
        daemons::start(layout, name, program, arguments)?;
        let process = recorded(layout).map(|(_, process)| process).next();
        let died = || Error::Died { name, log: daemons::tail(layout, name, 20) };
        Ok(Self { process: process.ok_or_else(died)? })
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        daemons::end(&[self.process], true);
    }
}
