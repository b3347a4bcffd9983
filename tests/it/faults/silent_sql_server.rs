//! A SQL Server that takes a login or a request, or sends some rows, and then says nothing more.

use std::slice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db_to_redshift::config::SourceSettings;
use db_to_redshift::engine::event::TableReport;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::sqlserver::wire::faults::Cut;
use db_to_redshift::model::fault::{Class, src};
use db_to_redshift::model::{Fault, TableName};
use db_to_redshift::source::sqlserver::SqlServer;
use db_to_redshift::source::{ChangesMode, ChangesRequest, Pages, Source};
use tokio::net::TcpListener;

use crate::faults::cuts::{Machines, engine};
use crate::support::lab_sql_server::Lab;
use crate::support::rig::{Rig, done, fault};

/// How long the server may say nothing.
const TIMEOUT: Duration = Duration::from_secs(2);
/// Well below what waits for statements that sort, and above what a busy machine needs.
const SOON: Duration = Duration::from_secs(20);

/// Rows of a table, and of its first batch of changes.
const ROWS: u32 = 400;
/// Behind all rows of the catalogue that a job reads before, and amid those.
const AMID: u64 = 300;

struct Stage {
    rig: Rig,
    lab: Lab,
    table: TableName,
}

impl Stage {
    /// `dbo.t`, tracked, with rows that fill several packets.
    async fn start() -> Self {
        let (rig, lab) = (Rig::start().await, Lab::start().await);
        for sql in [
            "ALTER DATABASE Roastery SET ALLOW_SNAPSHOT_ISOLATION ON",
            "EXEC sys.sp_cdc_enable_db",
            "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, note nvarchar(400) NULL, n int NULL)",
            "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL",
        ] {
            lab.write(sql);
        }
        let stage = Self { rig, lab, table: TableName::new("dbo", "t") };
        stage.insert(0);
        stage
    }

    fn insert(&self, from: u32) {
        let row = |id| format!("({id}, REPLICATE(N'x', 400), {id})");
        let rows: Vec<String> = (from..from + ROWS).map(row).collect();
        self.lab.write(&format!("INSERT dbo.t VALUES {}", rows.join(", ")));
    }

    fn engine(&self, retries: u32) -> Machines<SqlServer> {
        let settings = SourceSettings { timeout: TIMEOUT, ..self.lab.settings.clone() };
        engine(&self.rig, Arc::new(SqlServer::new(settings)), retries)
    }

    async fn prepare(&self, retries: u32) -> Vec<TableReport> {
        self.engine(retries).prepare(slice::from_ref(&self.table), PrepareOptions::default()).await
    }

    async fn sync(&self, retries: u32) -> Vec<TableReport> {
        self.engine(retries).sync(slice::from_ref(&self.table)).await
    }

