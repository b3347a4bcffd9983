//! The whole lab in a test: connections to its databases, and the comparison of the two.

use db_to_redshift::lab::Lab;
use tokio::net::TcpStream;
use tokio_postgres::SimpleQueryMessage;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

use super::compare::Endpoint;

/// The lab's Redshift.
pub fn target(lab: &Lab) -> Endpoint {
    let options = lab.options();
    Endpoint {
        port: lab.redshift.addr().port(),
        user: options.redshift_user.clone(),
        password: options.redshift_password.clone(),
        database: options.redshift_database.clone(),
        ca: None,
    }
}

/// A connection to the lab's Redshift, unencrypted.
pub async fn redshift(lab: &Lab) -> tokio_postgres::Client {
    target(lab).connect().await
}

/// The lab's SQL Server, verified by its certificate.
pub fn source(lab: &Lab) -> Endpoint {
    let options = lab.options();
    let ca = lab.folder().join("ca-of-the-source.pem");
    std::fs::write(&ca, lab.sqlserver.certificate_pem.as_ref().unwrap()).unwrap();
    Endpoint {
        port: lab.sqlserver.address().port(),
        user: options.source_user.clone(),
        password: options.source_password.clone(),
        database: options.source_database.clone(),
        ca: Some(ca),
    }
}

/// A connection to the lab's SQL Server.
pub async fn sql_server(lab: &Lab) -> tiberius::Client<Compat<TcpStream>> {
    let options = lab.options();
    let mut config = tiberius::Config::new();
    config.host("localhost");
    config.database(&options.source_database);
    config.authentication(tiberius::AuthMethod::sql_server(&options.source_user, &options.source_password));
    config.encryption(tiberius::EncryptionLevel::Required);
    config.trust_cert_ca(source(lab).ca.unwrap().display());
    let stream = TcpStream::connect(lab.sqlserver.address()).await.unwrap();
    Box::pin(tiberius::Client::connect(config, stream.compat_write())).await.unwrap()
}

/// Runs a batch on the lab's SQL Server, for its effect.
pub async fn run_sql(lab: &Lab, batch: &str) {
    let mut client = Box::pin(sql_server(lab)).await;
    let answer = client.simple_query(batch).await.unwrap();
    answer.into_results().await.unwrap();
}

/// The rows of a simple query, cells joined by `|`, NULL as `NULL`.
pub fn cells(messages: &[SimpleQueryMessage]) -> Vec<String> {
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).unwrap_or("NULL")).collect::<Vec<_>>().join("|")),
        _ => None,
    };
    messages.iter().filter_map(row).collect()
}

/// What a shell line prints. A failure fails the test, with what the line said.
pub async fn shell(line: &str) -> String {
    let ran = tokio::process::Command::new("sh").args(["-c", line]).kill_on_drop(true).output().await.unwrap();
    assert!(ran.status.success(), "{line}: {}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    String::from_utf8(ran.stdout).unwrap()
}
