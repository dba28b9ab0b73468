//! The server as a process: what clients, volumes and signals see of it.

// clippy.toml exempts #[test] functions, but not what they call.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// A directory of its own, removed at the end.
struct Volume(PathBuf);

impl Volume {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("visits-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("visits")
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn command(volume: &Path, fault: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_visits"));
    command.env_clear().env("PORT", "0").env("POD_NAME", "db-0").env("VERSION", "v1");
    command.env("DATA_DIR", volume).env("FAULT", fault).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(volume: &Volume) -> Self {
        Self::start_with(volume, "")
    }

    fn start_with(volume: &Volume, fault: &str) -> Self {
        let mut process = command(&volume.0, fault).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit(':').next().unwrap();
        Self { address: format!("127.0.0.1:{port}"), process }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn send(&self, method: &str, path: &str) -> TcpStream {
        let mut stream = self.connect();
        write!(stream, "{method} {path} HTTP/1.1\r\nHost: visits\r\nConnection: close\r\n\r\n").unwrap();
        stream
    }

    fn request(&self, method: &str, path: &str) -> (u16, String) {
        let mut answer = String::new();
        self.send(method, path).read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.into())
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.request("GET", path)
    }

    fn metric(&self, series: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {series} in\n{text}")).parse().unwrap()
    }

    fn terminate(&self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    }

    fn exit_code(&mut self) -> Option<i32> {
        self.process.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn answer(visits: u64) -> (u16, String) {
    (200, format!(r#"{{"pod":"db-0","version":"v1","visits":{visits}}}"#))
}

#[test]
fn visits_are_counted_and_survive_a_kill() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    assert_eq!(server.get("/"), answer(1));
    assert_eq!(server.get("/"), answer(2));
    drop(server);
    assert_eq!(fs::read_to_string(volume.file()).unwrap(), "2\n");
    let server = Server::start(&volume);
    assert_eq!(server.get("/visits"), answer(2));
    assert_eq!(server.get("/"), answer(3));
}

#[test]
fn visits_at_the_same_time_are_all_counted() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| (0..25).for_each(|_| assert_eq!(server.get("/").0, 200)));
        }
    });
    assert_eq!(server.get("/visits"), answer(200));
    assert_eq!(fs::read_to_string(volume.file()).unwrap(), "200\n");
}

#[test]
fn only_the_root_is_in_the_request_metrics() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    for path in ["/visits", "/healthz", "/metrics", "/admin/fault"] {
        assert_eq!(server.get(path).0, 200, "{path}");
    }
    assert_eq!(server.metric("http_request_duration_seconds_count"), 0);
    server.get("/");
    assert_eq!(server.metric("http_requests_total{code=\"200\"}"), 1);
    assert_eq!(server.metric("http_request_duration_seconds_bucket{le=\"+Inf\"}"), 1);
    assert_eq!(server.metric("visits_on_disk"), 1);
}

#[test]
fn injected_errors_are_spread_evenly_and_not_counted_as_visits() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    assert_eq!(server.request("POST", "/admin/fault?errors=0.2").0, 200);
    let answers: Vec<_> = (0..10).map(|_| server.get("/")).collect();
    let codes: Vec<u16> = answers.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, [200, 200, 200, 200, 500, 200, 200, 200, 200, 500]);
    assert_eq!(answers[9], (500, answer(8).1), "an error tells who answered");
    assert_eq!(server.get("/visits"), answer(8));
    assert_eq!(server.metric("http_requests_total{code=\"200\"}"), 8);
    assert_eq!(server.metric("http_requests_total{code=\"500\"}"), 2);
}

#[test]
fn faults_change_one_by_one_and_are_told() {
    let volume = Volume::new();
    let server = Server::start_with(&volume, "errors=0.5&latency=10ms");
    let told = |errors, health| {
        let faults = format!(
            r#"{{"errors":{errors},"latency":"10ms","health":"{health}","metrics":"ok","memory":0}}"#
        );
        (200, faults)
    };
    assert_eq!(server.get("/admin/fault"), told("0.5", "ok"));
    assert_eq!(server.get("/admin/fault?health=fail"), told("0.5", "fail"));
    assert_eq!(server.get("/healthz"), (503, "injected failure".into()));
    assert_eq!(server.request("POST", "/admin/fault?health=ok&errors=0"), told("0.0", "ok"));
    assert_eq!(server.get("/healthz"), (200, "ok".into()));
}

