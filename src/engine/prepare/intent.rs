//! The intent of a snapshot: written before its bounds are read, so that nobody cleans up
//! beneath it (section 6 of the protocol).

use jiff::Timestamp;
use uuid::Uuid;

use crate::engine::control::change;
use crate::model::control::{Control, Intent};
use crate::model::fault::sync;
use crate::model::order::PrepareOptions;
use crate::model::{Epoch, Fault, Lsn, TableName};
use crate::store::ChangeStore;

/// Writes the intent. An older one is replaced: whoever wrote it has lost the lease that we hold.
pub async fn declare<C: ChangeStore>(store: &C, table: &TableName, run: Uuid, epoch: Epoch, order: PrepareOptions) -> Result<(), Fault> {
    change(store, table, |control| {
        control.intent = Some(Intent { run, epoch, order: Some(order), min_lsn: None, l0: None, since: Timestamp::now() });
        Ok(())
    })
    .await
}

/// Notes the bounds in our intent.
pub async fn note_bounds<C: ChangeStore>(store: &C, table: &TableName, run: Uuid, min: Lsn, l0: Lsn) -> Result<(), Fault> {
    change(store, table, |control| {
        let intent = ours(control, table, run)?;
        intent.min_lsn = Some(min);
        intent.l0 = Some(l0);
        Ok(())
    })
    .await
}

/// Our intent must stand before record 0 is put.
pub async fn check<C: ChangeStore>(store: &C, table: &TableName, run: Uuid) -> Result<(), Fault> {
    let mut control = store.control(table).await?.map_or_else(Control::default, |(control, _)| control);
    ours(&mut control, table, run).map(drop)
}

/// Removes our intent; another's is left alone.
pub async fn remove<C: ChangeStore>(store: &C, table: &TableName, run: Uuid) -> Result<(), Fault> {
    change(store, table, |control| {
        if control.intent.as_ref().is_some_and(|intent| intent.run == run) {
            control.intent = None;
        }
        Ok(())
    })
    .await
}

fn ours<'a>(control: &'a mut Control, table: &TableName, run: Uuid) -> Result<&'a mut Intent, Fault> {
    let lost = || Fault::new(&sync::INTENT_LOST, format!("the snapshot of {table} lost its intent"));
    control.intent.as_mut().filter(|intent| intent.run == run).ok_or_else(lost)
}
