//! A column: what is taken of an item, and how its values go into a file.
//!
//! Parquet keeps the values of a column that are there, and beside them for each item a level that says
//! whether it has one ("definition") and, in a list, whether it belongs to the same row as the item
//! before ("repetition").

use jiff::Timestamp;
use parquet::{
    basic::{LogicalType, Repetition, TimeUnit, Type as Physical},
    column::writer::{ColumnWriter, get_typed_column_writer_mut},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, Int32Type, Int64Type},
    errors::Result,
    schema::types::{Type, TypePtr},
};
use std::{fmt::Write as _, net::IpAddr, sync::Arc};

/// A text that is not made for the column alone.
pub(super) enum Text<'item> {
    Word(&'item str),
    Address(IpAddr),
}

/// How a column takes its value from an item; none is null.
pub(super) enum Take<T> {
    Text(for<'item> fn(&'item T) -> Option<Text<'item>>),
    Flag(fn(&T) -> Option<bool>),
    Short(fn(&T) -> Option<u16>),
    Int(fn(&T) -> Option<u32>),
    Long(fn(&T) -> Option<u64>),
    /// The microsecond in which a time lies.
    Time(fn(&T) -> Option<Timestamp>),
    /// What is left of a time beyond the microsecond.
    Nanos(fn(&T) -> Option<Timestamp>),
}

/// A column of items.
pub(super) struct Column<T> {
    pub(super) name: &'static str,
    /// Whether every item has a value.
    pub(super) always: bool,
    pub(super) take: Take<T>,
}

/// An item in the row of items that a column is made of; none where its group is missing or its list empty.
pub(super) struct Slot<'item, T> {
    /// Whether it belongs to the list of the item before.
    pub(super) goes_on: bool,
    pub(super) item: Option<&'item T>,
}

/// Where a column stands.
#[derive(Clone, Copy)]
pub(super) struct Place {
    /// Whether it may be null.
    pub(super) nullable: bool,
    /// Whether its items are those of a list.
    pub(super) in_list: bool,
}

impl<T> Column<T> {
    /// The type of the column under this name.
    pub(super) fn field(&self, name: &str, nullable: bool) -> Result<TypePtr> {
        let (physical, logical) = match self.take {
            Take::Text(_) => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Take::Flag(_) => (Physical::BOOLEAN, None),
            Take::Short(_) | Take::Nanos(_) => (Physical::INT32, Some(LogicalType::integer(16, false))),
            Take::Int(_) => (Physical::INT32, Some(LogicalType::integer(32, false))),
            Take::Long(_) => (Physical::INT64, Some(LogicalType::integer(64, false))),
            Take::Time(_) => (Physical::INT64, Some(LogicalType::timestamp(true, TimeUnit::MICROS))),
        };
        let repetition = if nullable { Repetition::OPTIONAL } else { Repetition::REQUIRED };
        let field = Type::primitive_type_builder(name, physical);
        Ok(Arc::new(field.with_repetition(repetition).with_logical_type(logical).build()?))
    }

    /// Writes the values of all items.
    pub(super) fn write(
        &self,
        slots: &[Slot<'_, T>],
        place: Place,
        column: &mut ColumnWriter<'_>,
    ) -> Result<()> {
        match self.take {
            Take::Text(take) => {
                let cells = Cells::of(slots, place, take);
                write::<ByteArrayType>(&Cells { values: texts(&cells.values), ..cells.bare() }, column)
            }
            Take::Flag(take) => write::<BoolType>(&Cells::of(slots, place, take), column),
            Take::Short(take) => {
                write::<Int32Type>(&Cells::of(slots, place, |t| take(t).map(i32::from)), column)
            }
            // Parquet keeps unsigned numbers in the bits of signed ones.
            Take::Int(take) => {
                write::<Int32Type>(&Cells::of(slots, place, |t| take(t).map(|n| n as i32)), column)
            }
            Take::Long(take) => {
                write::<Int64Type>(&Cells::of(slots, place, |t| take(t).map(|n| n as i64)), column)
            }
            Take::Time(take) => write::<Int64Type>(&Cells::of(slots, place, |t| take(t).map(micros)), column),
            Take::Nanos(take) => write::<Int32Type>(&Cells::of(slots, place, |t| take(t).map(nanos)), column),
        }
    }
}

/// The values that are there, and the levels of all items.
struct Cells<V> {
    values: Vec<V>,
    definition: Option<Vec<i16>>,
    repetition: Option<Vec<i16>>,
}

impl<V> Cells<V> {
    fn of<'item, T>(slots: &[Slot<'item, T>], place: Place, take: impl Fn(&'item T) -> Option<V>) -> Self {
        let Place { nullable, in_list } = place;
        let mut values = Vec::with_capacity(slots.len());
        let mut definition = Vec::with_capacity(slots.len());
        for Slot { goes_on: _, item } in slots {
            let value = item.and_then(&take);
            let there = i16::from(in_list && item.is_some()) + i16::from(nullable && value.is_some());
            definition.push(there);
            values.extend(value);
        }
        let repetition = || slots.iter().map(|slot| i16::from(slot.goes_on)).collect();
        Self {
            values,
            definition: (nullable || in_list).then_some(definition),
            repetition: in_list.then(repetition),
        }
    }

    /// The levels, for other values.
    fn bare<W>(self) -> Cells<W> {
        let Self { values: _, definition, repetition } = self;
        Cells { values: Vec::new(), definition, repetition }
    }
}

fn write<D: DataType>(cells: &Cells<D::T>, column: &mut ColumnWriter<'_>) -> Result<()> {
    let Cells { values, definition, repetition } = cells;
    get_typed_column_writer_mut::<D>(column).write_batch(
        values,
        definition.as_deref(),
        repetition.as_deref(),
    )?;
    Ok(())
}

/// The texts, all of them in one piece of memory.
fn texts(texts: &[Text<'_>]) -> Vec<ByteArray> {
    let mut all = String::new();
    let mut ends = Vec::with_capacity(texts.len());
    for text in texts {
        match text {
            Text::Word(word) => all.push_str(word),
            Text::Address(ip) => write!(all, "{ip}").expect("a string takes everything"),
        }
        ends.push(all.len());
    }
    let all = ByteArray::from(all.into_bytes());
    let begins = std::iter::once(0).chain(ends.iter().copied());
    begins.zip(&ends).map(|(begin, end)| all.slice(begin, end - begin)).collect()
}

fn micros(time: Timestamp) -> i64 {
    time.as_nanosecond().div_euclid(1000) as i64
}

fn nanos(time: Timestamp) -> i32 {
    time.as_nanosecond().rem_euclid(1000) as i32
}
