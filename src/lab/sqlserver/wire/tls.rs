//! The lab's own certificate.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls_pki_types::PrivatePkcs8KeyDer;

/// A certificate for `localhost` and `127.0.0.1` that signs itself.
pub struct Identity {
    pub config: Arc<ServerConfig>,
    /// What a client takes as its certificate authority to verify the lab.
    pub certificate_pem: String,
}

/// The certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("making the lab's certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("setting up TLS for the lab: {0}")]
    Tls(#[from] rustls::Error),
}

/// Makes a new key and certificate. TLS 1.2 only, as SQL Server speaks it inside TDS 7.x: the
/// session tickets of 1.3 would come after the handshake has left the PRELOGIN packets.
pub fn self_signed() -> Result<Identity, IdentityError> {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = rcgen::generate_simple_self_signed(names)?;
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())?;
    Ok(Identity { config: Arc::new(config), certificate_pem: made.cert.pem() })
}
