//! What a source of the daemon's configuration is asked, and the rule for its answer.

use serde::{Deserialize, Serialize};

use crate::policy::{GoDuration, QueryTemplate};

/// A number from a source, and the rule for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Query {
    /// The source's name in the daemon's configuration.
    pub source: String,
    /// What it is asked.
    pub question: Question,
    /// The bounds for each value of the answer.
    pub limit: Range,
    /// A canary pod is asked about from this long after its first Ready on. Default 60s.
    pub warm_up: GoDuration,
}

/// What a source is asked; each kind of source has its own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
pub enum Question {
    /// An instant query.
    Prometheus {
        /// In `PromQL`.
        query: QueryTemplate,
        /// Whether an answer with warnings is taken: it may be incomplete. Default false.
        accept_warnings: bool,
    },
    /// A number in a JSON document.
    Json {
        /// Put behind the source's URL; begins with `/`.
        path: QueryTemplate,
        /// Where the number stands in the document, as RFC 6901 says; empty for the whole document.
        pointer: String,
    },
}

impl Question {
    /// The text that is filled in.
    pub fn template(&self) -> &QueryTemplate {
        match self {
            Self::Prometheus { query, .. } => query,
            Self::Json { path, .. } => path,
        }
    }
}

/// Bounds for values; at least one is there, and a value that equals one is within it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Range {
    /// The lowest good value.
    pub min: Option<f64>,
    /// The highest good value; not below `min`.
    pub max: Option<f64>,
    /// The n-th consecutive answer outside fails the check. Default 1.
    pub failure_threshold: u32,
}
