//! The way between daemons and the API server: what becomes of their requests, and who wrote what.
//!
//! What the API server itself does wrong are faults of its store; here is what happens on the way, and to the process:
//! it dies over a write, stands still, or its watch comes late.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    future::{Future, pending, poll_fn},
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::body::Body;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, header::DATE};
use jiff::fmt::rfc2822::DateTimePrinter;
use siskin_embedded::Millis;
use siskin_embedded_api::{
    kinds::Verb,
    serve::ApiServer,
    store::faults::{Effect, Requests},
};
use siskin_rehearsal::{
    faults::{Code, Fate},
    wire::{ACTOR, Watch},
};
use tokio::{
    sync::{Notify, mpsc, oneshot, watch},
    time::{Instant, sleep, sleep_until},
};
use tower::Service;

/// What daemons write besides what the invariants are about: Events, and the Lease.
const BESIDE: &str = "siskin-beside";
/// What only the leader writes.
const LED: [&str; 5] =
    ["statefulsets", "pods", "persistentvolumeclaims", "controllerrevisions", "configmaps"];

/// What is shared by the ways of all daemons; cheap to clone.
#[derive(Clone)]
pub struct Ways {
    server: ApiServer,
    shared: Arc<Mutex<Shared>>,
    dead: mpsc::UnboundedSender<u64>,
}

#[derive(Default)]
struct Shared {
    /// What becomes of writes to come, counted from the next.
    fates: Vec<(u32, Fate)>,
    /// Writes since they were asked for last: before the first, the last, and by whom.
    wrote: Vec<(u64, u64, &'static str)>,
    /// Watches show what they have at multiples of this time only, until then.
    lag: BTreeMap<&'static str, (Millis, Instant)>,
    /// Up to which version a daemon was shown the pods.
    pods_shown: u64,
}

/// Breaks the connections of a process's watches, in the order in which they were opened.
#[derive(Debug, Default)]
pub struct Cuts(pub Notify);

/// One process's way.
#[derive(Clone)]
pub struct Way {
    ways: Ways,
    /// Which process.
    process: u64,
    /// It stands still until then.
    frozen: watch::Receiver<Instant>,
    /// Told when the connections of its watches break.
    cuts: Arc<Cuts>,
}

impl Ways {
    /// To an API server; `dead` is told of processes that end over a write.
    pub fn new(server: ApiServer, dead: mpsc::UnboundedSender<u64>) -> Self {
        Self { server, shared: Arc::default(), dead }
    }

    /// That of a process.
    pub fn of(&self, process: u64, frozen: watch::Receiver<Instant>, cuts: Arc<Cuts>) -> Way {
        Way { ways: self.clone(), process, frozen, cuts }
    }

    /// This becomes of the write after `skip` others.
    pub fn meet(&self, skip: u32, fate: Fate) {
        self.shared().fates.push((skip, fate));
    }

    /// A watch is late by up to this much until then.
    pub fn lag(&self, watch: Watch, by: Millis, until: Instant) {
        self.shared().lag.insert(resource_of(watch), (by.max(1), until));
    }

    /// All is well from now on.
    pub fn heal(&self) {
        let mut shared = self.shared();
        shared.fates.clear();
        shared.lag.clear();
    }

    /// Who wrote what since this was asked last.
    pub fn wrote(&self) -> Vec<(u64, u64, &'static str)> {
        std::mem::take(&mut self.shared().wrote)
    }

    /// Up to which version the newest view of the pods goes.
    pub fn pods_shown(&self) -> u64 {
        self.shared().pods_shown
    }

    /// Does something that may write, under an author's name.
    pub fn act<T>(&self, author: &'static str, act: impl FnOnce() -> T) -> T {
        let before = self.version();
        let result = act();
        self.shared().wrote.push((before, self.version(), author));
        result
    }

