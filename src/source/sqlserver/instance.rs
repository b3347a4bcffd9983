//! Another capture instance of a table: how a stream comes to columns that its own never captures.
//!
//! The columns of an instance are fixed when it is made, and a table has two at the most.

use super::cells::Cells;
use super::error::Place;
use super::manage::{NAME_TAKEN, number};
use super::quote;
use super::session::{self, Sessions};
use crate::model::fault::src;
use crate::model::{CaptureIdentity, Fault, TableName};

/// What another instance has in common with the present one; `@P1` the object id of its change
/// table. An index that is gone by now is none.
pub const LIKE: &str = "\
SELECT ct.role_name, ct.supports_net_changes, i.name AS index_name, ct.filegroup_name, ct.partition_switch
  FROM cdc.change_tables AS ct
  LEFT JOIN sys.indexes AS i ON i.object_id = ct.source_object_id AND i.name = ct.index_name
 WHERE ct.object_id = @P1;";

/// `@P1` the schema, `@P2` the table, `@P3` the name of the instance, then what [`LIKE`] says, with
/// the list of columns in `@P7`: NULL is all of them.
pub const ADD: &str = "\
EXEC sys.sp_cdc_enable_table
     @source_schema = @P1,
     @source_name = @P2,
     @capture_instance = @P3,
     @role_name = @P4,
     @supports_net_changes = @P5,
     @index_name = @P6,
     @captured_column_list = @P7,
     @filegroup_name = @P8,
     @allow_partition_switch = @P9;";

/// UTF-16 units of an instance's name.
const NAME_LENGTH: usize = 100;

/// How many numbers are tried. Other tables may have taken some.
const NUMBERS: u32 = 20;

pub async fn add(sessions: &Sessions, table: &TableName, like: &CaptureIdentity, columns: Option<&[String]>) -> Result<String, Fault> {
    let place = Place::new(format!("another capture instance of {table} could not be made")).needs("membership in db_owner");
    let results = sessions.run(&place, LIKE, vec![session::number(like.object_id)]).await?;
    let Some(row) = results.first().and_then(|rows| rows.first()) else {
        return Err(place.fault(&src::CDC_OFF).evidence("instance", &like.instance));
    };
    let row = Cells::new(row, &place);
    let (role, index, filegroup) = (row.text_or_null("role_name")?, row.text_or_null("index_name")?, row.text_or_null("filegroup_name")?);
    let (net, switch) = (row.flag("supports_net_changes")?, row.flag("partition_switch")?);
    let list = columns.map(|columns| columns.iter().map(|column| quote::name(column)).collect::<Vec<_>>().join(","));
    let mut taken = None;
    // The first belongs to the instance that there is, in most cases.
    for name in names(table).skip(1) {
        let parameters = vec![
            session::text(&table.schema),
            session::text(&table.name),
            session::text(&name),
            session::text_or_null(role.clone()),
            session::flag(net),
            session::text_or_null(index.clone()),
            session::text_or_null(list.clone()),
            session::text_or_null(filegroup.clone()),
            session::flag(switch),
        ];
        match sessions.run(&place, ADD, parameters).await {
            Ok(_) => return Ok(name),
            // The name is taken: by an instance of this table or of another.
            Err(fault) if number(&fault) == Some(NAME_TAKEN) => taken = Some(fault),
            Err(fault) => return Err(fault),
        }
    }
    Err(taken.unwrap_or_else(|| place.fault(&src::ENABLE_REFUSED)))
}

/// Names for instances of a table: first the server's default, or what the length of a name leaves of it.
pub fn names(table: &TableName) -> impl Iterator<Item = String> + use<> {
    let default = format!("{}_{}", table.schema, table.name);
    let first = if default.encode_utf16().count() <= NAME_LENGTH { default } else { name(table, 1) };
    let table = table.clone();
    std::iter::once(first).chain((2..=NUMBERS).map(move |number| name(&table, number)))
}

/// `<schema>_<table>_<number>`, cut to the length that an instance's name may have.
fn name(table: &TableName, number: u32) -> String {
    let end = format!("_{number}");
    let mut room = NAME_LENGTH - end.len();
    let fits = |c: &char| {
        let left = room.checked_sub(c.len_utf16());
        room = left.unwrap_or(0);
        left.is_some()
    };
    let begin: String = format!("{}_{}", table.schema, table.name).chars().take_while(fits).collect();
    begin + &end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_which_table_and_is_never_too_long() {
        let orders = TableName::new("dbo", "Orders");
        assert_eq!(names(&orders).take(2).collect::<Vec<_>>(), ["dbo_Orders", "dbo_Orders_2"]);
        let first = |length| names(&TableName::new("dbo", "x".repeat(length))).next().unwrap();
        assert_eq!((first(96).len(), first(96).ends_with("xx")), (100, true));
        assert_eq!((first(97).len(), first(97).ends_with("x_1")), (100, true));
        let long = name(&TableName::new("s", "🦀".repeat(64)), 12);
        assert_eq!((long.encode_utf16().count(), long.ends_with("🦀_12")), (99, true));
        let longest = name(&TableName::new("dbo", "x".repeat(128)), 3);
        assert_eq!((longest.len(), longest.ends_with("x_3")), (100, true));
    }
}
