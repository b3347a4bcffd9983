//! What every JSON document says of itself: the name and the version of its schema, in front.

use schemars::JsonSchema;
use serde::Serialize;

/// What a program may rely on when it reads an output of this one.
pub trait Document: Serialize + JsonSchema {
    /// As `db-to-redshift schema <name>` takes it.
    const NAME: &'static str;
    const VERSION: u32;
}

/// Name and version, as a document carries them.
#[must_use]
pub fn id<D: Document>() -> String {
    format!("{}/{}", D::NAME, D::VERSION)
}

/// A document with the name of its schema in front.
#[derive(Serialize)]
pub struct Named<'a, D> {
    schema: String,
    #[serde(flatten)]
    document: &'a D,
}

impl<'a, D: Document> Named<'a, D> {
    pub fn new(document: &'a D) -> Self {
        Self { schema: id::<D>(), document }
    }
}
