//! Claims.

use serde_json::{Value, json};
use siskin_embedded::object::{Claim, ClaimPhase};

use super::{Untranslatable, metadata::metadata, text};

/// The finalizer that keeps a deleted claim while a pod uses it.
pub const PROTECTION: &str = "kubernetes.io/pvc-protection";

/// Reads a claim.
pub fn read(object: &Value) -> Result<Claim, Untranslatable> {
    let bound = text(object, "/status/phase") == "Bound";
    let phase = if bound { ClaimPhase::Bound } else { ClaimPhase::Pending };
    Ok(Claim { metadata: metadata(object)?, phase })
}

/// A patch of the spec that names the claim's volume.
pub fn volume_patch(claim: &Claim) -> Value {
    json!({ "spec": { "volumeName": format!("pvc-{}", claim.metadata.uid) } })
}

/// A patch of the status of a claim that has got its volume.
pub fn bound_patch(object: &Value) -> Value {
    let of = |pointer: &str| object.pointer(pointer).cloned().unwrap_or(Value::Null);
    json!({ "status": { "phase": "Bound", "accessModes": of("/spec/accessModes"),
        "capacity": { "storage": of("/spec/resources/requests/storage") } } })
}

/// A patch that takes a finalizer away.
pub fn without_finalizer(object: &Value, finalizer: &str) -> Value {
    let held = super::items(object, "/metadata/finalizers").iter();
    json!({ "metadata": { "finalizers": held.filter(|held| *held != finalizer).collect::<Vec<_>>() } })
}
