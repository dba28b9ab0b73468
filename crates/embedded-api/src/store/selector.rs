//! Label and field selectors.

use serde_json::Value;

use crate::{kinds::Kind, refusal::Refusal, value};

/// A conjunction of requirements.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selector(Vec<Requirement>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    rule: Rule,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl Selector {
    /// Reads a label selector as in a query: `a=b,c!=d,e in (f,g),!h`.
    pub fn labels(text: &str) -> Result<Self, Refusal> {
        let requirements = split(text).into_iter().map(|part| {
            requirement(part)
                .ok_or_else(|| Refusal::bad_request(format!("unable to parse requirement: {part:?}")))
        });
        Ok(Self(requirements.collect::<Result<_, _>>()?))
    }

    /// Reads a field selector, whose fields must be ones that the kind can be selected by.
    pub fn fields(text: &str, kind: &Kind) -> Result<Self, Refusal> {
        let mut requirements = Vec::new();
        for part in split(text) {
            let requirement = requirement(part)
                .filter(|requirement| !matches!(requirement.rule, Rule::Exists | Rule::Absent))
                .ok_or_else(|| {
                    Refusal::bad_request(format!("invalid selector: {part:?}; can't understand {part:?}"))
                })?;
            let key = requirement.key.as_str();
            if !matches!(key, "metadata.name" | "metadata.namespace") && !kind.selectable.contains(&key) {
                return Err(Refusal::bad_request(format!(
                    "Unable to find {:?} that match label selector \"\", field selector {text:?}: field label not supported: {key}",
                    format!("{}, Resource={}", kind.api_version(), kind.plural)
                )));
            }
            requirements.push(requirement);
        }
        Ok(Self(requirements))
    }

    /// Whether an object's labels fit.
    pub fn fits_labels(&self, object: &Value) -> bool {
        let labels = value::of(object, &["metadata", "labels"]);
        self.0.iter().all(|requirement| requirement.holds(labels[&requirement.key].as_str()))
    }

    /// Whether an object's fields fit; an absent field is an empty one.
    pub fn fits_fields(&self, object: &Value) -> bool {
        self.0.iter().all(|requirement| {
            let path: Vec<_> = requirement.key.split('.').collect();
            // The source of an Event is chosen by its component.
            let path = if path == ["source"] { vec!["source", "component"] } else { path };
            match value::at(object, &path) {
                Some(Value::Bool(flag)) => requirement.holds(Some(if *flag { "true" } else { "false" })),
                Some(Value::Number(number)) => requirement.holds(Some(&number.to_string())),
                found => requirement.holds(Some(found.and_then(Value::as_str).unwrap_or_default())),
            }
        })
    }
}

impl Requirement {
    fn holds(&self, found: Option<&str>) -> bool {
        match &self.rule {
            Rule::In(values) => found.is_some_and(|found| values.iter().any(|value| value == found)),
            Rule::NotIn(values) => found.is_none_or(|found| values.iter().all(|value| value != found)),
            Rule::Exists => found.is_some(),
            Rule::Absent => found.is_none(),
        }
    }
}

/// The requirements, between the commas that stand outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut depth = 0_u32;
    let parts = text.split(|character| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    });
    parts.map(str::trim).filter(|part| !part.is_empty()).collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    let of = |key: &str, rule| {
        let key = key.trim();
        let word = !key.is_empty() && !key.contains(|c: char| c.is_whitespace() || "()!=,".contains(c));
        word.then(|| Requirement { key: key.to_owned(), rule })
    };
    let one = |value: &str| vec![value.trim().to_owned()];
    if let Some(key) = part.strip_prefix('!') {
        return of(key, Rule::Absent);
    }
    if let Some(list) = part.strip_suffix(')') {
        let (head, list) = list.split_once('(')?;
        let values = list.split(',').map(|value| value.trim().to_owned()).collect();
        let (key, operator) = head.trim().rsplit_once(char::is_whitespace)?;
        return match operator {
            "in" => of(key, Rule::In(values)),
            "notin" => of(key, Rule::NotIn(values)),
            _ => None,
        };
    }
    if let Some((key, value)) = part.split_once("!=") {
        return of(key, Rule::NotIn(one(value)));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return of(key, Rule::In(one(value)));
    }
    of(part, Rule::Exists)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds;

    fn fits(selector: &str, labels: &Value) -> bool {
        Selector::labels(selector).unwrap().fits_labels(&json!({ "metadata": { "labels": labels } }))
    }

    #[test]
    fn labels_are_selected_by_equality_sets_and_existence() {
        let labels = json!({ "app": "db", "tier": "back" });
        for selector in
            ["", "app=db", "app==db,tier!=front", "app in (db, web),tier", "!gone", "tier notin (a,b)"]
        {
            assert!(fits(selector, &labels), "{selector}");
        }
        for selector in ["app=web", "app!=db", "gone", "!app", "app notin (db)", "gone in (a)"] {
            assert!(!fits(selector, &labels), "{selector}");
        }
    }

    #[test]
    fn a_label_that_is_absent_is_not_equal() {
        assert!(fits("a!=b,a notin (b)", &json!({})));
    }

    #[test]
    fn a_selector_that_makes_no_sense_is_refused() {
        assert_eq!(Selector::labels("a b c").unwrap_err().code, 400);
        assert_eq!(Selector::labels("a within (b)").unwrap_err().code, 400);
    }

    #[test]
    fn fields_are_those_that_kubernetes_indexes() {
        let pod = json!({ "metadata": { "name": "a" }, "status": { "phase": "Running" } });
        let fits = |text| Selector::fields(text, kinds::POD).map(|selector| selector.fits_fields(&pod));
        assert_eq!(fits("metadata.name=a,status.phase!=Failed,spec.nodeName="), Ok(true));
        assert_eq!(fits("metadata.name=b"), Ok(false));
        assert!(
            fits("spec.hostname=a")
                .unwrap_err()
                .message
                .ends_with("field label not supported: spec.hostname")
        );
    }
}
