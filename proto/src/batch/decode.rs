//! From a batch to its records.

use super::{
    BatchError, Flaw,
    column::Memory,
    ends::ends,
    frame,
    relations::{Tables, kinds, relations},
    rows::Rows,
    said::{enforcers, services, sides},
    share::{Apart, Share},
    texts::Texts,
};
use crate::{Observation, v1};

/// The records of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// What could be read, in the order the agent made them.
    pub observations: Vec<Observation>,
    /// How many could not.
    pub malformed: u64,
    /// What was wrong with the first of those.
    pub flaw: Option<Flaw>,
}

/// Reads the records of a batch.
pub fn decode(batch: &v1::Batch) -> Result<Decoded, BatchError> {
    decode_sharing(batch, &Apart)
}

/// Reads the records of a batch, which share what they name with those of others.
pub fn decode_sharing(batch: &v1::Batch, share: &impl Share) -> Result<Decoded, BatchError> {
    if batch.content.is_empty() {
        return of_number(batch.records, Decoded::default(), 0);
    }
    let content = frame::unpack(&batch.content, batch.content_length)?;
    let v1::BatchContent {
        strings,
        label_sets,
        ends: wire_ends,
        services: wire_services,
        policies,
        sides: wire_sides,
        enforcers: wire_enforcers,
        relations: wire_relations,
        kinds: wire_kinds,
        rows,
    } = content;
    let mut memory = Memory::new();
    let strings = strings.unwrap_or_default();
    let texts = Texts::read(&strings)?;
    let ends =
        ends(&wire_ends.unwrap_or_default(), &label_sets.unwrap_or_default(), &texts, share, &mut memory)?;
    let services = services(&wire_services.unwrap_or_default(), &texts, share, &mut memory)?;
    let sides =
        sides(&wire_sides.unwrap_or_default(), &policies.unwrap_or_default(), &texts, share, &mut memory)?;
    let enforcers = enforcers(&wire_enforcers.unwrap_or_default(), &texts, share, &mut memory)?;
    let tables = Tables { ends, services, sides };
    let relations = relations(&wire_relations.unwrap_or_default(), &tables, &mut memory)?;
    let kinds = kinds(&wire_kinds.unwrap_or_default(), &texts, share, &enforcers, &mut memory)?;
    let rows = rows.unwrap_or_default();
    let decoded = Rows::new(&rows)?.read(&relations, &kinds, &mut memory);
    of_number(batch.records, decoded, rows.relations.len())
}

fn of_number(said: u32, decoded: Decoded, found: usize) -> Result<Decoded, BatchError> {
    if said as usize == found { Ok(decoded) } else { Err(BatchError::Records { said, found }) }
}
