//! What tests share.

pub mod audit;
pub mod column;
pub mod compare;
pub mod fleet;
pub mod lab;
pub mod lab_sql_server;
pub mod memory_source;
pub mod net;
pub mod pipeline;
pub mod recorder;
pub mod redshift;
pub mod rig;
pub mod s3;
pub mod scripted_sql_server;
pub mod store;
pub mod target;
pub mod tsql;
pub mod wide;
