//! The source over real sockets, against a server that answers from a script.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db_to_redshift::config::Tls;
use db_to_redshift::lab::sqlserver::session::Message;
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::lab::sqlserver::wire::{Options, Server, tls};
use db_to_redshift::model::fault::{Class, src};
use db_to_redshift::model::{Fault, Lsn, Operation, SqlType, TableName, TableShape, Value};
use db_to_redshift::source::sqlserver::SqlServer;
use db_to_redshift::source::{ChangesMode, ChangesRequest, CleanUp, Pages, ScanIsolation, Source};

use crate::support::column::collated as column;
use crate::support::scripted_sql_server::{PASSWORD, Scripted, begin, result_set, settings, trusting};

fn id_shape() -> TableShape {
    TableShape::new(vec![column("id", 1, SqlType::Int, Some(1))])
}

fn orders() -> TableName {
    TableName::new("dbo", "Orders")
}

async fn plain(script: &Scripted) -> (Server, SqlServer) {
    let server = script.serve(Options::default()).await;
    let source = SqlServer::new(settings(&server, Tls::Off));
    (server, source)
}

fn answer_clock(script: &Scripted) {
    let moment = Datum::DateTime2 { days: 739_942, ticks: 288_000_000_000 };
    script.on_rows("SYSDATETIME()", vec![("now", DataType::DateTime2(7))], vec![vec![moment]]);
}

/// Reads a scan to its end, or to its fault.
async fn scan(source: &SqlServer, shape: &TableShape) -> Result<Vec<Vec<Value>>, Fault> {
    let mut pages = source.scan(&orders(), shape, ScanIsolation::ReadCommitted).await?;
    let mut rows = Vec::new();
    while let Some(page) = pages.next_page().await? {
        rows.extend(page);
    }
    Ok(rows)
}

#[tokio::test]
async fn logins_that_fail_say_why() {
    let script = Scripted::default();
    answer_clock(&script);
    let server = script.serve(Options::default()).await;

    let mut wrong = settings(&server, Tls::Off);
    wrong.user = "nobody".into();
    let fault = SqlServer::new(wrong).clock().await.unwrap_err();
    assert!(fault.is(&src::LOGIN), "{fault:?}");
    assert!(!format!("{fault:?}").contains(PASSWORD));

    let mut wrong = settings(&server, Tls::Off);
    wrong.database = "Shops".into();
    let fault = SqlServer::new(wrong).clock().await.unwrap_err();
    assert!(fault.is(&src::DATABASE) && fault.facts().contains(&("database".into(), "Shops".into())), "{fault:?}");

    let gone = settings(&server, Tls::Off);
    server.stop().await;
    let fault = SqlServer::new(gone).clock().await.unwrap_err();
    assert!(fault.is(&src::CONNECT) && fault.class() == Class::Transient, "{fault:?}");
}

#[tokio::test]
async fn certificates_are_verified_unless_told_otherwise() {
    let script = Scripted::default();
    answer_clock(&script);
    let identity = tls::self_signed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, &identity.certificate_pem).unwrap();
    let options = Options { tls: Some(identity.config), require_encryption: true, ..Options::default() };
    let server = script.serve(options).await;

    let clock = |tls| SqlServer::new(settings(&server, tls));
    clock(trusting(file)).clock().await.unwrap();
    clock(Tls::TrustAny).clock().await.unwrap();

    let other = folder.path().join("other.pem");
    std::fs::write(&other, tls::self_signed().unwrap().certificate_pem).unwrap();
    let fault = clock(trusting(other)).clock().await.unwrap_err();
    assert!(fault.is(&src::CERTIFICATE), "{fault:?}");

    let fault = clock(trusting(folder.path().join("missing.pem"))).clock().await.unwrap_err();
    assert!(fault.is(&src::CA_FILE), "{fault:?}");
}

#[tokio::test]
async fn encryption_that_was_asked_for_is_never_dropped() {
    let script = Scripted::default();
    answer_clock(&script);
    let server = script.serve(Options::default()).await;
    let fault = SqlServer::new(settings(&server, Tls::TrustAny)).clock().await.unwrap_err();
    assert!(fault.is(&src::ENCRYPTION), "{fault:?}");
    assert_eq!(script.logins(), 0);
}

