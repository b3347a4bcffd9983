//! SRC: each page through the real client, against the lab's SQL Server where its engine can
//! bring it about, else against one that answers from a script.

use std::sync::{Mutex, mpsc};
use std::time::Duration;

use db_to_redshift::config::{Secret, Tls};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::lab::sqlserver::wire::{Options, tls};
use db_to_redshift::model::fault::src;
use db_to_redshift::model::{Fault, Lsn, SqlType, TableName, TableShape};
use db_to_redshift::source::sqlserver::SqlServer;
use db_to_redshift::source::{ChangesMode, ChangesRequest, Pages, ScanIsolation, Source};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use crate::faults::{provocations, run};
use crate::support::column::column;
use crate::support::lab_sql_server::Lab;
use crate::support::scripted_sql_server::{Scripted, begin, settings, trusting};

provocations! {
    [src::CONNECT] => nobody_listens,
    [src::LOGIN] => a_wrong_password,
    [src::DATABASE] => a_database_that_is_not_there,
    [src::CERTIFICATE] => an_unknown_certificate,
    bare [src::ENCRYPTION] => a_server_without_encryption,
    [src::PERMISSION] => a_change_table_without_the_right,
    [src::PERMISSION] => a_column_without_the_right,
    [src::ADMINISTRATION] => enabling_without_the_right,
    [src::ADMINISTRATION] => enabling_a_table_without_the_right,
    [src::OBJECT_GONE] => net_changes_without_the_gating_role,
    [src::CDC_OFF] => a_table_enabled_in_a_database_without_cdc,
    [src::OBJECT_GONE] => a_capture_instance_that_is_gone,
    [src::OUT_OF_RANGE] => net_changes_below_the_low_water_mark,
    [src::INTERRUPTED] => a_deadlock,
    [src::INTERRUPTED] => a_scan_that_rows_moved_under,
    [src::CONNECTION_LOST] => a_connection_cut_twice,
    [src::TIMED_OUT] => a_server_that_is_silent,
    [src::SNAPSHOT_OFF] => a_snapshot_that_is_not_allowed,
    [src::CAPTURE_STARTING] => a_clean_up_before_the_first_scan,
    [src::NO_TABLE] => a_table_that_is_not_there,
    [src::TYPE_NOT_CARRIED] => a_column_of_xml,
    [src::UNREADABLE] => a_value_of_another_type,
    [src::KEY_NOT_TEXT] => half_a_character_in_a_key,
    [src::ENABLE_REFUSED] => a_third_instance,
    [src::CLEAN_UP_FAILED] => a_clean_up_that_fails,
    [src::STATEMENT] => a_number_of_no_page,
    [src::PROTOCOL] => a_server_of_another_kind,
    [src::SHORT_ANSWER] => a_scan_that_breaks_off_without_a_word,
    [src::CA_FILE] => an_authority_that_is_not_there,
    [src::ROWS_FILTERED] => a_policy_that_filters_rows,
    [src::ROWS_FILTERED] => a_policy_that_filters_changes,
    [src::VALUES_MASKED] => a_column_that_is_masked,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_s_pages_are_met() {
    run(register()).await;
}

fn dbo(name: &str) -> TableName {
    TableName::new("dbo", name)
}

fn id_shape() -> TableShape {
    TableShape::new(vec![column("id", 1, SqlType::Int, Some(1))])
}

/// A lab whose table `dbo.Orders` is tracked and has one change.
async fn tracked() -> Lab {
    let lab = Lab::start().await;
    lab.write("EXEC sys.sp_cdc_enable_db");
    lab.write("CREATE TABLE dbo.Orders (id int NOT NULL PRIMARY KEY, note nvarchar(50) NULL)");
    lab.write("EXEC sys.sp_cdc_enable_table N'dbo', N'Orders', NULL, @supports_net_changes = 1");
    lab.write("INSERT dbo.Orders VALUES (1, N'card 4711')");
    lab
}

/// The fault of a whole read of changes.
async fn read_changes(source: &SqlServer, instance: &str, mode: ChangesMode, from: Lsn, to: Lsn) -> Fault {
    let request = ChangesRequest { table: dbo("Orders"), instance: instance.into(), shape: id_shape(), from, to, mode };
    match source.changes(&request).await {
        Err(fault) => fault,
        Ok(mut pages) => loop {
            match pages.next_page().await {
                Err(fault) => break fault,
                Ok(page) => assert!(page.is_some(), "the read came to its end"),
            }
        },
    }
}

async fn scan(source: &SqlServer, table: &str, shape: &TableShape, isolation: ScanIsolation) -> Fault {
    match source.scan(&dbo(table), shape, isolation).await {
        Err(fault) => fault,
        Ok(mut pages) => loop {
            match pages.next_page().await {
                Err(fault) => break fault,
                Ok(page) => assert!(page.is_some(), "the scan came to its end"),
            }
        },
    }
}

async fn a_scan_that_breaks_off_without_a_word() -> Fault {
    let script = Scripted::default();
    script.on("FROM [dbo].[Orders]", |_, sink| {
        begin(&[("id", DataType::Int)], sink)?;
        sink.row(&[Datum::Int(1)])?;
        sink.done(Some(2))
    });
    let server = script.serve(Options::default()).await;
    scan(&SqlServer::new(settings(&server, Tls::Off)), "Orders", &id_shape(), ScanIsolation::Snapshot).await
}

async fn nobody_listens() -> Fault {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let lab = Lab::start().await;
    let mut elsewhere = lab.settings.clone();
    elsewhere.port = port;
    SqlServer::new(elsewhere).clock().await.unwrap_err()
}

async fn a_wrong_password() -> Fault {
    let lab = Lab::start().await;
    let mut wrong = lab.settings.clone();
    wrong.password = Secret::new("not-the-secret");
    SqlServer::new(wrong).clock().await.unwrap_err()
}

async fn a_database_that_is_not_there() -> Fault {
    let lab = Lab::start().await;
    let mut wrong = lab.settings.clone();
    wrong.database = "Elsewhere".into();
    SqlServer::new(wrong).clock().await.unwrap_err()
}

async fn an_unknown_certificate() -> Fault {
    let identity = tls::self_signed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other.pem");
    std::fs::write(&other, tls::self_signed().unwrap().certificate_pem).unwrap();
    let options = Options { tls: Some(identity.config), require_encryption: true, ..Options::default() };
    let server = Scripted::default().serve(options).await;
    SqlServer::new(settings(&server, trusting(other))).clock().await.unwrap_err()
}

async fn a_server_without_encryption() -> Fault {
    let server = Scripted::default().serve(Options::default()).await;
    SqlServer::new(settings(&server, Tls::TrustAny)).clock().await.unwrap_err()
}

async fn an_authority_that_is_not_there() -> Fault {
    let server = Scripted::default().serve(Options::default()).await;
    SqlServer::new(settings(&server, trusting("/nowhere/ca.pem".into()))).clock().await.unwrap_err()
}

/// What the source withholds of `dbo.Orders`.
async fn withheld(source: &SqlServer) -> Vec<Fault> {
    source.describe(&[dbo("Orders")]).await.unwrap().remove(0).unwrap().withheld
}

/// What a policy on an object means for the owner of the database, while it is on.
async fn filtered(schema: &str, name: &str) -> Fault {
    let lab = tracked().await;
    lab.set_policy((schema, name), "id > 9", false);
    assert!(withheld(&lab.source).await.is_empty());
    lab.set_policy((schema, name), "id > 9", true);
    let fault = withheld(&lab.source).await.remove(0);
    let told: Vec<(&str, &str)> = fault.facts().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(told, [("policy", "[rules].[a]]b]"), ("object", format!("[{schema}].[{name}]").as_str())], "{fault:?}");
    // A login that does not see it is told what would show it.
    let reader = lab.reader();
    assert!(withheld(&reader).await.is_empty());
    let grant = reader.start_up().await.unwrap().policies_unseen.unwrap();
    lab.write(&grant);
    assert_eq!((withheld(&reader).await.len(), reader.start_up().await.unwrap().policies_unseen), (1, None), "{grant}");
    lab.set_policy((schema, name), "id > 9", false);
    assert!(withheld(&lab.source).await.is_empty());
    fault
}

async fn a_policy_that_filters_rows() -> Fault {
    filtered("dbo", "Orders").await
}

async fn a_policy_that_filters_changes() -> Fault {
    filtered("cdc", "dbo_Orders_CT").await
}

async fn a_column_that_is_masked() -> Fault {
    let lab = tracked().await;
    let reader = lab.reader();
    lab.write("ALTER TABLE dbo.Orders ALTER COLUMN note ADD MASKED WITH (FUNCTION = 'default()')");
    assert!(withheld(&lab.source).await.is_empty(), "not from an owner");
    let fault = withheld(&reader).await.remove(0);
    let wanted = "GRANT UNMASK TO [reader];";
    assert_eq!(fault.actions().next(), Some(wanted), "{fault:?}");
    // What is proposed helps, and so does the narrower permission.
    for (grant, revoke) in [(wanted, "REVOKE UNMASK FROM reader"), ("GRANT UNMASK ON dbo.Orders (note) TO reader", "SELECT 1")] {
        lab.write(grant);
        assert!(withheld(&reader).await.is_empty(), "{grant}");
        lab.write(revoke);
    }
    fault
}

/// The fault of the clean-up mark where the server answers with this error.
async fn mark_under(number: i32, text: &'static str) -> Fault {
    let script = Scripted::default();
    script.on_error("MAX(m.start_lsn) AS mark", number, text);
    let server = script.serve(Options::default()).await;
    SqlServer::new(settings(&server, Tls::Off)).clean_up_mark(Lsn::MAX).await.unwrap_err()
}

async fn a_change_table_without_the_right() -> Fault {
    let lab = tracked().await;
    let reader = lab.reader();
    let max = reader.watermarks(&[]).await.unwrap().max.unwrap();
    lab.write("REVOKE SELECT ON SCHEMA::cdc FROM reader");
    let fault = read_changes(&reader, "dbo_Orders", ChangesMode::All, Lsn::ZERO.next(), max).await;
    assert!(fault.actions().any(|action| action == "GRANT SELECT ON SCHEMA::[cdc] TO [reader];"), "{fault:?}");
    fault
}

/// Error 230: the driver's message names the column, and so does what `check` proposes.
async fn a_column_without_the_right() -> Fault {
    let lab = tracked().await;
    let reader = lab.reader();
    let columns = vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarChar { length: 50 }, None)];
    let shape = TableShape::new(columns);
    lab.write("REVOKE SELECT ON SCHEMA::dbo FROM reader; GRANT SELECT ON dbo.Orders (id) TO reader");
    let facts = lab.source.describe(&[dbo("Orders")]).await.unwrap().remove(0).unwrap();
    let lacking = reader.lacking(std::slice::from_ref(&facts)).await.unwrap();
    let wanted = "GRANT SELECT ON OBJECT::[dbo].[Orders] ([note]) TO [reader];";
    assert_eq!(lacking.tables[0][0].actions().next(), Some(wanted), "{lacking:?}");
    let fault = scan(&reader, "Orders", &shape, ScanIsolation::ReadCommitted).await;
    let fact = |name: &str| fault.facts().iter().find(|(fact, _)| fact == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    assert_eq!(fact("number"), "230", "{fault:?}");
    assert!(fact("message").contains("the column 'note' of the object 'Orders'"), "{fault:?}");
    // What was proposed helps.
    lab.write(wanted);
    assert!(reader.lacking(&[facts]).await.unwrap().tables[0].is_empty());
    assert!(reader.scan(&dbo("Orders"), &shape, ScanIsolation::ReadCommitted).await.unwrap().next_page().await.unwrap().is_some());
    fault
}