    async fn assert_same(&self) {
        let rows = self.rig.query("SELECT id, note, n FROM public.t ORDER BY id").await;
        let production: Vec<String> =
            rows.into_iter().map(|row| row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join("|")).collect();
        assert_eq!(production, self.lab.texts("SELECT CONCAT(id, N'|', note, N'|', n) FROM dbo.t ORDER BY id"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_falls_silent_amid_its_rows_is_given_up_in_time() {
    let stage = Stage::start().await;
    let silent = stage.lab.wire.faults().order(Cut::SilentAtRow(AMID));
    let started = Instant::now();
    let met = fault(stage.prepare(0).await);
    let waited = started.elapsed();
    assert!(silent.happened() && (TIMEOUT..SOON).contains(&waited), "{waited:?}");
    assert!(met.is(&src::TIMED_OUT) && met.class() == Class::Transient, "{met:?}");
    assert!(met.what().contains("dbo.t could not be scanned"), "{met:?}");

    // Nobody ended the silence: the client left it.
    done(stage.prepare(0).await);
    done(stage.sync(0).await);
    stage.assert_same().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_stream_that_falls_silent_amid_its_rows_is_given_up_in_time() {
    let stage = Stage::start().await;
    done(stage.prepare(0).await);
    done(stage.sync(0).await);
    stage.insert(ROWS);
    let silent = stage.lab.wire.faults().order(Cut::SilentAtRow(AMID));
    let started = Instant::now();
    let met = fault(stage.sync(0).await);
    let waited = started.elapsed();
    assert!(silent.happened() && (TIMEOUT..SOON).contains(&waited), "{waited:?}");
    assert!(met.is(&src::TIMED_OUT) && met.class() == Class::Transient, "{met:?}");
    assert!(met.what().contains("the changes of dbo.t could not be read"), "{met:?}");
    assert_eq!(stage.rig.query("SELECT COUNT(*) FROM public.t").await, [[Some(ROWS.to_string())]]);

    done(stage.sync(0).await);
    stage.assert_same().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_outlives_a_sql_server_that_falls_silent_once() {
    let stage = Stage::start().await;
    let silent = stage.lab.wire.faults().order(Cut::SilentAtRow(AMID));
    done(stage.prepare(3).await);
    assert!(silent.happened());
    done(stage.sync(0).await);
    stage.insert(ROWS);
    let silent = stage.lab.wire.faults().order(Cut::SilentAtRow(AMID));
    done(stage.sync(3).await);
    assert!(silent.happened());
    stage.assert_same().await;
    // Some of the requests of a sync, from the first on.
    for (round, request) in (2..).zip((1..).step_by(5)) {
        stage.insert(round * ROWS);
        let silent = stage.lab.wire.faults().order(Cut::SilentAtRequest(request));
        done(stage.sync(3).await);
        stage.assert_same().await;
        if !silent.happened() {
            assert!(request > 10, "a sync has more than {request} requests");
            break;
        }
    }
}

/// The net function sorts all it has before its first row, so it may be silent for longer, but not
/// for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_sorts_may_be_silent_for_longer() {
    let lab = Lab::start().await;
    for sql in [
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, n int NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL, @supports_net_changes = 1",
        "INSERT dbo.t VALUES (1, 1), (2, 2)",
    ] {
        lab.write(sql);
    }
    let (timeout, table) = (Duration::from_secs(1), TableName::new("dbo", "t"));
    let source = SqlServer::new(SourceSettings { timeout, ..lab.settings.clone() });
    let instance = lab.source.describe(slice::from_ref(&table)).await.unwrap().remove(0).unwrap().instances.remove(0);
    let instances = [instance.identity.instance.clone()];
    let marks = lab.source.watermarks(&instances).await.unwrap();
    let request = ChangesRequest {
        table,
        instance: instance.identity.instance,
        shape: instance.shape,
        from: marks.min[0],
        to: marks.max.unwrap(),
        mode: ChangesMode::Net,
    };
    let read = async || {
        let mut pages = source.changes(&request).await?;
        let mut rows = 0;
        while let Some(page) = pages.next_page().await? {
            rows += page.len();
        }
        Ok::<_, Fault>(rows)
    };
    let mut silent = lab.wire.faults().order(Cut::SilentAtRow(1));
    let (rows, ()) = tokio::join!(read(), async {
        assert!(silent.wait().await);
        tokio::time::sleep(3 * timeout).await;
        lab.wire.faults().end_silences();
    });
    assert_eq!(rows.unwrap(), 2);

    let silent = lab.wire.faults().order(Cut::SilentAtRow(1));
    let started = Instant::now();
    let met = read().await.unwrap_err();
    let waited = started.elapsed();
    assert!(silent.happened() && (20..40).contains(&waited.as_secs()), "{waited:?}");
    assert!(met.is(&src::TIMED_OUT), "{met:?}");
}

/// A port that is open, as that of a server that hangs, or of something else.
#[tokio::test]
async fn a_login_that_hangs_is_given_up_in_time() {
    let lab = Lab::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((client, _)) = listener.accept().await {
            held.push(client);
        }
    });
    let source = SqlServer::new(SourceSettings { port, timeout: TIMEOUT, ..lab.settings.clone() });
    let started = Instant::now();
    let met = source.start_up().await.unwrap_err();
    let waited = started.elapsed();
    accepting.abort();
    assert!((30..45).contains(&waited.as_secs()), "{waited:?}");
    assert!(met.is(&src::CONNECT) && met.class() == Class::Transient, "{met:?}");
    assert!(met.what().contains(&format!("127.0.0.1:{port}")), "{met:?}");
    assert!(met.facts().iter().any(|(name, value)| name == "io" && value == "timed out"), "{met:?}");
}
