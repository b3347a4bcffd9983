//! A statement that falls silent: it goes on once the silences are ended, and ends with its client.

use std::time::Duration;

use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use tokio::time::timeout;

use crate::support::lab_sql_server::Lab;

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_statement_goes_on_when_it_may_and_ends_with_its_client() {
    let lab = Lab::start().await;
    lab.write("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)");
    lab.write("INSERT dbo.t VALUES (1), (2), (3)");
    for cut in [Cut::SilentAtRequest(1), Cut::SilentAtRow(2)] {
        let mut client = lab.client().await;
        let mut ordered = lab.wire.faults().order(cut.clone());
        let mut reading = Box::pin(async { client.simple_query("SELECT id FROM dbo.t").await?.into_first_result().await });
        assert!(timeout(Duration::from_millis(300), &mut reading).await.is_err(), "{cut:?}");
        assert!(ordered.wait().await, "{cut:?}");
        lab.wire.faults().end_silences();
        assert_eq!(reading.await.unwrap().len(), 3, "{cut:?}");

        lab.wire.faults().order(cut.clone());
        let open = lab.wire.faults().connections().len();
        let reading = async { client.simple_query("SELECT id FROM dbo.t").await?.into_first_result().await };
        assert!(timeout(Duration::from_millis(300), reading).await.is_err(), "{cut:?}");
        drop(client);
        let gone = async {
            while lab.wire.faults().connections().len() == open {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), gone).await.unwrap_or_else(|_| panic!("{cut:?}: the session stays"));
    }
}