#[tokio::test]
async fn ordinary_statements_share_a_connection_until_one_fails() {
    let script = Scripted::default();
    answer_clock(&script);
    script.on_error("MAX(m.start_lsn) AS mark", 1205, "Transaction was deadlocked and has been chosen as the deadlock victim.");
    let (_server, source) = plain(&script).await;
    assert_eq!(source.clock().await.unwrap().to_string(), "2026-11-23T08:00:00");
    source.clock().await.unwrap();
    assert_eq!(script.logins(), 1);
    assert!(script.statements()[0].starts_with("SET NOCOUNT OFF;"));

    let fault = source.clean_up_mark(Lsn::MAX).await.unwrap_err();
    assert!(fault.is(&src::INTERRUPTED) && fault.class() == Class::Transient, "{fault:?}");
    source.clock().await.unwrap();
    assert_eq!(script.logins(), 2);
}

#[tokio::test]
async fn a_kept_connection_that_died_is_replaced() {
    let script = Scripted::default();
    answer_clock(&script);
    let (server, source) = plain(&script).await;
    source.clock().await.unwrap();
    let mut ordered = server.faults().order(Cut::AfterStatement("SYSDATETIME()".into()));
    source.clock().await.unwrap();
    assert!(ordered.wait().await);
    assert_eq!(script.logins(), 2);

    // A new connection that breaks is not tried again.
    server.faults().order(Cut::BeforeStatement("SYSDATETIME()".into()));
    server.faults().order(Cut::BeforeStatement("SYSDATETIME()".into()));
    let fault = source.clock().await.unwrap_err();
    assert!(fault.is(&src::CONNECTION_LOST), "{fault:?}");
}

/// Rows far beyond what sockets and pages hold; says when the last one went.
fn answer_endlessly(script: &Scripted, table: &str) -> tokio::sync::watch::Receiver<bool> {
    let (finished, watch) = tokio::sync::watch::channel(false);
    script.on(table, move |_, sink| {
        begin(&[("id", DataType::Int), ("scan", DataType::VarBinary(None))], sink)?;
        let wide = [Datum::Int(1), Datum::Bytes(vec![7; 1_000_000])];
        for _ in 0..40 {
            sink.row(&wide)?;
        }
        finished.send_replace(true);
        sink.done(Some(40))
    });
    watch
}

#[tokio::test]
async fn a_reader_that_waits_makes_the_server_wait() {
    let script = Scripted::default();
    let slow = answer_endlessly(&script, "FROM [dbo].[Slow]");
    let fast = answer_endlessly(&script, "FROM [dbo].[Fast]");
    let (_server, source) = plain(&script).await;
    let shape = TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("scan", 2, SqlType::VarBinaryMax, None)]);
    let scan = async |name| source.scan(&TableName::new("dbo", name), &shape, ScanIsolation::ReadCommitted).await.unwrap();
    let mut waiting = scan("Slow").await;
    let mut rows = waiting.next_page().await.unwrap().unwrap().len();
    // Pages of wide rows are short.
    assert!(rows < 10, "{rows}");
    // As long as it takes to read just as much.
    let mut reading = scan("Fast").await;
    while reading.next_page().await.unwrap().is_some() {}
    assert!(*fast.borrow() && !*slow.borrow());
    while let Some(page) = waiting.next_page().await.unwrap() {
        rows += page.len();
    }
    assert!(rows == 40 && *slow.borrow());
}

