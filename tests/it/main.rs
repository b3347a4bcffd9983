//! The one integration-test binary.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod compare;
mod config;
mod crash;
mod encode;
mod equality;
mod lab_cdc;
mod lab_cdc_log;
mod lab_redshift;
mod lab_redshift_clients;
mod lab_redshift_copy;
mod lab_redshift_faults;
mod lab_s3;
mod lab_s3_faults;
mod lab_start;
mod layering;
mod licences;
mod source_lab;
mod source_lab_types;
mod source_redirect;
mod source_types;
mod source_wire;
mod store_objects;
mod store_records;
mod support;
mod target_guards;
mod target_kept;
mod target_load;
mod target_prepare;
mod target_types;
mod tds_wire;
mod traces;
mod tsql;
mod tsql_cdc;
mod tsql_start;
