//! Workloads that take turns. Nobody keeps a queue: who may start follows from the members' own states and is
//! computed anew on each change.

use crate::time::Wall;

/// What one member needs to know of another that shares its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberFacts {
    /// `namespace/name`.
    pub workload: String,
    /// What it does.
    pub standing: Standing,
}

/// What a member does, as far as others have to wait for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Nothing that counts.
    Resting,
    /// It could start but for the others.
    Waiting {
        /// Since when.
        since: Wall,
    },
    /// It has an open rollout, in whatever phase.
    Rolling,
    /// Stands for workloads that nobody has listed yet.
    Unknown,
}

/// How many rollouts may be open at the same time; `None`: any number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MaxParallelRollouts {
    /// Of all workloads.
    pub total: Option<u32>,
    /// Of the workloads of one namespace.
    pub per_namespace: Option<u32>,
}

/// Whether a member may start a rollout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nothing stands against it.
    MayStart,
    /// It has to wait; what for, for people.
    Hold(String),
}

impl MaxParallelRollouts {
    /// There is no limit.
    pub fn is_unlimited(&self) -> bool {
        *self == Self::default()
    }
}

impl MemberFacts {
    fn namespace(&self) -> &str {
        self.workload.split_once('/').map_or("", |(namespace, _)| namespace)
    }

    /// Its place in the queue: who waits longest comes first, then the name decides.
    fn place(&self) -> Option<(Wall, &str)> {
        match self.standing {
            Standing::Waiting { since } => Some((since, &self.workload)),
            Standing::Resting | Standing::Rolling | Standing::Unknown => None,
        }
    }
}

/// Decides whether `me`, which has waited since `since`, may start beside all `members` (an entry of its own is
/// ignored). Those who wait longer take their places first; one that its namespace keeps from starting doesn't hold up
/// the others.
pub fn admit(me: &str, since: Wall, members: &[MemberFacts], limits: MaxParallelRollouts) -> Admission {
    let me = MemberFacts { workload: me.to_owned(), standing: Standing::Waiting { since } };
    let others = || members.iter().filter(|member| member.workload != me.workload);
    let mut taken: Vec<&MemberFacts> =
        others().filter(|member| matches!(member.standing, Standing::Rolling | Standing::Unknown)).collect();
    let mut ahead: Vec<&MemberFacts> =
        others().filter(|member| member.place().is_some_and(|place| Some(place) < me.place())).collect();
    ahead.sort_by_key(|member| member.place());
    for member in ahead {
        if full(member, &taken, limits).is_none() {
            taken.push(member);
        }
    }
    full(&me, &taken, limits).map_or(Admission::MayStart, Admission::Hold)
}

/// Why there is no place left for `member`.
fn full(member: &MemberFacts, taken: &[&MemberFacts], limits: MaxParallelRollouts) -> Option<String> {
    let beside: Vec<&MemberFacts> =
        taken.iter().copied().filter(|other| other.namespace() == member.namespace()).collect();
    let unknown = |among: &[&MemberFacts]| {
        let unlisted = among.iter().find(|other| other.standing == Standing::Unknown)?;
        Some(format!("the workloads {} are not listed yet", unlisted.workload))
    };
    let reached =
        |limit: Option<u32>, taken: &[&MemberFacts]| limit.filter(|&limit| taken.len() >= limit as usize);
    if let Some(limit) = reached(limits.total, taken) {
        return Some(format!("{limit} at once in all, after {}", listed(taken)));
    }
    if let Some(limit) = reached(limits.per_namespace, &beside) {
        return Some(format!(
            "{limit} at once in namespace {}, after {}",
            member.namespace(),
            listed(&beside)
        ));
    }
    limits.total.and_then(|_| unknown(taken)).or_else(|| limits.per_namespace.and_then(|_| unknown(&beside)))
}

