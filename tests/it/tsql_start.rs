//! The assembled lab server, by a client of its own over a socket.

use db_to_redshift::lab::sqlserver::{SqlServerOptions, start};
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::TokioAsyncWriteCompatExt as _;

#[tokio::test(flavor = "multi_thread")]
async fn a_client_writes_and_reads_changes() {
    let options =
        SqlServerOptions { database: "Shop".into(), user: "sa".into(), password: "right".into(), tls: true, ..Default::default() };
    let server = start(options).await.unwrap();
    let mut config = Config::new();
    config.host("127.0.0.1");
    config.port(server.address().port());
    config.database("shop");
    config.authentication(AuthMethod::sql_server("sa", "right"));
    config.encryption(EncryptionLevel::Required);
    config.trust_cert();
    let tcp = TcpStream::connect(server.address()).await.unwrap();
    let mut client = Box::pin(Client::connect(config, tcp.compat_write())).await.unwrap();
    for sql in [
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(20))",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL",
        "INSERT INTO dbo.t SELECT n, CONCAT(N'name ', n) FROM (VALUES (1), (2), (3)) AS v(n)",
    ] {
        client.simple_query(sql).await.unwrap().into_results().await.unwrap();
    }
    server.capture_now().unwrap();
    let query = "SELECT id, name FROM cdc.dbo_t_CT WHERE __$operation = @P1 ORDER BY id";
    let rows = client.query(query, &[&2_i32]).await.unwrap().into_first_result().await.unwrap();
    let names: Vec<(i32, &str)> = rows.iter().map(|r| (r.get(0).unwrap(), r.get(1).unwrap())).collect();
    assert_eq!(names, [(1, "name 1"), (2, "name 2"), (3, "name 3")]);
    drop(client);
    server.stop().await;
}