async fn enabling_without_the_right() -> Fault {
    let lab = Lab::start().await;
    lab.reader_without_cdc().enable_database().await.unwrap_err()
}

async fn enabling_a_table_without_the_right() -> Fault {
    let lab = tracked().await;
    lab.write("CREATE TABLE dbo.More (id int NOT NULL PRIMARY KEY)");
    lab.reader().enable_table(&dbo("More"), None).await.unwrap_err()
}

/// SQL Server says 208 where it means 229.
async fn net_changes_without_the_gating_role() -> Fault {
    let lab = Lab::start().await;
    lab.write("EXEC sys.sp_cdc_enable_db");
    lab.write("CREATE TABLE dbo.Orders (id int NOT NULL PRIMARY KEY)");
    lab.write("EXEC sys.sp_cdc_enable_table N'dbo', N'Orders', N'gate', @supports_net_changes = 1");
    lab.write("INSERT dbo.Orders VALUES (1)");
    let reader = lab.reader();
    let max = reader.watermarks(&[]).await.unwrap().max.unwrap();
    read_changes(&reader, "dbo_Orders", ChangesMode::Net, Lsn::ZERO.next(), max).await
}

async fn a_table_enabled_in_a_database_without_cdc() -> Fault {
    let lab = Lab::start().await;
    lab.write("CREATE TABLE dbo.Orders (id int NOT NULL PRIMARY KEY)");
    lab.source.enable_table(&dbo("Orders"), None).await.unwrap_err()
}

