//! The command: what it takes, and where it shows what.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Stdout},
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use siskin_daemon::clock::Clock;
use siskin_embedded_api::serve::listen;
use siskin_embedded_cluster::images::WORDS;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};

use crate::{
    application::{NAME, RATE, REPLICAS, image},
    pace::{Beats, SPEEDS},
    page::page,
    scenario::{self, Scenario},
    screen::{Screen, Size, is_room_for},
    serve::Kubeconfig,
    story::{Story, StoryError, View},
    teller::News,
    text::{Line, Tone},
    world::{World, WorldError},
};

/// How much faster than real time a story is told.
const SPEED: f64 = 3.0;
/// The page is drawn no more often, in real time.
const FRAME: Duration = Duration::from_millis(80);
/// What a terminal that doesn't say its size is taken for.
const USUAL: Size = (80, 24);

/// Shows Siskin at work on a cluster in this process: no Kubernetes needed
///
/// The cluster is a model of Kubernetes' controllers, its pods are a model of a sample application under traffic; the
/// daemon, its policy and its checks are the real ones. Ctrl-C leaves nothing behind.
#[derive(Debug, clap::Args)]
#[command(after_help = stories())]
pub struct Demo {
    /// The story: see below [default: tour; idle with --serve]
    #[arg(long, value_name = "NAME", value_parser = scenario, hide_possible_values = true)]
    scenario: Option<&'static Scenario>,
    /// How many times faster than real time, from 0.1 to 1000 [default: 3; 1 with --serve]
    #[arg(long, value_name = "FACTOR", value_parser = speed)]
    speed: Option<f64>,
    /// Decides the chance of pods, requests and names; what happens in the same millisecond may still change places
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Keep the cluster up, for kubectl and every siskin command, and print the KUBECONFIG to use; --kubeconfig says
    /// where to write it [default address: 127.0.0.1:0, which is any free port]
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, default_missing_value = "127.0.0.1:0", value_parser = loopback)]
    serve: Option<SocketAddr>,
}

/// Why the demo isn't shown to its end.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The port is taken.
    #[error("can't listen on {address}: {source}; name another port by --serve, or none for any free one")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The kubeconfig can't be written.
    #[error("{path}: a kubeconfig can't be written there: {source}; --kubeconfig names a new file")]
    Kubeconfig {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is only for --serve.
    #[error("--kubeconfig names the file to write, which is only done with --serve")]
    NothingServed,
    /// The process can't do what it has to.
    #[error("the demo can't start: {0}")]
    Start(#[source] io::Error),
    /// The cluster can't begin.
    #[error("the demo can't start: {0}")]
    World(#[from] WorldError),
    /// The story.
    #[error(transparent)]
    Story(#[from] StoryError),
    /// The API server of the cluster can't be served any more.
    #[error("the cluster can't be reached any more{}", why(.0.as_ref()))]
    Served(Option<io::Error>),
    /// A release ended in another way than it has to.
    #[error("a release ended in another way than the story `{0}` says")]
    Otherwise(&'static str),
}

impl DemoError {
    /// Whoever called it can mend it.
    pub fn is_usage(&self) -> bool {
        matches!(self, Self::Listen { .. } | Self::Kubeconfig { .. } | Self::NothingServed)
    }
}

fn scenario(name: &str) -> Result<&'static Scenario, String> {
    scenario::named(name).ok_or_else(|| {
        let names: Vec<&str> = scenario::ALL.iter().map(|scenario| scenario.name).collect();
        format!("there is no story of that name; there are {} and {}", names.join(", "), scenario::IDLE)
    })
}

fn speed(text: &str) -> Result<f64, String> {
    let (slowest, fastest) = SPEEDS;
    let speed = text.parse().ok().filter(|speed| (slowest..=fastest).contains(speed));
    speed.ok_or_else(|| format!("expected a number from {slowest} to {fastest}, such as 5"))
}

fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| "expected an address with a port, such as 127.0.0.1:6443".to_owned())?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err("expected an address of this machine only, such as 127.0.0.1: whoever reaches it may do everything".to_owned())
    }
}

fn stories() -> String {
    let mut text = String::from("Stories:\n");
    for scenario in scenario::ALL.iter().chain([&scenario::ALONE]) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:<10} {}", scenario.name, scenario.about);
    }
    text
}

/// Shows the demo to its end, or until it is told to end. `kubeconfig` is where to write one.
///
/// # Errors
/// See [`DemoError`].
pub fn demo(demo: &Demo, kubeconfig: Option<&Path>) -> Result<(), DemoError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let runtime = runtime.map_err(DemoError::Start)?;
    let done = runtime.block_on(run(demo, kubeconfig));
    // What still runs is the cluster.
    runtime.shutdown_background();
    match done {
        // Whoever read it has seen enough.
        Err(DemoError::Story(StoryError::Show(error))) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done,
    }
}

