//! The table, its listener and what it says, for as long as openings are traced.

use super::{
    event::Step,
    link::{Link, Request},
    listener::Listener,
    rules::Rules,
    rulings::Rulings,
    table, wire,
};
use crate::{
    capture::{Ledger, LossCause},
    clock::monotonic,
    connections::Attempt,
};
use portolan_policy::{Enforcer, Outcome};
use std::{io, time::Duration};
use tracing::{info, warn};

/// Why openings cannot be traced.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// No socket.
    #[error("cannot open a netlink socket to nftables")]
    Open(#[source] io::Error),
    /// The right is missing.
    #[error("the kernel refuses a change of nftables: the agent needs root, or the capability CAP_NET_ADMIN")]
    NotPermitted,
    /// Somebody else's table stands there.
    #[error(
        "there is a table `inet {name}` already: an agent that runs owns it, or it is a stranger's, which `nft \
         delete table inet {name}` removes"
    )]
    Taken {
        /// The name.
        name: &'static str,
    },
    /// The kernel cannot do it.
    #[error(
        "this kernel has no nftables, or none whose tables go with their owner: Linux 5.12 or later with \
         CONFIG_NF_TABLES_INET is needed"
    )]
    NoNftables(#[source] io::Error),
    /// The table is refused for another reason.
    #[error("nftables refuses the table `inet {name}`")]
    Table {
        /// The name.
        name: &'static str,
        /// Why.
        #[source]
        error: io::Error,
    },
}

/// Traces openings in the network namespace that it was opened in, until it is dropped.
#[derive(Debug)]
pub struct Tracer {
    /// Owns the table: the last to go.
    link: Link,
    listener: Listener,
    rules: Rules,
    rulings: Rulings,
    ledger: Ledger,
}

impl Tracer {
    /// Traces at most so many openings a second; a conversation that was silent for so long is a new one.
    pub fn open(rate: u32, silence: Duration, ledger: Ledger) -> Result<Self, TraceError> {
        let mut link = Link::open().map_err(TraceError::Open)?;
        let listener = Listener::open().map_err(refusal)?;
        link.transact(&table::requests(rate, silence)).map_err(refusal)?;
        info!(rate, table = table::NAME, "Openings are traced through nftables.");
        warn_of_legacy_tables();
        Ok(Self { link, listener, rules: Rules::new(), rulings: Rulings::new(silence), ledger })
    }

    /// Follows traced packets; never comes back.
    pub async fn follow(&mut self) {
        loop {
            if let Err(error) = self.listener.readable().await {
                warn!(%error, "The socket of the trace is broken: no rule is named from now on.");
                std::future::pending::<()>().await;
            }
            self.catch_up();
        }
    }

    /// Takes in all that the kernel has told so far.
    fn catch_up(&mut self) {
        let Self { link, listener, rules, rulings, .. } = self;
        let mut asked = false;
        loop {
            match listener.receive() {
                Ok(Some(bytes)) => {
                    if !std::mem::replace(&mut asked, true) {
                        rules.look_again(link);
                    }
                    for step in wire::messages(&bytes).filter_map(|message| Step::read(&message)) {
                        rulings.on_step(monotonic(), &step, |step| rules.enforcer(step, link));
                    }
                }
                Ok(None) => return self.note_losses(),
                Err(gap) => {
                    tracing::debug!(error = %gap, "Steps of traced packets were lost.");
                    rulings.on_gap();
                }
            }
        }
    }

    /// The rule that brought about the outcome of an attempt, where the sample knows it.
    pub fn enforcer(&mut self, attempt: &Attempt, outcome: Outcome) -> Option<Enforcer> {
        self.catch_up();
        self.rulings.of(attempt, outcome)
    }

    fn note_losses(&mut self) {
        self.ledger.look(LossCause::TraceSteps, self.listener.take_lost());
        self.ledger.look(LossCause::TraceRulings, self.rulings.take_forgotten());
    }
}

/// Why the kernel refused the table, or the word of it.
fn refusal(error: io::Error) -> TraceError {
    match error.raw_os_error() {
        Some(libc::EEXIST) => TraceError::Taken { name: table::NAME },
        // A table that has an owner is refused like a missing right; only its listing tells them apart.
        Some(libc::EPERM) if is_there() => TraceError::Taken { name: table::NAME },
        Some(libc::EPERM) => TraceError::NotPermitted,
        Some(libc::EOPNOTSUPP | libc::EPROTONOSUPPORT | libc::EAFNOSUPPORT) => TraceError::NoNftables(error),
        _ => TraceError::Table { name: table::NAME, error },
    }
}

fn is_there() -> bool {
    const GET_TABLE: u16 = 1;
    let attributes = wire::Attributes::new().text(1, table::NAME);
    let question = Request { message: GET_TABLE, flags: 0, family: table::FAMILY, attributes };
    Link::open().and_then(|mut link| link.ask(&question)).is_ok()
}

/// The rules of iptables-legacy are not named, and what they say of traced packets goes elsewhere.
fn warn_of_legacy_tables() {
    let named = |path| std::fs::read_to_string(path).is_ok_and(|names| !names.trim().is_empty());
    if named("/proc/self/net/ip_tables_names") || named("/proc/self/net/ip6_tables_names") {
        warn!(
            "iptables-legacy has tables here. Their rules are not named; and where a logger is bound \
             (net.netfilter.nf_log), the kernel logs each rule that a sampled packet meets there."
        );
    }
}