async fn a_capture_instance_that_is_gone() -> Fault {
    let lab = tracked().await;
    lab.write("EXEC sys.sp_cdc_disable_table N'dbo', N'Orders', N'all'");
    read_changes(&lab.source, "dbo_Orders", ChangesMode::All, Lsn::ZERO.next(), Lsn::MAX).await
}

async fn net_changes_below_the_low_water_mark() -> Fault {
    let lab = tracked().await;
    let max = lab.source.watermarks(&[]).await.unwrap().max.unwrap();
    read_changes(&lab.source, "dbo_Orders", ChangesMode::Net, Lsn::ZERO.next(), max).await
}

async fn a_deadlock() -> Fault {
    mark_under(1205, "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim.").await
}

async fn a_scan_that_rows_moved_under() -> Fault {
    mark_under(601, "Could not continue scan with NOLOCK due to data movement.").await
}

async fn a_connection_cut_twice() -> Fault {
    let lab = Lab::start().await;
    // The first cut meets a kept connection, which is replaced.
    lab.source.start_up().await.unwrap();
    for _ in 0..2 {
        lab.wire.faults().order(Cut::BeforeStatement("SYSDATETIME()".into()));
    }
    lab.source.clock().await.unwrap_err()
}

async fn a_server_that_is_silent() -> Fault {
    let script = Scripted::default();
    let (_release, wait) = mpsc::channel::<()>();
    let wait = Mutex::new(wait);
    script.on("SYSDATETIME()", move |_, sink| {
        let _ = wait.lock().unwrap().recv();
        sink.done(None)
    });
    let server = script.serve(Options::default()).await;
    let mut short = settings(&server, Tls::Off);
    short.timeout = Duration::from_millis(200);
    SqlServer::new(short).clock().await.unwrap_err()
}

