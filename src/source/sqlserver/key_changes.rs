//! The change rows of one key.

use futures::TryStreamExt;
use tiberius::QueryItem;

use super::changes::{self, Reader};
use super::session::{self, Sessions};
use super::{columns, quote, reread};
use crate::model::fault::src;
use crate::model::{ChangeRow, Fault, TableShape, Value};
use crate::source::ChangesRequest;

/// `@P1` rows, `@P2` from, `@P3` to, then the key. The server compares under the column's
/// collation; what is not bytewise equal is left out here.
#[must_use]
pub fn by_key(instance: &str, shape: &TableShape, has_command_id: bool) -> String {
    let command = if has_command_id { "ct.__$command_id" } else { "CAST(NULL AS int)" };
    let order = if has_command_id { "ct.__$command_id, " } else { "" };
    let equal: Vec<_> = shape
        .key()
        .iter()
        .enumerate()
        .map(|(n, column)| format!("ct.{} = {}", quote::name(&column.name), columns::key_expression(column, &format!("@P{}", n + 4))))
        .collect();
    format!(
        "\
SELECT TOP (@P1)
       ct.__$start_lsn, {command} AS __$command_id, ct.__$seqval, ct.__$operation, ct.__$update_mask,
       {}
  FROM {} AS ct
 WHERE ct.__$start_lsn >= @P2 AND ct.__$start_lsn <= @P3
   AND {}
 ORDER BY ct.__$start_lsn, {order}ct.__$seqval, ct.__$operation;",
        columns::select_list(shape.columns(), "ct"),
        quote::change_table(instance),
        equal.join("\n   AND ")
    )
}

pub async fn rows(sessions: &Sessions, request: &ChangesRequest, key: &[Value], most: u32) -> Result<Vec<ChangeRow>, Fault> {
    let (place, shape) = (changes::place(request), &request.shape);
    let mut driver = sessions.open_patient().await?;
    let has_command_id = changes::has_command_id(sessions, &mut driver, &place, &request.instance).await?;
    let reader = Reader::new(place.clone(), sessions.settings().user.clone(), request, has_command_id, most)?;
    let mut parameters = vec![session::number(most), session::lsn(request.from), session::lsn(request.to)];
    for (column, value) in shape.key().iter().zip(key) {
        let unfit = || place.fault(&src::UNREADABLE).evidence("key column", &column.name).evidence("type", &column.sql_type);
        parameters.push(reread::parameter(&column.sql_type, value).ok_or_else(unfit)?);
    }
    let identity = shape.key_identity(key);
    let mut found = Vec::new();
    let sql = by_key(&request.instance, shape, has_command_id);
    let mut stream = session::query(&sql, parameters).query(&mut driver).await.map_err(|error| reader.failed(&error))?;
    while let Some(item) = stream.try_next().await.map_err(|error| reader.failed(&error))? {
        let QueryItem::Row(row) = item else { continue };
        let row = reader.change_row(row)?;
        if shape.key_identity(&row.values) == identity {
            found.push(row);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Unfit;
    use crate::model::{Column, SqlType};

    #[test]
    fn the_server_looks_for_the_key() {
        let column = |name: &str, id, sql_type, key_ordinal| Column {
            name: name.into(),
            column_id: id,
            ordinal: id,
            sql_type,
            nullable: false,
            collation: None,
            key_ordinal,
            unfit: Unfit::Fail,
        };
        let shape = TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("line", 2, SqlType::SmallInt, Some(2))]);
        insta::assert_snapshot!(by_key("dbo_Lines", &shape, true), @r"
        SELECT TOP (@P1)
               ct.__$start_lsn, ct.__$command_id AS __$command_id, ct.__$seqval, ct.__$operation, ct.__$update_mask,
               ct.[id] AS [id],
               ct.[line] AS [line]
          FROM [cdc].[dbo_Lines_CT] AS ct
         WHERE ct.__$start_lsn >= @P2 AND ct.__$start_lsn <= @P3
           AND ct.[id] = CAST(@P4 AS int)
           AND ct.[line] = CAST(@P5 AS smallint)
         ORDER BY ct.__$start_lsn, ct.__$command_id, ct.__$seqval, ct.__$operation;
        ");
    }
}
