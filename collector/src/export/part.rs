//! A part of a row: columns that stand alone, or a list of structures.

use super::{
    chunk::Chunks,
    column::{Column, Place, Slot},
    schema::Row,
};
use parquet::{
    basic::{LogicalType, Repetition},
    errors::Result,
    schema::types::{Type, TypePtr},
};
use std::sync::Arc;

/// A part of a row.
pub(super) trait Part: Send {
    /// Its types, in the order of its columns.
    fn fields(&self) -> Result<Vec<TypePtr>>;

    /// Writes what the rows have of it into the next columns.
    fn write(&self, rows: &[Row], chunks: &mut Chunks<'_>) -> Result<()>;
}

/// Columns of something that a row has once, or not at all.
pub(super) struct Group<T: 'static> {
    /// What their names begin with; empty where they have nothing in common.
    pub(super) prefix: &'static str,
    /// Whether every row has it.
    pub(super) always: bool,
    pub(super) of: fn(&Row) -> Option<&T>,
    pub(super) columns: &'static [Column<T>],
}

/// A list of structures with these columns; a row without any has an empty one.
pub(super) struct List<T: 'static> {
    pub(super) name: &'static str,
    pub(super) of: fn(&Row) -> &[T],
    pub(super) columns: &'static [Column<T>],
}

impl<T> Part for Group<T> {
    fn fields(&self) -> Result<Vec<TypePtr>> {
        let name = |column: &Column<T>| match (self.prefix, column.name) {
            ("", name) | (name, "") => name.to_owned(),
            (prefix, name) => format!("{prefix}_{name}"),
        };
        self.columns.iter().map(|column| column.field(&name(column), self.nullable(column))).collect()
    }

    fn write(&self, rows: &[Row], chunks: &mut Chunks<'_>) -> Result<()> {
        let slots: Vec<_> = rows.iter().map(|row| Slot { goes_on: false, item: (self.of)(row) }).collect();
        for column in self.columns {
            let place = Place { nullable: self.nullable(column), in_list: false };
            column.write(&slots, place, chunks.next()?)?;
        }
        Ok(())
    }
}

impl<T> Group<T> {
    fn nullable(&self, column: &Column<T>) -> bool {
        !(self.always && column.always)
    }
}

impl<T> Part for List<T> {
    fn fields(&self) -> Result<Vec<TypePtr>> {
        let fields = self.columns.iter().map(|column| column.field(column.name, !column.always));
        let element = group("element", Repetition::REQUIRED, None, fields.collect::<Result<_>>()?)?;
        let list = group("list", Repetition::REPEATED, None, vec![element])?;
        Ok(vec![group(self.name, Repetition::REQUIRED, Some(LogicalType::List), vec![list])?])
    }

    fn write(&self, rows: &[Row], chunks: &mut Chunks<'_>) -> Result<()> {
        let slots: Vec<_> = rows.iter().flat_map(|row| slots((self.of)(row))).collect();
        for column in self.columns {
            let place = Place { nullable: !column.always, in_list: true };
            column.write(&slots, place, chunks.next()?)?;
        }
        Ok(())
    }
}

/// The slots of a list: one for each of its items, or the one of an empty list.
fn slots<T>(items: &[T]) -> impl Iterator<Item = Slot<'_, T>> {
    let empty = items.is_empty().then_some(Slot { goes_on: false, item: None });
    let items = items.iter().enumerate().map(|(index, item)| Slot { goes_on: index > 0, item: Some(item) });
    empty.into_iter().chain(items)
}

fn group(
    name: &str,
    repetition: Repetition,
    logical: Option<LogicalType>,
    fields: Vec<TypePtr>,
) -> Result<TypePtr> {
    let group = Type::group_type_builder(name).with_repetition(repetition).with_logical_type(logical);
    Ok(Arc::new(group.with_fields(fields).build()?))
}
