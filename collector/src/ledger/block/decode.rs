//! From a block to flows. Nothing in a block is believed.

use super::{
    Columns, Content, Rare,
    names::{EndRow, Index, KindRow, PolicyRow, RelationRow, ServiceRow, SideRow},
    unpack,
};
use crate::made::Made;
use jiff::Timestamp;
use portolan_policy::{
    End, Enforcer, Flow, Latency, PodEnd, PolicyRef, ServiceRef, SideDecision, Who, Workload,
};
use portolan_proto::Latencies;
use std::{io, sync::Arc};

/// Why bytes are no block.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockError {
    /// It ends before it should.
    #[error("it is too short")]
    Short,
    /// Another version wrote it, or nobody.
    #[error("it has form {0}, which this version does not know")]
    Version(u8),
    /// It would not fit in memory.
    #[error("it says that it holds {0} bytes")]
    Large(usize),
    /// What is compressed is broken.
    #[error("its zstd frame is broken")]
    Frame(#[source] io::Error),
    /// What was compressed is not what was written.
    #[error("its content is broken")]
    Content(#[source] postcard::Error),
    /// A table or a column has no such place.
    #[error("its {0} do not fit together")]
    Shape(&'static str),
}

/// The flows of a block, in their order.
pub(crate) fn decode(block: &[u8]) -> Result<Vec<Made>, BlockError> {
    let content: Content<String> = unpack(block)?;
    let Content { names, ends, services, sides, relations, kinds, columns, rare } = content;
    let names = Names(&names);
    let tables = Tables {
        ends: shared(&ends, |row| names.who(row))?,
        services: shared(&services, |row| names.service(row))?,
        sides: shared(&sides, |row| names.side(row))?,
        kinds: kinds.into_iter().map(|row| names.kind(row)).collect::<Result<_, _>>()?,
        relations,
    };
    columns.check()?;
    let (mut last, mut ordinal) = (0_i128, 0_u64);
    let mut flows = Vec::with_capacity(columns.relation.len());
    for place in 0..columns.relation.len() {
        ordinal = ordinal.wrapping_add_signed(columns.ordinal[place]);
        flows.push(Made { ordinal, flow: tables.flow(&columns, place, &mut last)?, latencies: None });
    }
    rare.apply(&mut flows)?;
    Ok(flows)
}

impl Columns {
    fn check(&self) -> Result<(), BlockError> {
        let Self {
            ordinal,
            relation,
            kind,
            unit: _,
            time,
            duration,
            port,
            attempts,
            tries,
            packets,
            bytes,
            latency,
        } = self;
        let lengths = [kind.len(), time.len(), duration.len(), port.len(), attempts.len(), tries.len()];
        let more = [ordinal.len(), packets.len(), bytes.len(), latency.len()];
        let same = lengths.iter().chain(&more).all(|length| *length == relation.len());
        if same { Ok(()) } else { Err(BlockError::Shape("columns")) }
    }

    fn timestamp(&self, time: Option<i128>) -> Result<Timestamp, BlockError> {
        let nanos = time.and_then(|time| time.checked_mul(i128::from(self.unit)));
        let nanos = nanos.ok_or(BlockError::Shape("times"))?;
        Timestamp::from_nanosecond(nanos).map_err(|_| BlockError::Shape("times"))
    }
}

/// What became of a flow, named for all flows to share.
struct Kind {
    row: KindRow,
    drop_reason: Option<Arc<str>>,
    drop_location: Option<Arc<str>>,
    enforced_by: Option<Arc<Enforcer>>,
}

struct Tables {
    ends: Vec<Arc<Who>>,
    services: Vec<Arc<ServiceRef>>,
    sides: Vec<Arc<SideDecision>>,
    relations: Vec<RelationRow>,
    kinds: Vec<Kind>,
}

impl Tables {
    fn flow(&self, columns: &Columns, place: usize, last: &mut i128) -> Result<Flow, BlockError> {
        let RelationRow { source, destination, port, service, protocol, egress, ingress } =
            find(&self.relations, columns.relation[place], "relations")?;
        let Kind { row: kind, drop_reason, drop_location, enforced_by } =
            find(&self.kinds, columns.kind[place], "kinds")?;
        let time = last.checked_add(columns.time[place]);
        let end_time = time.and_then(|time| time.checked_add(columns.duration[place]));
        *last = time.ok_or(BlockError::Shape("times"))?;
        let source_port = match columns.port[place].checked_sub(1) {
            Some(port) => Some(u16::try_from(port).map_err(|_| BlockError::Shape("ports"))?),
            None => None,
        };
        let service = service.map(|service| find(&self.services, service, "services")).transpose()?;
        Ok(Flow {
            time: columns.timestamp(time)?,
            end_time: columns.timestamp(end_time)?,
            source: self.end(*source, source_port)?,
            destination: self.end(*destination, *port)?,
            service: service.cloned(),
            protocol: *protocol,
            outcome: kind.outcome,
            drop_reason: drop_reason.clone(),
            drop_location: drop_location.clone(),
            enforced_by: enforced_by.clone(),
            passed_netfilter: kind.passed_netfilter,
            verdict: kind.verdict,
            inferred: kind.inferred,
            egress: Arc::clone(find(&self.sides, *egress, "decisions")?),
            ingress: Arc::clone(find(&self.sides, *ingress, "decisions")?),
            reporter: kind.reporter,
            attempts: columns.attempts[place],
            tries: columns.tries[place],
            packets: columns.packets[place],
            bytes: columns.bytes[place],
            latency_us: columns.latency[place].map(Latency::single),
            retransmits: None,
            srtt_us: None,
            lost: 0,
            losses: Vec::new(),
        })
    }

    fn end(&self, place: Index, port: Option<u16>) -> Result<End, BlockError> {
        Ok(End::new(Arc::clone(find(&self.ends, place, "ends")?), port))
    }
}

impl Rare {
    fn apply(self, flows: &mut [Made]) -> Result<(), BlockError> {
        let Self { latency, latencies, retransmits, srtt, lost } = self;
        for (place, steps) in latencies {
            made_at(flows, place)?.latencies = Some(histogram(steps));
        }
        for (place, p50, p99, max) in latency {
            let flow = flow_at(flows, place)?;
            let min = flow.latency_us.ok_or(BlockError::Shape("latencies"))?.min;
            flow.latency_us = Some(Latency { min, p50, p99, max });
        }
        for (place, count) in retransmits {
            flow_at(flows, place)?.retransmits = Some(count);
        }
        for (place, micros) in srtt {
            flow_at(flows, place)?.srtt_us = Some(micros);
        }
        for (place, count, losses) in lost {
            let flow = flow_at(flows, place)?;
            (flow.lost, flow.losses) = (count, losses);
        }
        Ok(())
    }
}

fn histogram(steps: Vec<(u64, u64)>) -> Latencies {
    Latencies::from_counts(steps.into_iter().scan(0_u64, |value, (step, count)| {
        *value = value.saturating_add(step);
        Some((*value, count))
    }))
}

fn flow_at(flows: &mut [Made], place: Index) -> Result<&mut Flow, BlockError> {
    Ok(&mut made_at(flows, place)?.flow)
}

fn made_at(flows: &mut [Made], place: Index) -> Result<&mut Made, BlockError> {
    flows.get_mut(place as usize).ok_or(BlockError::Shape("rare columns"))
}

fn find<'table, T>(table: &'table [T], place: Index, what: &'static str) -> Result<&'table T, BlockError> {
    table.get(place as usize).ok_or(BlockError::Shape(what))
}

/// Every thing of a table, for all flows to share.
fn shared<Row, T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, BlockError>,
) -> Result<Vec<Arc<T>>, BlockError> {
    rows.iter().map(|row| read(row).map(Arc::new)).collect()
}

#[derive(Clone, Copy)]
struct Names<'block>(&'block [String]);

