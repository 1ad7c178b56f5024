//! The clients of a lab. Every call is one attempt, entered in the log with what the client saw.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use jiff::Timestamp;

use super::Lab;
use crate::attempts::{Attempted, Seen};
use crate::client::{Origin, Sight, frame, judge, ping, sctp, tcp, udp};
use crate::dns;
use crate::error::{LabError, Result};
use crate::place::Place;
use crate::spec::Protocol;

/// An open connection of a client, for tests that need it to live.
#[derive(Debug)]
pub struct Connection {
    /// The client's socket.
    pub stream: TcpStream,
    /// The attempt as logged.
    pub attempt: Attempted,
}

/// On which end of a pod's veth a frame is put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In the pod: the node receives the frame.
    Pod,
    /// On the node: the pod receives the frame.
    Host,
}

impl Lab {
    /// Connects once, exchanges a few bytes with whoever answers, and closes in order.
    pub fn connect_tcp(
        &self,
        from: impl Into<Place>,
        to: IpAddr,
        port: u16,
        timeout: Duration,
    ) -> Result<Attempted> {
        self.connect_tcp_from(from, None, to, port, timeout)
    }

    /// The same from an address of the test's choice, among those the place has.
    pub fn connect_tcp_from(
        &self,
        from: impl Into<Place>,
        source: Option<IpAddr>,
        to: IpAddr,
        port: u16,
        timeout: Duration,
    ) -> Result<Attempted> {
        let (from, destination) = (from.into(), SocketAddr::new(to, port));
        let origin = Origin { source, cgroup: self.cgroup(&from) };
        self.attempt(from.clone(), Protocol::Tcp, destination, || tcp::attempt(destination, origin, timeout))
    }

    /// Connects and keeps the connection. An attempt that fails is logged and returned as the error's attempt.
    pub fn open_tcp(
        &self,
        from: impl Into<Place>,
        to: IpAddr,
        port: u16,
        timeout: Duration,
    ) -> Result<Result<Connection, Attempted>> {
        let (from, destination) = (from.into(), SocketAddr::new(to, port));
        let origin = self.origin(&from);
        let mut stream = None;
        let attempt = self.attempt(from.clone(), Protocol::Tcp, destination, || {
            match tcp::connect(destination, origin, timeout) {
                Ok((open, own)) => {
                    stream = Some(open);
                    (own, Seen::Connected { sent: 0, received: 0, closed: false })
                }
                Err((own, err)) => (own, judge(&err)),
            }
        })?;
        Ok(match stream {
            Some(stream) => Ok(Connection { stream, attempt }),
            None => Err(attempt),
        })
    }

    /// Sends one datagram and waits up to `wait` for its answer.
    pub fn send_udp(
        &self,
        from: impl Into<Place>,
        to: IpAddr,
        port: u16,
        wait: Duration,
    ) -> Result<Attempted> {
        self.query_udp(from, to, port, b"portolan lab: datagram", wait).map(|(attempt, _)| attempt)
    }

    /// Sends one datagram of the test's choice; returns the answer too, empty when there was none.
    pub fn query_udp(
        &self,
        from: impl Into<Place>,
        to: IpAddr,
        port: u16,
        payload: &[u8],
        wait: Duration,
    ) -> Result<(Attempted, Vec<u8>)> {
        let (from, destination) = (from.into(), SocketAddr::new(to, port));
        let origin = self.origin(&from);
        let mut answer = Vec::new();
        let attempt = self.attempt(from.clone(), Protocol::Udp, destination, || {
            let (sight, bytes) = udp::attempt(destination, origin, payload, wait);
            answer = bytes;
            sight
        })?;
        Ok((attempt, answer))
    }

    /// Asks a DNS server for the IPv4 or IPv6 addresses of a name; none when it does not answer or does not know.
    pub fn resolve(
        &self,
        from: impl Into<Place>,
        server: IpAddr,
        name: &str,
        v4: bool,
        wait: Duration,
    ) -> Result<(Attempted, Vec<IpAddr>)> {
        let id = self.attempts.all().len() as u16;
        let (attempt, answer) = self.query_udp(from, server, 53, &dns::query(id, name, v4), wait)?;
        Ok((attempt, dns::addresses(&answer)))
    }

    /// Sends `count` echo requests with one identifier, each waiting up to `wait` for its answer.
    pub fn ping(&self, from: impl Into<Place>, to: IpAddr, count: u16, wait: Duration) -> Result<Attempted> {
        let (from, destination) = (from.into(), SocketAddr::new(to, 0));
        let origin = self.origin(&from);
        self.attempt(from.clone(), Protocol::Icmp, destination, || ping::attempt(to, origin, count, wait))
    }

    /// Sends an SCTP INIT and waits up to `wait` for the answer.
    pub fn connect_sctp(
        &self,
        from: impl Into<Place>,
        to: IpAddr,
        port: u16,
        wait: Duration,
    ) -> Result<Attempted> {
        let (from, destination) = (from.into(), SocketAddr::new(to, port));
        let origin = self.origin(&from);
        self.attempt(from.clone(), Protocol::Sctp, destination, || sctp::attempt(destination, origin, wait))
    }

    fn origin(&self, from: &Place) -> Origin<'_> {
        Origin { source: None, cgroup: self.cgroup(from) }
    }

    /// Puts a raw frame onto a pod's veth, however broken it is.
    pub fn inject_frame(&self, pod: &str, end: End, frame: &[u8]) -> Result<()> {
        let (node, net) = self.pod_net(pod)?;
        let sent = match end {
            End::Pod => net.netns.run(|| frame::inject("eth0", frame))?,
            End::Host => node.run(|| frame::inject(&net.veth, frame))?,
        };
        sent.map_err(|err| LabError::socket(format!("put a frame onto the veth of {pod}"), err))
    }

    fn attempt(
        &self,
        from: Place,
        protocol: Protocol,
        destination: SocketAddr,
        client: impl FnOnce() -> Sight + Send,
    ) -> Result<Attempted> {
        let timed = || {
            let started = Timestamp::now();
            let (local, result) = client();
            (started, local, result, Timestamp::now())
        };
        let (started, local, result, ended) = self.netns(&from)?.run(timed)?;
        Ok(self.attempts.enter(Attempted {
            id: 0,
            from,
            protocol,
            local,
            destination,
            result,
            started,
            ended,
        }))
    }
}