async fn a_snapshot_that_is_not_allowed() -> Fault {
    let lab = tracked().await;
    scan(&lab.source, "Orders", &id_shape(), ScanIsolation::Snapshot).await
}

async fn a_clean_up_before_the_first_scan() -> Fault {
    mark_under(22956, "Could not obtain the maximum LSN for the database from function 'sys.fn_cdc_get_max_lsn'.").await
}

async fn a_table_that_is_not_there() -> Fault {
    let lab = tracked().await;
    lab.source.describe(&[dbo("orders")]).await.unwrap().swap_remove(0).unwrap_err()
}

async fn a_column_of_xml() -> Fault {
    let lab = tracked().await;
    let xml = column("x", 2, SqlType::Other { name: "xml".into() }, None);
    let shape = TableShape::new(id_shape().columns().iter().cloned().chain([xml]).collect());
    scan(&lab.source, "Orders", &shape, ScanIsolation::ReadCommitted).await
}

async fn a_value_of_another_type() -> Fault {
    let script = Scripted::default();
    let text = "card 4711".encode_utf16().collect();
    script.on_rows("FROM [dbo].[Orders]", vec![("id", DataType::NVarChar(Some(20)))], vec![vec![Datum::Text(text)]]);
    let server = script.serve(Options::default()).await;
    scan(&SqlServer::new(settings(&server, Tls::Off)), "Orders", &id_shape(), ScanIsolation::ReadCommitted).await
}

async fn half_a_character_in_a_key() -> Fault {
    let lab = Lab::start().await;
    lab.write("CREATE TABLE dbo.Codes (code nvarchar(20) NOT NULL PRIMARY KEY)");
    lab.write("INSERT dbo.Codes VALUES (N'a' + NCHAR(55357))");
    let shape = TableShape::new(vec![column("code", 1, SqlType::NVarChar { length: 20 }, Some(1))]);
    scan(&lab.source, "Codes", &shape, ScanIsolation::ReadCommitted).await
}

async fn a_third_instance() -> Fault {
    let lab = Lab::start().await;
    lab.write("EXEC sys.sp_cdc_enable_db");
    lab.write("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY)");
    let table = TableName::new("dbo", "t");
    lab.source.enable_table(&table, None).await.unwrap();
    let newest = lab.source.describe(std::slice::from_ref(&table)).await.unwrap().remove(0).unwrap().instances.remove(0).identity;
    lab.source.add_instance(&table, &newest, None).await.unwrap();
    lab.source.add_instance(&table, &newest, None).await.unwrap_err()
}

async fn a_clean_up_that_fails() -> Fault {
    let script = Scripted::default();
    script.on_error(
        "sp_cdc_cleanup_change_table",
        22852,
        "Could not delete change table entries made obsolete by a change in one or more low water marks.",
    );
    let server = script.serve(Options::default()).await;
    SqlServer::new(settings(&server, Tls::Off)).clean_up("dbo_Orders", Lsn::MAX).await.unwrap_err()
}

async fn a_number_of_no_page() -> Fault {
    mark_under(8134, "Divide by zero error encountered.").await
}

/// Something listens that speaks another protocol.
async fn a_server_of_another_kind() -> Fault {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // A whole packet of the right length, of a type that no server sends.
            let _ = stream.write_all(&[0x63, 1, 0, 12, 0, 0, 1, 0, 9, 9, 9, 9]).await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    });
    let lab = Lab::start().await;
    let mut elsewhere = lab.settings.clone();
    elsewhere.port = port;
    SqlServer::new(elsewhere).clock().await.unwrap_err()
}
