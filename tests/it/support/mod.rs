//! What tests share.

pub mod compare;
pub mod s3;
pub mod scripted_sql_server;
pub mod store;
