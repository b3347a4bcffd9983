//! The control object of a table: what an operator ordered, and the intent of a snapshot.

use crate::model::control::Control;
use crate::model::fault::operate::CONTROL_BUSY;
use crate::model::{Fault, TableName};
use crate::store::{ChangeStore, Written};

/// Races with other writers that are tried again.
const RACES: u32 = 10;

/// Changes the control object with its ETag until no other writer comes between. An edit that
/// leaves it as it was writes nothing. Gives what the edit gave at last.
pub async fn change<C: ChangeStore, R>(
    store: &C,
    table: &TableName,
    mut edit: impl FnMut(&mut Control) -> Result<R, Fault>,
) -> Result<R, Fault> {
    for _ in 0..RACES {
        let present = store.control(table).await?;
        let (before, etag) = present.map_or((Control::default(), None), |(control, etag)| (control, Some(etag)));
        let mut control = before.clone();
        let outcome = edit(&mut control)?;
        if control == before {
            return Ok(outcome);
        }
        if let Written::Done(_) = store.put_control(table, &control, etag.as_ref()).await? {
            return Ok(outcome);
        }
    }
    Err(Fault::new(&CONTROL_BUSY, format!("the control object of {table} keeps changing")))
}

/// Whether an operator has paused the table.
pub async fn is_paused<C: ChangeStore>(store: &C, table: &TableName) -> Result<bool, Fault> {
    Ok(store.control(table).await?.is_some_and(|(control, _)| control.paused.is_some()))
}
