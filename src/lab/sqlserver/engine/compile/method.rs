//! Methods of CLR types: `hierarchyid::Parse('/1/')`, `t.[node].ToString()`.

use super::super::type_name;
use super::{Compiler, Result, Scope, Typed, call};
use crate::lab::sqlserver::session::Message;
use crate::lab::sqlserver::types::DataType;
use sqlparser::ast::{Function, Ident};

impl Compiler<'_> {
    /// The call of a method; `None` when the name before it is neither a CLR type nor a column of
    /// one. Names of methods are told by letter case, as in .NET.
    pub(super) fn method(&mut self, function: &Function, scope: &Scope<'_>) -> Result<Option<Typed>> {
        let parts: Vec<Ident> = function.name.0.iter().filter_map(|part| part.as_ident().cloned()).collect();
        let Some((method, owner)) = parts.split_last().filter(|(_, owner)| !owner.is_empty()) else { return Ok(None) };
        if let [name] = owner
            && let Some(data_type) = clr_type(&name.value)
            && let Some(builtin) = of_type(&data_type, &method.value)
        {
            let mut list = vec![];
            for argument in call::arguments(function)? {
                list.push(self.expr(argument.ok_or_else(|| super::syntax("*"))?, scope)?);
            }
            return call::builtin(builtin, list).map(Some);
        }
        let Ok(value) = self.name(owner, scope) else {
            // A type that is no column: the method is missing.
            return match owner {
                [name] => clr_type(&name.value).map_or(Ok(None), |data_type| Err(unknown(&method.value, &data_type))),
                _ => Ok(None),
            };
        };
        if clr_type(type_name::name(&value.data_type)).is_none() {
            return Ok(None);
        }
        let builtin = of_value(&value.data_type, &method.value).ok_or_else(|| unknown(&method.value, &value.data_type))?;
        call::builtin(builtin, vec![value]).map(Some)
    }
}

fn clr_type(name: &str) -> Option<DataType> {
    Some(match name.to_ascii_lowercase().as_str() {
        "hierarchyid" => DataType::HierarchyId,
        "geography" => DataType::Geography,
        "geometry" => DataType::Geometry,
        _ => return None,
    })
}

fn of_type(data_type: &DataType, method: &str) -> Option<&'static str> {
    Some(match (data_type, method) {
        (DataType::HierarchyId, "Parse") => "LAB_HIERARCHYID_PARSE",
        (DataType::Geography, "Parse") => "LAB_GEOGRAPHY_PARSE",
        (DataType::Geometry, "Parse") => "LAB_GEOMETRY_PARSE",
        (DataType::Geography, "STGeomFromText") => "LAB_GEOGRAPHY_STGEOMFROMTEXT",
        (DataType::Geometry, "STGeomFromText") => "LAB_GEOMETRY_STGEOMFROMTEXT",
        (DataType::Geography, "Point") => "LAB_GEOGRAPHY_POINT",
        (DataType::Geometry, "Point") => "LAB_GEOMETRY_POINT",
        _ => return None,
    })
}

fn of_value(data_type: &DataType, method: &str) -> Option<&'static str> {
    Some(match (data_type, method) {
        (DataType::HierarchyId, "ToString") => "LAB_HIERARCHYID_TOSTRING",
        (_, "ToString") => "LAB_SPATIAL_TOSTRING",
        (DataType::Geography | DataType::Geometry, "STAsText") => "LAB_SPATIAL_STASTEXT",
        _ => return None,
    })
}

fn unknown(method: &str, data_type: &DataType) -> Message {
    let class = match data_type {
        DataType::HierarchyId => "SqlHierarchyId",
        DataType::Geography => "SqlGeography",
        _ => "SqlGeometry",
    };
    let text = format!(
        "Could not find method '{method}' for type 'Microsoft.SqlServer.Types.{class}' in assembly 'Microsoft.SqlServer.Types' (the lab has few of them)"
    );
    Message::error(6506, text)
}
