//! The server on a socket.

use std::net::SocketAddr;

use axum::Router;
use tokio::net::TcpListener;

use super::ApiServer;

/// Serves on a socket until the process, or the task, ends.
///
/// # Errors
/// The socket can't be used.
pub async fn listen(server: ApiServer, listener: TcpListener) -> std::io::Result<()> {
    axum::serve(listener, Router::new().fallback_service(server)).await
}

/// A kubeconfig that leads to a server on this address, without credentials.
pub fn kubeconfig(address: SocketAddr) -> String {
    format!(
        "apiVersion: v1
kind: Config
current-context: embedded
clusters:
- name: embedded
  cluster: {{ server: \"http://{address}\" }}
contexts:
- name: embedded
  context: {{ cluster: embedded, namespace: default, user: embedded }}
users:
- name: embedded
  user: {{}}
"
    )
}
