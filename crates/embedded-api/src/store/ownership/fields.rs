//! Sets of fields, as `managedFields` hold them.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

/// A tree of fields; names are those of `fieldsV1`: `f:spec`, `k:{"name":"web"}`, `v:"a"`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSet {
    /// Whether the field itself is in the set, beside what is below it.
    pub itself: bool,
    below: BTreeMap<String, FieldSet>,
}

impl FieldSet {
    /// Adds the field at a path.
    pub fn insert(&mut self, path: &[String]) {
        let field = path.iter().fold(self, |set, name| set.below.entry(name.clone()).or_default());
        field.itself = true;
    }

    pub fn is_empty(&self) -> bool {
        !self.itself && self.below.values().all(Self::is_empty)
    }

    /// What is below a field.
    pub fn below(&self, name: &str) -> Option<&Self> {
        self.below.get(name)
    }

    /// The fields below, by name.
    pub fn children(&self) -> impl Iterator<Item = (&String, &Self)> {
        self.below.iter()
    }

    pub fn union(&self, other: &Self) -> Self {
        let mut union = self.clone();
        union.itself |= other.itself;
        for (name, fields) in &other.below {
            let slot = union.below.entry(name.clone()).or_default();
            *slot = slot.union(fields);
        }
        union
    }

    pub fn without(&self, other: &Self) -> Self {
        let below = self.below.iter().map(|(name, fields)| {
            let rest = other.below(name).map_or_else(|| fields.clone(), |other| fields.without(other));
            (name.clone(), rest)
        });
        let below = below.filter(|(_, fields)| !fields.is_empty()).collect();
        Self { itself: self.itself && !other.itself, below }
    }

    pub fn common(&self, other: &Self) -> Self {
        let below = self.below.iter().filter_map(|(name, fields)| {
            let common = fields.common(other.below(name)?);
            (!common.is_empty()).then(|| (name.clone(), common))
        });
        Self { itself: self.itself && other.itself, below: below.collect() }
    }

    /// The paths of the set as messages write them: `.spec.replicas`, `.spec.containers[name="web"].image`.
    pub fn paths(&self) -> Vec<String> {
        let mut paths = Vec::new();
        self.write_paths("", &mut paths);
        paths
    }

    fn write_paths(&self, at: &str, paths: &mut Vec<String>) {
        if self.itself {
            paths.push(at.to_owned());
        }
        for (name, fields) in &self.below {
            fields.write_paths(&format!("{at}{}", in_a_path(name)), paths);
        }
    }

    /// Reads `fieldsV1`.
    pub fn read(fields: &Value) -> Self {
        let mut set = Self::default();
        let Some(names) = fields.as_object() else { return set };
        set.itself = names.contains_key(".") || names.is_empty();
        set.below = names
            .iter()
            .filter(|(name, _)| *name != ".")
            .map(|(name, fields)| (name.clone(), Self::read(fields)))
            .collect();
        set
    }

    /// Writes `fieldsV1`.
    pub fn write(&self) -> Value {
        let mut names = Map::new();
        if self.itself && !self.below.is_empty() {
            names.insert(".".to_owned(), Value::Object(Map::new()));
        }
        names.extend(self.below.iter().map(|(name, fields)| (name.clone(), fields.write())));
        Value::Object(names)
    }
}

fn in_a_path(name: &str) -> String {
    match name.split_at_checked(2) {
        Some(("f:", field)) => format!(".{field}"),
        Some(("v:", value)) => format!("[={value}]"),
        Some(("k:", key)) => {
            let key: Value = serde_json::from_str(key).unwrap_or_default();
            let told = key.as_object().into_iter().flatten().map(|(field, value)| format!("{field}={value}"));
            format!("[{}]", told.collect::<Vec<_>>().join(","))
        }
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_set_reads_and_writes_as_kubernetes_stores_it() {
        let stored = json!({ "f:spec": { "f:replicas": {}, "f:containers": { "k:{\"name\":\"web\"}": { ".": {}, "f:image": {} } } } });
        let set = FieldSet::read(&stored);
        assert_eq!(set.write(), stored);
        let paths =
            [".spec.containers[name=\"web\"]", ".spec.containers[name=\"web\"].image", ".spec.replicas"];
        assert_eq!(set.paths(), paths);
    }

    #[test]
    fn sets_add_up_and_subtract() {
        let one = FieldSet::read(&json!({ "f:a": { ".": {}, "f:b": {} }, "f:c": {} }));
        let other = FieldSet::read(&json!({ "f:a": { "f:b": {} } }));
        assert_eq!(one.without(&other).write(), json!({ "f:a": {}, "f:c": {} }));
        assert_eq!(one.common(&other), other);
        assert_eq!(one.without(&other).union(&other), one);
        assert!(other.without(&one).is_empty());
    }
}
