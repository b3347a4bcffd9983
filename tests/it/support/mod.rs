//! What tests share.

pub mod s3;
pub mod store;
