//! A stand-in for SQL Server: TDS in front, SQLite behind.
//!
//! - `wire/`: TDS 7.4 packets, TLS, login, requests and tokens
//! - `engine/`: T-SQL over SQLite: translation, storage, catalogue
//! - `cdc/`: the log, the capture job, clean-up, procedures and functions
//!
//! [`types`] and [`session`] are what these three share.

pub mod cdc;
pub mod engine;
pub mod session;
pub mod types;
pub mod wire;
