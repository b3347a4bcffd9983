//! Redshift's SQL, read as tokens: what is refused, what is rewritten for PostgreSQL, and what
//! the proxy does itself.

pub(super) mod alter;
pub(super) mod columns;
pub(super) mod create;
pub(super) mod lexer;
pub(super) mod names;
pub(super) mod plan;
pub(super) mod refuse;
pub(super) mod rewrite;
pub(super) mod security;
pub(super) mod settings;
pub(super) mod types;
