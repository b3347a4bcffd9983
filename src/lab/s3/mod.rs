//! A stand-in for S3, in memory.
