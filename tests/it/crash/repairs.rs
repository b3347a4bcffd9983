//! A repair that an operator orders dies half-way, while a workload runs and a second worker syncs
//! the same table. The same command, given again, ends well: as often as the long form asks, each
//! time in a lab of its own.

use std::process::Stdio;
use std::time::Duration;

use db_to_redshift::lab::sample;
use db_to_redshift::model::TableName;
use db_to_redshift::target::{Loader, Target};

use crate::support::audit::{self, Busy};
use crate::support::pipeline::Pipeline;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const WIDEN: &str = "widen.before";
const TRUNCATE: &str = "truncate.production.before";
const SKIP: [&str; 2] = ["skip.commit.before", "skip.commit.after"];

/// Points that no run of the matrix passes: only an operator's command comes there, and a plain
/// sync afterwards neither repeats nor needs it.
pub const POINTS: &[&str] = &[WIDEN, TRUNCATE, SKIP[0], SKIP[1]];

/// How often one of these is to be gone through: once, or as often as the long form kills.
fn times(points: &[&str]) -> u32 {
    let times = if super::wanted(points).is_empty() { 0 } else { super::kills().unwrap_or(1) };
    if times > 1 {
        eprintln!("{}: {times} times", points.join(", "));
    }
    times
}

/// `dbo.t` with two rows in production, whose capture goes on.
async fn loaded() -> (Pipeline, TableName) {
    let mut pipeline = Pipeline::start([
        &*format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE),
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(20) NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL",
    ])
    .await;
    pipeline.sql.run("INSERT dbo.t VALUES (1, N'a'), (2, N'b')").unwrap();
    pipeline.capture();
    pipeline.prepared().await;
    (pipeline, TableName::new("dbo", "t"))
}

/// A workload on `dbo.t`, and another worker that syncs it again and again.
struct Beside {
    busy: Busy<Batches>,
    stop: oneshot::Sender<()>,
    worker: JoinHandle<u32>,
}

type Batches = Box<dyn Iterator<Item = String> + Send>;

impl Beside {
    fn start(pipeline: &Pipeline) -> Self {
        let batch = |n: u32| match n % 4 {
            0 => format!("INSERT dbo.t VALUES ({0}, N'w'), ({0} + 1, N'x')", 100 + n),
            1 => format!("UPDATE dbo.t SET name = N'{n}' WHERE id = {}", 99 + n),
            2 => format!("UPDATE dbo.t SET id = id + 100000 WHERE id = {}", 98 + n),
            _ => format!("DELETE dbo.t WHERE id = {}", 98 + n),
        };
        let busy = Busy::start(pipeline, Box::new((0..).map(batch)) as Batches, Duration::from_millis(40), true);
        let (stop, mut stopped) = oneshot::channel();
        let mut sync = pipeline.program(&["sync"]);
        sync.stdout(Stdio::null()).stderr(Stdio::null());
        let worker = tokio::spawn(async move {
            let mut runs = 0;
            while matches!(stopped.try_recv(), Err(oneshot::error::TryRecvError::Empty)) {
                // Its load may meet what the repair is for: its exit says nothing here.
                sync.status().await.unwrap();
                runs += 1;
            }
            runs
        });
        Self { busy, stop, worker }
    }

    /// Lets the other worker go on alone for a while, then ends both.
    async fn stop(self) {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let (_, transactions) = self.busy.stop();
        let _ = self.stop.send(());
        let runs = self.worker.await.unwrap();
        assert!(transactions > 0 && runs > 0, "{transactions} transactions and {runs} runs beside");
    }
}

/// Killed at the point, as soon as the other worker lets go of the lease.
async fn killed_at(pipeline: &Pipeline, point: &str, arguments: &[&str]) {
    for _ in 0..60 {
        if pipeline.killed_at(point, arguments).await {
            return;
        }
    }
    panic!("{point} was never passed by {arguments:?}");
}

async fn change(pipeline: &mut Pipeline, sql: &str) {
    pipeline.sql.run(sql).unwrap();
    pipeline.capture();
    run(pipeline, &["extract"]).await;
}

