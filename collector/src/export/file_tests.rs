//! Files are read again by Parquet's own reader, and flows must come out as they went in.

use super::{FlowFile, Row as Exported};
use crate::{
    build::{FlowExt as _, at, policy, web_to_db},
    strategies,
};
use bytes::Bytes;
use jiff::Timestamp;
use parquet::{
    basic::{LogicalType, TimeUnit, Type as Physical},
    file::reader::{FileReader as _, SerializedFileReader},
    record::{Field, Row},
    schema::types::Type,
};
use portolan_policy::{
    End, Enforcer, Flow, Latency, Loss, PodEnd, PolicyRef, ServiceRef, SideDecision, Who, Workload,
};
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use std::{collections::BTreeMap, sync::Arc};

/// The fields of a row or of a structure by name.
struct Fields(BTreeMap<String, Field>);

impl Fields {
    fn of(row: &Row) -> Self {
        Self(row.get_column_iter().map(|(name, field)| (name.clone(), field.clone())).collect())
    }

    fn get(&self, name: &str) -> &Field {
        self.0.get(name).unwrap_or_else(|| panic!("no column {name}"))
    }

    fn is_null(&self, name: &str) -> bool {
        *self.get(name) == Field::Null
    }

    fn text(&self, name: &str) -> Option<String> {
        match self.get(name) {
            Field::Null => None,
            Field::Str(text) => Some(text.clone()),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn flag(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Field::Null => None,
            Field::Bool(flag) => Some(*flag),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Field::Null => None,
            Field::UShort(number) => Some(u64::from(*number)),
            Field::UInt(number) => Some(u64::from(*number)),
            Field::ULong(number) => Some(*number),
            other => panic!("{name} is {other:?}"),
        }
    }

    fn short(&self, name: &str) -> Option<u16> {
        self.number(name).map(|number| number.try_into().unwrap())
    }

    fn time(&self, name: &str) -> Timestamp {
        let Field::TimestampMicros(micros) = self.get(name) else { panic!("{name} is no time") };
        let nanos = self.number(&format!("{name}_nanos")).unwrap();
        Timestamp::from_nanosecond(i128::from(*micros) * 1000 + i128::from(nanos)).unwrap()
    }

    /// A word of the JSON contract.
    fn word<T: DeserializeOwned>(&self, name: &str) -> T {
        self.some_word(name).unwrap()
    }

    fn some_word<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.text(name).map(|word| serde_json::from_value(word.into()).unwrap())
    }

    fn list(&self, name: &str) -> Vec<Self> {
        let Field::ListInternal(list) = self.get(name) else { panic!("{name} is no list") };
        let fields = |field: &Field| match field {
            Field::Group(row) => Self::of(row),
            other => panic!("{name} holds {other:?}"),
        };
        list.elements().iter().map(fields).collect()
    }
}

fn end(fields: &Fields, side: &str) -> End {
    let text = |name: &str| fields.text(&format!("{side}_{name}"));
    let ip = text("ip").unwrap().parse().unwrap();
    let who = match text("kind").unwrap().as_str() {
        "pod" => Who::Pod(PodEnd {
            namespace: text("namespace").unwrap(),
            pod: text("pod").unwrap(),
            workload: Workload { kind: text("workload_kind").unwrap(), name: text("workload_name").unwrap() },
            ip,
            node: text("node").unwrap(),
            labels: Arc::default(),
        }),
        "node" => {
            Who::Node { node: text("node").unwrap(), namespace: text("namespace"), pod: text("pod"), ip }
        }
        "service" => {
            Who::Service { namespace: text("namespace").unwrap(), name: text("service").unwrap(), ip }
        }
        "external" => Who::External { ip },
        other => panic!("an end of the kind {other}"),
    };
    who.at(fields.short(&format!("{side}_port")))
}

fn service(fields: &Fields) -> Option<ServiceRef> {
    Some(ServiceRef {
        namespace: fields.text("service_namespace")?,
        name: fields.text("service_name").unwrap(),
        ip: fields.text("service_ip").unwrap().parse().unwrap(),
        port: fields.short("service_port").unwrap(),
    })
}

fn enforcer(fields: &Fields) -> Option<Enforcer> {
    Some(Enforcer {
        family: fields.text("enforced_by_family")?,
        table: fields.text("enforced_by_table").unwrap(),
        chain: fields.text("enforced_by_chain").unwrap(),
        handle: fields.number("enforced_by_handle"),
        comment: fields.text("enforced_by_comment"),
        verdict: fields.word("enforced_by_verdict"),
    })
}

fn side(fields: &Fields, side: &str) -> SideDecision {
    let policy = |fields: &Fields| PolicyRef {
        kind: fields.word("kind"),
        namespace: fields.text("namespace"),
        name: fields.text("name").unwrap(),
        rule: fields.number("rule").map(|rule| rule.try_into().unwrap()),
    };
    SideDecision {
        verdict: fields.word(&format!("{side}_verdict")),
        policies: fields.list(&format!("{side}_policies")).iter().map(policy).collect(),
        reason: fields.text(&format!("{side}_reason")),
    }
}

fn latency(fields: &Fields) -> Option<Latency> {
    let number = |name: &str| fields.number(name).unwrap();
    (!fields.is_null("latency_min_us")).then(|| Latency {
        min: number("latency_min_us"),
        p50: number("latency_p50_us"),
        p99: number("latency_p99_us"),
        max: number("latency_max_us"),
    })
}

fn loss(fields: &Fields) -> Loss {
    Loss {
        cause: fields.text("cause").unwrap(),
        count: fields.number("count").unwrap(),
        from: fields.time("from"),
        to: fields.time("to"),
    }
}

