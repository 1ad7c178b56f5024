//! The two listeners and what answers behind them.

mod flows;
mod graph;
mod http;
mod ingest;
mod outlet;
mod room;
mod status;

use crate::{
    config::Config,
    export::Export,
    hub::{self, End, Hub},
    writer::Writer,
};
use flows::FlowsService;
use graph::GraphService;
use ingest::IngestService;
use portolan_proto::v1::{
    flows_server::FlowsServer, graph_server::GraphServer, ingest_server::IngestServer,
    status_server::StatusServer,
};
use status::StatusService;
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, task::spawn_blocking, time::timeout};
use tokio_util::sync::CancellationToken;
use tonic::{
    codec::CompressionEncoding,
    transport::{Server, server::TcpIncoming},
};
use tonic_health::server::HealthReporter;
use tonic_reflection::server::Builder as Reflection;
use tracing::{info, warn};

/// A batch is at most so long on the wire.
const MAX_BATCH: usize = 16 * 1024 * 1024;

/// A peer that vanished without a word is found out after twice this.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// How long open streams may take to end.
const DRAIN: Duration = Duration::from_secs(5);

/// Why a collector cannot run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} for {purpose}; is another collector running there?")]
    Bind {
        /// What was to be served there.
        purpose: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// The reflection service does not understand our own descriptors.
    #[error("cannot build the gRPC reflection service")]
    Reflection(#[source] tonic_reflection::server::Error),
    /// The gRPC server failed.
    #[error("the gRPC server failed")]
    Grpc(#[source] tonic::transport::Error),
    /// The ledger cannot be used.
    #[error("the ledger failed")]
    Ledger(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The ledger's thread cannot run.
    #[error("the ledger's thread ended before its time")]
    Thread(#[source] io::Error),
    /// The export's thread cannot run.
    #[error("cannot start the thread of the export")]
    Export(#[source] io::Error),
    /// The HTTP server failed.
    #[error("the HTTP server failed")]
    Http(#[source] io::Error),
}

/// The sockets that a collector serves on.
#[derive(Debug)]
pub struct Listeners {
    /// For agents and observers.
    pub grpc: TcpListener,
    /// For `/metrics` and `/healthz`.
    pub http: TcpListener,
}

impl Listeners {
    /// Binds both addresses; port 0 takes a free one.
    pub async fn bind(grpc: SocketAddr, http: SocketAddr) -> Result<Self, Error> {
        let bind = |purpose, address| async move {
            let listener = TcpListener::bind(address).await;
            listener.map_err(|source| Error::Bind { purpose, address, source })
        };
        Ok(Self { grpc: bind("gRPC", grpc).await?, http: bind("metrics", http).await? })
    }
}

/// Runs a collector until `shutdown` is done, a server fails or nothing can be made durable any more.
///
/// At the end subscribers get what is queued for them, and streams are given a few seconds to end.
/// Views that wait for their other side wait on disk for the next run; without a folder each becomes
/// a flow of its own.
pub async fn run(
    config: Config,
    listeners: Listeners,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), Error> {
    let Listeners { grpc, http } = listeners;
    let stopping = CancellationToken::new();
    // Ends the state's own time, also when a server fails.
    let _guard = stopping.clone().drop_guard();
    if let (Ok(grpc), Ok(http)) = (grpc.local_addr(), http.local_addr()) {
        info!(version = env!("CARGO_PKG_VERSION"), ?config, "Collector starts.");
        info!(address = %grpc, "listening for gRPC");
        info!(address = %http, "listening for metrics");
    }
    let export = config.export.clone();
    let (hub, writer) = open(config, stopping.clone()).await?;
    let hub = Arc::new(hub);
    let export = export.map(|config| Export::start(hub.shelf(), config, hub.metrics().export.clone()));
    let export = export.transpose().map_err(Error::Export)?;
    let end = hub::start(writer).map_err(Error::Thread)?;
    let servers = async {
        tokio::try_join!(
            serve_grpc(Arc::clone(&hub), grpc, stopping.clone()),
            http::serve(Arc::clone(&hub), http, stopping.clone()),
            async {
                hub.keep_time().await;
                Ok(())
            },
            ended(end)
        )
    };
    tokio::pin!(servers);
    tokio::select! {
        result = &mut servers => return result.map(|_| ()),
        () = shutdown => stopping.cancel(),
    }
    let drain = async {
        let result = servers.await;
        // The last flows are made when the others have ended.
        if let Some(export) = export {
            export.stop().await;
        }
        result
    };
    if let Ok(result) = timeout(DRAIN, drain).await {
        result?;
        info!("Collector stopped.");
    } else {
        warn!("Collector stopped with streams still open.");
    }
    Ok(())
}

/// Opening reads from disk.
async fn open(config: Config, stopping: CancellationToken) -> Result<(Hub, Writer), Error> {
    let open = move || Hub::open(&config, stopping);
    let opened = spawn_blocking(open).await.map_err(|error| Error::Thread(io::Error::other(error)))?;
    opened.map_err(|error| Error::Ledger(Box::new(error)))
}

/// The end of the writer, which is one of everything when it fails: its agents would never get an ack.
async fn ended(end: End) -> Result<(), Error> {
    match end.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(Error::Ledger(Box::new(error))),
        Err(error) => Err(Error::Thread(io::Error::other(error))),
    }
}

async fn serve_grpc(hub: Arc<Hub>, listener: TcpListener, stopping: CancellationToken) -> Result<(), Error> {
    let zstd = CompressionEncoding::Zstd;
    let ingest = IngestServer::new(IngestService::new(Arc::clone(&hub)))
        .max_decoding_message_size(MAX_BATCH)
        .accept_compressed(zstd)
        .send_compressed(zstd);
    let flows = FlowsServer::new(FlowsService::new(Arc::clone(&hub))).send_compressed(zstd);
    let graph = GraphServer::new(GraphService::new(hub.graph(), hub.stall())).send_compressed(zstd);
    let reflection = described().build_v1().map_err(Error::Reflection)?;
    let older_reflection = described().build_v1alpha().map_err(Error::Reflection)?;
    let (reporter, health) = tonic_health::server::health_reporter();
    set_healthy(&reporter).await;
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .add_service(health)
        .add_service(reflection)
        .add_service(older_reflection)
        .add_service(ingest)
        .add_service(flows)
        .add_service(graph)
        .add_service(StatusServer::new(StatusService::new(hub)))
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            stopping.cancelled_owned(),
        )
        .await
        .map_err(Error::Grpc)
}

/// What is told of the services, to clients that ask in the words of today or in those before.
fn described() -> Reflection<'static> {
    Reflection::configure()
        .register_encoded_file_descriptor_set(portolan_proto::DESCRIPTORS)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
}

async fn set_healthy(reporter: &HealthReporter) {
    reporter.set_serving::<IngestServer<IngestService>>().await;
    reporter.set_serving::<FlowsServer<FlowsService>>().await;
    reporter.set_serving::<GraphServer<GraphService>>().await;
    reporter.set_serving::<StatusServer<StatusService>>().await;
}
