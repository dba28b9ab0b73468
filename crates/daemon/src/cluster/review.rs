//! What the API server says of users: who one is, and what another may do.

use kube::{api::PostParams, core::Request};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

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

/// What the API server answers.
#[derive(Deserialize)]
struct Review<T> {
    status: T,
}

#[derive(Deserialize)]
struct Access {
    allowed: bool,
}

impl Cluster {
    /// Whether somebody has a right; a question that itself takes a right.
    pub async fn may(&self, question: &Question<'_>) -> Result<bool, Error> {
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
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let access: Access = self.review(path, format!("ask what {user} may do"), &review).await?;
        Ok(access.allowed)
    }

    /// Whether this program may delete claims in a namespace.
    pub async fn may_delete_claims(&self, namespace: &str) -> Result<bool, Error> {
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": { "resourceAttributes": {
                "namespace": namespace, "verb": "delete", "resource": "persistentvolumeclaims"
            } }
        });
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let call = format!("ask for the right to delete claims in {namespace}");
        let access: Access = self.review(path, call, &review).await?;
        Ok(access.allowed)
    }

    /// The user that this program is to the API server.
    pub async fn who_am_i(&self) -> Result<String, Error> {
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
        let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
        let status: Status = self.review(path, "ask who we are".to_owned(), &review).await?;
        Ok(status.user_info.username)
    }

    /// Asks for a review, of which nothing is kept, and gives its status.
    async fn review<T: DeserializeOwned>(
        &self,
        path: &str,
        call: String,
        review: &Value,
    ) -> Result<T, Error> {
        let request = Request::new(path).create(&PostParams::default(), review.to_string().into_bytes());
        let review: Review<T> = self.call(&self.reads, call, request).await?;
        Ok(review.status)
    }
}
