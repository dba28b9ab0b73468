//! What a source is asked: a text with variables in double braces, as in `up{pod=~"{{ canary.pods }}"}`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// The names of all variables, in the order in which they are told.
const VARIABLES: [(&str, Variable); 8] = [
    ("canary.pods", Variable::CanaryPods),
    ("canary.count", Variable::CanaryCount),
    ("canary.revision", Variable::CanaryRevision),
    ("stable.pods", Variable::StablePods),
    ("stable.count", Variable::StableCount),
    ("stable.revision", Variable::StableRevision),
    ("workload.name", Variable::WorkloadName),
    ("workload.namespace", Variable::WorkloadNamespace),
];

/// A text with variables. Unknown variables are refused when it is read, so that filling in can't fail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct QueryTemplate {
    source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    CanaryPods,
    CanaryCount,
    CanaryRevision,
    StablePods,
    StableCount,
    StableRevision,
    WorkloadName,
    WorkloadNamespace,
}

/// A text whose braces or variables make no sense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryTemplateError {
    /// `{{` without `}}`.
    #[error(
        "found `{{{{` at character {at} without `}}}}` after it, expected a variable such as `{{{{ canary.pods }}}}`"
    )]
    Open {
        /// Counted from 1.
        at: usize,
    },
    /// There is no such variable.
    #[error("found the unknown variable `{name}` at character {at}, expected one of {}", known())]
    Unknown {
        /// What stands between the braces.
        name: String,
        /// Counted from 1.
        at: usize,
    },
}

/// What variables stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The workload's namespace.
    pub namespace: &'a str,
    /// The workload's name.
    pub workload: &'a str,
    /// The pods that are judged, by ordinal.
    pub canary: Side<'a>,
    /// The pods on the stable revision, by ordinal.
    pub stable: Side<'a>,
}

/// The pods of one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Side<'a> {
    /// Its name; empty if it isn't known.
    pub revision: &'a str,
    /// Their names.
    pub pods: Vec<&'a str>,
}

/// The language that values are put into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Between the quotes of a label matcher. Pods are the alternatives of a regular expression.
    PromQl,
    /// In the path or query of a URL. Pods are separated by commas, and everything is percent-encoded.
    Url,
}

impl QueryTemplate {
    /// The text as it was written.
    pub fn as_str(&self) -> &str {
        &self.source
    }

    /// Whether it says something about stable pods that only pods can fill in.
    pub fn names_stable_pods(&self) -> bool {
        self.parts.contains(&Part::Variable(Variable::StablePods))
    }

    /// Whether it names the canary pods or their revision.
    pub fn names_canary(&self) -> bool {
        let canary = [Variable::CanaryPods, Variable::CanaryRevision].map(Part::Variable);
        self.parts.iter().any(|part| canary.contains(part))
    }

    /// Whether it selects series by `siskin_dev_role="canary"`, the label `siskin.dev/role` of pods as Prometheus has it.
    /// Relabelling may have put something before the name.
    pub fn selects_canary_role(&self) -> bool {
        self.source.split("siskin_dev_role").skip(1).any(|rest| {
            let value =
                rest.trim_start().strip_prefix('=').map(|rest| rest.strip_prefix('~').unwrap_or(rest));
            value.is_some_and(|value| {
                ["\"canary\"", "'canary'", "`canary`"]
                    .iter()
                    .any(|quoted| value.trim_start().starts_with(quoted))
            })
        })
    }

    /// The text with values in place of the variables.
    pub fn fill(&self, subject: &Subject<'_>, form: Form) -> String {
        let fill = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Variable(variable) => form.write(&variable.value(subject, form)),
        };
        self.parts.iter().map(fill).collect()
    }
}

impl Variable {
    fn value(self, subject: &Subject<'_>, form: Form) -> String {
        let Subject { namespace, workload, canary, stable } = subject;
        match self {
            Self::CanaryPods => form.pods(&canary.pods),
            Self::CanaryCount => canary.pods.len().to_string(),
            Self::CanaryRevision => canary.revision.to_owned(),
            Self::StablePods => form.pods(&stable.pods),
            Self::StableCount => stable.pods.len().to_string(),
            Self::StableRevision => stable.revision.to_owned(),
            Self::WorkloadName => (*workload).to_owned(),
            Self::WorkloadNamespace => (*namespace).to_owned(),
        }
    }
}

impl Form {
    fn pods(self, pods: &[&str]) -> String {
        match self {
            // A class and no backslash: that one would have to be doubled in double quotes, and not in single ones.
            Self::PromQl => pods.join("|").replace('.', "[.]"),
            Self::Url => pods.join(","),
        }
    }

    /// Names of Kubernetes objects need no other escape: they are letters, digits, `-` and `.`.
    fn write(self, value: &str) -> String {
        match self {
            Self::PromQl => value.to_owned(),
            Self::Url => percent_encoded(value),
        }
    }
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

impl TryFrom<String> for QueryTemplate {
    type Error = QueryTemplateError;

