//! Rows to compressed part files.
