//! Methods of hierarchyid, geography and geometry, as far as the lab has them. Their names are
//! reached through the methods only: see `compile::method`.

use super::super::value::{large, spatial, text};
use super::{Builtin, Signature, strict};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::{DataType, Datum};

const WIDE: DataType = DataType::NVarChar(None);

pub(super) const FUNCTIONS: &[Builtin] = &[
    strict("LAB_HIERARCHYID_PARSE", 1, 1, |_| to(vec![WIDE], DataType::HierarchyId), |v, _, _| large::hierarchy_of(&large::string(&v[0]))),
    strict(
        "LAB_HIERARCHYID_TOSTRING",
        1,
        1,
        |_| to(vec![DataType::HierarchyId], DataType::NVarChar(Some(4000))),
        |v, _, _| large::path(&v[0]),
    ),
    strict("LAB_GEOGRAPHY_PARSE", 1, 1, |_| to(vec![WIDE], DataType::Geography), |v, _, r| large::shape_of(&large::string(&v[0]), 4326, r)),
    strict("LAB_GEOMETRY_PARSE", 1, 1, |_| to(vec![WIDE], DataType::Geometry), |v, _, r| large::shape_of(&large::string(&v[0]), 0, r)),
    strict("LAB_GEOGRAPHY_STGEOMFROMTEXT", 2, 2, |_| to(vec![WIDE, DataType::Int], DataType::Geography), from_text),
    strict("LAB_GEOMETRY_STGEOMFROMTEXT", 2, 2, |_| to(vec![WIDE, DataType::Int], DataType::Geometry), from_text),
    // Latitude first.
    strict("LAB_GEOGRAPHY_POINT", 3, 3, |_| point_of(DataType::Geography), |v, _, r| point(&v[1], &v[0], &v[2], r)),
    strict("LAB_GEOMETRY_POINT", 3, 3, |_| point_of(DataType::Geometry), |v, _, r| point(&v[0], &v[1], &v[2], r)),
    strict("LAB_SPATIAL_STASTEXT", 1, 1, |a| to(vec![a[0].clone()], WIDE), |v, _, _| Ok(shown(&v[0], spatial::Shape::flat))),
    strict("LAB_SPATIAL_TOSTRING", 1, 1, |a| to(vec![a[0].clone()], WIDE), |v, _, _| Ok(shown(&v[0], |shape| shape.text.clone()))),
];

fn to(arguments: Vec<DataType>, result: DataType) -> Signature {
    Signature { arguments, result }
}

fn point_of(result: DataType) -> Signature {
    to(vec![DataType::Float, DataType::Float, DataType::Int], result)
}

fn from_text(values: &[Datum], _: &[DataType], result: &DataType) -> Result<Datum, Message> {
    large::shape_of(&large::string(&values[0]), srid(&values[1]), result)
}

fn srid(value: &Datum) -> i32 {
    match value {
        Datum::Int(srid) => i32::try_from(*srid).unwrap_or(0),
        _ => 0,
    }
}

fn point(x: &Datum, y: &Datum, given: &Datum, result: &DataType) -> Result<Datum, Message> {
    let (Datum::Float(x), Datum::Float(y)) = (x, y) else { return Ok(Datum::Null) };
    large::shape_of(&format!("POINT ({x} {y})"), srid(given), result)
}

fn shown(value: &Datum, show: impl Fn(&spatial::Shape) -> String) -> Datum {
    spatial::Shape::of_stored(&large::string(value)).map_or(Datum::Null, |shape| text(&show(&shape)))
}