#[tokio::test]
async fn silence_ends_in_a_time_out() {
    let script = Scripted::default();
    let (_release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    script.on("SYSDATETIME()", move |_, sink| {
        let _ = wait.lock().unwrap().recv();
        sink.done(None)
    });
    let server = script.serve(Options::default()).await;
    let mut settings = settings(&server, Tls::Off);
    settings.timeout = Duration::from_millis(200);
    let source = SqlServer::new(settings);
    let fault = source.clock().await.unwrap_err();
    assert!(fault.is(&src::TIMED_OUT) && fault.class() == Class::Transient, "{fault:?}");
}

#[tokio::test]
async fn a_broken_connection_is_never_an_end() {
    let script = Scripted::default();
    script.on("FROM [dbo].[Orders]", |_, sink| {
        begin(&[("id", DataType::Int)], sink)?;
        for n in 0..100_000 {
            sink.row(&[Datum::Int(n)])?;
        }
        sink.done(Some(100_000))
    });
    let (server, source) = plain(&script).await;
    assert_eq!(scan(&source, &id_shape()).await.unwrap().len(), 100_000);

    let mut ordered = server.faults().order(Cut::AfterPackets(9));
    let fault = scan(&source, &id_shape()).await.unwrap_err();
    assert!(ordered.wait().await);
    assert!(fault.is(&src::CONNECTION_LOST) && fault.class() == Class::Transient, "{fault:?}");
}

#[tokio::test]
async fn an_error_amid_rows_is_never_an_end() {
    let script = Scripted::default();
    script.on("FROM [dbo].[Orders]", |_, sink| {
        begin(&[("id", DataType::Int)], sink)?;
        sink.row(&[Datum::Int(1)])?;
        sink.message(&Message::error(601, "Could not continue scan with NOLOCK due to data movement."))?;
        sink.done(None)
    });
    let (_server, source) = plain(&script).await;
    let fault = scan(&source, &id_shape()).await.unwrap_err();
    assert!(fault.is(&src::INTERRUPTED), "{fault:?}");
}

/// The server says how many rows it sent; fewer are not the end, whatever is read: a scan, an
/// empty page of a change table, net changes.
#[tokio::test]
async fn an_answer_that_is_not_whole_is_never_an_end() {
    let script = Scripted::default();
    script.on("FROM [dbo].[Orders]", |_, sink| {
        begin(&[("id", DataType::Int)], sink)?;
        sink.row(&[Datum::Int(1)])?;
        sink.done(Some(3))
    });
    script.on_rows("'__$command_id'", vec![("found", DataType::Int)], vec![vec![Datum::Int(1)]]);
    script.on("[cdc].[dbo_Orders_CT]", |_, sink| {
        begin(&change_columns(), sink)?;
        sink.done(Some(1))
    });
    script.on("fn_cdc_get_net_changes_dbo_Orders", |_, sink| {
        begin(&change_columns(), sink)?;
        sink.done(None)
    });
    let (_server, source) = plain(&script).await;
    let fault = scan(&source, &id_shape()).await.unwrap_err();
    assert!(fault.is(&src::SHORT_ANSWER) && fault.class() == Class::Transient, "{fault:?}");
    assert!(fault.to_string().contains("rows received=1") && fault.to_string().contains("rows sent=3"), "{fault}");
    let fault = source.changes(&request(ChangesMode::All)).await.unwrap().next_page().await.unwrap_err();
    assert!(fault.is(&src::SHORT_ANSWER), "{fault:?}");
    // No count and no rows: nothing was sent, and nothing is missing.
    assert!(source.changes(&request(ChangesMode::Net)).await.unwrap().next_page().await.unwrap().is_none());
    assert!(!script.statements().iter().any(|sql| sql.starts_with("COMMIT")));
}

#[tokio::test]
async fn a_dropped_stream_drops_its_connection() {
    let script = Scripted::default();
    let (cancelled, seen) = tokio::sync::oneshot::channel();
    let cancelled = Mutex::new(Some(cancelled));
    script.on("FROM [dbo].[Orders]", move |_, sink| {
        begin(&[("id", DataType::Int)], sink)?;
        loop {
            if sink.row(&[Datum::Int(1)]).is_err() {
                if let Some(cancelled) = cancelled.lock().unwrap().take() {
                    let _ = cancelled.send(());
                }
                return Err(db_to_redshift::lab::sqlserver::session::Cancelled);
            }
        }
    });
    let (_server, source) = plain(&script).await;
    let mut pages = source.scan(&orders(), &id_shape(), ScanIsolation::ReadCommitted).await.unwrap();
    assert!(pages.next_page().await.unwrap().is_some());
    drop(pages);
    seen.await.unwrap();
}

#[tokio::test]
async fn a_snapshot_scan_reads_inside_its_transaction() {
    let script = Scripted::default();
    script.on_rows("FROM [dbo].[Orders]", vec![("id", DataType::Int)], vec![vec![Datum::Int(1)]]);
    let (_server, source) = plain(&script).await;
    let mut pages = source.scan(&orders(), &id_shape(), ScanIsolation::Snapshot).await.unwrap();
    assert!(pages.next_page().await.unwrap() == Some(vec![vec![Value::Int(1)]]));
    assert!(pages.next_page().await.unwrap().is_none());
    let statements = script.statements();
    let after_login: Vec<_> = statements.iter().skip(1).map(|sql| sql.split_whitespace().take(2).collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(after_login, ["SET TRANSACTION", "BEGIN TRANSACTION;", "SELECT t.[id]", "COMMIT TRANSACTION;"]);
}

fn lsn(n: u8) -> Lsn {
    let mut bytes = [0; 10];
    bytes[9] = n;
    Lsn::from_bytes(bytes)
}

fn change(at: u8, command: Option<i64>, seqval: u8, operation: i64, id: i64) -> Vec<Datum> {
    let bytes = |lsn: Lsn| Datum::Bytes(lsn.as_bytes().to_vec());
    let command = command.map_or(Datum::Null, Datum::Int);
    vec![bytes(lsn(at)), command, bytes(lsn(seqval)), Datum::Int(operation), Datum::Bytes(vec![1]), Datum::Int(id)]
}

fn change_columns() -> Vec<(&'static str, DataType)> {
    vec![
        ("__$start_lsn", DataType::Binary(10)),
        ("__$command_id", DataType::Int),
        ("__$seqval", DataType::Binary(10)),
        ("__$operation", DataType::Int),
        ("__$update_mask", DataType::VarBinary(Some(128))),
        ("id", DataType::Int),
    ]
}

fn request(mode: ChangesMode) -> ChangesRequest {
    ChangesRequest { table: orders(), instance: "dbo_Orders".into(), shape: id_shape(), from: lsn(1), to: lsn(9), mode }
}

#[tokio::test]
async fn the_next_page_begins_behind_the_last_row() {
    let script = Scripted::default();
    script.on_rows("'__$command_id'", vec![("found", DataType::Int)], vec![vec![Datum::Int(1)]]);
    let pages = [
        vec![change(1, None, 1, 2, 10), change(1, None, 2, 3, 11)],
        vec![change(1, None, 2, 4, 12), change(2, Some(7), 3, 1, 13)],
        vec![change(3, Some(1), 4, 2, 14)],
        // A short page is not taken for the end.
        Vec::new(),
    ];
    let asked = Arc::new(Mutex::new(Vec::new()));
    let asked_by_client = Arc::clone(&asked);
    script.on("[cdc].[dbo_Orders_CT]", move |parameters, sink| {
        let mut asked = asked_by_client.lock().unwrap();
        let page = asked.len();
        asked.push(parameters.iter().map(|parameter| parameter.value.clone()).collect::<Vec<_>>());
        result_set(&change_columns(), &pages[page], sink)
    });
    let server = script.serve(Options::default()).await;
    let source = SqlServer::new(settings(&server, Tls::Off)).page_rows(2);
    let mut changes = source.changes(&request(ChangesMode::All)).await.unwrap();
    let mut rows = Vec::new();
    while let Some(page) = changes.next_page().await.unwrap() {
        rows.extend(page);
    }
    let ids: Vec<_> = rows.iter().map(|row| row.values[0].clone()).collect();
    assert!(ids == (10..15).map(Value::Int).collect::<Vec<_>>());
    assert_eq!(rows[0].operation, Operation::Insert);
    assert_eq!((rows[0].command_id, rows[3].command_id), (0, 7));
    assert_eq!(rows[3].mask, [1]);

    let bytes = |n| Datum::Bytes(lsn(n).as_bytes().to_vec());
    let asked = asked.lock().unwrap();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0], [Datum::Int(2), bytes(1), bytes(9)]);
    assert_eq!(asked[1], [Datum::Int(2), bytes(1), bytes(9), bytes(1), bytes(2), Datum::Int(3)]);
    assert_eq!(asked[2], [Datum::Int(2), bytes(2), bytes(9), bytes(2), bytes(3), Datum::Int(1), Datum::Int(7)]);
    let selects: Vec<_> = script.statements().into_iter().filter(|sql| sql.contains("_CT] AS ct")).collect();
    assert!(selects[1].contains("__$command_id IS NOT NULL") && selects[2].contains("__$command_id > @P7"));
}

