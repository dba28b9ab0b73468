//! What the API server says of users: who one is, and what another may do.

use kube::{api::PostParams, core::Request};
use serde::Deserialize;
use serde_json::json;

use super::{Cluster, Error};

/// Whether a user has a right.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// The user, as for the service account `system:serviceaccount:NAMESPACE:NAME`.
    pub user: &'a str,
    /// Where.
    pub namespace: &'a str,
    /// `get`, `patch` and so on.
    pub verb: &'a str,
    /// The API group.
    pub group: &'a str,
    /// The resource.
    pub resource: &'a str,
    /// The subresource, or nothing.
    pub subresource: &'a str,
}

impl Cluster {
    /// Whether somebody has a right; a question that itself takes a right.
    pub async fn may(&self, question: &Question<'_>) -> Result<bool, Error> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        struct Status {
            allowed: bool,
        }
        let Question { user, namespace, verb, group, resource, subresource } = question;
        // The groups that every service account is in: rights may be theirs.
        let groups: Vec<String> =
            match user.strip_prefix("system:serviceaccount:").and_then(|rest| rest.split_once(':')) {
                Some((home, _)) => vec![
                    "system:serviceaccounts".to_owned(),
                    format!("system:serviceaccounts:{home}"),
                    "system:authenticated".to_owned(),
                ],
                None => vec!["system:authenticated".to_owned()],
            };
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": { "user": user, "groups": groups, "resourceAttributes": {
                "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource,
            } },
        });
        let request = Request::new("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .create(&PostParams::default(), review.to_string().into_bytes());
        let review: Review = self.call(&self.reads, format!("ask what {user} may do"), request).await?;
        Ok(review.status.allowed)
    }

    /// The user that this program is to the API server.
    pub async fn who_am_i(&self) -> Result<String, Error> {
        #[derive(Deserialize)]
        struct Review {
            status: Status,
        }
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Status {
            user_info: User,
        }
        #[derive(Deserialize)]
        struct User {
            username: String,
        }
        let review = json!({ "apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview" });
        let request = Request::new("/apis/authentication.k8s.io/v1/selfsubjectreviews")
            .create(&PostParams::default(), review.to_string().into_bytes());
        let review: Review = self.call(&self.reads, "ask who we are".to_owned(), request).await?;
        Ok(review.status.user_info.username)
    }
}