async fn ends(pipeline: &Pipeline, arguments: &[&str]) -> (bool, String) {
    let output = pipeline.program(arguments).output().await.unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

async fn run(pipeline: &Pipeline, arguments: &[&str]) {
    let (good, said) = ends(pipeline, arguments).await;
    assert!(good, "{arguments:?}: {said}");
}

async fn assert_equal(pipeline: &mut Pipeline, table: &TableName) {
    audit::equal(pipeline, std::slice::from_ref(table)).await.unwrap();
    assert!(pipeline.engine().await.target.state(table).await.unwrap().unwrap().diverged.is_none());
}

/// Killed before the `nth` ALTER; `narrow` are the tables that a DBA made too narrow.
async fn widening_dies(nth: u32, narrow: &[&str]) {
    let (mut pipeline, table) = loaded().await;
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    for relation in narrow {
        client.batch_execute(&format!("ALTER TABLE {relation} ALTER COLUMN name TYPE VARCHAR(10)")).await.unwrap();
    }
    change(&mut pipeline, "UPDATE dbo.t SET name = N'fifteen bytes!!' WHERE id = 2; INSERT dbo.t VALUES (3, N'c')").await;
    assert!(!ends(&pipeline, &["load"]).await.0, "the value is too long");

    let widen = ["widen", "--table", "dbo.t", "--confirm"];
    let beside = Beside::start(&pipeline);
    killed_at(&pipeline, &format!("{WIDEN}:{nth}"), &widen).await;
    beside.stop().await;
    let (good, said) = ends(&pipeline, &["load"]).await;
    assert!(!good && said.contains("widen --table 'dbo.t'"), "still too long, and told: {said}");
    assert_eq!(pipeline.engine().await.target.row_counts(&table).await.unwrap().0, 2, "production is as it was");

    run(&pipeline, &widen).await;
    run(&pipeline, &["sync"]).await;
    assert_equal(&mut pipeline, &table).await;
}

/// What was staged is thrown away first, so this is where rows could be lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_widening_may_die_before_production_is_altered() {
    for _ in 0..times(&[WIDEN]) {
        Box::pin(widening_dies(1, &["public.t"])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_widening_may_die_between_production_and_staging() {
    for _ in 0..times(&[WIDEN]) {
        Box::pin(widening_dies(2, &["public.t", "d2r_staging.dbo__t"])).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn emptying_production_may_die_before_it_is_emptied() {
    for _ in 0..times(&[TRUNCATE]) {
        Box::pin(emptying_dies()).await;
    }
}

async fn emptying_dies() {
    let (mut pipeline, table) = loaded().await;
    let truncate = ["maintain", "truncate-production", "--table", "dbo.t", "--confirm", "dbo.t"];
    let beside = Beside::start(&pipeline);
    killed_at(&pipeline, TRUNCATE, &truncate).await;
    beside.stop().await;
    // Neither the mark nor the fence was committed: the stream goes on as if nothing had been.
    change(&mut pipeline, "INSERT dbo.t VALUES (3, N'c')").await;
    run(&pipeline, &["load"]).await;
    assert_equal(&mut pipeline, &table).await;

    run(&pipeline, &truncate).await;
    let target = &pipeline.engine().await.target;
    assert_eq!(target.row_counts(&table).await.unwrap(), (0, 0));
    assert!(target.state(&table).await.unwrap().unwrap().diverged.is_some());
    run(&pipeline, &["prepare", "--new-epoch"]).await;
    run(&pipeline, &["sync"]).await;
    assert_equal(&mut pipeline, &table).await;
}

/// A process dies around the COMMIT of a skip: it was skipped or it was not, and both show.
#[tokio::test(flavor = "multi_thread")]
async fn a_skip_that_was_killed_is_whole_or_not_there() {
    for _ in 0..times(&SKIP) {
        Box::pin(skipping_dies()).await;
    }
}

async fn skipping_dies() {
    let (mut pipeline, table) = loaded().await;
    change(&mut pipeline, "INSERT dbo.t VALUES (3, N'c')").await;
    let engine = pipeline.engine().await;
    let bucket = pipeline.lab.options().bucket.clone().unwrap();
    for key in pipeline.lab.s3.keys(&bucket, "").into_iter().filter(|key| key.contains("/data/")) {
        pipeline.lab.s3.remove(&bucket, &key);
    }
    let beside = Beside::start(&pipeline);
    let order = ["skip", "--table", "dbo.t", "--batch", "1", "--confirm", "dbo.t", "--reason", "test"];
    killed_at(&pipeline, SKIP[0], &order).await;
    // The lock goes with the connection; a locked read waits for that.
    let state = engine.target.loader(&table).await.unwrap().locked_state().await.unwrap();
    assert_eq!((state.applied_seq, state.diverged), (Some(0), None));
    killed_at(&pipeline, SKIP[1], &order).await;
    let state = engine.target.loader(&table).await.unwrap().locked_state().await.unwrap();
    // The other worker may have gone on by now.
    assert!(state.applied_seq >= Some(1) && state.diverged.is_some());
    beside.stop().await;
    run(&pipeline, &["sync"]).await;
    let lines = engine.target.log(&engine.settings.pipeline, None, 1_000).await.unwrap();
    let told = lines.iter().filter(|line| line.event != "staged" && (line.from..=line.to).contains(&1));
    assert_eq!(told.map(|line| line.event.as_str()).collect::<Vec<_>>(), ["recovered"]);
    run(&pipeline, &["prepare", "--new-epoch"]).await;
    run(&pipeline, &["load"]).await;
    assert_equal(&mut pipeline, &table).await;
}
