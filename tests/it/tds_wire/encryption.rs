//! What client and server agree on before the login.

use super::*;

/// Connects over `encryption`, verifying the certificate against `pem`, and runs a batch.
async fn try_tls(server: &Server, encryption: EncryptionLevel, pem: &str) -> tiberius::Result<i32> {
    let mut config = config(server, encryption);
    config.trust_cert_ca_bundle(pem.as_bytes());
    let mut client = connect(config).await?;
    let row = client.simple_query("number 5").await?.into_row().await?.unwrap();
    Ok(row.get(0).unwrap())
}

#[tokio::test]
async fn every_level_works_with_a_server_that_can() {
    let (server, pem) = tls_server(false).await;
    for level in [EncryptionLevel::NotSupported, EncryptionLevel::Off, EncryptionLevel::On, EncryptionLevel::Required] {
        assert_eq!(try_tls(&server, level, &pem).await.unwrap(), 5, "{level:?}");
    }
}

#[tokio::test]
async fn a_strict_server_takes_only_those_that_encrypt() {
    let (server, pem) = tls_server(true).await;
    for level in [EncryptionLevel::Off, EncryptionLevel::On, EncryptionLevel::Required] {
        assert_eq!(try_tls(&server, level, &pem).await.unwrap(), 5, "{level:?}");
    }
    assert!(try_tls(&server, EncryptionLevel::NotSupported, &pem).await.is_err());
}

#[tokio::test]
async fn a_server_without_a_certificate_serves_only_those_that_do_without() {
    let (server, _events) = plain_server().await;
    let pem = tls::self_signed().unwrap().certificate_pem;
    assert_eq!(try_tls(&server, EncryptionLevel::NotSupported, &pem).await.unwrap(), 5);
    for level in [EncryptionLevel::On, EncryptionLevel::Required] {
        assert!(try_tls(&server, level, &pem).await.is_err(), "{level:?}");
    }
}

#[tokio::test]
async fn another_certificate_is_not_trusted() {
    let (server, _pem) = tls_server(false).await;
    let other = tls::self_signed().unwrap().certificate_pem;
    let error = try_tls(&server, EncryptionLevel::Required, &other).await.unwrap_err();
    assert!(matches!(error, Error::Tls(_) | Error::Io { .. }), "{error:?}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_by_number() {
    let (server, _events) = plain_server().await;
    let mut config = config(&server, EncryptionLevel::NotSupported);
    config.authentication(AuthMethod::sql_server(USER, "wrong"));
    let error = connect(config).await.map(|_| ()).unwrap_err();
    assert_eq!(server_number(&error), 18456);
}

#[tokio::test]
async fn an_unknown_database_is_refused_by_number() {
    let (server, _events) = plain_server().await;
    let mut config = config(&server, EncryptionLevel::NotSupported);
    config.database("Elsewhere");
    assert_eq!(server_number(&connect(config).await.map(|_| ()).unwrap_err()), 4060);
}
