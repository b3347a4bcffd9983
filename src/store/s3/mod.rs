//! S3 as the change store.
