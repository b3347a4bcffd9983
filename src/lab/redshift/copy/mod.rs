//! COPY from S3: grammar, files, CSV, values by Redshift's rules, and the load itself.

pub(super) mod csv;
pub(super) mod dates;
pub(super) mod errors;
pub(super) mod files;
pub(super) mod load;
pub(super) mod options;
pub mod source;
pub(super) mod values;
pub(super) mod zstd;
