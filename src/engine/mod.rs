//! Jobs: check, prepare, extract, load, sync, status, recover.
