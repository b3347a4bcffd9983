//! A workload that runs beside the workers, and what must hold once everybody has stopped.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use db_to_redshift::lab::compare::{self, Pair};
use db_to_redshift::lab::direct::Direct;
use db_to_redshift::model::TableName;
use db_to_redshift::target::Target;

use super::pipeline::Pipeline;

/// A workload on a thread of its own: batches without an end.
pub struct Busy<W> {
    stop: mpsc::Sender<()>,
    thread: JoinHandle<(W, u64)>,
}

impl<W: Iterator<Item = String> + Send + 'static> Busy<W> {
    /// Runs transactions, with `pause` between them; `capture`: captures each at once.
    pub fn start(pipeline: &Pipeline, mut workload: W, pause: Duration, capture: bool) -> Self {
        let (stop, stopped) = mpsc::channel();
        let options = pipeline.lab.options();
        let database = options.source_database.clone();
        let mut sql = Direct::login(&*pipeline.lab.sqlserver.sessions, &options.source_user, &options.source_password, &database).unwrap();
        let cdc = Arc::clone(&pipeline.lab.sqlserver.cdc);
        let thread = thread::spawn(move || {
            let mut transactions = 0;
            while stopped.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
                let batch = workload.next().unwrap();
                sql.run(&batch).unwrap_or_else(|error| panic!("{error}\n{batch}"));
                if capture {
                    cdc.capture_now(&database).unwrap();
                }
                transactions += 1;
            }
            (workload, transactions)
        });
        Self { stop, thread }
    }

    /// The workload, to go on with later, and the transactions that it ran.
    pub fn stop(self) -> (W, u64) {
        // A thread that has failed says so when it is joined.
        let _ = self.stop.send(());
        self.thread.join().unwrap()
    }
}

/// What the batch log says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Logged {
    pub batches: u64,
    /// Batches without a line: a worker died between the commit and the line.
    pub gaps: u64,
}

impl AddAssign for Logged {
    fn add_assign(&mut self, more: Self) {
        self.batches += more.batches;
        self.gaps += more.gaps;
    }
}

/// No batch was applied twice: the ranges of the log never overlap, but for lines that one run
/// wrote twice since an answer was lost. Returns what is there and what is missing.
pub async fn batch_log(pipeline: &Pipeline, control_schema: &str) -> Logged {
    let client = super::lab::redshift(&pipeline.lab).await;
    let sql = format!(
        "SELECT DISTINCT table_name, epoch, seq_from, seq_to, event, run FROM \"{control_schema}\".batch_log \
         WHERE event IN ('applied', 'snapshot', 'start', 'schema') ORDER BY table_name, epoch, seq_from, seq_to"
    );
    let mut reached: BTreeMap<(String, String), i64> = BTreeMap::new();
    let mut logged = Logged::default();
    for row in super::lab::cells(&client.simple_query(&sql).await.unwrap()) {
        let cells: Vec<&str> = row.split('|').collect();
        let [.., epoch, from, to, _, _] = cells[..] else { panic!("{row}") };
        let table = cells[..cells.len() - 5].join("|");
        let (from, to): (i64, i64) = (from.parse().unwrap(), to.parse().unwrap());
        let before = reached.entry((table, epoch.to_owned())).or_insert(-1);
        assert!(from > *before, "a batch was applied twice, or logged in two shapes: {row} after seq {before}");
        logged.gaps += u64::try_from(from - *before - 1).unwrap();
        logged.batches += u64::try_from(to - from + 1).unwrap();
        *before = to;
    }
    logged
}

/// Production equals the source, by the lab's own comparison: quicker than the Python script, so
/// that it can stand behind every kill.
pub async fn equal(pipeline: &mut Pipeline, tables: &[TableName]) -> Result<(), String> {
    let engine = pipeline.engine().await;
    let pairs: Vec<Pair> =
        tables.iter().map(|table| Pair { table: table.clone(), production: engine.target.names(table).production }).collect();
    let client = super::lab::redshift(&pipeline.lab).await;
    let compared = compare::tables(&mut pipeline.sql, &client, &pairs).await.map_err(|error| error.to_string())?;
    let different: Vec<String> = compared.iter().filter(|one| !one.is_equal()).map(|one| format!("{one:?}")).collect();
    if different.is_empty() { Ok(()) } else { Err(different.join("\n")) }
}

/// Tables with rows in staging or with something staged, and part files that nobody loaded or
/// swept.
pub async fn left_over(pipeline: &Pipeline, tables: &[TableName]) -> Vec<String> {
    let engine = pipeline.engine().await;
    let mut left = Vec::new();
    for table in tables {
        let (_, staged) = engine.target.row_counts(table).await.unwrap();
        if staged > 0 {
            left.push(format!("{staged} rows in staging of {table}"));
        }
        let state = engine.target.state(table).await.unwrap().unwrap();
        if state.staged.is_some() || state.diverged.is_some() {
            left.push(format!("{table}: {state:?}"));
        }
    }
    let bucket = pipeline.lab.options().bucket.clone().unwrap();
    let keys = pipeline.lab.s3.keys(&bucket, "").into_iter().filter(|key| key.contains("/data/"));
    left.extend(keys);
    left
}
