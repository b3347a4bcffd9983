//! CDC switched on, with the connection to SQL Server lost at each request.

use std::time::Instant;

use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::source::Source;
use db_to_redshift::source::sqlserver::SqlServer;

use crate::faults::places::{Places, Turn};
use crate::support::lab_sql_server::Lab;

/// Requests of the whole, as they were last seen. Fewer: the enumeration lost some, or enabling
/// does: then the count wants to be set anew.
const REQUESTS: u32 = 10;

/// As `enable --table` does it.
async fn enable(source: &SqlServer, tables: &[TableName]) -> Result<(), Fault> {
    source.start_up().await?;
    source.enable_database().await?;
    for table in tables {
        source.enable_table(table, Some("cdc_readers")).await?;
    }
    Ok(())
}

async fn each_request(cut: fn(u64) -> Cut) {
    let (started, mut places) = (Instant::now(), Places::new(Turn::EVERY));
    while let Some(n) = places.next() {
        let lab = Lab::start().await;
        for name in ["a", "b"] {
            lab.write(&format!("CREATE TABLE dbo.{name} (id int NOT NULL PRIMARY KEY)"));
        }
        let tables = [TableName::new("dbo", "a"), TableName::new("dbo", "b")];
        let ordered = lab.wire.faults().order(cut(n.into()));
        let ended = enable(&lab.source_with_pages(100), &tables).await;
        lab.wire.faults().clear();
        let happened = ordered.happened();
        if let Err(fault) = ended {
            assert!(happened, "{fault:?}");
            enable(&lab.source_with_pages(100), &tables).await.unwrap();
        }
        let described = lab.source.describe(&tables).await.unwrap();
        for facts in described {
            let facts = facts.unwrap();
            let roles: Vec<Option<&str>> = facts.instances.iter().map(|instance| instance.role.as_deref()).collect();
            assert_eq!((facts.tracked, roles), (true, vec![Some("cdc_readers")]), "one instance of {}, as it was ordered", facts.name);
        }
        places.tried(happened);
    }
    println!("{:?}: cut at {}, in {:?}", cut(0), places.text(), started.elapsed());
    assert!(places.counted() >= REQUESTS, "{} requests are fewer than before", places.counted());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_answer_to_each_request_of_an_enable_is_lost() {
    each_request(Cut::AfterRequest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sql_server_is_lost_before_each_request_of_an_enable() {
    each_request(Cut::AtRequest).await;
}
