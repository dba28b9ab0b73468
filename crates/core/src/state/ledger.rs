//! What is known of the claims of surge ordinals.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::{facts::Uid, time::Wall};

/// Claims of surge ordinals, so that only claims of the rollout's own are ever deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClaimLedger {
    /// Names that did not exist before the surge.
    #[serde(default)]
    pub absent_before: BTreeSet<String>,
    /// When that was seen.
    #[serde(default)]
    pub looked_at: Wall,
    /// Those of them that were made since.
    #[serde(default)]
    pub created: Vec<OwnClaim>,
}

impl ClaimLedger {
    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.absent_before.is_empty() && self.created.is_empty()
    }
}

/// A claim that was made for a surge ordinal of the rollout.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnClaim {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: Uid,
}
