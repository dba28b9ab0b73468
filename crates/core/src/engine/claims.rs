//! Claims of surge ordinals: never surge onto somebody's data, never delete a claim that isn't the rollout's own.

use super::{rest::claim_use, turn::Turn};
use crate::{
    decision::Write,
    facts::Claim,
    policy::ClaimUse,
    state::{OwnClaim, PauseReason},
    strategy::Exposure,
};

/// How far two clocks of API servers may be apart, in seconds, when a claim's age is compared with our look: one made the
/// claim, another told us the time.
const CLOCK_SLACK: i64 = 5;

/// Each is in the state by name and UID, which has 32 KiB for everything.
const MOST_CLAIMS: usize = 64;

/// A claims list older than this, in seconds, doesn't show that there are none.
const FRESH: i64 = 2;

impl Turn<'_> {
    /// The claim names of the ordinals above N that an exposure adds.
    fn surge_claims(&self, exposure: Exposure) -> Vec<String> {
        let first = self.workload.ordinals_start + self.replicas();
        (first..first + exposure.surge)
            .flat_map(|ordinal| {
                self.workload
                    .claim_templates
                    .iter()
                    .map(move |template| format!("{template}-{}-{ordinal}", self.workload.name))
            })
            .collect()
    }

    fn claim(&self, name: &str) -> Option<&Claim> {
        self.detail?.claims.iter().find(|claim| claim.name == name)
    }

    /// Whether surge pods may be made as far as claims go; looks first, and records what was absent.
    pub(super) fn claims_fit(&mut self, exposure: Exposure) -> bool {
        let names = self.surge_claims(exposure);
        if names.is_empty() {
            return true;
        }
        if names.len() > MOST_CLAIMS {
            self.report(
                "TooManyClaims",
                format!(
                    "the surge would make {} claims; at most {MOST_CLAIMS} are kept track of",
                    names.len()
                ),
            );
            return false;
        }
        self.observe.claims = true;
        let Some(read) = self
            .detail
            .and_then(|detail| detail.claims_read)
            .filter(|read| read.0 >= self.now.wall.0 - FRESH)
        else {
            return false;
        };
        if claim_use(&self.rollout().resolved_policy) == Some(ClaimUse::Reuse) {
            return true;
        }
        // A surge that comes again starts without the claims of the one before, unless they are to be kept.
        if !self.claims_are_disposed() {
            return false;
        }
        let left: Vec<(String, bool)> = names
            .iter()
            .filter_map(|name| self.claim(name))
            .filter(|claim| !self.is_own(claim))
            .map(|claim| (claim.name.clone(), claim.terminating))
            .collect();
        if left.iter().any(|(_, terminating)| *terminating) {
            return false;
        }
        if !left.is_empty() {
            let list = left.into_iter().map(|(name, _)| name).collect::<Vec<_>>().join(", ");
            self.pause(
                PauseReason::ClaimLeftOver,
                format!(
                    "surge pods would start on data from before: claim {list}. Delete it if it is worth nothing, or set claims: Reuse, then `siskin resume`"
                ),
            );
            return false;
        }
        let ledger = &mut self.record_mut().claims;
        if ledger.created.is_empty() {
            // Else the surge grows, and what it has made already was made since the first look.
            ledger.looked_at = read;
        }
        ledger.absent_before.extend(names);
        true
    }

    fn is_own(&self, claim: &Claim) -> bool {
        self.record().claims.created.iter().any(|own| own.name == claim.name && own.uid == claim.uid)
    }

    /// Whether a claim is as young as one that the rollout made: made since the look and, as whoever may patch the
    /// StatefulSet may have written when that was, since the revision that is rolled out came up. One that only brings
    /// pods back has made none.
    fn made_since_the_look(&self, claim: &Claim) -> bool {
        if self.rollout().back.as_ref().is_some_and(|back| back.cause.tried_nothing()) {
            return false;
        }
        let Some(canary) = self.revision(&self.rollout().canary) else { return false };
        claim.created.0 >= self.record().claims.looked_at.max(canary.created).0 - CLOCK_SLACK
    }

    /// Records the claims that were made for our surge ordinals since we looked.
    pub(super) fn learn_claims(&mut self) {
        if self.record().claims.is_empty() && self.rollout().surge == 0 {
            return;
        }
        self.observe.claims = !self.workload.claim_templates.is_empty();
        let ledger = &self.record().claims;
        let found: Vec<OwnClaim> = self
            .detail
            .map_or(&[][..], |detail| &detail.claims)
            .iter()
            .filter(|claim| {
                ledger.absent_before.contains(&claim.name)
                    && self.made_since_the_look(claim)
                    && !self.is_own(claim)
                    && self
                        .ordinal_of(&claim.name)
                        .is_some_and(|ordinal| ordinal >= self.first_surge_ordinal())
            })
            .map(|claim| OwnClaim { name: claim.name.clone(), uid: claim.uid.clone() })
            .collect();
        self.record_mut().claims.created.extend(found);
    }

    /// The lowest ordinal that isn't the user's.
    fn first_surge_ordinal(&self) -> u32 {
        self.workload.ordinals_start + self.replicas()
    }

    /// The ordinal of a claim whose name is `<template>-<set>-<ordinal>`.
    fn ordinal_of(&self, name: &str) -> Option<u32> {
        self.workload.claim_templates.iter().find_map(|template| {
            let rest = name.strip_prefix(template)?.strip_prefix('-')?;
            rest.strip_prefix(&self.workload.name)?.strip_prefix('-')?.parse().ok()
        })
    }

    /// Claims below a grown N are the user's from now on.
    pub(super) fn forget_claims_below(&mut self) {
        let first = self.first_surge_ordinal();
        let created = self
            .record()
            .claims
            .created
            .iter()
            .filter(|own| self.ordinal_of(&own.name).is_some_and(|ordinal| ordinal >= first))
            .cloned()
            .collect();
        let absent_before = self
            .record()
            .claims
            .absent_before
            .iter()
            .filter(|name| self.ordinal_of(name).is_some_and(|ordinal| ordinal >= first))
            .cloned()
            .collect();
        let ledger = &mut self.record_mut().claims;
        ledger.created = created;
        ledger.absent_before = absent_before;
    }

    /// True once nothing of the rollout's own claims is left to delete. A claim is deleted by name and UID, after its
    /// pod is gone, and only at an ordinal above every pod that the live object wants.
    pub(super) fn claims_are_disposed(&mut self) -> bool {
        if self.record().claims.is_empty()
            || claim_use(&self.rollout().resolved_policy) != Some(ClaimUse::Discard)
        {
            return true;
        }
        self.observe.claims = true;
        let Some(detail) = self.detail else { return false };
        if detail.claims_read.is_none_or(|read| read.0 < self.now.wall.0 - FRESH) {
            return false;
        }
        let surplus = self.workload.ordinals_start + self.workload.replicas.max(self.replicas());
        let (mut kept, mut done) = (Vec::new(), true);
        for own in self.record().claims.created.clone() {
            let live = detail.claims.iter().find(|claim| claim.name == own.name && claim.uid == own.uid);
            let ordinal = self.ordinal_of(&own.name).filter(|&ordinal| ordinal >= self.first_surge_ordinal());
            let (Some(live), Some(ordinal)) = (live.filter(|live| self.made_since_the_look(live)), ordinal)
            else {
                continue;
            };
            // That of a surge pod that is still wanted is neither disposed of nor forgotten.
            if ordinal >= surplus {
                done = false;
                let in_use = detail.pods.iter().any(|pod| pod.ordinal == ordinal);
                if !detail.may_delete_claims {
                    self.report("MissingRight", format!("siskin may not delete claim {}, which was made for an extra pod: install the component claim-deletion, or delete it", own.name));
                } else if !live.terminating && !in_use && self.effect.is_none() {
                    self.effect = Some(Write::DeleteClaim { name: own.name.clone(), uid: own.uid.clone() });
                }
            }
            kept.push(own);
        }
        self.record_mut().claims.created = kept;
        done
    }
}
