//! `PersistentVolumeClaims` that carry a name of a workload's claim templates, whoever made them.

use serde::Deserialize;
use siskin_core::facts::{Claim, Workload};

use super::meta::Meta;

/// A claim's metadata, as listed.
#[derive(Deserialize)]
pub struct ClaimMeta {
    metadata: Meta,
}

impl ClaimMeta {
    /// Whether its name is `<template>-<set>-<number>`.
    pub fn named_after(&self, workload: &Workload) -> bool {
        workload.claim_templates.iter().any(|template| {
            let number = self
                .metadata
                .name
                .strip_prefix(template.as_str())
                .and_then(|rest| rest.strip_prefix('-'))
                .and_then(|rest| rest.strip_prefix(workload.name.as_str()))
                .and_then(|rest| rest.strip_prefix('-'));
            number
                .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
        })
    }
}

impl From<ClaimMeta> for Claim {
    fn from(ClaimMeta { metadata }: ClaimMeta) -> Self {
        Self {
            created: metadata.created(),
            terminating: metadata.deletion_timestamp.is_some(),
            name: metadata.name,
            uid: metadata.uid,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_names_of_the_workload_s_own_claims_match() {
        let workload = Workload {
            name: "db".to_owned(),
            claim_templates: vec!["data".to_owned(), "log".to_owned()],
            ..Workload::default()
        };
        let named = |name: &str| {
            serde_json::from_value::<ClaimMeta>(json!({ "metadata": { "name": name } }))
                .unwrap()
                .named_after(&workload)
        };
        assert!(named("data-db-0") && named("log-db-12"));
        assert!(!named("data-db-") && !named("data-db-x") && !named("data-db-a-0") && !named("cache-db-0"));
    }
}
