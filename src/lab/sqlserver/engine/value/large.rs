//! Conversions of the types that are more than one value: sql_variant, xml, CLR types, and the old
//! large types.

use super::super::type_name;
use super::convert::convert;
use super::rank::{is_binary, is_text};
use super::{hierarchy, spatial, text, xml};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

/// The type whose values an old large type has.
#[must_use]
pub fn successor(data_type: &DataType) -> Option<DataType> {
    Some(match data_type {
        DataType::Text => DataType::VarChar(None),
        DataType::NText => DataType::NVarChar(None),
        DataType::Image => DataType::VarBinary(None),
        _ => return None,
    })
}

/// Whether a value of the type can be compared, sorted and indexed.
#[must_use]
pub fn is_comparable(data_type: &DataType) -> bool {
    use DataType::{Geography, Geometry, Image, NText, Text, Xml};
    !matches!(data_type, Xml | Text | NText | Image | Geography | Geometry)
}

/// 206: no conversion at all.
fn clash(from: &DataType, to: &DataType) -> Message {
    Message::error(206, format!("Operand type clash: {} is incompatible with {}", type_name::name(from), type_name::name(to)))
}

/// The error of a method of a CLR type.
#[must_use]
pub fn clr(data_type: &DataType, what: &str) -> Message {
    let name = type_name::name(data_type);
    Message::error(
        6522,
        format!("A .NET Framework error occurred during execution of user-defined routine or aggregate \"{name}\": {what}"),
    )
}

/// As [`convert`], when one side is such a type; `None` when none is.
#[must_use]
pub fn between(value: &Datum, from: &DataType, to: &DataType, style: i32) -> Option<Result<Datum, Message>> {
    if from == to {
        return if type_name::is_plain(from) { None } else { Some(Ok(value.clone())) };
    }
    if let Some(successor) = successor(to) {
        return Some(convert(value, from, &successor, style));
    }
    if let Some(successor) = successor(from) {
        return Some(convert(value, &successor, to, style));
    }
    Some(match (from, to) {
        (DataType::SqlVariant, _) => match value {
            Datum::Variant(inner) => convert(&inner.1, &inner.0, to, style),
            _ => Err(clash(from, to)),
        },
        (_, DataType::SqlVariant) => match from {
            DataType::VarChar(None) | DataType::NVarChar(None) | DataType::VarBinary(None) | DataType::RowVersion => Err(clash(from, to)),
            _ if !type_name::is_plain(from) => Err(clash(from, to)),
            _ => Ok(Datum::Variant(Box::new((from.clone(), value.clone())))),
        },
        (_, DataType::Xml) if is_text(from) => {
            xml::check(&string(value)).map(|checked| text(&checked)).map_err(|(number, text)| Message::error(number, text))
        }
        (DataType::Xml, _) if is_text(to) => convert(value, &DataType::NVarChar(None), to, style),
        (_, DataType::HierarchyId) if is_text(from) => hierarchy_of(&string(value)),
        (_, DataType::HierarchyId) if is_binary(from) => Ok(value.clone()),
        (DataType::HierarchyId, _) if is_binary(to) => convert(value, &DataType::VarBinary(None), to, style),
        (DataType::HierarchyId, _) if is_text(to) => {
            path(value).and_then(|path| convert(&path, &DataType::NVarChar(Some(4000)), to, style))
        }
        (_, DataType::Geography | DataType::Geometry) if is_text(from) => shape_of(&string(value), default_srid(to), to),
        (DataType::Geography | DataType::Geometry, _) if is_text(to) => {
            let shown = spatial::Shape::of_stored(&string(value)).map(|shape| text(&shape.text)).ok_or_else(|| clash(from, to));
            shown.and_then(|shown| convert(&shown, &DataType::NVarChar(None), to, style))
        }
        _ if type_name::is_plain(from) && type_name::is_plain(to) => return None,
        _ => Err(clash(from, to)),
    })
}

/// The SRID of a value that is made from text alone.
fn default_srid(data_type: &DataType) -> i32 {
    if data_type == &DataType::Geography { 4326 } else { 0 }
}

#[must_use]
pub fn string(value: &Datum) -> String {
    match value {
        Datum::Text(units) => String::from_utf16_lossy(units),
        _ => String::new(),
    }
}

pub fn hierarchy_of(shown: &str) -> Result<Datum, Message> {
    hierarchy::parse(shown).map(Datum::Bytes).ok_or_else(|| {
        let what = format!("24001: SqlHierarchyId.Parse failed because the input string '{shown}' is not a valid string representation of a SqlHierarchyId node.");
        clr(&DataType::HierarchyId, &what)
    })
}

/// What ToString gives of a hierarchyid.
pub fn path(value: &Datum) -> Result<Datum, Message> {
    match value {
        Datum::Bytes(bytes) => hierarchy::show(bytes).map(|shown| text(&shown)).ok_or_else(|| {
            clr(
                &DataType::HierarchyId,
                "24000: SqlHierarchyId operation failed because HierarchyId object was constructed from an invalid binary string.",
            )
        }),
        _ => Ok(Datum::Null),
    }
}

pub fn shape_of(shown: &str, srid: i32, to: &DataType) -> Result<Datum, Message> {
    spatial::parse(shown, srid, to == &DataType::Geography).map(|shape| text(&shape.stored())).map_err(|what| clr(to, &what))
}
