//! T-SQL over SQLite.
