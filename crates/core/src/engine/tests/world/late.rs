//! Two leaders one after the other: a write of the first is held up on its way, and arrives in the second's time. Its
//! precondition decides, as the API server would.

use super::World;
use crate::decision::Write;

/// The write that is held up.
#[derive(Default)]
pub struct Late {
    /// The how manieth it is; right then another process takes over.
    pub nth: Option<usize>,
    /// How late it is, in milliseconds.
    pub by: u64,
    /// When it arrives.
    on_its_way: Option<(u64, Write)>,
    /// It arrived, and was refused or not.
    pub refused: Option<bool>,
}

impl Late {
    pub(super) fn takes(&self, nth: usize) -> bool {
        self.nth == Some(nth)
    }

    pub(super) fn sent(&mut self, at: u64, write: Write) {
        self.nth = None;
        self.on_its_way = Some((at + self.by, write));
    }
}

impl World {
    pub(super) fn deliver_late(&mut self) {
        let at = self.at;
        let Some((_, write)) = self.late.on_its_way.take_if(|(when, _)| *when <= at) else { return };
        let holds = match &write {
            Write::Anchor(patch) => patch.resource_version == self.sts.resource_version,
            Write::Verdict { revision, resource_version, .. } => self
                .revisions
                .iter()
                .any(|known| known.name == *revision && known.resource_version == *resource_version),
            Write::DeletePod { uid, .. } | Write::LabelPod { uid, .. } => {
                self.pods.iter().any(|sim| sim.pod.uid == *uid)
            }
            Write::DeleteClaim { uid, .. } => self.claims.iter().any(|claim| claim.uid == *uid),
            Write::Guard { resource_version, .. } => *resource_version == self.list_version(),
            Write::DeleteGuard { resource_version } => Some(resource_version.clone()) == self.list_version(),
        };
        self.late.refused = Some(!holds);
        if holds {
            self.write(write);
            self.state.memory.refusal = None;
            // The leader sees that the annotation has changed.
            self.state.read_again(&self.sts);
        }
    }

    fn list_version(&self) -> Option<String> {
        self.list.as_ref().and_then(|list| list.resource_version.clone())
    }
}
