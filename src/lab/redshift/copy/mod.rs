//! COPY from S3: grammar, files, CSV, values by Redshift's rules, and the load itself.

mod csv;
mod dates;
mod errors;
mod files;
mod history;
pub(super) mod load;
pub(super) mod options;
pub mod source;
mod table;
mod values;
mod zstd;
