//! A pipeline that needs nothing but a configuration file: always on the lab, and with
//! `D2R_TEST_CONFIG=/path/to/db-to-redshift.toml` on servers of your own.
//!
//! There it makes one table `dbo.d2r_test_<random>` with CDC (so the login must be allowed to
//! enable it), works on it under a pipeline of its own, and drops it with its tables in Redshift.
//! Objects in S3 stay, under the prefix of that pipeline, which is printed.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use db_to_redshift::cli::connect::{self, LiveEngine};
use db_to_redshift::config::{self, Settings, Tls};
use db_to_redshift::engine::Run;
use db_to_redshift::engine::inspect::verify::{Verdict, VerifyOptions};
use db_to_redshift::engine::inspect::widen::WidenOptions;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::{Lab, LabOptions, sample};
use db_to_redshift::model::TableName;
use db_to_redshift::model::fault::{operate, sync};
use db_to_redshift::source::Source;
use db_to_redshift::target::Target;
use db_to_redshift::target::redshift::connect::Session;
use tiberius::{AuthMethod, Client, Config, EncryptionLevel};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::rig::{done, fault};

/// How long capture of a real server may take: it polls every five seconds, and may be behind.
const PATIENCE: Duration = Duration::from_mins(5);

/// A table on the servers of a configuration.
struct Place {
    engine: Arc<LiveEngine>,
    sql: Client<Compat<TcpStream>>,
    table: TableName,
}

impl Place {
    async fn new(settings: Settings) -> Self {
        let sql = source_client(&settings).await;
        let id = Uuid::new_v4().simple().to_string();
        let table = TableName::new("dbo", format!("d2r_test_{}", &id[..8]));
        let settings = Settings { pipeline: format!("{}-test-{}", settings.pipeline, &id[..8]), ..settings };
        eprintln!("table {table}, pipeline {} (objects below {}/{})", settings.pipeline, settings.s3.bucket, settings.s3.prefix);
        let (engine, mut events) = connect::engine(settings, Run::new("test", false), CancellationToken::new()).await.unwrap();
        tokio::spawn(async move { while events.events.recv().await.is_some() {} });
        Self { engine, sql, table }
    }

    /// `{t}` stands for the table.
    async fn run(&mut self, batch: &str) {
        let batch = batch.replace("{t}", &format!("[dbo].[{}]", self.table.name));
        let answer = self.sql.simple_query(&batch).await.unwrap_or_else(|error| panic!("{error}\n{batch}"));
        answer.into_results().await.unwrap_or_else(|error| panic!("{error}\n{batch}"));
    }

    fn one(&self) -> &[TableName] {
        std::slice::from_ref(&self.table)
    }

    /// Syncs until verify, which waits for capture, finds both sides equal.
    async fn caught_up(&self) {
        let began = Instant::now();
        loop {
            done(self.engine.sync(self.one()).await);
            let report = self.engine.verify(&self.table, &VerifyOptions::default()).await.unwrap();
            if report.verdict == Verdict::Equal {
                assert!(report.missing == 0 && report.extra == 0 && report.different == 0, "{report:?}");
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{report:?}");
        }
    }

    async fn counted(&self, production: i64) {
        assert_eq!(self.engine.target.row_counts(&self.table).await.unwrap(), (production.try_into().unwrap(), 0));
    }

    async fn drop(mut self) {
        self.run("EXEC sys.sp_cdc_disable_table N'dbo', N'{n}', N'all'".replace("{n}", &self.table.name).as_str()).await;
        self.run("DROP TABLE {t}").await;
        let names = self.engine.target.names(&self.table);
        let mut session = Session::open(&self.engine.settings.redshift).await.unwrap();
        for relation in [&names.production, &names.staging, &names.state] {
            session.run("drop", &format!("DROP TABLE {relation}")).await.unwrap_or_else(|error| panic!("{relation}: {error:?}"));
        }
    }
}

async fn source_client(settings: &Settings) -> Client<Compat<TcpStream>> {
    let source = &settings.source;
    let mut config = Config::new();
    config.host(&source.host);
    config.port(source.port);
    config.database(&source.database);
    config.authentication(AuthMethod::sql_server(&source.user, source.password.expose()));
    config.encryption(if source.tls == Tls::Off { EncryptionLevel::NotSupported } else { EncryptionLevel::Required });
    match &source.tls {
        Tls::Verify { ca_file: Some(file) } => config.trust_cert_ca(file.display()),
        Tls::TrustAny => config.trust_cert(),
        _ => {}
    }
    let stream = TcpStream::connect((source.host.as_str(), source.port)).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Box::pin(Client::connect(config, stream.compat_write())).await.unwrap()
}

/// A table's whole life: snapshot, all kinds of changes, DDL, a column that is too narrow.
async fn life(config: &Path) {
    let mut place = Box::pin(Place::new(config::load(Some(config), None).unwrap())).await;
    place
        .run(
            "CREATE TABLE {t} (id nvarchar(20) NOT NULL PRIMARY KEY, price decimal(19,4) NULL, at datetime2(6) NULL,
             note nvarchar(max) NULL, code varchar(10) NULL, raw varbinary(8) NULL, flag bit NULL)",
        )
        .await;
    place.engine.source.enable_database().await.unwrap();
    place.engine.source.enable_table(&place.table, None).await.unwrap();
    place
        .run(
            "INSERT {t} (id, price, at, note, code, raw, flag) VALUES
             (N'abc', 1.25, '2026-03-01 10:00:00.123456', N'a \"quoted\", note', 'x', 0x00ff, 1),
             (N'tab', -0.0001, '0001-01-01', N'line' + NCHAR(10) + N'two' + NCHAR(9) + N'\\n \\\\', '', NULL, 0),
             (N'none', NULL, NULL, NULL, NULL, NULL, NULL),
             (N'😀 𐍈', 922337203685477.5807, '9999-12-31 23:59:59.999999', REPLICATE(CONVERT(nvarchar(max), N'ü'), 20000), 'y', 0x01, 1)",
        )
        .await;
    done(place.engine.prepare(place.one(), PrepareOptions::default()).await);
    place.caught_up().await;
    place.counted(4).await;

