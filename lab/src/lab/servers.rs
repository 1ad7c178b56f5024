//! The servers of a lab, and its way out to the machine it stands on.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::Arc;

use serde_json::Value;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;

use super::Lab;
use crate::apiserver::{self, Running, Store};
use crate::client::Origin;
use crate::cluster::Service;
use crate::dns::{self, Zone};
use crate::error::{LabError, Result};
use crate::net::netns::Netns;
use crate::place::Place;
use crate::server::sctp::{self, SctpAnswer};
use crate::server::{self, Responder, Server};
use crate::spec::ServiceSpec;

/// The backlog of an ordinary server.
const BACKLOG: i32 = 1024;
const DNS_PORT: u16 = 53;

impl Lab {
    /// A TCP server that echoes, on every address of the place and both families.
    pub fn serve_tcp(&self, place: impl Into<Place>, port: u16) -> Result<Server> {
        let socket = self.listener(&place.into(), Type::STREAM, None, port, BACKLOG)?;
        Self::started("serve TCP", server::tcp_echo(self.handle(), socket))
    }

    /// The same on one address only.
    pub fn serve_tcp_on(&self, place: impl Into<Place>, address: IpAddr, port: u16) -> Result<Server> {
        let socket = self.listener(&place.into(), Type::STREAM, Some(address), port, BACKLOG)?;
        Self::started("serve TCP", server::tcp_echo(self.handle(), socket))
    }

    /// A TCP server that never accepts: once `backlog` connections wait, the kernel drops what comes after.
    pub fn serve_tcp_deaf(&self, place: impl Into<Place>, port: u16, backlog: i32) -> Result<Server> {
        let socket = self.listener(&place.into(), Type::STREAM, None, port, backlog)?;
        Self::started("listen on TCP", server::tcp_deaf(socket))
    }

    /// A UDP server that sends every datagram back.
    pub fn serve_udp(&self, place: impl Into<Place>, port: u16) -> Result<Server> {
        self.serve_udp_with(place, port, Arc::new(|request: &[u8]| Some(request.to_vec())))
    }

    /// A UDP server that takes every datagram and says nothing.
    pub fn serve_udp_silent(&self, place: impl Into<Place>, port: u16) -> Result<Server> {
        self.serve_udp_with(place, port, Arc::new(|_: &[u8]| None))
    }

    /// A UDP server that answers as the test says.
    pub fn serve_udp_with(&self, place: impl Into<Place>, port: u16, respond: Responder) -> Result<Server> {
        let socket = self.listener(&place.into(), Type::DGRAM, None, port, BACKLOG)?;
        Self::started("serve UDP", server::udp(self.handle(), socket, respond))
    }

    /// An SCTP server that meets every INIT as the test says.
    pub fn serve_sctp(&self, place: impl Into<Place>, port: u16, answer: SctpAnswer) -> Result<Server> {
        let place = place.into();
        let origin = Origin { source: None, cgroup: self.cgroup(&place) };
        let doing = || format!("take SCTP in {place} on port {port}");
        let sockets = self.netns(&place)?.run(|| sctp::listen(origin))?;
        let sockets = sockets.map_err(|err| LabError::socket(doing(), err))?;
        Self::started("serve SCTP", sctp::serve(self.handle(), sockets, port, answer))
    }

    /// A DNS server that knows the services there are now, as `name.namespace.svc.cluster.local`.
    pub fn serve_dns(&self, place: impl Into<Place>) -> Result<Server> {
        let services = self.cluster.services.values();
        let name = |service: &Service| {
            let ServiceSpec { namespace, name, .. } = &service.spec;
            (format!("{name}.{namespace}.{}", dns::CLUSTER_DOMAIN), service.addresses.clone())
        };
        let zone: Zone = services.map(name).collect();
        self.serve_udp_with(place, DNS_PORT, Arc::new(move |request: &[u8]| dns::answer(&zone, request)))
    }

    /// A listener in the core, where processes in every node and pod reach it at the core's addresses. Port 0 takes
    /// a free one.
    pub fn listen_in_core(&self, port: u16) -> Result<TcpListener> {
        self.listener(&Place::Core, Type::STREAM, None, port, BACKLOG).map(Into::into)
    }

    /// Serves the Kubernetes API in the core. What the lab holds is in `store` only after [`Lab::publish`].
    pub fn serve_api(&self, store: &Store, port: u16) -> Result<Running> {
        Ok(apiserver::spawn(self.listen_in_core(port)?, store.clone())?)
    }

    /// Brings the objects of an API server up to date with the lab. What the lab no longer has is not deleted there.
    pub fn publish(&self, store: &Store) -> Result<()> {
        for object in self.objects() {
            let name = |part: &Value| part.as_str().unwrap_or("?").to_owned();
            let described = format!("{} {}", name(&object["kind"]), name(&object["metadata"]["name"]));
            let refused = |err| LabError::Object { object: described, source: Box::new(err) };
            store.apply(object).map_err(refused)?;
        }
        Ok(())
    }

    /// Makes a TCP port of the core reachable for this machine: returns the address on the loopback.
    pub fn expose(&self, port: u16) -> Result<SocketAddr> {
        let listen = || -> io::Result<(SocketAddr, TcpListener)> {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            listener.set_nonblocking(true)?;
            Ok((listener.local_addr()?, listener))
        };
        let (address, listener) =
            listen().map_err(|err| LabError::socket("listen on the machine's loopback", err))?;
        let core = Arc::clone(&self.core);
        let _context = self.handle().enter();
        let listener = tokio::net::TcpListener::from_std(listener)
            .map_err(|err| LabError::socket("listen on the machine's loopback", err))?;
        self.handle().spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                let core = Arc::clone(&core);
                tokio::spawn(async move {
                    if let Err(err) = relay(&core, outside, port).await {
                        tracing::debug!(port, %err, "Connection into the core ended.");
                    }
                });
            }
        });
        Ok(address)
    }

    fn listener(
        &self,
        place: &Place,
        kind: Type,
        address: Option<IpAddr>,
        port: u16,
        backlog: i32,
    ) -> Result<Socket> {
        let origin = Origin { source: address, cgroup: self.cgroup(place) };
        self.netns(place)?
            .run(|| server::listen(kind, origin, port, backlog))?
            .map_err(|err| LabError::socket(format!("listen in {place} on port {port}"), err))
    }

    fn started(doing: &str, server: io::Result<Server>) -> Result<Server> {
        server.map_err(|err| LabError::socket(doing, err))
    }

    fn handle(&self) -> &Handle {
        self.runtime.as_ref().expect("the runtime lives as long as the lab").handle()
    }
}

/// Copies between a connection from outside and one to a port of the core.
async fn relay(core: &Netns, mut outside: tokio::net::TcpStream, port: u16) -> io::Result<()> {
    let socket = core
        .run(|| Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)))
        .map_err(io::Error::other)??;
    socket.set_nonblocking(true)?;
    let socket = tokio::net::TcpSocket::from_std_stream(socket.into());
    let mut inside = socket.connect(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)).await?;
    tokio::io::copy_bidirectional(&mut outside, &mut inside).await.map(drop)
}
