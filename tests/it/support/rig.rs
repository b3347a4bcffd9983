//! A whole pipeline with a source in memory, the lab's S3 and the lab's Redshift: what happens
//! between two steps can be placed exactly.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use db_to_redshift::config::{
    Changes, CleanUpPolicy, ConsoleSettings, ExtractSettings, LoadSettings, RedshiftSettings, Secret, Settings, SourceSettings,
    StoreSettings, TableRule, Tls,
};
use db_to_redshift::engine::event::{Event, Events, Outcome, TableReport};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::engine::{Engine, Run};
use db_to_redshift::lab::redshift::{self as lab_redshift, Redshift as LabRedshift, RedshiftOptions, S3Access};
use db_to_redshift::model::{Fault, SqlType, TableName, Value};
use db_to_redshift::store::s3::S3Store;
use db_to_redshift::target::redshift::{CopyAccess, CopyLogin, Redshift};
use tokio_util::sync::CancellationToken;

use super::column::column;
use super::memory_source::{MemorySource, text};
use super::store::{S3Lab, s3_lab, settings as s3_settings};

/// Database, user and password of the lab's Redshift.
const NAME: &str = "dwh";

pub struct Rig {
    pub source: MemorySource,
    pub s3: S3Lab,
    pub redshift: LabRedshift,
    pub settings: Settings,
}

pub type TestEngine = Arc<Engine<MemorySource, S3Store, Redshift>>;

impl Rig {
    pub async fn start() -> Self {
        let s3 = s3_lab().await;
        let options = s3.lab.options();
        let access = S3Access {
            endpoint: s3.lab.endpoint(),
            access_key: options.access_key.clone(),
            secret_key: options.secret_key.clone(),
            region: options.region.clone(),
        };
        let (database, user, password) = (NAME.into(), NAME.into(), NAME.into());
        let options = RedshiftOptions { s3: access, source: None, database, user, password, tls: false };
        let redshift = lab_redshift::start(options).await.unwrap();
        let settings = settings(&s3, &redshift);
        Self { source: MemorySource::new(), s3, redshift, settings }
    }

    /// An engine as a process of its own would have it.
    pub fn engine(&self) -> TestEngine {
        self.engine_with(|_| {})
    }

    pub fn engine_with(&self, edit: impl FnOnce(&mut Settings)) -> TestEngine {
        let mut settings = self.settings.clone();
        edit(&mut settings);
        let (events, mut receiver) = Events::new();
        tokio::spawn(async move {
            while let Some(event) = receiver.events.recv().await {
                if let Event::Warning { .. } | Event::Note { .. } = event {
                    eprintln!("{event:?}");
                }
            }
        });
        Arc::new(Engine {
            source: Arc::new(self.source.clone()),
            store: Arc::new(self.s3.store.clone()),
            target: Arc::new(self.target()),
            settings: Arc::new(settings),
            run: Run::new("test", false),
            events,
            cancel: CancellationToken::new(),
        })
    }

    /// An engine whose leases everybody takes for those of a dead process, so that rivals really
    /// work at the same time: only records and fence keep them apart.
    pub fn rival(&self, edit: impl FnOnce(&mut Settings)) -> TestEngine {
        let mut engine = Arc::into_inner(self.engine_with(edit)).unwrap();
        // Above the largest pid of Linux.
        engine.run.holder.pid = 1 << 23;
        Arc::new(engine)
    }

    pub fn target(&self) -> Redshift {
        let options = self.s3.lab.options();
        let login = CopyLogin::Keys {
            access_key_id: options.access_key.clone(),
            secret_access_key: Secret::new(options.secret_key.clone()),
            session_token: None,
        };
        Redshift::new(self.settings.redshift.clone(), CopyAccess { login, region: Some(options.region.clone()) })
    }

    /// `dbo.t (id int key, note nvarchar(max), n int)`, prepared.
    pub async fn prepared(&self) -> TableName {
        let table = self.table();
        done(self.engine().prepare(std::slice::from_ref(&table), PrepareOptions::default()).await);
        table
    }

    pub fn table(&self) -> TableName {
        let columns =
            vec![column("id", 1, SqlType::Int, Some(1)), column("note", 2, SqlType::NVarCharMax, None), column("n", 3, SqlType::Int, None)];
        self.source.table("t", columns)
    }

    pub async fn sync(&self, table: &TableName) -> Outcome {
        done(self.engine().sync(std::slice::from_ref(table)).await)
    }

    pub async fn extract(&self, table: &TableName) -> Outcome {
        done(self.engine().extract(std::slice::from_ref(table)).await)
    }

