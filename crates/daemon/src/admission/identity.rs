//! Who this process is to the API server, and who the admission policies let do what only Siskin may.
//!
//! A policy that names somebody else takes every write of ours for a stranger's: an opening comes out parked, a write
//! of the state is refused. Nothing unjudged runs by that, but nothing rolls out either.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};

/// What is known of the process's identity; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Identity(Arc<Mutex<Known>>);

#[derive(Debug, Default)]
struct Known {
    /// Our user, or why it isn't known; `None`: not asked yet.
    user: Option<Result<String, String>>,
    /// What the installed policies say.
    policies: Policies,
}

/// What the installed policies say.
#[derive(Debug, Default)]
enum Policies {
    /// Not read yet.
    #[default]
    Unread,
    /// They can't be read; why.
    Unreadable(String),
    /// The user that each names as Siskin.
    Named(BTreeMap<String, String>),
}

impl Identity {
    /// We are this user, or it can't be known; why.
    pub fn is(&self, user: Result<String, String>) {
        self.change(|known| known.user = Some(user));
    }

    /// Our user, if it is known.
    pub fn user(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).user.clone()?.ok()
    }

    /// These policies, by name, say that Siskin is this user.
    pub fn named(&self, policies: BTreeMap<String, String>) {
        self.change(|known| known.policies = Policies::Named(policies));
    }

    /// The policies can't be read.
    pub fn unreadable(&self, why: String) {
        self.change(|known| known.policies = Policies::Unreadable(why));
    }

    fn change(&self, change: impl FnOnce(&mut Known)) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = known.verdict();
        change(&mut known);
        match known.verdict() {
            same if same == before => {}
            _ if matches!(known.policies, Policies::Unread) => {}
            Ok(text) => tracing::info!("{text}"),
            Err(text) => tracing::warn!("{text}"),
        }
    }

    /// A sentence for people; `Err`: not known yet, or every write is taken for a stranger's.
    ///
    /// One policy that names us is enough for `Ok`: several installations may each bring policies of their own, for
    /// their own namespaces.
    pub fn verdict(&self) -> Result<String, String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).verdict()
    }
}

impl Known {
    fn verdict(&self) -> Result<String, String> {
        let user = match &self.user {
            None => return Err("the user that siskin is, is not known yet".to_owned()),
            Some(Err(why)) => return Ok(format!("the API server doesn't say which user siskin is: {why}")),
            Some(Ok(user)) => user,
        };
        let policies = match &self.policies {
            Policies::Unread => return Err("the admission policies are not read yet".to_owned()),
            Policies::Unreadable(why) => {
                return Ok(format!("siskin is {user}; whom the admission policies name is not known: {why}"));
            }
            Policies::Named(policies) => policies,
        };
        if policies.is_empty() {
            return Ok(format!("siskin is {user}; there are no admission policies of siskin"));
        }
        let others: Vec<_> = policies.iter().filter(|(_, named)| *named != user).collect();
        if others.is_empty() {
            return Ok(format!("siskin is {user}, as the admission policies say"));
        }
        let text = format!("siskin is {user}, but {}", told(&others));
        if others.len() < policies.len() {
            return Ok(text);
        }
        Err(format!("{text}: what only siskin may do is refused; apply deploy/admission with the right user"))
    }
}

fn told(others: &[(&String, &String)]) -> String {
    let users: BTreeSet<_> = others.iter().map(|(_, named)| named.as_str()).collect();
    let of = |user: &str| {
        let policies: Vec<_> =
            others.iter().filter(|(_, named)| *named == user).map(|(policy, _)| policy.as_str()).collect();
        let verb = if policies.len() == 1 { "says" } else { "say" };
        format!("{} {verb} that it is {user}", policies.join(", "))
    };
    users.into_iter().map(of).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(user: &str, policies: &[(&str, &str)]) -> Identity {
        let identity = Identity::default();
        identity.is(Ok(user.to_owned()));
        identity.named(policies.iter().map(|(policy, named)| ((*policy).into(), (*named).into())).collect());
        identity
    }

    #[test]
    fn nothing_is_said_before_user_and_policies_are_known() {
        let identity = Identity::default();
        assert_eq!(identity.verdict(), Err("the user that siskin is, is not known yet".into()));
        identity.is(Ok("robin".into()));
        assert_eq!(identity.verdict(), Err("the admission policies are not read yet".into()));
        assert_eq!(identity.user().as_deref(), Some("robin"));
    }

    #[test]
    fn without_policies_anybody_may_be_siskin() {
        let text = "siskin is robin; there are no admission policies of siskin";
        assert_eq!(identity("robin", &[]).verdict(), Ok(text.into()));
    }

    #[test]
    fn policies_that_can_t_be_read_stop_nobody() {
        let identity = identity("robin", &[]);
        identity.unreadable("forbidden".into());
        let text = "siskin is robin; whom the admission policies name is not known: forbidden";
        assert_eq!(identity.verdict(), Ok(text.into()));
    }

    #[test]
    fn policies_that_all_name_somebody_else_are_a_failure() {
        let named = [("siskin-guards", "wren"), ("siskin-park", "wren")];
        let text = identity("robin", &named).verdict().unwrap_err();
        assert!(
            text.starts_with("siskin is robin, but siskin-guards, siskin-park say that it is wren: "),
            "{text}"
        );
    }

    #[test]
    fn a_policy_that_names_us_beside_another_s_is_none() {
        let named = [("siskin-park", "robin"), ("their-park", "wren")];
        let text = "siskin is robin, but their-park says that it is wren";
        assert_eq!(identity("robin", &named).verdict(), Ok(text.into()));
        let named = [("siskin-guards", "robin"), ("siskin-park", "robin")];
        let text = "siskin is robin, as the admission policies say";
        assert_eq!(identity("robin", &named).verdict(), Ok(text.into()));
    }
}
