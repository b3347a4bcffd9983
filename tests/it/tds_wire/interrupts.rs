//! Attentions, slow readers, lost clients, and connections cut on order.

use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use futures::TryStreamExt;
use tiberius::QueryItem;

use super::*;

/// More rows than any test could wait for.
const ENDLESS: &str = "stream 1000000000";
/// More than fits into the buffers between session and client, far less than [`ENDLESS`].
const BUFFERED: u64 = 100_000;

async fn next(events: &mut UnboundedReceiver<Event>, wanted: impl Fn(&Event) -> bool) -> Event {
    loop {
        let event = events.recv().await.expect("the server has ended");
        if wanted(&event) {
            return event;
        }
    }
}

async fn read_rows(client: &mut Tiberius, sql: &str, count: usize) {
    let mut stream = client.simple_query(sql).await.unwrap();
    let mut rows = 0;
    while rows < count {
        if let QueryItem::Row(_) = stream.try_next().await.unwrap().unwrap() {
            rows += 1;
        }
    }
}

async fn number(client: &mut Tiberius) -> i32 {
    client.simple_query("number 6").await.unwrap().into_row().await.unwrap().unwrap().get(0).unwrap()
}

/// The session stops between rows; it had not run ahead of its reader.
#[tokio::test]
async fn an_attention_stops_a_batch_and_the_connection_goes_on() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    for _ in 0..3 {
        read_rows(&mut client, ENDLESS, 10).await;
        client.cancel_query().await.unwrap();
        let Event::Cancelled { rows } = next(&mut events, |event| matches!(event, Event::Cancelled { .. })).await else { unreachable!() };
        assert!((10..BUFFERED).contains(&rows), "{rows} rows for a reader of ten");
        assert_eq!(number(&mut client).await, 6);
    }
}

#[tokio::test]
async fn an_attention_without_a_batch_is_answered() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    client.cancel_query().await.unwrap();
    assert_eq!(number(&mut client).await, 6);
    client.cancel_query().await.unwrap();
    assert_eq!(number(&mut client).await, 6);
}

#[tokio::test]
async fn a_lost_client_ends_its_session_amid_a_batch() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    read_rows(&mut client, ENDLESS, 10).await;
    assert_eq!(server.faults().connections().len(), 1);
    drop(client);
    next(&mut events, |event| matches!(event, Event::Cancelled { .. })).await;
    next(&mut events, |event| *event == Event::Ended).await;
    server.stop().await;
}

#[tokio::test]
async fn stopping_ends_every_session() {
    let (server, mut events) = plain_server().await;
    let mut busy = plain_client(&server).await;
    let mut idle = plain_client(&server).await;
    read_rows(&mut busy, ENDLESS, 1).await;
    assert_eq!(number(&mut idle).await, 6);
    server.stop().await;
    let ended = std::iter::from_fn(|| events.try_recv().ok()).filter(|event| *event == Event::Ended).count();
    assert_eq!(ended, 2);
    assert!(idle.simple_query("number 6").await.is_err());
}

#[tokio::test]
async fn connections_are_listed_and_killed() {
    let (server, mut events) = plain_server().await;
    let mut first = plain_client(&server).await;
    let mut second = plain_client(&server).await;
    number(&mut second).await;
    let listed = server.faults().connections();
    let shown: Vec<_> =
        listed.iter().map(|info| (info.user.as_str(), info.database.as_str(), info.application.as_str(), info.requests)).collect();
    assert_eq!(shown, [(USER, DATABASE, "wire test", 0), (USER, DATABASE, "wire test", 1)]);
    assert!(server.faults().kill(listed[0].id));
    next(&mut events, |event| *event == Event::Ended).await;
    assert!(first.simple_query("number 6").await.is_err());
    assert_eq!(number(&mut second).await, 6);
    assert_eq!(server.faults().kill_all(), 1);
    next(&mut events, |event| *event == Event::Ended).await;
    // It is told before it leaves the list.
    for _ in 0..500 {
        if !server.faults().kill(listed[1].id) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("it stays in the list");
}

#[tokio::test]
async fn a_statement_can_be_cut_before_it_runs_or_after() {
    let (server, mut events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let mut ordered = server.faults().order(Cut::BeforeStatement("update 3".into()));
    assert_eq!(number(&mut client).await, 6);
    assert!(!ordered.happened());
    assert!(client.execute("update 3", &[]).await.is_err());
    assert!(ordered.wait().await);
    let mut statements = Vec::new();
    loop {
        match events.recv().await.unwrap() {
            Event::Statement(sql) => statements.push(sql),
            Event::Ended => break,
            _ => {}
        }
    }
    assert_eq!(statements, ["number 6"], "it must not have run");

    let mut client = plain_client(&server).await;
    server.faults().order(Cut::AfterStatement("update 4".into()));
    assert!(client.execute("update 4", &[]).await.is_err());
    next(&mut events, |event| *event == Event::Statement("update 4".into())).await;
    next(&mut events, |event| *event == Event::Ended).await;
}

#[tokio::test]
async fn a_result_can_be_cut_in_the_middle() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    let ordered = server.faults().order(Cut::AfterPackets(20));
    let mut rows = 0;
    let mut stream = client.simple_query(ENDLESS).await.unwrap();
    let error = loop {
        match stream.try_next().await {
            Ok(item) => rows += usize::from(matches!(item, Some(QueryItem::Row(_)))),
            Err(error) => break error,
        }
    };
    assert!(ordered.happened());
    // Twenty packets of 4096 bytes hold some hundred rows of this table.
    assert!((100..1000).contains(&rows), "{rows}: {error}");
}

#[tokio::test]
async fn the_nth_request_can_be_cut() {
    let (server, _events) = plain_server().await;
    let mut client = plain_client(&server).await;
    server.faults().order(Cut::AtRequest(3));
    assert_eq!(number(&mut client).await, 6);
    assert_eq!(number(&mut client).await, 6);
    assert!(client.simple_query("number 6").await.is_err());
}

#[tokio::test]
async fn a_big_result_arrives_whole() {
    const ROWS: i64 = 10_000;
    let (server, pem) = tls_server(false).await;
    for encryption in [EncryptionLevel::NotSupported, EncryptionLevel::Required] {
        let mut config = config(&server, encryption);
        config.trust_cert_ca_bundle(pem.as_bytes());
        let mut client = Box::pin(connect(config)).await.unwrap();
        let mut expected = 0;
        let mut stream = client.simple_query(format!("stream {ROWS}")).await.unwrap();
        while let Some(item) = stream.try_next().await.unwrap() {
            if let QueryItem::Row(row) = item {
                assert_eq!((row.get::<i64, _>("id"), row.get::<f64, _>("rate")), (Some(expected), Some(0.5)));
                expected += 1;
            }
        }
        assert_eq!(expected, ROWS);
    }
}
