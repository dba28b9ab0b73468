//! What the API server says of users: who one is.

use kube::{api::PostParams, core::Request};
use serde::Deserialize;
use serde_json::json;

use super::{Cluster, Error};

impl Cluster {
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
