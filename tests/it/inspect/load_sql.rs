use db_to_redshift::engine::inspect::load_sql::{LoadSql, LoadStep};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::{TableName, Value};
use db_to_redshift::target::{SqlStatement, Target};

use crate::support::recorder::Recorder;
use crate::support::rig::{Rig, TestEngine, done, fault, id, row};

async fn recorded() -> (Rig, Recorder) {
    let mut rig = Rig::start().await;
    let recorder = Recorder::before(rig.redshift.addr()).await;
    rig.settings.redshift.port = recorder.port;
    (rig, recorder)
}

/// What only the load itself knows is taken out on both sides: figures, the run, the manifest's
/// name, the credentials.
fn plain(rig: &Rig, sql: &str) -> String {
    let options = rig.s3.lab.options();
    let sql = sql.replace(&options.access_key, "***").replace(&options.secret_key, "***");
    if sql.starts_with("INSERT INTO \"d2r_control\".\"batch_log\"") {
        let values = sql.split_once("VALUES (\n").unwrap().1;
        return values.lines().next().unwrap().to_owned();
    }
    let mut out = String::new();
    for line in sql.lines() {
        let line = if line.starts_with("FROM 's3://") { "FROM manifest" } else { line };
        let line = match line.find("\"last_deleted\" = ") {
            Some(at) => &line[..at],
            None => line,
        };
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Session settings and look-ups, which the script leaves out.
fn left_out(sql: &str) -> bool {
    ["SET ", "SELECT c.oid", "SELECT PG_BACKEND_PID()", "SELECT MAX(\"seq_to\")"].iter().any(|start| sql.starts_with(start))
}

/// Transactions that only read the state again: `BEGIN`, `LOCK`, the row, `COMMIT`.
fn without_looks(ran: &[String]) -> Vec<String> {
    let mut out = Vec::new();
    let mut rest = ran;
    while let [first, behind @ ..] = rest {
        let look = matches!(rest, [begin, lock, select, commit, ..]
            if begin == "BEGIN\n" && lock.starts_with("LOCK ") && select.starts_with("SELECT \"pipeline\"") && commit == "COMMIT\n");
        if look {
            rest = &rest[4..];
        } else {
            out.push(first.clone());
            rest = behind;
        }
    }
    out
}

/// The script runs in the load, statement by statement, and nothing else does.
async fn assert_is_what_runs(rig: &Rig, recorder: &Recorder, engine: &TestEngine, table: &TableName) -> LoadSql {
    let before = rig.target().state(table).await.unwrap();
    let script = engine.load_sql(table).await.unwrap();
    assert_eq!(rig.target().state(table).await.unwrap(), before, "it only reads");
    recorder.take();
    done(engine.load(std::slice::from_ref(table)).await);
    let ran: Vec<String> = recorder.take().iter().filter(|sql| !left_out(sql)).map(|sql| plain(rig, sql)).collect();
    let ran = without_looks(&ran);
    let conditional = |statement: &SqlStatement| statement.note.as_ref().is_some_and(|note| note.contains("only when"));
    let mut expected = script.transactions.iter().flat_map(|transaction| &transaction.statements);
    for sql in &ran {
        let next = expected.by_ref().find(|next| !conditional(next) || plain(rig, &next.sql) == *sql);
        assert_eq!(next.map(|next| plain(rig, &next.sql)).as_ref(), Some(sql), "{script:#?}");
    }
    assert!(expected.all(conditional), "{script:#?}\nran {ran:#?}");
    script
}

#[tokio::test(flavor = "multi_thread")]
async fn the_script_is_what_the_load_runs() {
    let (rig, recorder) = recorded().await;
    let table = rig.table();
    rig.source.with(|inner| inner.commit(|tran| (1..=3).for_each(|id| tran.insert(&table, row(id, "a", id)))));
    let engine = rig.engine();
    done(engine.prepare(std::slice::from_ref(&table), PrepareOptions::default()).await);
    let script = assert_is_what_runs(&rig, &recorder, &engine, &table).await;
    assert_eq!((script.step, script.from, script.rows, script.files.len()), (LoadStep::Open, Some(0), 3, 1));

    // Batches with a value that an update left alone.
    rig.source.with(|inner| {
        inner.clock = inner.clock.checked_add(jiff::ToSpan::hours(5)).unwrap();
        inner.idle();
        inner.commit(|tran| tran.update(&table, &id(1), &[(2, Value::Int(9))]));
    });
    rig.sync(&table).await;
    for n in [10, 11] {
        rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(2), &[(2, Value::Int(n))])));
        rig.extract(&table).await;
    }
    let script = assert_is_what_runs(&rig, &recorder, &engine, &table).await;
    let (from, to) = (script.from.unwrap(), script.to.unwrap());
    assert_eq!((script.step, to - from, script.rows, script.files.len()), (LoadStep::Load, 1, 2, 2));
    let text = serde_json::to_string(&script).unwrap();
    let options = rig.s3.lab.options();
    assert!(!text.contains(&options.access_key) && !text.contains(&options.secret_key) && text.contains("ACCESS_KEY_ID '***'"), "{text}");
    rig.assert_equal(&table).await;

    let nothing = engine.load_sql(&table).await.unwrap();
    assert_eq!((nothing.step, nothing.transactions.len()), (LoadStep::Nothing, 0));

    // Staged, and never applied.
    rig.source.with(|inner| inner.commit(|tran| tran.delete(&table, &id(3))));
    rig.extract(&table).await;
    let planted = rig.redshift.faults().on("DELETE FROM \"public\".\"t\"", 1, Action::Refuse("42501", "permission denied"));
    let _ = fault(engine.load(std::slice::from_ref(&table)).await);
    assert!(planted.was_hit());
    let script = assert_is_what_runs(&rig, &recorder, &engine, &table).await;
    assert_eq!((script.step, script.rows), (LoadStep::Apply, 1));
}
