//! The lab: three stand-in servers on loopback that any client can connect to.
//!
//! [`Lab::start`] brings all three up, joined: the Redshift reads its files from this S3.
//! [`Lab::config_toml`] is the configuration for this program, [`Lab::clients`] says how to
//! connect with others. Each server can also be started alone.
//!
//! Nothing here shares code with the client side but `crate::model`, so that a misunderstanding
//! on one side cannot hide behind the same one on the other.

pub mod compare;
pub mod connect;
pub mod direct;
pub mod redshift;
pub mod s3;
pub mod sample;
pub mod sqlserver;
pub mod start;

pub use connect::Client;
pub use start::{Lab, LabError, LabOptions};
