//! The kinds of patches.

mod strategic;

use serde_json::Value;

use crate::refusal::Refusal;

/// A change of part of an object.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(json_patch::Patch),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' own: as a merge patch, but lists merge by keys.
    Strategic(Value),
}

/// A configuration for server-side apply.
#[derive(Clone, Debug)]
pub struct Apply {
    /// The fields that the manager wants.
    pub config: Value,
    /// Takes fields that others manage instead of refusing.
    pub force: bool,
}

impl Patch {
    /// What may be sent as a patch.
    pub const MEDIA_TYPES: [&'static str; 4] = [
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
    ];

    /// The object with the patch applied.
    pub fn applied(&self, object: &Value) -> Result<Value, Refusal> {
        let mut patched = object.clone();
        match self {
            Self::Json(patch) => {
                json_patch::patch(&mut patched, patch).map_err(|_| Refusal::unprocessable())?;
            }
            Self::Merge(patch) if patch.is_object() => json_patch::merge(&mut patched, patch),
            Self::Strategic(Value::Object(patch)) => {
                patched = strategic::merged(patched, patch)?;
            }
            Self::Merge(_) | Self::Strategic(_) => {
                return Err(Refusal::bad_request("the patch is no JSON object"));
            }
        }
        Ok(patched)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn json_patched(patch: Value) -> Result<Value, u16> {
        let patch = Patch::Json(serde_json::from_value(patch).unwrap());
        patch.applied(&json!({ "spec": { "replicas": 1 } })).map_err(|refusal| refusal.code)
    }

    #[test]
    fn a_json_patch_whose_test_fails_is_invalid() {
        assert_eq!(json_patched(json!([{ "op": "test", "path": "/spec/replicas", "value": 2 }])), Err(422));
        assert_eq!(json_patched(json!([{ "op": "remove", "path": "/spec/gone" }])), Err(422));
        let replaced = json_patched(json!([{ "op": "replace", "path": "/spec/replicas", "value": 2 }]));
        assert_eq!(replaced, Ok(json!({ "spec": { "replicas": 2 } })));
    }

    #[test]
    fn a_merge_patch_takes_away_what_is_null() {
        let patch = Patch::Merge(json!({ "spec": { "replicas": null, "paused": true } }));
        let patched = patch.applied(&json!({ "spec": { "replicas": 1 } }));
        assert_eq!(patched, Ok(json!({ "spec": { "paused": true } })));
    }
}
