//! Files of which only the content says what they are.

use crate::{
    configuration::{self, Configuration},
    policy::{self, Placed, Policy, read_policy, repeated},
    yaml::{self, Errors, Reader},
};

/// One document of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// `kind: RolloutPolicy`
    Policy(Policy),
    /// `kind: Configuration`
    Configuration(Configuration),
}

/// The documents of a file; `file` is only named in errors.
pub fn parse(file: &str, text: &str) -> Result<Vec<Document>, Errors> {
    let mut outcome = yaml::read(file, text, document);
    let policies = outcome.values.iter().filter_map(|found| match found {
        Found::Policy(placed) => Some(placed),
        Found::Configuration(_) => None,
    });
    let repeated = repeated(file, policies);
    outcome.errors.extend(repeated);
    Ok(outcome.into_result()?.into_iter().map(Document::from).collect())
}

/// A [`Document`] whose policy still knows its place.
enum Found {
    Policy(Placed),
    Configuration(Configuration),
}

impl From<Found> for Document {
    fn from(found: Found) -> Self {
        match found {
            Found::Policy(placed) => Self::Policy(placed.policy),
            Found::Configuration(configuration) => Self::Configuration(configuration),
        }
    }
}

fn document(reader: &Reader<'_>) -> Option<Found> {
    match reader.peek("kind") {
        Some(configuration::KIND) => configuration::read(reader).map(Found::Configuration),
        Some(policy::KIND) => read_policy(reader).map(Found::Policy),
        _ => {
            let mut fields = reader.fields()?;
            let kinds = [(policy::KIND, ()), (configuration::KIND, ())];
            fields.required("kind", "`RolloutPolicy` or `Configuration`", |it| it.choice(&kinds, &[]));
            // What else is here depends on the kind.
            fields.ignore_others();
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_what_its_kind_says() {
        let policy = "apiVersion: siskin.dev/v1alpha1\nkind: RolloutPolicy\nmetadata: { name: p }\nspec: { strategy: { type: Canary } }\n";
        let text = format!("{policy}---\napiVersion: siskin.dev/v1alpha1\nkind: Configuration\n");
        let documents = parse("f.yaml", &text).unwrap();
        assert!(
            matches!(documents.as_slice(), [Document::Policy(_), Document::Configuration(_)]),
            "{documents:?}"
        );
    }

    #[test]
    fn unknown_kinds_are_refused_without_guesses_about_their_fields() {
        let text = "kind: RolloutPolice\nspec: {}\n---\nspec: {}\n---\n5\n";
        assert_eq!(
            parse("f.yaml", text).unwrap_err().to_string(),
            "f.yaml:1:7: kind: found `RolloutPolice`, expected `RolloutPolicy` or `Configuration`; did you mean \
             `RolloutPolicy`?\n\
             f.yaml:4:1: found no field `kind`, expected `RolloutPolicy` or `Configuration`\n\
             f.yaml:6:1: found the number `5`, expected a map of fields"
        );
    }
}
