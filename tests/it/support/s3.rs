//! Clients of the lab's S3.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::error::SdkError;
use db_to_redshift::lab::s3::S3Server;

/// A client with the server's own login that never retries, so that a test sees every answer.
pub fn client(server: &S3Server) -> Client {
    let options = server.options();
    client_as(server, &options.access_key, &options.secret_key, &options.region)
}

pub fn client_as(server: &S3Server, access_key: &str, secret_key: &str, region: &str) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(server.endpoint())
        .region(Region::new(region.to_owned()))
        .credentials_provider(Credentials::new(access_key, secret_key, None, None, "test"))
        .force_path_style(true)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// The HTTP status of a failure; 0 when no answer came.
pub fn status<E>(error: &SdkError<E>) -> u16 {
    error.raw_response().map_or(0, |response| response.status().as_u16())
}
