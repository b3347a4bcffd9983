//! Who may ask: the lasting keys of the lab, and temporary ones, which end.
//!
//! As with AWS STS: temporary keys are a pair of their own, good only together with their session
//! token and until it expires; afterwards every request is refused with `ExpiredToken`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use s3s::auth::{S3Auth, SecretKey};
use s3s::{S3Result, s3_error};

/// Keys that end.
#[derive(Clone, Debug)]
pub struct TemporaryKeys {
    pub access_key: String,
    pub secret_key: String,
    pub session_token: String,
}

struct Session {
    keys: TemporaryKeys,
    expires: SystemTime,
}

/// All that may log in.
#[derive(Clone)]
pub(super) struct Logins(Arc<Inner>);

struct Inner {
    access_key: String,
    secret_key: SecretKey,
    /// By access key.
    sessions: Mutex<BTreeMap<String, Session>>,
}

impl Logins {
    pub fn new(access_key: &str, secret_key: &str) -> Self {
        let (access_key, secret_key) = (access_key.to_owned(), SecretKey::from(secret_key));
        Self(Arc::new(Inner { access_key, secret_key, sessions: Mutex::default() }))
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<String, Session>> {
        self.0.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Temporary keys that are good for so long.
    pub fn issue(&self, life: Duration) -> TemporaryKeys {
        let sessions = self.sessions();
        let number = sessions.len() + 1;
        let keys = TemporaryKeys {
            access_key: format!("ASIALAB{number}"),
            secret_key: format!("lab-temporary-key-{number}"),
            session_token: format!("lab-session-token-{number}"),
        };
        drop(sessions);
        self.admit(keys.clone(), life);
        keys
    }

    /// Takes temporary keys that somebody else has issued.
    pub fn admit(&self, keys: TemporaryKeys, life: Duration) {
        self.sessions().insert(keys.access_key.clone(), Session { keys, expires: SystemTime::now() + life });
    }

    /// The life of all temporary keys is over.
    pub fn expire(&self) {
        self.sessions().values_mut().for_each(|session| session.expires = SystemTime::UNIX_EPOCH);
    }

    /// The session token of a request against its access key.
    pub fn check(&self, access_key: &str, token: Option<&str>) -> S3Result<()> {
        let sessions = self.sessions();
        match (sessions.get(access_key), token) {
            (None, None) => Ok(()),
            (Some(session), Some(token)) if session.keys.session_token == token => {
                if SystemTime::now() < session.expires {
                    Ok(())
                } else {
                    Err(s3_error!(ExpiredToken, "The provided token has expired."))
                }
            }
            // Without its token a temporary key is none.
            (Some(_), None) => Err(unknown()),
            _ => Err(s3_error!(InvalidToken, "The provided token is malformed or otherwise invalid.")),
        }
    }
}

fn unknown() -> s3s::S3Error {
    s3_error!(InvalidAccessKeyId, "The AWS Access Key Id you provided does not exist in our records.")
}

#[async_trait]
impl S3Auth for Logins {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        if access_key == self.0.access_key {
            return Ok(self.0.secret_key.clone());
        }
        let sessions = self.sessions();
        let session = sessions.get(access_key).ok_or_else(unknown)?;
        Ok(SecretKey::from(session.keys.secret_key.as_str()))
    }
}
