//! Watches: lines of JSON for as long as the client wants.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::body::{Body, Bytes};
use futures::stream;
use http::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{ApiServer, Changes, answer, answer::Form, params::Params, resource::Request, table};
use crate::{
    kinds::Verb,
    refusal::Refusal,
    store::{Change, Page, Query, faults::Seen},
    value,
};

/// How long a watch lasts for which the client says no time.
const LONGEST: Duration = Duration::from_mins(30);
/// How often a quiet watch tells how far it has seen.
const BOOKMARK_EVERY: Duration = Duration::from_mins(1);

/// A watch under way.
struct Watch {
    server: ApiServer,
    query: Query,
    name: String,
    form: Form,
    params: Params,
    /// Changes up to here were told.
    seen: u64,
    lines: VecDeque<String>,
    changes: Changes,
    bookmarks: bool,
    next_bookmark: Instant,
    ends: Instant,
    is_over: bool,
}

impl ApiServer {
    /// Opens a watch.
    pub(super) fn watch(&self, request: &Request<'_>, form: Form) -> Result<Response<Body>, Refusal> {
        let params = request.params;
        let query = params.query(request.place.kind, request.place.namespace.as_deref())?;
        let from = params.number("resourceVersion")?.filter(|version| *version > 0);
        let initial = params.is("sendInitialEvents");
        let seconds = params.number("timeoutSeconds")?.filter(|seconds| *seconds > 0);
        let lasts = seconds.map_or(LONGEST, Duration::from_secs);
        let now = Instant::now();
        let mut watch = Watch {
            server: self.clone(),
            query,
            name: params.selected_name().unwrap_or_default().to_owned(),
            form,
            params: params.clone(),
            seen: from.unwrap_or(0),
            lines: VecDeque::new(),
            changes: self.changes(),
            bookmarks: params.is("allowWatchBookmarks"),
            next_bookmark: now + BOOKMARK_EVERY,
            ends: now + lasts,
            is_over: false,
        };
        if initial || from.is_none() {
            watch.tell_all(initial)?;
        }
        let lines = stream::unfold(watch, |mut watch| async {
            let line = watch.line().await?;
            Some((Ok::<_, Infallible>(Bytes::from(line)), watch))
        });
        Ok(answer::typed(200, "application/json", Body::from_stream(lines)))
    }
}

impl Watch {
    /// Everything there is, as if it were new; with a bookmark that says so if that was asked for.
    fn tell_all(&mut self, with_end: bool) -> Result<(), Refusal> {
        let list = self.server.read(|store| store.list(&self.query, &Page::default()))?;
        for object in &list.items {
            self.tell(Change::Added, object);
        }
        self.seen = list.version;
        if with_end {
            self.bookmark(true);
        }
        Ok(())
    }

    /// The next line, or the end.
    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.lines.pop_front() {
                return Some(line);
            }
            if self.is_over {
                return None;
            }
            self.changes.mark_unchanged();
            let silent = self.catch_up();
            if !self.lines.is_empty() {
                continue;
            }
            tokio::select! {
                biased;
                () = self.changes.changed() => {}
                () = tokio::time::sleep_until(self.ends) => {
                    self.is_over = true;
                    if self.bookmarks && !silent {
                        self.bookmark(false);
                    }
                }
                () = tokio::time::sleep_until(self.next_bookmark), if self.bookmarks => {
                    self.next_bookmark += BOOKMARK_EVERY;
                    if !silent {
                        self.bookmark(false);
                    }
                }
            }
        }
    }

    /// Tells what happened since, unless a fault keeps the watch silent; whether it does.
    fn catch_up(&mut self) -> bool {
        let namespace = self.query.namespace.as_deref().unwrap_or_default();
        let watch = Seen { verb: Verb::Watch, kind: self.query.kind, namespace, name: &self.name };
        let news = self.server.read(|store| {
            let silent = store.faults.silence(&watch);
            (!silent).then(|| (store.events_after(self.seen, &self.query), store.version()))
        });
        match news {
            None => return true,
            Some((Ok(events), version)) => {
                for event in events {
                    self.tell(event.change, &event.object);
                }
                self.seen = self.seen.max(version);
            }
            Some((Err(refusal), _)) => {
                self.lines.push_back(line("ERROR", &refusal.status()));
                self.is_over = true;
            }
        }
        false
    }

    fn tell(&mut self, change: Change, object: &Value) {
        let shown = table::object(self.query.kind, object, self.form, &self.params, self.server.now());
        self.lines.push_back(line(change.as_str(), &shown));
    }

    /// How far the watch has seen; `end` of the objects that were there at the start.
    fn bookmark(&mut self, end: bool) {
        let kind = self.query.kind;
        let mut object = json!({
            "kind": kind.kind, "apiVersion": kind.api_version(),
            "metadata": { "resourceVersion": self.seen.to_string(), "creationTimestamp": null },
        });
        if end {
            value::set(&mut object, &["metadata", "annotations"], "k8s.io/initial-events-end", "true");
        }
        if self.form == Form::Metadata {
            value::set(&mut object, &[], "kind", "PartialObjectMetadata");
            value::set(&mut object, &[], "apiVersion", "meta.k8s.io/v1");
        }
        self.lines.push_back(line("BOOKMARK", &object));
    }
}

fn line(change: &str, object: &Value) -> String {
    format!("{}\n", json!({ "type": change, "object": object }))
}
