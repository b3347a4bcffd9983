//! The first rows of staging, for a look: plain statements, no lock, no transaction.

use super::apply;
use super::canonical;
use super::connect::Session;
use super::names::{self, Names};
use super::quote::{ident, ident_list};
use super::reading;
use crate::config::RedshiftSettings;
use crate::model::change::{KEEP_GONE, KEEP_KEPT, OP_DELETE, OP_UPSERT};
use crate::model::fault::rs;
use crate::model::{Fault, Keep, StagedOp, TableShape};
use crate::target::{BatchRows, SampledRow, StagedSample};

/// Rows of each batch, and the first rows in the order of the batches. Values are asked for only
/// with `values`.
pub async fn read(
    settings: &RedshiftSettings,
    names: &Names,
    shape: &TableShape,
    most: usize,
    values: bool,
) -> Result<StagedSample, Fault> {
    let mut session = Session::open(settings).await?;
    let batches: Vec<BatchRows> =
        apply::batches(&mut session, names).await?.into_iter().map(|(seq, rows)| BatchRows { seq, rows }).collect();
    if batches.is_empty() || most == 0 {
        return Ok(StagedSample { batches, rows: Vec::new() });
    }
    reading::exact(&mut session).await?;
    let answer = session.run("read rows of staging", &select(names, shape, most, values)).await?;
    let unreadable = || Fault::new(&rs::ANSWER, format!("the rows of {} cannot be read", names.staging.sql()));
    let rows = answer.rows.iter().map(|row| sampled(shape, row, values).ok_or_else(unreadable)).collect::<Result<_, _>>()?;
    Ok(StagedSample { batches, rows })
}

fn select(names: &Names, shape: &TableShape, most: usize, values: bool) -> String {
    let flags: Vec<String> = (1..=shape.large_columns().count()).map(names::keep).collect();
    let mut list = ident_list([names::BATCH, names::ORDER, names::OP].into_iter().chain(flags.iter().map(String::as_str)));
    if values {
        list = format!("{list},\n       {}", reading::select_list(shape.columns()));
    }
    format!("SELECT {list}\n  FROM {}\n ORDER BY {}, {}\n LIMIT {most}", names.staging.sql(), ident(names::BATCH), ident(names::ORDER))
}

fn sampled(shape: &TableShape, row: &[Option<String>], values: bool) -> Option<SampledRow> {
    let [seq, order, op, rest @ ..] = row else { return None };
    let (flags, cells) = rest.split_at_checked(shape.large_columns().count())?;
    let keep = flags.iter().map(|flag| match flag.as_deref() {
        None => Some(Keep::Value),
        Some(KEEP_KEPT) => Some(Keep::Kept),
        Some(KEEP_GONE) => Some(Keep::Gone),
        Some(_) => None,
    });
    Some(SampledRow {
        seq: seq.as_deref()?.parse().ok()?,
        order: order.as_deref()?.parse().ok()?,
        op: match op.as_deref()? {
            OP_UPSERT => StagedOp::Upsert,
            OP_DELETE => StagedOp::Delete,
            _ => return None,
        },
        keep: keep.collect::<Option<_>>()?,
        values: values
            .then(|| shape.columns().iter().zip(cells).map(|(column, cell)| canonical::of_text(column, cell.as_deref())).collect()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::names::tests::settings;
    use super::super::shapes::tests::column;
    use super::*;
    use crate::model::{SqlType, TableName};

    fn shape() -> TableShape {
        TableShape::new(vec![column("Id", 1, SqlType::Int, Some(1)), column("Notes", 2, SqlType::NVarCharMax, None)])
    }

    #[test]
    fn values_stand_in_the_statement_only_when_they_are_shown() {
        let names = Names::new(&settings(), &TableName::new("dbo", "Orders"));
        insta::assert_snapshot!(select(&names, &shape(), 5, true), @r#"
        SELECT "__d2r_batch", "__d2r_order", "__d2r_op", "__d2r_keep_1",
               "id" AS "c0", "notes" AS "c1"
          FROM "staging"."dbo__orders"
         ORDER BY "__d2r_batch", "__d2r_order"
         LIMIT 5
        "#);
        let hidden = select(&names, &shape(), 5, false);
        assert!(!hidden.contains("\"id\"") && !hidden.contains("notes"), "{hidden}");
    }

    #[test]
    fn a_row_that_is_not_ours_is_refused() {
        let row = |cells: &[&str]| cells.iter().map(|cell| Some((*cell).to_owned())).collect::<Vec<_>>();
        let read = sampled(&shape(), &row(&["3", "9", "U", "k", "7", "x"]), true).unwrap();
        assert_eq!((read.seq, read.order, read.op, read.keep[0]), (3, 9, StagedOp::Upsert, Keep::Kept));
        assert_eq!(read.values.unwrap(), [Some("7".to_owned()), Some("x".to_owned())]);
        assert!(sampled(&shape(), &row(&["3", "9", "X", "k"]), false).is_none());
        assert!(sampled(&shape(), &row(&["3", "9", "U", "z"]), false).is_none());
        assert!(sampled(&shape(), &row(&["3", "9"]), false).is_none());
    }
}