async fn run(demo: &Demo, kubeconfig: Option<&Path>) -> Result<(), DemoError> {
    let beats = Beats::start();
    let mut terminate = signal(SignalKind::terminate()).map_err(DemoError::Start)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(DemoError::Start)?;
    let served = match demo.serve {
        Some(address) => Some(serve(address, kubeconfig).await?),
        None if kubeconfig.is_some() => return Err(DemoError::NothingServed),
        None => None,
    };
    let (kubeconfig, listener) = served.unzip();
    let (usual, usual_speed) =
        if kubeconfig.is_some() { (&scenario::ALONE, 1.0) } else { (&scenario::ALL[0], SPEED) };
    let (scenario, speed) = (demo.scenario.unwrap_or(usual), demo.speed.unwrap_or(usual_speed));
    let mut stage = Stage::new();
    stage.say(&intro(scenario, speed, demo.seed, kubeconfig.as_ref()))?;

    let start = whole_second(Clock::Machine.timestamp());
    let world = World::begin(demo.seed, start, network(), scenario.policy)?;
    let api = world.cluster.server().clone();
    let serving = async {
        match listener {
            Some(listener) => listen(api, listener).await,
            None => std::future::pending().await,
        }
    };
    let mut story = Story::new(scenario, world);
    let told = tokio::select! {
        biased;
        _ = interrupt.recv() => Ok(true),
        _ = terminate.recv() => Ok(true),
        () = beats.pace(speed) => Ok(true),
        ended = serving => Err(DemoError::Served(ended.err())),
        told = tell(&mut story, &mut stage, kubeconfig.is_some()) => told,
    };
    stage.say(&story.summary.lines())?;
    if told? { Ok(()) } else { Err(DemoError::Otherwise(scenario.name)) }
}

/// Tells a story, and shows what comes after it if somebody may still do something.
async fn tell(story: &mut Story, stage: &mut Stage, stays: bool) -> Result<bool, DemoError> {
    let is_as_expected = story.tell(|view| stage.show(view)).await?;
    if stays {
        story.stay(|view| stage.show(view)).await?;
    }
    Ok(is_as_expected)
}

/// Opens what `--serve` asks for.
async fn serve(address: SocketAddr, path: Option<&Path>) -> Result<(Kubeconfig, TcpListener), DemoError> {
    let failed = |source| DemoError::Listen { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let at = listener.local_addr().map_err(failed)?;
    let kubeconfig =
        Kubeconfig::write(path, at).map_err(|(path, source)| DemoError::Kubeconfig { path, source })?;
    Ok((kubeconfig, listener))
}

/// Where the story is shown.
struct Stage {
    screen: Screen<Stdout>,
    live: bool,
    shown: Option<Instant>,
}

impl Stage {
    /// A terminal that can be drawn on, or lines.
    fn new() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let out = io::stdout();
        let live = out.is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let screen = if live { Screen::terminal(out, !set("NO_COLOR")) } else { Screen::plain(out) };
        Self { screen, live, shown: None }
    }

    fn say(&mut self, lines: &[Line]) -> Result<(), DemoError> {
        self.screen.show(lines, &[], size()).map_err(|error| StoryError::Show(error).into())
    }

    fn show(&mut self, view: &View<'_>) -> io::Result<()> {
        let size = size();
        let mut page = if self.live { page(view.scene, view.then) } else { Vec::new() };
        if !is_room_for(&page, size) {
            page.clear();
        }
        let is_told = |news: &&News| page.is_empty() || !news.is_on_page();
        let lines: Vec<Line> = view.news.iter().filter(is_told).map(News::line).collect();
        let is_soon = self.shown.is_some_and(|shown| shown.elapsed() < FRAME);
        if lines.is_empty() && (page.is_empty() || is_soon) {
            return Ok(());
        }
        self.shown = Some(Instant::now());
        self.screen.show(&lines, &page, size)
    }
}

/// Columns and rows of the terminal.
fn size() -> Size {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok();
    let size = size.map(|size| (usize::from(size.ws_col), usize::from(size.ws_row)));
    size.filter(|(columns, rows)| *columns > 0 && *rows > 0).unwrap_or(USUAL)
}

/// What there is to see, and to do.
fn intro(scenario: &Scenario, factor: f64, seed: u64, kubeconfig: Option<&Kubeconfig>) -> Vec<Line> {
    let mut lines = vec![
        Line::new(Tone::Strong, format!("siskin demo: {}: {}", scenario.name, scenario.about)),
        Line::new(
            Tone::Plain,
            format!(
                "A cluster in this process: a model of Kubernetes with {REPLICAS} pods of a sample application and {RATE} requests a second. \
                 The daemon, its policy `{}` and its checks are the real ones. Time goes {factor} times as fast; seed {seed}.",
                scenario.policy.name()
            ),
        ),
    ];
    if let Some(kubeconfig) = kubeconfig {
        lines.extend(invitation(kubeconfig.path()));
    }
    lines.push(Line::default());
    lines
}

/// What can be done with the cluster from elsewhere.
fn invitation(kubeconfig: &Path) -> Vec<Line> {
    let mut lines =
        vec![Line::default(), Line::new(Tone::Strong, format!("export KUBECONFIG={}", kubeconfig.display()))];
    let commands = [
        "kubectl get pods -w".to_owned(),
        format!("kubectl set image statefulset/{NAME} {NAME}={}", image("v2")),
        format!("siskin status {NAME}"),
    ];
    lines.extend(commands.map(|command| Line::new(Tone::Plain, format!("  {command}"))));
    lines.push(Line::new(
        Tone::Plain,
        "The last word of an image's tag says how it behaves; any other works:",
    ));
    lines.extend(WORDS.iter().map(|(word, what)| {
        Line::new(Tone::Plain, format!("  {:<20} {what}", image(&format!("v2-{word}")))).indented(23)
    }));
    lines.push(Line::new(Tone::Plain, "Ctrl-C ends all of it."));
    lines
}

/// Addresses of pods that other demos on this machine don't have.
fn network() -> Ipv4Addr {
    Ipv4Addr::from_bits(0x7f00_0000 | (std::process::id() << 8 & 0x00ff_ff00))
}

/// Kubernetes tells times to the second: from a whole one on, the same seed gives the same story.
fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

fn why(error: Option<&io::Error>) -> String {
    error.map_or_else(String::new, |error| format!(": {error}"))
}
