//! A certificate of our own for loopback.

use std::sync::Arc;

use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::{TlsAcceptor, rustls};

use super::super::error::StartError;

/// The acceptor, and the certificate in PEM for clients that verify.
pub(in super::super) fn acceptor() -> Result<(TlsAcceptor, String), StartError> {
    let wrong = |error: &dyn std::fmt::Display| StartError::Certificate(error.to_string());
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).map_err(|e| wrong(&e))?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| wrong(&e))?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .map_err(|e| wrong(&e))?;
    Ok((TlsAcceptor::from(Arc::new(config)), made.cert.pem()))
}
