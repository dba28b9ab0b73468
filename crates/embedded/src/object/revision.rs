//! A `ControllerRevision`.

use super::{Metadata, Template};

/// One template that a StatefulSet has had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControllerRevision {
    /// `metadata`; its labels are those of the template, its annotations those of the StatefulSet at its birth.
    pub metadata: Metadata,
    /// `revision`: rises each time the template becomes the wanted one.
    pub number: i64,
    /// `data`.
    pub template: Template,
}
