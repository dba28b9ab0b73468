//! A `PersistentVolumeClaim`.

use super::{Labels, Metadata, Name};

/// One of `volumeClaimTemplates`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimTemplate {
    /// Its name, which is the volume's.
    pub name: Name,
    /// Its labels; the claim gets the StatefulSet's selector labels besides.
    pub labels: Labels,
}

/// A claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// `metadata`.
    pub metadata: Metadata,
    /// `status.phase`.
    pub phase: ClaimPhase,
}

/// `status.phase`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClaimPhase {
    /// No volume yet.
    #[default]
    Pending,
    /// It has a volume.
    Bound,
}
