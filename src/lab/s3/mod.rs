//! A stand-in for S3, in memory, behind the real protocol: XML over HTTP with Signature V4.
//!
//! Crate `s3s` speaks HTTP, XML and signatures; what the operations do is ours, after the Amazon
//! S3 API reference: conditional writes have exactly one winner, listings come in pages, sent
//! checksums are checked. An operation that is not here is answered with `NotImplemented`.
//!
//! Differences from AWS: one account with one pair of lasting keys and temporary ones on request, one region, path-style addresses, no versions, no ACLs, no
//! encryption headers; lifecycle rules are kept and returned but nothing runs them.

mod buckets;
mod digest;
mod faults;
mod gate;
mod listing;
mod login;
mod objects;
mod operations;
mod requests;
mod server;
mod storage;
mod uploads;

pub use faults::{Effect, FaultHandle, Faults, Rule};
pub use login::TemporaryKeys;
pub use requests::{Request, Requests};
pub use server::{S3Options, S3Server, start};
