//! `buckets`: what S3 shows this login.

use std::sync::Arc;

use serde_json::json;

use super::args::Global;
use super::connect::LiveEngine;
use super::{exit, output};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::store::ChangeStore;

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let buckets = engine.store.buckets().await?;
    let ours = &engine.settings.s3.bucket;
    let exists = engine.store.bucket().await?.exists;
    if global.json {
        output::line(json!({ "buckets": buckets, "configured": ours, "exists": exists }));
        return Ok(exit::DONE);
    }
    let mut rows = vec![["BUCKET", "CONFIGURATION"].map(str::to_owned).to_vec()];
    rows.extend(buckets.iter().map(|name| vec![name.clone(), if name == ours { "s3.bucket" } else { "" }.to_owned()]));
    output::text(output::table(&rows));
    if !exists {
        output::line(format_args!("the configured bucket {ours} does not exist: db-to-redshift prepare creates it"));
    }
    Ok(exit::DONE)
}
