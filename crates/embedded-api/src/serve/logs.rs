//! Logs of pods, which somebody else writes.

use axum::body::Body;
use http::Response;

use super::{ApiServer, answer, params::Params, route::Place};
use crate::{kinds::POD, refusal::Refusal, store::Target, value};

/// Which log is asked for.
#[derive(Clone, Copy, Debug)]
pub struct LogsOf<'a> {
    /// The pod's namespace.
    pub namespace: &'a str,
    /// The pod.
    pub pod: &'a str,
    /// Its container.
    pub container: &'a str,
    /// That of the container before it was started again.
    pub previous: bool,
}

/// Gives the text of a log.
pub type Logs = Box<dyn Fn(&LogsOf<'_>) -> Result<String, Refusal> + Send + Sync>;

impl ApiServer {
    /// The log of a pod, or its last lines.
    pub(super) fn log(&self, place: &Place, params: &Params) -> Result<Response<Body>, Refusal> {
        let (namespace, name) = (place.namespace.as_deref(), place.name.as_deref());
        let (namespace, name) = (namespace.unwrap_or_default(), name.unwrap_or_default());
        let pod = self.read(|store| store.get(&Target::new(POD, namespace, name)))?;
        let containers = value::items(&pod, &["spec", "containers"]);
        let names: Vec<_> = containers.iter().map(|container| value::text(container, &["name"])).collect();
        let container = match (params.text("container"), names.as_slice()) {
            (Some(wanted), names) if names.contains(&wanted) => wanted,
            (Some(wanted), _) => {
                return Err(Refusal::bad_request(format!("container {wanted} is not valid for pod {name}")));
            }
            (None, [only]) => only,
            (None, names) => {
                let names = names.join(" ");
                let why =
                    format!("a container name must be specified for pod {name}, choose one of: [{names}]");
                return Err(Refusal::bad_request(why));
            }
        };
        let of = LogsOf { namespace, pod: name, container, previous: params.is("previous") };
        let log = (self.shared.logs)(&of)?;
        let Some(wanted) = params.number("tailLines")? else { return Ok(answer::text(log)) };
        let lines: Vec<_> = log.lines().collect();
        let skipped = lines.len().saturating_sub(usize::try_from(wanted).unwrap_or(usize::MAX));
        let tail: String = lines.iter().skip(skipped).flat_map(|line| [line, "\n"]).collect();
        Ok(answer::text(tail))
    }
}
