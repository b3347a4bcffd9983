//! The PostgreSQL protocol, version 3, as messages.

pub(super) mod auth;
pub(super) mod frame;
pub(super) mod message;
pub(super) mod startup;
pub(super) mod tls;