    pub async fn load(&self, table: &TableName) -> Outcome {
        done(self.engine().load(std::slice::from_ref(table)).await)
    }

    /// Production of the table of [`Self::table`], in the order of id.
    pub async fn production(&self) -> Vec<(i64, Option<String>, Option<i64>)> {
        let rows = self.query("SELECT id, note, n FROM public.t ORDER BY id").await;
        let number = |cell: &Option<String>| cell.as_ref().map(|text| text.parse().unwrap());
        rows.iter().map(|row| (number(&row[0]).unwrap(), row[1].clone(), number(&row[2]))).collect()
    }

    /// The rows of the source, likewise.
    pub fn expected(&self, table: &TableName) -> Vec<(i64, Option<String>, Option<i64>)> {
        let number = |value: &Value| match value {
            Value::Int(number) => Some(*number),
            _ => None,
        };
        let words = |value: &Value| match value {
            Value::Text(words) => Some(words.clone()),
            _ => None,
        };
        let rows: BTreeMap<i64, _> = self.source.with(|inner| {
            inner.get(table).rows.values().map(|row| (number(&row[0]).unwrap(), (words(&row[1]), number(&row[2])))).collect()
        });
        rows.into_iter().map(|(id, (note, n))| (id, note, n)).collect()
    }

    pub async fn assert_equal(&self, table: &TableName) {
        assert_eq!(self.production().await, self.expected(table));
    }

    /// Rows of a query as text, by a plain client.
    pub async fn query(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        let addr = self.redshift.addr();
        let text = format!("host={} port={} user={NAME} password={NAME} dbname={NAME}", addr.ip(), addr.port());
        let (client, connection) = tokio_postgres::connect(&text, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        let messages = client.simple_query(sql).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect()),
            _ => None,
        });
        rows.collect()
    }
}

fn settings(s3: &S3Lab, redshift: &LabRedshift) -> Settings {
    Settings {
        pipeline: "shop".into(),
        profile: "default".into(),
        protected: false,
        source: SourceSettings {
            host: "127.0.0.1".into(),
            port: 1,
            database: "shop".into(),
            user: "none".into(),
            password: Secret::new("none"),
            tls: Tls::Off,
            cleanup: CleanUpPolicy::Never,
            timeout: Duration::from_secs(5),
        },
        s3: s3_settings(&s3.lab),
        redshift: RedshiftSettings {
            host: redshift.addr().ip().to_string(),
            port: redshift.addr().port(),
            database: NAME.into(),
            user: NAME.into(),
            password: Secret::new(NAME),
            tls: Tls::Off,
            copy_role: None,
            target_schema: "public".into(),
            staging_schema: "d2r_staging".into(),
            control_schema: "d2r_control".into(),
            timeout: Duration::from_mins(1),
            lock_timeout: Duration::from_secs(20),
        },
        extract: ExtractSettings {
            parallel: 2,
            retries: 5,
            max_transactions: 1_000,
            part_bytes: 1 << 20,
            page_rows: 1_000,
            compression_level: 1,
        },
        load: LoadSettings { parallel: 2, retries: 5, coalesce_batches: 100, coalesce_rows: 1_000_000 },
        store: StoreSettings { keep: Duration::ZERO, keep_runs: Duration::from_hours(24) },
        console: ConsoleSettings { theme: "auto", mouse: true, ascii: false, motion: true, keys: Vec::new() },
        tables: Vec::new(),
        warnings: Vec::new(),
    }
}

/// Every table by net changes.
pub fn net(settings: &mut Settings) {
    settings.tables = vec![TableRule { name: "*".into(), skip: false, changes: Changes::Net, columns: Vec::new(), sees_all_rows: false }];
}

/// The sum of reports that must all be good.
pub fn done(reports: Vec<TableReport>) -> Outcome {
    let mut sum = Outcome::default();
    for report in reports {
        let outcome = report.outcome.unwrap_or_else(|fault| panic!("{} of {}: {fault:?}", report.job.as_str(), report.table));
        sum.batches += outcome.batches;
        sum.rows += outcome.rows;
        sum.capture_down |= outcome.capture_down;
    }
    sum
}

/// The one fault of reports.
pub fn fault(reports: Vec<TableReport>) -> Fault {
    reports.into_iter().find_map(|report| report.outcome.err()).expect("a fault")
}

/// A row of [`Rig::table`].
pub fn row(id: i64, note: &str, n: i64) -> Vec<Value> {
    vec![Value::Int(id), text(note), Value::Int(n)]
}

pub fn id(id: i64) -> Vec<Value> {
    vec![Value::Int(id)]
}
