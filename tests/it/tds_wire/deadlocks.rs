//! A transaction lost in a deadlock: error 1205 ends the batch and the transaction, but not the
//! connection.

use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use tiberius::Client;
use tokio::net::TcpStream;
use tokio_util::compat::Compat;

use crate::support::lab_sql_server::Lab;

type Tiberius = Client<Compat<TcpStream>>;

async fn number(client: &mut Tiberius, sql: &str) -> i32 {
    client.simple_query(sql).await.unwrap().into_row().await.unwrap().unwrap().get(0).unwrap()
}

/// The error that a batch ends with.
async fn ends_with(client: &mut Tiberius, sql: &str) -> (u32, u8) {
    let ran = async { client.simple_query(sql).await?.into_results().await }.await;
    match ran {
        Err(tiberius::error::Error::Server(error)) => (error.code(), error.class()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_victim_is_rolled_back_and_may_go_on() {
    let lab = Lab::start().await;
    lab.write("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, n int NOT NULL)");
    lab.write("INSERT dbo.t VALUES (1, 1), (2, 2), (3, 3)");
    let mut client = lab.client().await;
    for cut in [Cut::VictimAtRequest(2), Cut::VictimAtRow(3)] {
        let ordered = lab.wire.faults().order(cut.clone());
        client.simple_query("BEGIN TRAN; UPDATE dbo.t SET n = 10 WHERE id = 1").await.unwrap().into_results().await.unwrap();
        assert!(!ordered.happened(), "{cut:?}");
        let met = ends_with(&mut client, "SELECT id FROM dbo.t; UPDATE dbo.t SET n = 20 WHERE id = 2").await;
        assert_eq!(met, (1205, 13), "{cut:?}");
        assert!(ordered.happened(), "{cut:?}");
        assert_eq!(number(&mut client, "SELECT @@TRANCOUNT").await, 0, "{cut:?}");
        assert_eq!(number(&mut client, "SELECT SUM(n) FROM dbo.t").await, 6, "{cut:?}");
    }
    client.simple_query("UPDATE dbo.t SET n = 30 WHERE id = 3").await.unwrap().into_results().await.unwrap();
    assert_eq!(number(&mut client, "SELECT SUM(n) FROM dbo.t").await, 33);
}
