//! What a request says after the `?`.

use std::collections::BTreeMap;

use axum::extract::Query as Pairs;
use http::Uri;

use crate::{
    kinds::Kind,
    refusal::Refusal,
    store::{Page, Query, selector::Selector},
};

/// The parameters of a request.
#[derive(Clone, Debug, Default)]
pub struct Params(BTreeMap<String, String>);

impl Params {
    /// Of this address; what can't be read is nothing.
    pub fn read(uri: &Uri) -> Self {
        let pairs = Pairs::<Vec<(String, String)>>::try_from_uri(uri);
        Self(pairs.map(|Pairs(pairs)| pairs.into_iter().collect()).unwrap_or_default())
    }

    /// A parameter that isn't empty.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A parameter that says yes.
    pub fn is(&self, name: &str) -> bool {
        matches!(self.text(name), Some("true" | "1" | "True"))
    }

    /// A number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Refusal> {
        let wrong = |text| Refusal::bad_request(format!("invalid {name}: {text:?} is no number"));
        self.text(name).map(|text| text.parse().map_err(|_| wrong(text))).transpose()
    }

    /// Whether the request is only tried.
    pub fn dry_run(&self) -> Result<bool, Refusal> {
        match self.text("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(Refusal::bad_request(format!(
                "dryRun: Unsupported value: {other:?}: supported values: \"All\""
            ))),
        }
    }

    /// The one name that a field selector selects, as a watch of one object does.
    pub fn selected_name(&self) -> Option<&str> {
        self.text("fieldSelector")?.split(',').find_map(|part| part.strip_prefix("metadata.name="))
    }

    /// Which objects are asked for.
    pub fn query(&self, kind: &'static Kind, namespace: Option<&str>) -> Result<Query, Refusal> {
        Ok(Query {
            kind,
            namespace: namespace.map(str::to_owned),
            labels: Selector::labels(self.text("labelSelector").unwrap_or_default())?,
            fields: Selector::fields(self.text("fieldSelector").unwrap_or_default(), kind)?,
        })
    }

    /// Which part of a list is asked for.
    pub fn page(&self) -> Result<Page, Refusal> {
        let version = self.number("resourceVersion")?;
        let exact = self.text("resourceVersionMatch") == Some("Exact");
        Ok(Page {
            limit: self.number("limit")?.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)),
            token: self.text("continue").map(str::to_owned),
            version: version.filter(|_| exact),
        })
    }
}