    fn version(&self) -> u64 {
        self.server.store(|store| store.version())
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fate(&self) -> Option<Fate> {
        let mut shared = self.shared();
        let due = shared.fates.iter().position(|(skip, _)| *skip == 0);
        for (skip, _) in &mut shared.fates {
            *skip = skip.saturating_sub(1);
        }
        due.map(|index| shared.fates.remove(index).1)
    }

    /// The API server's answer; what is written until it comes has this author.
    async fn answered<B>(&self, author: &'static str, request: Request<B>) -> Response<Body>
    where
        ApiServer: Service<Request<B>, Response = Response<Body>, Error = Infallible>,
    {
        let mut server = self.server.clone();
        let mut answer = pin!(server.call(request));
        let answer = poll_fn(|context| self.act(author, || answer.as_mut().poll(context))).await;
        let mut answer = match answer {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&self.server.now());
        if let Some(date) = date.ok().and_then(|date| date.parse().ok()) {
            answer.headers_mut().insert(DATE, date);
        }
        answer
    }
}

impl Way {
    /// Takes a request to the API server. What was sent arrives, whether or not somebody still waits for the answer.
    pub async fn pass(self, request: Request<kube::client::Body>) -> Result<Response<Body>, Infallible> {
        let (give, answer) = oneshot::channel();
        tokio::spawn(async move {
            let answer = self.carry(request).await;
            let _ = give.send(answer);
        });
        match answer.await {
            Ok(answer) => Ok(answer),
            Err(_) => pending().await,
        }
    }

    async fn carry(self, request: Request<kube::client::Body>) -> Response<Body> {
        thawed(self.frozen.clone()).await;
        let asked = Asked::of(&request);
        let Asked { write, watch } = &asked;
        let Some(resource) = write else {
            let answer = self.ways.answered(BESIDE, request).await;
            return match watch {
                Some(resource) => answer.map(|body| self.followed(resource, body)),
                None => answer,
            };
        };
        let fate = self.ways.fate();
        let this = |effect| {
            let requests = Requests { resource: Some(resource.clone()), ..Requests::default() };
            let verbs = vec![Verb::Create, Verb::Patch, Verb::Delete];
            self.ways.server.store(|store| {
                store.faults.add(Requests { verbs, ..requests }, Some(1), effect);
            });
        };
        match fate {
            Some(Fate::DiesBefore) => return self.dies().await,
            Some(Fate::Refused(code)) => this(Effect::Refuse(number(code))),
            Some(Fate::Unanswered(code)) => this(Effect::DoAndRefuse(number(code))),
            Some(Fate::Slow(time)) => this(Effect::Delay(Duration::from_millis(time))),
            Some(Fate::Late(after)) => {
                let _ = self.ways.dead.send(self.process);
                sleep(Duration::from_millis(after)).await;
            }
            Some(Fate::DiesAfter) | None => {}
        }
        let answer = self.ways.answered(ACTOR, request).await;
        if fate == Some(Fate::DiesAfter) {
            return self.dies().await;
        }
        answer
    }

    async fn dies(&self) -> Response<Body> {
        let _ = self.ways.dead.send(self.process);
        pending().await
    }

    /// What a watch shows, as late as it comes.
    fn followed(&self, resource: &'static str, body: Body) -> Body {
        let way = self.clone();
        let bits = Box::pin(body.into_data_stream());
        Body::from_stream(stream::unfold((bits, way), move |(mut bits, way)| async move {
            let cuts = way.cuts.clone();
            let cut = cuts.0.notified();
            let bit = tokio::select! {
                biased;
                () = cut => return None,
                bit = bits.next() => bit?,
            };
            let shown = way.ways.version();
            let lag = way.ways.shared().lag.get(resource).copied();
            if let Some((by, until)) = lag.filter(|(_, until)| Instant::now() < *until) {
                sleep_until(way.ways.next_multiple(by).min(until)).await;
            }
            thawed(way.frozen.clone()).await;
            if resource == resource_of(Watch::Pods) {
                way.ways.shared().pods_shown = shown;
            }
            Some((bit, (bits, way)))
        }))
    }
}

impl Ways {
    /// The next moment that is a multiple of this time by the API server's clock.
    fn next_multiple(&self, by: Millis) -> Instant {
        let now = u64::try_from(self.server.now().as_millisecond()).unwrap_or(0);
        Instant::now() + Duration::from_millis((by - now % by) % by)
    }
}

/// Waits until a process doesn't stand still.
async fn thawed(frozen: watch::Receiver<Instant>) {
    loop {
        let until = *frozen.borrow();
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}

/// What a request is about.
struct Asked {
    /// The resource that it changes, if only the leader may.
    write: Option<String>,
    /// The resource that it watches; empty for those that only others than workers look at.
    watch: Option<&'static str>,
}

impl Asked {
    fn of<B>(request: &Request<B>) -> Self {
        let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
        let is = |resource: &&str| path.split('/').any(|part| *part == **resource);
        let resource = LED.into_iter().find(is);
        let only_tries = query.contains("dryRun=");
        let writes = request.method() != Method::GET && !only_tries;
        let watches = request.method() == Method::GET && query.contains("watch=true");
        let watch = watches.then_some(resource.unwrap_or_default());
        Self { write: resource.filter(|_| writes).map(str::to_owned), watch }
    }
}

/// The resource of a watch.
pub fn resource_of(watch: Watch) -> &'static str {
    match watch {
        Watch::Workload => "statefulsets",
        Watch::Pods => "pods",
    }
}

fn number(code: Code) -> u16 {
    match code {
        Code::Conflict => 409,
        Code::Gone => 410,
        Code::TooManyRequests => 429,
        Code::Internal => 500,
        Code::Unavailable => 503,
        Code::Timeout => 504,
    }
}
