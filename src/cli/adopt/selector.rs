//! Label selectors, as in a `PodDisruptionBudget` and in a Service.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The labels of an object.
pub type Labels = BTreeMap<String, String>;

/// A `LabelSelector`. All of it must hold; an empty one selects everything.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    match_labels: Labels,
    match_expressions: Vec<Requirement>,
}

#[derive(Clone, Debug, Deserialize)]
struct Requirement {
    key: String,
    operator: Operator,
    #[serde(default)]
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl LabelSelector {
    /// Whether it selects an object with these labels.
    pub fn selects(&self, labels: &Labels) -> bool {
        all_equal(&self.match_labels, labels) && self.match_expressions.iter().all(|it| it.holds(labels))
    }
}

impl Requirement {
    /// `NotIn` holds also where there is no such label.
    fn holds(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        let listed = value.is_some_and(|value| self.values.contains(value));
        match self.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// Whether every label of a plain selector is there with its value, as in a Service, where an empty one selects nothing.
pub fn serves(selector: &Labels, labels: &Labels) -> bool {
    !selector.is_empty() && all_equal(selector, labels)
}

fn all_equal(wanted: &Labels, labels: &Labels) -> bool {
    wanted.iter().all(|(label, value)| labels.get(label) == Some(value))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn labels(labels: Value) -> Labels {
        serde_json::from_value(labels).unwrap()
    }

    fn selects(selector: Value) -> bool {
        let selector: LabelSelector = serde_json::from_value(selector).unwrap();
        selector.selects(&labels(json!({ "app": "db", "tier": "gold" })))
    }

    fn expression(key: &str, operator: &str, values: &[&str]) -> bool {
        selects(json!({ "matchExpressions": [{ "key": key, "operator": operator, "values": values }] }))
    }

    #[test]
    fn each_operator_means_what_kubernetes_says() {
        assert!(expression("tier", "In", &["silver", "gold"]) && !expression("tier", "In", &["silver"]));
        assert!(!expression("zone", "In", &["a"]));
        assert!(!expression("tier", "NotIn", &["gold"]) && expression("tier", "NotIn", &["silver"]));
        assert!(expression("zone", "NotIn", &["a"]), "a label that isn't there is in no list");
        assert!(expression("tier", "Exists", &[]) && !expression("zone", "Exists", &[]));
        assert!(!expression("tier", "DoesNotExist", &[]) && expression("zone", "DoesNotExist", &[]));
    }

    #[test]
    fn labels_and_expressions_must_all_hold_and_nothing_selects_everything() {
        let both = |app: &str| {
            json!({
                "matchLabels": { "app": app },
                "matchExpressions": [{ "key": "tier", "operator": "Exists" }],
            })
        };
        assert!(selects(both("db")) && !selects(both("web")));
        assert!(selects(json!({})));
    }

    #[test]
    fn an_operator_that_nobody_knows_is_no_selector() {
        let newer = json!({ "matchExpressions": [{ "key": "n", "operator": "Gt", "values": ["1"] }] });
        assert!(serde_json::from_value::<LabelSelector>(newer).is_err());
    }

    #[test]
    fn a_service_without_a_selector_serves_nobody() {
        let pod = labels(json!({ "app": "db" }));
        assert!(serves(&labels(json!({ "app": "db" })), &pod));
        assert!(!serves(&labels(json!({ "app": "db", "tier": "x" })), &pod));
        assert!(!serves(&Labels::new(), &pod));
    }
}
