//! `buckets`: what S3 shows this login.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::args::Global;
use super::connect::LiveEngine;
use super::document::Document;
use super::{exit, output};
use crate::engine::event::EventReceiver;
use crate::model::Fault;
use crate::store::ChangeStore;

/// The buckets that this login sees.
#[derive(Serialize, JsonSchema)]
pub struct BucketList {
    /// Their names.
    buckets: Vec<String>,
    /// The bucket of the configuration.
    configured: String,
    /// That bucket exists.
    exists: bool,
}

impl Document for BucketList {
    const NAME: &'static str = "buckets";
    const VERSION: u32 = 1;
}

pub async fn run(global: &Global, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let buckets = engine.store.buckets().await?;
    let ours = &engine.settings.s3.bucket;
    let exists = engine.store.bucket().await?.exists;
    if global.json {
        output::document(&BucketList { buckets, configured: ours.clone(), exists });
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
