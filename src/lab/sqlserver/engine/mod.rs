//! The relational engine of the lab's SQL Server: T-SQL over SQLite.
//!
//! Storage: one SQLite file a database (WAL), a connection a session. A table `s.t` is the SQLite
//! table `"s.t"` with the column names of the catalogue and a hidden `__lab_rowid INTEGER PRIMARY
//! KEY`. Declared types stand in `__lab_columns`; [`codec`] alone knows how a value of a type is
//! stored. Uniqueness is kept by unique indexes, text compares by the collations of [`collation`].
//! NOT NULL, lengths, ranges, identity and rowversion are checked by the engine, not by SQLite.
//!
//! A batch goes `parse` (statements; sqlparser for queries and DML) -> `compile` (SQLite's SQL with
//! inferred types) -> `session` (transactions, writes, result sets); `value`, `function` and
//! `functions` compute what SQLite cannot. What it does not do is refused by name (40510): MERGE,
//! OUTPUT, temporary tables, cursors, views, checks and foreign keys, indexes on computed columns, TOP
//! WITH TIES, correlated APPLY over tables. What differs in silence: lock hints mean nothing and readers
//! never wait for a writer (they read what is committed); a unique index takes several NULLs; a
//! column outside GROUP BY is not refused; catalogue views show also what a login has no right to,
//! but for security policies; an UPDATE or DELETE wants SELECT as well; masks are coarser
//! ([`compile::mask`]).
//!
//! What CDC needs of it:
//! - [`server::Server`] holds the databases; [`server::Database::connect`] opens a connection with
//!   everything registered (collations, functions). A writer of its own uses
//!   `BEGIN IMMEDIATE … COMMIT` on such a connection.
//! - [`catalog`]: `find_table`, `create_table`, `drop_table`, `columns`, `create_schema`,
//!   `set_tracked`, `set_cdc_enabled`. A table made through it (any schema, also `cdc` or the
//!   pseudo schema `msdb.dbo`) can be selected from T-SQL at once, with its declared types.
//! - [`extension::Extension`]: procedures, scalar and table-valued functions, computed relations,
//!   and the hooks: before COMMIT (same SQLite transaction), after COMMIT, key updates, DDL.
//! - Changes of rows reach SQLite triggers (`AFTER INSERT/UPDATE/DELETE ON "s.t"`). A trigger must
//!   say `WHEN lab_logging()`: it is 0 while the engine moves rows itself, as in a key update on a
//!   nonclustered key, which it then hands to [`extension::Extension::key_update`].
//!   `lab_touched(column_id)` is 1 inside an UPDATE trigger when the SET list names the column.
//!   `lab_statement()` counts the DML statements of the connection
//!   ([`server::ConnectionState::begin_statement`]); `lab_now()` is GETDATE() as a stored `datetime`.
//!   A change of the clustered key is a set of deletes, then a set of inserts: the triggers fire so.

pub mod catalog;
pub mod clock;
pub mod codec;
pub mod collation;
pub mod compile;

pub mod extension;
pub mod failure;
pub mod function;
pub mod functions;
pub mod parse;
pub mod security;
pub mod server;
pub mod session;
pub mod type_name;
pub mod value;
pub mod views;

/// What the server says it is: SQL Server 2022.
pub const PRODUCT_VERSION: &str = "16.0.1000.6";
