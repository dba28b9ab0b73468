//! Reading a state that a stranger may have written.

use serde_json::Value;

use super::{Phase, Record, Rollout};
use crate::{
    facts::{Uid, Workload},
    policy,
};

/// The largest state that is read or written, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;

/// Why a state annotation can't be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not the JSON of state v1.
    #[error("siskin.dev/state can't be read: {0}")]
    Garbled(String),
    /// Longer than [`MAX_BYTES`].
    #[error("siskin.dev/state is {0} bytes long; at most {MAX_BYTES} are read")]
    TooLong(usize),
    /// Another version of the schema.
    #[error("siskin.dev/state is version {0}; this release reads version 1")]
    Version(u64),
    /// Written for another object, for example restored from a backup.
    #[error("siskin.dev/state was written for another StatefulSet (uid {0})")]
    AnotherWorkload(Uid),
}

impl Record {
    /// Reads the state annotation of `workload`; `Ok(None)` without one.
    pub fn read(workload: &Workload) -> Result<Option<Self>, Unreadable> {
        let Some(text) = workload.annotations.get("state") else { return Ok(None) };
        if text.len() > MAX_BYTES {
            return Err(Unreadable::TooLong(text.len()));
        }
        let value: Value =
            serde_json::from_str(text).map_err(|error| Unreadable::Garbled(error.to_string()))?;
        match value.get("version").and_then(Value::as_u64) {
            Some(1) => {}
            Some(other) => return Err(Unreadable::Version(other)),
            None => return Err(Unreadable::Garbled("`version` is missing".to_owned())),
        }
        let record: Self =
            serde_json::from_value(value).map_err(|error| Unreadable::Garbled(error.to_string()))?;
        if record.workload_uid != workload.uid {
            return Err(Unreadable::AnotherWorkload(record.workload_uid));
        }
        if record.in_rollout() != record.rollout.is_some() {
            return Err(Unreadable::Garbled(format!(
                "phase {} and `rollout` don't go together",
                record.phase.as_str()
            )));
        }
        if record.stable.is_none() && !matches!(record.phase, Phase::OptingIn | Phase::Installing) {
            return Err(Unreadable::Garbled(format!("phase {} without `stable`", record.phase.as_str())));
        }
        if let Some(rollout) = &record.rollout
            && record.goes_forward()
            && record.stable.as_ref() == Some(&rollout.canary)
        {
            return Err(Unreadable::Garbled(format!(
                "`canary` of phase {} is `stable`",
                record.phase.as_str()
            )));
        }
        if let Some(rollout) = &record.rollout
            && record.phase == Phase::Completing
            && record.stable.as_ref() != Some(&rollout.canary)
        {
            return Err(Unreadable::Garbled("`canary` of phase Completing isn't `stable`".to_owned()));
        }
        if let Some(number) = record.out_of_range() {
            return Err(Unreadable::Garbled(format!("`{number}` is out of range")));
        }
        if let Some(rollout) = &record.rollout {
            policy::validate(&rollout.resolved_policy)
                .map_err(|errors| Unreadable::Garbled(format!("resolvedPolicy: {errors}")))?;
        }
        Ok(Some(record))
    }

    /// A number that was never written here, by name. The engine adds to these numbers: they stay so far below the
    /// ends of their types that no sum overflows, and pods within the API's int32.
    fn out_of_range(&self) -> Option<&'static str> {
        const PODS: u64 = i32::MAX.unsigned_abs() as u64;
        const OTHER: u64 = 1 << 53;
        let rollout = |number: fn(&Rollout) -> u64| self.rollout.as_ref().map_or(0, number);
        [
            ("userReplicas", self.user_replicas.into(), PODS),
            ("userPartition", self.user_partition.into(), PODS),
            ("surge", rollout(|rollout| rollout.surge.into()), PODS),
            ("exposureLost", rollout(|rollout| rollout.exposure_lost.into()), PODS),
            ("surgeContested", rollout(|rollout| rollout.surge_contested.into()), PODS),
            ("step", rollout(|rollout| rollout.step as u64), PODS),
            ("bakeDoneMs", rollout(|rollout| rollout.bake_done_ms), OTHER),
            ("inBakeMs", rollout(|rollout| rollout.in_bake_ms), OTHER),
            ("stalledMs", rollout(|rollout| rollout.stalled_ms), OTHER),
            ("seq", self.seq, OTHER),
            ("lookedAt", self.claims.looked_at.0.unsigned_abs(), OTHER),
        ]
        .into_iter()
        .find_map(|(name, number, most)| (number > most).then_some(name))
    }

    /// The annotation's value.
    pub fn to_json(&self) -> String {
        serde_json::to_value(self).map(|value| value.to_string()).unwrap_or_default()
    }
}