impl Names<'_> {
    fn name(self, place: Index) -> Result<String, BlockError> {
        find(self.0, place, "names").cloned()
    }

    fn perhaps(self, place: Option<Index>) -> Result<Option<String>, BlockError> {
        place.map(|place| self.name(place)).transpose()
    }

    fn kind(self, row: KindRow) -> Result<Kind, BlockError> {
        Ok(Kind {
            drop_reason: self.perhaps(row.drop_reason)?.map(Into::into),
            drop_location: self.perhaps(row.drop_location)?.map(Into::into),
            enforced_by: row.enforced_by.clone().map(Arc::new),
            row,
        })
    }

    fn who(self, row: &EndRow) -> Result<Who, BlockError> {
        Ok(match row {
            EndRow::Pod { namespace, pod, kind, workload, ip, node, labels } => {
                let labels = labels.iter().map(|(key, value)| Ok((self.name(*key)?, self.name(*value)?)));
                Who::Pod(PodEnd {
                    namespace: self.name(*namespace)?,
                    pod: self.name(*pod)?,
                    workload: Workload { kind: self.name(*kind)?, name: self.name(*workload)? },
                    ip: *ip,
                    node: self.name(*node)?,
                    labels: Arc::new(labels.collect::<Result<_, BlockError>>()?),
                })
            }
            EndRow::Node { node, namespace, pod, ip } => Who::Node {
                node: self.name(*node)?,
                namespace: self.perhaps(*namespace)?,
                pod: self.perhaps(*pod)?,
                ip: *ip,
            },
            EndRow::Service { namespace, name, ip } => {
                Who::Service { namespace: self.name(*namespace)?, name: self.name(*name)?, ip: *ip }
            }
            EndRow::External { ip } => Who::External { ip: *ip },
        })
    }

    fn service(self, row: &ServiceRow) -> Result<ServiceRef, BlockError> {
        let ServiceRow { namespace, name, ip, port } = row;
        Ok(ServiceRef { namespace: self.name(*namespace)?, name: self.name(*name)?, ip: *ip, port: *port })
    }

    fn side(self, row: &SideRow) -> Result<SideDecision, BlockError> {
        let policies = row.policies.iter().map(|PolicyRow { kind, namespace, name, rule }| {
            let (namespace, name) = (self.perhaps(*namespace)?, self.name(*name)?);
            Ok(PolicyRef { kind: *kind, namespace, name, rule: *rule })
        });
        Ok(SideDecision {
            verdict: row.verdict,
            policies: policies.collect::<Result<_, BlockError>>()?,
            reason: self.perhaps(row.reason)?,
        })
    }
}
