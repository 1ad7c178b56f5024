//! What records have in common, as it is read: relations and kinds.

use super::{
    BatchError, Flaw,
    column::{Column, Entries, Entry, Memory, Shared, each},
    share::Share,
    texts::{Texts, some_word, word},
};
use crate::{Witness, v1};
use portolan_policy::{Enforcer, Outcome, Protocol, Reporter, ServiceRef, SideDecision, Verdict, Who};
use std::sync::Arc;

const DROP_REASON: &str = "its drop reason is no text of the batch";
const DROP_LOCATION: &str = "its drop location is no text of the batch";

/// What relations refer to.
pub(super) struct Tables {
    pub(super) ends: Entries<Shared<Who>>,
    pub(super) services: Entries<Shared<ServiceRef>>,
    pub(super) sides: Entries<Shared<SideDecision>>,
}

/// What attempts between the same ends, to the same port, have in common.
pub(super) struct Relation<'a> {
    pub(super) protocol: Protocol,
    pub(super) source: &'a Arc<Who>,
    pub(super) destination: &'a Arc<Who>,
    pub(super) destination_port: Option<u16>,
    pub(super) service: Option<&'a Arc<ServiceRef>>,
    pub(super) egress: &'a Arc<SideDecision>,
    pub(super) ingress: &'a Arc<SideDecision>,
    /// What all that takes where a record is written out.
    pub(super) weight: usize,
}

/// Reads the relations.
pub(super) fn relations<'a>(
    wire: &v1::Relations,
    tables: &'a Tables,
    memory: &mut Memory,
) -> Result<Entries<Relation<'a>>, BatchError> {
    let count = wire.protocols.len();
    let sources = Column::new("relations.sources", &wire.sources, count)?;
    let destinations = Column::new("relations.destinations", &wire.destinations, count)?;
    let ports = Column::new("relations.destination_ports", &wire.destination_ports, count)?;
    let services = Column::new("relations.services", &wire.services, count)?;
    let egress = Column::new("relations.egress", &wire.egress, count)?;
    let ingress = Column::new("relations.ingress", &wire.ingress, count)?;
    let Tables { ends, services: all_services, sides } = tables;
    each("relations", count, memory, |entry, _| {
        let at = entry.index;
        let source = entry.find(ends, sources.at(at), "its source is not in the batch")?;
        let destination = entry.find(ends, destinations.at(at), "its destination is not in the batch")?;
        let service = entry.find_some(all_services, services.at(at), "its service is not in the batch")?;
        let egress = entry.find(sides, egress.at(at), "its egress is not in the batch")?;
        let ingress = entry.find(sides, ingress.at(at), "its ingress is not in the batch")?;
        let weights = [
            source.weight,
            destination.weight,
            service.map_or(0, |service| service.weight),
            egress.weight,
            ingress.weight,
        ];
        Ok(Relation {
            protocol: word(entry, wire.protocols[at], "its protocol is unknown")?,
            source: &source.value,
            destination: &destination.value,
            destination_port: port(entry, ports.at(at))?,
            service: service.map(|service| &service.value),
            egress: &egress.value,
            ingress: &ingress.value,
            weight: weights.into_iter().fold(0, usize::saturating_add),
        })
    })
}

fn port(entry: Entry, one_more: u32) -> Result<Option<u16>, Flaw> {
    let port = one_more.checked_sub(1).map(u16::try_from).transpose();
    port.map_err(|_| entry.flaw("its destination port is none"))
}

/// What else many records have in common.
pub(super) struct Kind<'a> {
    pub(super) outcome: Outcome,
    pub(super) revises: Option<Outcome>,
    pub(super) verdict: Verdict,
    pub(super) reporter: Reporter,
    pub(super) inferred: bool,
    pub(super) witness: Witness,
    pub(super) passed_netfilter: Option<bool>,
    pub(super) drop_reason: Option<Arc<str>>,
    pub(super) drop_location: Option<Arc<str>>,
    pub(super) enforced_by: Option<&'a Arc<Enforcer>>,
    pub(super) has_source_port: bool,
    /// What all that takes where a record is written out.
    pub(super) weight: usize,
}

/// Reads the kinds.
pub(super) fn kinds<'a>(
    wire: &v1::Kinds,
    texts: &Texts<'_>,
    share: &impl Share,
    all_enforcers: &'a Entries<Shared<Enforcer>>,
    memory: &mut Memory,
) -> Result<Entries<Kind<'a>>, BatchError> {
    let count = wire.outcomes.len();
    let revises = Column::new("kinds.revises", &wire.revises, count)?;
    let verdicts = Column::new("kinds.verdicts", &wire.verdicts, count)?;
    let reporters = Column::new("kinds.reporters", &wire.reporters, count)?;
    let inferred = Column::new("kinds.inferred", &wire.inferred, count)?;
    let witnesses = Column::new("kinds.witnesses", &wire.witnesses, count)?;
    let passed = Column::new("kinds.passed_netfilter", &wire.passed_netfilter, count)?;
    let reasons = Column::new("kinds.drop_reasons", &wire.drop_reasons, count)?;
    let locations = Column::new("kinds.drop_locations", &wire.drop_locations, count)?;
    let enforcers = Column::new("kinds.enforcers", &wire.enforcers, count)?;
    let source_ports = Column::new("kinds.source_ports", &wire.source_ports, count)?;
    let text = |entry, reference, problem| {
        Ok(texts.borrowed(entry, reference, problem)?.map(|text| share.text(text)))
    };
    each("kinds", count, memory, |entry, memory| {
        let at = entry.index;
        let texts_weight = texts.length(reasons.at(at)) + texts.length(locations.at(at));
        entry.take(memory, texts_weight)?;
        let rule = entry.find_some(all_enforcers, enforcers.at(at), "its enforcer is not in the batch")?;
        Ok(Kind {
            outcome: word(entry, wire.outcomes[at], "its outcome is unknown")?,
            revises: some_word(entry, revises.at(at), "the outcome that it revises is unknown")?,
            verdict: word(entry, verdicts.at(at), "its verdict is unknown")?,
            reporter: word(entry, reporters.at(at), "its reporter is unknown")?,
            inferred: inferred.at(at),
            witness: witness(entry, witnesses.at(at))?,
            passed_netfilter: known(entry, passed.at(at))?,
            drop_reason: text(entry, reasons.at(at), DROP_REASON)?,
            drop_location: text(entry, locations.at(at), DROP_LOCATION)?,
            enforced_by: rule.map(|rule| &rule.value),
            has_source_port: source_ports.at(at),
            weight: rule.map_or(0, |rule| rule.weight).saturating_add(texts_weight),
        })
    })
}

fn witness(entry: Entry, bits: u32) -> Result<Witness, Flaw> {
    let bits = u8::try_from(bits).map_err(|_| entry.flaw("its witness has bits that mean nothing"))?;
    Ok(Witness::from_bits(bits))
}

fn known(entry: Entry, number: u32) -> Result<Option<bool>, Flaw> {
    match number {
        0 => Ok(None),
        1 => Ok(Some(false)),
        2 => Ok(Some(true)),
        _ => Err(entry.flaw("whether it passed netfilter is out of range")),
    }
}
