//! From settings to a client.

use std::time::Duration;

use aws_config::{BehaviorVersion, Region};
use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{ProvideCredentials, RequestChecksumCalculation, ResponseChecksumValidation};

use super::S3Store;
use super::error::credentials_fault;
use super::keys::Keys;
use crate::config::{S3Settings, Secret};
use crate::model::Fault;
use crate::model::fault::s3::{NO_CREDENTIALS, SETTINGS};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Tries of a request that may be repeated freely; conditional writes are repeated by rule R3.
const TRIES: u32 = 5;
/// How many times the time of one try all tries and the pauses between them may take.
const PATIENCE: u32 = TRIES + 1;
/// The SDK's own begins at a second. The engine tries again after these tries, so that they only
/// have to bridge a hiccup.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Where requests go when another store than AWS was named without a region.
const REGION_ELSEWHERE: &str = "us-east-1";

/// The keys of the present credentials, for a COPY without a role. They end up inside a
/// statement, which therefore must never be logged.
#[derive(Clone, Debug)]
pub struct SessionKeys {
    pub access_key_id: Secret,
    pub secret_access_key: Secret,
    /// Of temporary credentials.
    pub session_token: Option<Secret>,
}

impl S3Store {
    /// Finds credentials and region and builds the client. Sends no request to S3; the AWS chain
    /// may ask its own services for credentials.
    ///
    /// # Errors
    /// `NO_CREDENTIALS`, or `SETTINGS` without a region.
    pub async fn connect(settings: &S3Settings, pipeline: &str) -> Result<Self, Fault> {
        let retries = RetryConfig::standard().with_max_attempts(TRIES).with_initial_backoff(FIRST_PAUSE);
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(settings.timeout)
            .operation_timeout(settings.timeout.saturating_mul(PATIENCE))
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest()).retry_config(retries).timeout_config(timeouts);
        if let Some(region) = &settings.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(keys) = &settings.credentials {
            let token = keys.session_token.as_ref().map(|token| token.expose().to_owned());
            loader = loader.credentials_provider(Credentials::new(
                keys.access_key_id.clone(),
                keys.secret_access_key.expose(),
                token,
                None,
                "configuration",
            ));
        }
        let shared = loader.load().await;
        let Some(credentials) = shared.credentials_provider() else {
            return Err(Fault::new(&NO_CREDENTIALS, "no AWS credentials are set up"));
        };
        let elsewhere = settings.endpoint_url.as_ref();
        let region = match (shared.region(), elsewhere) {
            (Some(region), _) => region.clone(),
            (None, Some(_)) => Region::from_static(REGION_ELSEWHERE),
            (None, None) => return Err(Fault::new(&SETTINGS, "no region: neither s3.region nor the AWS configuration names one")),
        };
        let mut config = aws_sdk_s3::config::Builder::from(&shared).region(region.clone()).force_path_style(settings.force_path_style);
        if let Some(url) = elsewhere {
            // Other stores may refuse the checksum trailers that AWS takes on every request.
            config = config
                .endpoint_url(url)
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
        }
        let store = Self {
            client: Client::from_conf(config.build()),
            bucket: settings.bucket.clone(),
            region: region.to_string(),
            keys: Keys::new(&settings.prefix, pipeline),
            hears: None,
            credentials,
        };
        store.credentials().await?;
        Ok(store)
    }

    /// The credentials that this program uses itself, fetched anew: temporary ones must outlive
    /// the COPY that uses them.
    pub async fn credentials(&self) -> Result<SessionKeys, Fault> {
        let found = self.credentials.provide_credentials().await.map_err(|error| credentials_fault(&error))?;
        Ok(SessionKeys {
            access_key_id: Secret::new(found.access_key_id()),
            secret_access_key: Secret::new(found.secret_access_key()),
            session_token: found.session_token().map(Secret::new),
        })
    }
}