    fn try_from(source: String) -> Result<Self, Self::Error> {
        let mut parts = Vec::new();
        let mut rest = source.as_str();
        while let Some((text, opened)) = rest.split_once("{{") {
            let at = source.chars().count() - rest.chars().count() + text.chars().count() + 1;
            let (name, after) = opened.split_once("}}").ok_or(QueryTemplateError::Open { at })?;
            let name = name.trim();
            let known = VARIABLES.iter().find(|(known, _)| *known == name);
            let (_, variable) =
                known.ok_or_else(|| QueryTemplateError::Unknown { name: clipped(name), at })?;
            if !text.is_empty() {
                parts.push(Part::Text(text.to_owned()));
            }
            parts.push(Part::Variable(*variable));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { source, parts })
    }
}

impl From<QueryTemplate> for String {
    fn from(template: QueryTemplate) -> Self {
        template.source
    }
}

fn clipped(name: &str) -> String {
    name.chars().take(40).collect()
}

fn known() -> String {
    VARIABLES.map(|(name, _)| format!("`{name}`")).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject() -> Subject<'static> {
        Subject {
            namespace: "payments",
            workload: "my.db",
            canary: Side { revision: "my.db-5f6", pods: vec!["my.db-3", "my.db-4"] },
            stable: Side { revision: "my.db-77c", pods: vec!["my.db-0"] },
        }
    }

    fn filled(text: &str, form: Form) -> String {
        QueryTemplate::try_from(text.to_owned()).unwrap().fill(&subject(), form)
    }

    #[test]
    fn pods_are_alternatives_whose_dots_are_dots() {
        assert_eq!(
            filled(r#"max(lag{pod=~"{{ canary.pods }}"}) / max(lag{pod=~'{{stable.pods}}'})"#, Form::PromQl),
            r#"max(lag{pod=~"my[.]db-3|my[.]db-4"}) / max(lag{pod=~'my[.]db-0'})"#
        );
        assert_eq!(filled("{{ canary.count }}/{{ stable.count }}", Form::PromQl), "2/1");
    }

    #[test]
    fn revisions_and_names_are_plain_texts() {
        assert_eq!(
            filled(
                r#"x{r="{{ canary.revision }}",s="{{ stable.revision }}",w="{{ workload.namespace }}/{{ workload.name }}"}"#,
                Form::PromQl
            ),
            r#"x{r="my.db-5f6",s="my.db-77c",w="payments/my.db"}"#
        );
    }

    #[test]
    fn in_a_url_values_are_encoded_and_pods_stand_between_commas() {
        assert_eq!(
            filled("/lag?pods={{ canary.pods }}&ns={{ workload.namespace }}", Form::Url),
            "/lag?pods=my.db-3%2Cmy.db-4&ns=payments"
        );
    }

    #[test]
    fn what_it_speaks_of_is_known() {
        let template = |text: &str| QueryTemplate::try_from(text.to_owned()).unwrap();
        assert!(template("{{ canary.revision }}").names_canary());
        assert!(!template("{{ canary.count }} {{ stable.pods }}").names_canary());
        assert!(template("{{ stable.pods }}").names_stable_pods());
        assert!(!template("{{ stable.revision }} {{ stable.count }}").names_stable_pods());
    }

    #[test]
    fn the_role_of_canary_pods_is_recognised() {
        let selects = |text: &str| QueryTemplate::try_from(text.to_owned()).unwrap().selects_canary_role();
        assert!(selects(r#"max(lag{siskin_dev_role="canary"})"#));
        assert!(selects("max(lag{label_siskin_dev_role =~ 'canary', job='x'})"));
        assert!(!selects(r#"lag{siskin_dev_role!="canary"}"#));
        assert!(!selects(r#"lag{siskin_dev_role="stable"}"#));
        assert!(!selects("sum by (siskin_dev_role) (lag)"));
    }

    #[test]
    fn a_text_reads_back_as_it_was_written() {
        for text in ["", "up", "{{canary.pods}}", "a {{  canary.pods }}{{ stable.count }} }} é"] {
            assert_eq!(String::from(QueryTemplate::try_from(text.to_owned()).unwrap()), text);
        }
    }

    #[test]
    fn wrong_variables_are_refused_with_their_place() {
        let refused = |text: &str| QueryTemplate::try_from(text.to_owned()).unwrap_err().to_string();
        assert_eq!(
            refused("é{{ canary.pod }}"),
            "found the unknown variable `canary.pod` at character 2, expected one of `canary.pods`, `canary.count`, \
             `canary.revision`, `stable.pods`, `stable.count`, `stable.revision`, `workload.name`, `workload.namespace`"
        );
        assert_eq!(
            refused("{{ canary.pods }} {{ canary"),
            "found `{{` at character 19 without `}}` after it, expected a variable such as `{{ canary.pods }}`"
        );
    }
}