/// The flow of a row. A field that no column holds is missing here, and does not compile.
fn flow(fields: &Fields) -> Flow {
    let number = |name: &str| fields.number(name).unwrap();
    Flow {
        time: fields.time("time"),
        end_time: fields.time("end_time"),
        source: end(fields, "source"),
        destination: end(fields, "destination"),
        service: service(fields).map(Arc::new),
        protocol: fields.word("protocol"),
        outcome: fields.word("outcome"),
        revises: fields.some_word("revises"),
        drop_reason: fields.text("drop_reason").map(Into::into),
        drop_location: fields.text("drop_location").map(Into::into),
        enforced_by: enforcer(fields).map(Arc::new),
        passed_netfilter: fields.flag("passed_netfilter"),
        verdict: fields.word("verdict"),
        inferred: fields.flag("inferred").unwrap(),
        egress: side(fields, "egress").into(),
        ingress: side(fields, "ingress").into(),
        reporter: fields.word("reporter"),
        attempts: number("attempts"),
        tries: number("tries"),
        packets: number("packets"),
        bytes: number("bytes"),
        latency_us: latency(fields),
        retransmits: fields.number("retransmits"),
        srtt_us: fields.number("srtt_us"),
        lost: number("lost"),
        losses: fields.list("losses").iter().map(loss).collect(),
    }
}

/// The flow as a file tells it: labels are for filters only, as in JSON.
fn told(mut flow: Flow) -> Flow {
    for end in [&mut flow.source, &mut flow.destination] {
        if let Who::Pod(pod) = end.who() {
            *end = Who::Pod(PodEnd { labels: Arc::default(), ..pod.clone() }).at(end.port());
        }
    }
    flow
}

/// A file with row groups of three, so that most have several.
fn write(rows: impl IntoIterator<Item = Exported>) -> Vec<u8> {
    let mut file = FlowFile::with_groups(Vec::new(), 3).unwrap();
    for row in rows {
        file.push(row).unwrap();
    }
    file.finish(Vec::new()).unwrap()
}

fn read(bytes: Bytes) -> Vec<(Option<u64>, Flow)> {
    let reader = SerializedFileReader::new(bytes).unwrap();
    let rows = reader.get_row_iter(None).unwrap();
    rows.map(|row| Fields::of(&row.unwrap()))
        .map(|fields| (fields.number("ordinal"), flow(&fields)))
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn flows_come_out_as_they_went_in(
        flows in prop::collection::vec((any::<Option<u64>>(), strategies::flow()), 0..20),
    ) {
        let rows = flows.iter().map(|(ordinal, flow)| Exported { ordinal: *ordinal, flow: flow.clone() });
        let wanted: Vec<_> = flows.iter().map(|(ordinal, flow)| (*ordinal, told(flow.clone()))).collect();
        prop_assert_eq!(read(write(rows).into()), wanted);
    }
}

#[test]
fn rows_that_were_written_in_slices_are_one_row_group() {
    let mut file = FlowFile::new(Vec::new()).unwrap();
    let policies =
        [vec![], vec![policy("shop/db", Some(0))], vec![policy("a/b", None), policy("c/d", Some(7))]];
    let wanted: Vec<_> = (0..5_000_u64)
        .map(|ordinal| {
            let flow = told(web_to_db().started(at(ordinal as i64)));
            let policies = policies[ordinal as usize % policies.len()].clone();
            let ingress = SideDecision { policies, ..flow.ingress.as_ref().clone() };
            (Some(ordinal), flow.ingress(ingress))
        })
        .collect();
    for (ordinal, flow) in &wanted {
        file.push(Exported { ordinal: *ordinal, flow: flow.clone() }).unwrap();
    }
    let bytes = Bytes::from(file.finish(Vec::new()).unwrap());
    let reader = SerializedFileReader::new(bytes.clone()).unwrap();
    assert_eq!(reader.metadata().num_row_groups(), 1);
    assert_eq!(read(bytes), wanted);
}

/// The columns below a type, as docs/export.md names them.
fn columns(path: &str, field: &Type, lines: &mut Vec<String>) {
    let name = format!("{path}{}", field.name());
    if field.is_group() {
        let element = &field.get_fields()[0].get_fields()[0];
        element.get_fields().iter().for_each(|field| columns(&format!("{name}[]."), field, lines));
        return;
    }
    let kind = match (field.get_physical_type(), field.get_basic_info().logical_type_ref()) {
        (Physical::BYTE_ARRAY, Some(LogicalType::String)) => "string".to_owned(),
        (Physical::BOOLEAN, None) => "boolean".to_owned(),
        (_, Some(LogicalType::Integer(number))) if !number.is_signed => format!("uint{}", number.bit_width),
        (Physical::INT64, Some(LogicalType::Timestamp(time))) if time.is_adjusted_to_u_t_c => {
            assert_eq!(time.unit, TimeUnit::MICROS);
            "timestamp".to_owned()
        }
        other => panic!("{name} is {other:?}"),
    };
    lines.push(format!("| `{name}` | {kind} | {} |", if field.is_optional() { "yes" } else { "no" }));
}

#[test]
fn every_column_is_described_with_its_type_in_its_place() {
    let schema = super::schema::schema(&super::schema::parts()).unwrap();
    let mut wanted = Vec::new();
    schema.get_fields().iter().for_each(|field| columns("", field, &mut wanted));
    let described = include_str!("../../../docs/export.md").lines().filter(|line| line.starts_with("| `"));
    let described: Vec<_> = described.skip_while(|line| !line.starts_with("| `ordinal`")).collect();
    assert_eq!(described.len(), wanted.len());
    for (line, wanted) in described.iter().zip(wanted) {
        assert!(line.starts_with(&wanted), "{line} is not {wanted}");
    }
}
