//! The lab's Kubernetes API server alone, to try kubectl or a client on.
//!
//! ```text
//! cargo run -p portolan-lab --example apiserver -- 127.0.0.1:6443
//! kubectl --server http://127.0.0.1:6443 get namespaces
//! ```

use anyhow::Context as _;
use portolan_lab::apiserver::{Store, serve};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:6443".to_owned());
    let listener =
        TcpListener::bind(&address).await.with_context(|| format!("cannot listen on {address}"))?;
    serve(listener, Store::new(), async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(())
}