/// A few names; who waits for a hundred wants to know that they are many.
fn listed(members: &[&MemberFacts]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = members.iter().take(SHOWN).map(|member| member.workload.as_str()).collect();
    match members.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn rolling(workload: &str) -> MemberFacts {
        MemberFacts { workload: workload.to_owned(), standing: Standing::Rolling }
    }

    fn waiting(workload: &str, since: i64) -> MemberFacts {
        MemberFacts { workload: workload.to_owned(), standing: Standing::Waiting { since: Wall(since) } }
    }

    fn limits(total: u32, per_namespace: u32) -> MaxParallelRollouts {
        let some = |limit| Some(limit).filter(|&limit| limit > 0);
        MaxParallelRollouts { total: some(total), per_namespace: some(per_namespace) }
    }

    fn may(me: &str, since: i64, members: &[MemberFacts], limits: MaxParallelRollouts) -> bool {
        admit(me, Wall(since), members, limits) == Admission::MayStart
    }

    #[test]
    fn without_limits_everybody_may_start() {
        assert!(may("a/x", 0, &[rolling("a/y"), waiting("a/z", -1)], limits(0, 0)));
    }

    #[test]
    fn a_full_house_is_told_with_its_guests() {
        let members = [rolling("a/x"), rolling("b/y")];
        assert_eq!(
            admit("c/z", Wall(0), &members, limits(2, 0)),
            Admission::Hold("2 at once in all, after a/x, b/y".to_owned())
        );
        assert_eq!(
            admit("b/z", Wall(0), &members, limits(0, 1)),
            Admission::Hold("1 at once in namespace b, after b/y".to_owned())
        );
        assert!(may("c/z", 0, &members, limits(3, 1)));
    }

    #[test]
    fn who_waits_longest_comes_first_and_then_the_name_decides() {
        let members = [waiting("a/x", 10), waiting("a/y", 5), waiting("a/z", 5)];
        let first = |me: &str, since| may(me, since, &members, limits(1, 0));
        assert!(!first("a/x", 10) && first("a/y", 5) && !first("a/z", 5));
    }

    #[test]
    fn one_that_its_namespace_holds_back_does_not_hold_up_another() {
        let members = [rolling("a/x"), waiting("a/y", 1), waiting("b/z", 9)];
        assert!(!may("a/y", 1, &members, limits(2, 1)));
        assert!(may("b/z", 9, &members, limits(2, 1)));
    }

    #[test]
    fn what_is_not_listed_yet_may_roll() {
        let unlisted = MemberFacts { workload: "b/*".to_owned(), standing: Standing::Unknown };
        let held = Admission::Hold("the workloads b/* are not listed yet".to_owned());
        assert_eq!(admit("a/x", Wall(0), std::slice::from_ref(&unlisted), limits(9, 0)), held);
        assert!(may("a/x", 0, &[unlisted], limits(0, 1)), "another namespace's");
    }

    #[test]
    fn an_entry_of_ones_own_does_not_count() {
        assert!(may("a/x", 3, &[rolling("a/x")], limits(1, 1)));
    }

    proptest! {
        /// However many look at the same table, the limits hold when all who may start do, and somebody may if there is
        /// a place.
        #[test]
        fn all_who_may_start_at_once_fit_in(
            members in prop::collection::vec((0_u8..3, 0_u8..6, 0_i64..4, any::<bool>()), 0..12),
            total in 0_u32..4,
            per_namespace in 0_u32..3,
        ) {
            let mut all: Vec<MemberFacts> = members
                .iter()
                .map(|(namespace, name, since, rolls)| {
                    let workload = format!("{namespace}/{name}");
                    if *rolls { rolling(&workload) } else { waiting(&workload, *since) }
                })
                .collect();
            all.sort_by(|a, b| a.workload.cmp(&b.workload));
            all.dedup_by(|a, b| a.workload == b.workload);
            let limits = limits(total, per_namespace);
            let fits = |open: &[&MemberFacts], member: &MemberFacts| full(member, open, limits).is_none();
            let mut open: Vec<&MemberFacts> =
                all.iter().filter(|member| member.standing == Standing::Rolling).collect();
            let before = open.len();
            for member in &all {
                let Some((since, name)) = member.place() else { continue };
                if admit(name, since, &all, limits) == Admission::MayStart {
                    prop_assert!(fits(&open, member), "{name} is one too many");
                    open.push(member);
                }
            }
            let left_out = all.iter().any(|member| {
                member.place().is_some() && !open.contains(&member) && fits(&open, member)
            });
            prop_assert!(!left_out, "a place stays empty; {} started", open.len() - before);
        }
    }
}
