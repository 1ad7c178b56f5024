//! `portolan.v1.Status`.

use crate::hub::Hub;
use portolan_proto::v1;
use std::sync::Arc;
use tonic::{Request, Response, Status};

/// Reports on the collector itself.
#[derive(Debug)]
pub(super) struct StatusService {
    hub: Arc<Hub>,
}

impl StatusService {
    pub(super) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

#[tonic::async_trait]
impl v1::status_server::Status for StatusService {
    async fn get(
        &self,
        _request: Request<v1::GetStatusRequest>,
    ) -> Result<Response<v1::GetStatusResponse>, Status> {
        Ok(Response::new(self.hub.status()))
    }
}