#[tokio::test]
async fn ranges_and_rights_that_are_missing_have_their_faults() {
    let script = Scripted::default();
    script.on_error("fn_cdc_get_net_changes", 313, "An insufficient number of arguments were supplied for the procedure or function.");
    let denied = "The SELECT permission was denied on the object 'dbo_Orders_CT', database 'Shop', schema 'cdc'.";
    script.on_error("'__$command_id'", 229, denied);
    let (_server, source) = plain(&script).await;
    let mut net = source.changes(&request(ChangesMode::Net)).await.unwrap();
    assert!(net.next_page().await.unwrap_err().is(&src::OUT_OF_RANGE));

    let fault = source.changes(&request(ChangesMode::All)).await.err().unwrap();
    assert!(fault.is(&src::PERMISSION), "{fault:?}");
    assert_eq!(fault.actions().next(), Some("GRANT SELECT ON SCHEMA::[cdc] TO [reader];"));
    assert!(fault.to_string().contains("dbo_Orders_CT"));
}

#[tokio::test]
async fn clean_up_tells_done_from_done_before_and_from_choose_again() {
    let script = Scripted::default();
    script.on("sp_cdc_cleanup_change_table", |parameters, sink| {
        let number = match &parameters[1].value {
            Datum::Bytes(mark) if mark[9] == 1 => 22957,
            Datum::Bytes(mark) if mark[9] == 2 => 22964,
            Datum::Bytes(mark) if mark[9] == 3 => 22852,
            _ => return sink.done(None),
        };
        sink.message(&Message::error(number, "no"))?;
        sink.done(None)
    });
    let (_server, source) = plain(&script).await;
    let clean_up = async |mark| source.clean_up("dbo_Orders", mark).await;
    assert_eq!(clean_up(lsn(9)).await.unwrap(), CleanUp::Done);
    assert_eq!(clean_up(lsn(1)).await.unwrap(), CleanUp::AlreadyDone);
    assert_eq!(clean_up(lsn(2)).await.unwrap(), CleanUp::ChooseAgain);
    assert!(clean_up(lsn(3)).await.unwrap_err().is(&src::CLEAN_UP_FAILED));
}

