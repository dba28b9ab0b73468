//! Writes that only the leader sends.

use serde::de::DeserializeOwned;

use super::{CALL_TIMEOUT, Cluster, Error, Resource};
use crate::{lease::Leadership, report::metrics::REQUESTS};

impl Cluster {
    /// The same connection; writes are sent only as long as this process leads.
    #[must_use]
    pub fn led_by(self, leadership: Leadership) -> Self {
        Self { leadership, ..self }
    }

    /// As [`Self::call`]. What only the leader writes is sent only while this process leads, and given up when others
    /// may lead: `crate::lease` says what stops a write that is still on its way then.
    pub(super) async fn write<T: DeserializeOwned>(
        &self,
        resource: Resource,
        call: String,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<T, Error> {
        if !resource.written_by_the_leader_only() {
            let lane = if resource == Resource::Leases { &self.leases } else { &self.writes };
            return self.call(lane, call, request).await;
        }
        let request = match request {
            Ok(request) => request,
            Err(error) => return Err(Error::new(call, kube::Error::BuildRequest(error))),
        };
        let answer = async {
            // Waiting takes time, so leading is looked at afterwards, right before the request is sent.
            let _permit = self.writes.acquire().await;
            let Some(left) = self.leadership.time_for_a_write() else { return Ok(None) };
            self.metrics.count(&REQUESTS, &[("method", request.method().as_str())]);
            tokio::time::timeout(left, self.client.request::<T>(request)).await.map(Some)
        };
        match tokio::time::timeout(CALL_TIMEOUT, answer).await {
            Ok(Ok(Some(answer))) => answer.map_err(|error| Error::new(call, error)),
            Ok(Ok(None)) => Err(Error::NotLeading { call }),
            Ok(Err(_)) | Err(_) => Err(Error::Timeout { call }),
        }
    }
}
