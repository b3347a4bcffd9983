//! What tests share.

pub mod s3;