#[test]
fn a_fault_that_is_not_understood_changes_nothing() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    for (query, says) in
        [("health=fail&eror=1", "unknown fault"), ("errors=2", "from 0 to 1"), ("start=1s", "variable FAULT")]
    {
        let (code, body) = server.get(&format!("/admin/fault?{query}"));
        assert_eq!(code, 400);
        assert!(body.contains(says), "{body}");
    }
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn latency_is_in_the_histogram() {
    let volume = Volume::new();
    let server = Server::start_with(&volume, "latency=60ms");
    assert_eq!(server.get("/"), answer(1));
    assert_eq!(server.metric("http_request_duration_seconds_bucket{le=\"0.05\"}"), 0);
    assert_eq!(server.metric("http_request_duration_seconds_bucket{le=\"10\"}"), 1);
}

#[test]
fn memory_is_really_taken() {
    let volume = Volume::new();
    let server = Server::start_with(&volume, "memory=8Mi");
    let (_, told) = server.get("/admin/fault?memory=24Mi");
    assert!(told.ends_with(&format!(r#""memory":{}}}"#, 32 << 20)), "{told}");
    let status = fs::read_to_string(format!("/proc/{}/status", server.process.id())).unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kilobytes: u64 = resident.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(kilobytes > 32 << 10, "{kilobytes} kB");
}

#[test]
fn metrics_come_as_the_client_asks() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    let ask = |headers: &str| {
        let mut stream = server.connect();
        write!(stream, "GET /metrics HTTP/1.1\r\nHost: visits\r\nConnection: close\r\n{headers}\r\n")
            .unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head_ends = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
        (String::from_utf8(answer[..head_ends].to_vec()).unwrap(), answer[head_ends + 4..].to_vec())
    };
    let (head, body) =
        ask("Accept: text/plain;q=0.5, application/openmetrics-text\r\nAccept-Encoding: gzip\r\n");
    assert!(
        head.contains("content-type: application/openmetrics-text; version=1.0.0; charset=utf-8"),
        "{head}"
    );
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let mut page = String::new();
    flate2::read::GzDecoder::new(&*body).read_to_string(&mut page).unwrap();
    assert!(page.ends_with("# EOF\n"), "{page}");

    let (head, body) = ask("Accept: */*\r\n");
    assert!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
    let page = String::from_utf8(body).unwrap();
    assert!(
        !head.contains("content-encoding") && page.starts_with("# HELP http_requests_total "),
        "{head}{page}"
    );
    assert_eq!(server.metric("metrics_pages_total{format=\"openmetrics\",encoding=\"gzip\"}"), 1);
    assert_eq!(server.metric("metrics_pages_total{format=\"text\",encoding=\"identity\"}"), 3);
}

#[test]
fn metrics_can_be_garbage_endless_or_never_come() {
    let volume = Volume::new();
    let server = Server::start_with(&volume, "metrics=garbage");
    assert!(server.get("/metrics").1.contains("<html>"));

    server.get("/admin/fault?metrics=endless");
    let mut megabytes = vec![0; 4 << 20];
    server.send("GET", "/metrics").read_exact(&mut megabytes).unwrap();

    server.get("/admin/fault?metrics=hang");
    let mut hanging = server.send("GET", "/metrics");
    hanging.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let error = hanging.read(&mut [0]).unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{error}");
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn a_garbage_file_is_refused_and_left_alone() {
    for garbage in ["", "12", "twelve\n", "-1\n"] {
        let volume = Volume::new();
        fs::write(volume.file(), garbage).unwrap();
        let output = command(&volume.0, "").output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{garbage:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains("one whole number and a line feed are expected"), "{said}");
        assert_eq!(fs::read_to_string(volume.file()).unwrap(), garbage);
    }
}

#[test]
fn a_missing_volume_is_refused() {
    let output = command(Path::new("/nonexistent/volume"), "").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8(output.stderr).unwrap().contains("is the volume mounted"));
}

#[test]
fn a_lost_volume_fails_visits_and_health_until_it_is_back() {
    let volume = Volume::new();
    let server = Server::start(&volume);
    fs::remove_dir_all(&volume.0).unwrap();
    assert_eq!(server.get("/").0, 500);
    let (code, why) = server.get("/healthz");
    assert!(code == 503 && why.contains("cannot write"), "{code} {why}");
    fs::create_dir_all(&volume.0).unwrap();
    assert_eq!(server.get("/"), answer(1));
    assert_eq!(server.get("/healthz").0, 200);
}

#[test]
fn termination_fails_health_at_once_and_cuts_no_request() {
    let volume = Volume::new();
    let mut server = Server::start_with(&volume, "latency=3s");
    let began = Instant::now();
    let mut open = server.send("GET", "/");
    server.terminate();
    while server.get("/healthz").0 == 200 {
        assert!(began.elapsed() < Duration::from_millis(1500), "health never failed");
    }
    assert_eq!(server.get("/healthz"), (503, "shutting down".into()));
    assert_eq!(server.get("/visits"), answer(0));
    let mut answered = String::new();
    open.read_to_string(&mut answered).unwrap();
    assert!(answered.starts_with("HTTP/1.1 200"), "{answered}");
    assert_eq!(server.exit_code(), Some(0));
    assert!(began.elapsed() >= Duration::from_secs(3));
    assert_eq!(fs::read_to_string(volume.file()).unwrap(), "1\n");
}

#[test]
fn termination_closes_kept_alive_connections_with_their_next_answer() {
    let volume = Volume::new();
    let mut server = Server::start(&volume);
    let mut kept = server.connect();
    let mut ask = || {
        kept.write_all(b"GET /healthz HTTP/1.1\r\nHost: visits\r\n\r\n").unwrap();
        let mut answer = [0; 1024];
        let length = kept.read(&mut answer).unwrap();
        String::from_utf8_lossy(&answer[..length]).into_owned()
    };
    assert!(!ask().contains("connection: close"));
    server.terminate();
    while server.get("/healthz").0 == 200 {}
    assert!(ask().contains("connection: close"));
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_hanging_request_does_not_hold_up_termination_for_ever() {
    let volume = Volume::new();
    let mut server = Server::start_with(&volume, "metrics=hang");
    let _hanging = server.send("GET", "/metrics");
    server.terminate();
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_crash_exits_with_one_at_start_later_or_on_request() {
    let volume = Volume::new();
    let output = command(&volume.0, "crash=now").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty(), "it never listened");

    let mut later = Server::start_with(&volume, "crash=200ms");
    assert_eq!(later.exit_code(), Some(1));

    let mut asked = Server::start(&volume);
    assert_eq!(asked.get("/admin/fault?crash=now").0, 200);
    assert_eq!(asked.exit_code(), Some(1));
}

#[test]
fn a_slow_start_listens_late_and_can_be_terminated_before() {
    let volume = Volume::new();
    let began = Instant::now();
    let server = Server::start_with(&volume, "start=300ms");
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(server.get("/healthz").0, 200);
    drop(server);

    fs::remove_file(volume.file()).unwrap();
    let process = command(&volume.0, "start=1m").spawn().unwrap();
    let mut waiting = Server { process, address: String::new() };
    // The file appears once the signals are watched.
    while !volume.file().exists() {
        std::thread::yield_now();
    }
    waiting.terminate();
    assert_eq!(waiting.exit_code(), Some(0));
}

#[test]
fn pause_waits_for_termination_and_unknown_modes_are_refused() {
    let mut process =
        Command::new(env!("CARGO_BIN_EXE_visits")).arg("pause").stdout(Stdio::piped()).spawn().unwrap();
    let mut ready = [0; 1];
    process.stdout.take().unwrap().read_exact(&mut ready).unwrap();
    let mut pausing = Server { process, address: String::new() };
    pausing.terminate();
    assert_eq!(pausing.exit_code(), Some(0));

    let output = Command::new(env!("CARGO_BIN_EXE_visits")).arg("pase").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("usage: visits"));
}
