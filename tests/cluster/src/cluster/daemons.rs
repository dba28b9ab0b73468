//! Daemons as children whose process ids are on disk, so that a later run can end what a killed one left.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use super::{Error, Layout};

/// A process, told apart from a later one with the same id by when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pid: i32,
    started: u64,
}

impl Process {
    /// The process that has `pid` now, unless it is gone or a zombie.
    pub fn with_pid(pid: i32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may contain anything; the fields after it are numbered from 3 in proc(5).
        let mut fields = stat.get(stat.rfind(')')? + 2..)?.split(' ');
        let state = fields.next()?;
        let started = fields.nth(18)?.parse().ok()?;
        (!matches!(state, "Z" | "X")).then_some(Self { pid, started })
    }

    pub fn alive(self) -> bool {
        Self::with_pid(self.pid) == Some(self)
    }

    /// Its resident memory in bytes.
    pub fn memory(self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    }

    /// Ends it, and with `group` the whole process group that it leads. One that is gone is no error.
    pub fn kill(self, group: bool) {
        if let (true, Some(pid)) = (self.alive(), Pid::from_raw(self.pid)) {
            let _ =
                if group { kill_process_group(pid, Signal::KILL) } else { kill_process(pid, Signal::KILL) };
        }
    }

    /// Asks it to end.
    pub fn terminate(self) {
        self.signal(Signal::TERM);
    }

    /// Stops it as it stands, until [`Self::thaw`].
    pub fn freeze(self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn thaw(self) {
        self.signal(Signal::CONT);
    }

    fn signal(self, signal: Signal) {
        if let (true, Some(pid)) = (self.alive(), Pid::from_raw(self.pid)) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Waits until it is gone; what SIGKILL hit is, unless it hangs in the kernel.
    fn wait(self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.alive() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn record(self, file: &Path) -> io::Result<()> {
        fs::write(file, format!("{} {}\n", self.pid, self.started))
    }

    fn recorded(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let (pid, started) = text.trim().split_once(' ')?;
        Some(Self { pid: pid.parse().ok()?, started: started.parse().ok()? })
    }
}

/// Every process whose command line contains `text`.
pub fn with_command_line(text: &str) -> Vec<Process> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            fs::read(format!("/proc/{pid}/cmdline"))
                .is_ok_and(|line| String::from_utf8_lossy(&line).contains(text))
        })
        .filter_map(Process::with_pid)
        .collect()
}

fn records(layout: &Layout) -> PathBuf {
    layout.run.join("pids")
}

/// Starts `program` in a process group of its own, with its log in a file.
pub fn start(layout: &Layout, name: &'static str, program: &Path, arguments: &[String]) -> Result<(), Error> {
    let failed = |source| Error::Start { name, program: program.into(), source };
    let log = layout.log(name);
    for folder in [log.parent(), Some(records(layout).as_path())].into_iter().flatten() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    let log = File::create(log).map_err(failed)?;
    let child = Command::new(program)
        .args(arguments)
        .current_dir(&layout.run)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let pid = i32::try_from(child.id()).unwrap_or_default();
    match Process::with_pid(pid) {
        Some(process) => process.record(&records(layout).join(name)).map_err(failed),
        None => Err(Error::Died { name, log: tail(layout, name, 20) }),
    }
}

/// The recorded daemons that still run, with their names.
pub fn running(layout: &Layout) -> Vec<(String, Process)> {
    let Ok(entries) = fs::read_dir(records(layout)) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| {
            let process = Process::recorded(&entry.path())?;
            process.alive().then(|| (entry.file_name().to_string_lossy().into_owned(), process))
        })
        .collect()
}

/// Ends `processes` and waits until they are gone.
pub fn end(processes: &[Process], groups: bool) {
    for process in processes {
        process.kill(groups);
    }
    for process in processes {
        process.wait();
    }
}

/// The last lines of a daemon's log.
pub fn tail(layout: &Layout, name: &str, lines: usize) -> String {
    let text = fs::read(layout.log(name)).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
