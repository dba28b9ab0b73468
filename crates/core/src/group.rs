//! Groups of workloads that roll one at a time. A group has no state: who may start follows from its members'
//! own states and is computed anew on each change.

/// What one member needs to know of another that comes before it or shares its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// `namespace/name`.
    pub workload: String,
    /// It has an open rollout.
    pub rolling: bool,
}

/// Whether a member may start a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing stands against it.
    MayStart,
    /// It waits for this one.
    Hold(String),
}

/// Decides whether a member may start, given its peers.
pub fn admit(peers: &[MemberFacts]) -> Admission {
    peers
        .iter()
        .find(|peer| peer.rolling)
        .map_or(Admission::MayStart, |peer| Admission::Hold(peer.workload.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_waits_for_one_that_rolls() {
        let member = |workload: &str, rolling| MemberFacts { workload: workload.to_owned(), rolling };
        assert_eq!(admit(&[]), Admission::MayStart);
        assert_eq!(admit(&[member("a/x", false), member("a/y", true)]), Admission::Hold("a/y".to_owned()));
    }
}