    // A key that changes in case alone, two that change places, a large value left alone.
    place.run("UPDATE {t} SET id = N'ABC' WHERE id = N'abc'").await;
    place.run("UPDATE {t} SET id = CASE id WHEN N'tab' THEN N'none' ELSE N'tab' END WHERE id IN (N'tab', N'none')").await;
    place.run("UPDATE {t} SET price = 7 WHERE id = N'😀 𐍈'").await;
    place
        .run("INSERT {t} (id, code) VALUES (N'new', 'n'); DELETE {t} WHERE id = N'ABC'; INSERT {t} (id, code) VALUES (N'abc', 'again')")
        .await;
    place.caught_up().await;
    place.counted(5).await;

    // DDL: the stream stops, is told to go on, and a value that is too long is loaded after a repair.
    place.run("ALTER TABLE {t} ADD extra int NULL").await;
    place.run("ALTER TABLE {t} ALTER COLUMN code varchar(40) NULL").await;
    place.run("INSERT {t} (id, code) VALUES (N'long', 'longer than ten bytes')").await;
    let began = Instant::now();
    let drift = loop {
        let mut reports = place.engine.extract(place.one()).await;
        if let Err(fault) = reports.remove(0).outcome {
            break fault;
        }
        assert!(began.elapsed() < PATIENCE, "the change of the definition was never noted");
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    assert!(drift.is(&sync::DRIFT), "{drift}");
    let accepted = loop {
        match place.engine.accept(place.one(), true).await.remove(0).outcome {
            // Capture is on its way past the change.
            Err(fault) if fault.is(&operate::DDL_NOT_CAPTURED) && began.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(500)).await;
            }
            accepted => break accepted.unwrap(),
        }
    };
    assert_eq!(accepted.longer, ["code varchar(10) -> varchar(40)"]);
    let widened = place.engine.widen(&place.table, &WidenOptions { column: Some("code".into()), to: None, confirm: true }).await.unwrap();
    assert!(widened.done && !widened.diverged, "an ALTER of a length keeps the oid: {widened:?}");
    place.caught_up().await;
    place.counted(6).await;

    // The stream never goes on behind history that was lost.
    place.run("EXEC sys.sp_cdc_disable_table N'dbo', N'{n}', N'all'".replace("{n}", &place.table.name).as_str()).await;
    place.run("ALTER TABLE {t} DROP COLUMN extra").await;
    place.engine.source.enable_table(&place.table, None).await.unwrap();
    place.run("INSERT {t} (id) VALUES (N'unseen')").await;
    let stopped = fault(place.engine.extract(place.one()).await);
    assert!(stopped.is(&sync::CAPTURE_CHANGED) || stopped.is(&sync::WARMING_UP), "{stopped}");
    done(place.engine.prepare(place.one(), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    place.caught_up().await;
    place.counted(7).await;
    place.drop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tables_life_on_the_servers_of_a_configuration() {
    if let Some(config) = std::env::var_os("D2R_TEST_CONFIG") {
        return Box::pin(life(Path::new(&config))).await;
    }
    let options = LabOptions {
        source_database: sample::DATABASE.to_owned(),
        capture_every: Some(Duration::from_millis(200)),
        ..LabOptions::default()
    };
    let lab = Lab::start(options).await.unwrap();
    let config = lab.write_config().unwrap();
    let mut place = source_client(&config::load(Some(&config), None).unwrap()).await;
    let allow = format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE);
    place.simple_query(&allow).await.unwrap().into_results().await.unwrap();
    Box::pin(life(&config)).await;
}