/// Rows that are read by key come in short pages where they are wide, and a missing one is no
/// deleted one while the server says that it sent more.
#[tokio::test]
async fn wide_rows_read_by_key_come_in_short_pages() {
    let script = Scripted::default();
    script.on("FROM (VALUES", |parameters, sink| {
        begin(&[("id", DataType::Int), ("scan", DataType::VarBinary(None))], sink)?;
        for parameter in parameters {
            let Datum::Int(id) = parameter.value else { continue };
            sink.row(&[Datum::Int(id), Datum::Bytes(vec![7; 1_000_000])])?;
        }
        sink.done(Some(if parameters.len() == 1 { 2 } else { parameters.len() as u64 }))
    });
    let (_server, source) = plain(&script).await;
    let shape = TableShape::new(vec![column("id", 1, SqlType::Int, Some(1)), column("scan", 2, SqlType::VarBinaryMax, None)]);
    let keys: Vec<_> = (1..=40).map(|id| vec![Value::Int(id)]).collect();
    let mut pages = source.reread(&orders(), &shape, &keys).await.unwrap();
    let mut found = 0;
    while let Some(page) = pages.next_page().await.unwrap() {
        assert!(page.len() < 10, "{}", page.len());
        found += page.len();
    }
    assert_eq!((found, script.logins()), (40, 1));
    let fault = source.present_row(&orders(), &shape, &keys[0]).await.unwrap_err();
    assert!(fault.is(&src::SHORT_ANSWER), "{fault:?}");
}
