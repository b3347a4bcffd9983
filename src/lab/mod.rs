//! The lab: three stand-in servers on loopback that any client can connect to.
//!
//! Nothing here shares code with the client side but `crate::model`, so that a misunderstanding
//! on one side cannot hide behind the same one on the other.

pub mod redshift;
pub mod s3;
pub mod sample;
pub mod sqlserver;
