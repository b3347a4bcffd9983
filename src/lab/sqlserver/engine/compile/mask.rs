//! Dynamic data masking: what a login without UNMASK gets to see in place of values.
//!
//! The documented rule for expressions, the default mask of the resulting type, holds here for every
//! output of a SELECT in which a masked column is read; `default()` is the only masking function.
//! Conditions and joins see the values themselves, and NULL stays NULL. Coarser than SQL Server: a
//! test in CASE masks its result, a derived table masks its own outputs, ORDER BY of an output and SET
//! of an UPDATE are not told apart from others.

use super::super::catalog::Table;
use super::super::value::convert::convert;
use super::super::value::text;
use super::super::{codec, type_name};
use super::{Compiler, Result, ScopeTable, Typed, not_supported};
use crate::lab::sqlserver::types::{DataType, Datum};

impl Compiler<'_> {
    /// Marks the columns that the login sees masked.
    pub(super) fn mark_masked(&self, table: &Table, scope: &mut ScopeTable) {
        let rights = self.context.call.rights;
        for (column, seen) in table.columns.iter().zip(&mut scope.columns) {
            seen.masked = column.mask.is_some() && !rights.allows_column("UNMASK", &table.schema, &table.name, &column.name);
        }
    }

    /// An output of a SELECT: masked when anything in it is.
    pub(super) fn output(&mut self, of: impl FnOnce(&mut Self) -> Result<Typed>) -> Result<Typed> {
        let before = std::mem::take(&mut self.masked);
        let value = of(self)?;
        let value = if self.masked { masked(value)? } else { value };
        self.masked |= before;
        Ok(value)
    }
}

fn masked(value: Typed) -> Result<Typed> {
    let Some(mask) = default_mask(&value.data_type) else {
        return Err(not_supported(&format!("A mask of type {}", type_name::name(&value.data_type))));
    };
    let sql = format!("(CASE WHEN {} IS NOT NULL THEN {} END)", value.sql, codec::literal(&value.data_type, &mask));
    Ok(Typed { sql, literal: None, ..value })
}

/// Up to four x, zero, 1900-01-01, the byte of an ASCII 0; `None` for types that the manual does not name.
#[must_use]
pub fn default_mask(data_type: &DataType) -> Option<Datum> {
    let (value, from) = match data_type {
        DataType::Char(_) | DataType::VarChar(_) | DataType::NChar(_) | DataType::NVarChar(_) | DataType::Text | DataType::NText => {
            (text("xxxx"), DataType::VarChar(Some(4)))
        }
        DataType::Bit
        | DataType::TinyInt
        | DataType::SmallInt
        | DataType::Int
        | DataType::BigInt
        | DataType::Decimal { .. }
        | DataType::Money
        | DataType::SmallMoney
        | DataType::Real
        | DataType::Float => (Datum::Int(0), DataType::Int),
        DataType::Date
        | DataType::Time(_)
        | DataType::DateTime
        | DataType::SmallDateTime
        | DataType::DateTime2(_)
        | DataType::DateTimeOffset(_) => (Datum::DateTime { days: 0, ticks: 0 }, DataType::DateTime),
        DataType::Binary(_) | DataType::VarBinary(_) | DataType::Image => (Datum::Bytes(vec![0x30]), DataType::VarBinary(Some(1))),
        DataType::UniqueIdentifier
        | DataType::RowVersion
        | DataType::Xml
        | DataType::SqlVariant
        | DataType::HierarchyId
        | DataType::Geography
        | DataType::Geometry => return None,
    };
    convert(&value, &from, data_type, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_a_value_of_its_type() {
        assert_eq!(default_mask(&DataType::NVarChar(None)), Some(text("xxxx")));
        assert_eq!(default_mask(&DataType::VarChar(Some(2))), Some(text("xx")));
        assert_eq!(default_mask(&DataType::NChar(6)), Some(text("xxxx  ")));
        assert_eq!(default_mask(&DataType::NText), Some(text("xxxx")));
        assert_eq!(default_mask(&DataType::Bit), Some(Datum::Bit(false)));
        assert_eq!(default_mask(&DataType::Decimal { precision: 9, scale: 2 }), Some(Datum::Decimal { unscaled: 0, scale: 2 }));
        assert_eq!(default_mask(&DataType::Money), Some(Datum::Money(0)));
        assert_eq!(default_mask(&DataType::Date), Some(Datum::Date(693_595)));
        assert_eq!(default_mask(&DataType::Time(7)), Some(Datum::Time(0)));
        assert_eq!(default_mask(&DataType::DateTimeOffset(3)), Some(Datum::DateTimeOffset { days: 693_595, ticks: 0, offset: 0 }));
        assert_eq!(default_mask(&DataType::VarBinary(Some(9))), Some(Datum::Bytes(vec![0x30])));
        assert_eq!(default_mask(&DataType::Xml), None);
    }
}
