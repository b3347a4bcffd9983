//! What the program prints with `--json` and `--events` is what its schemas say, by the judgement
//! of a validator that shares nothing with it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use db_to_redshift::cli::document::KINDS;
use db_to_redshift::engine::Run;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::model::TableName;
use db_to_redshift::model::control::{Holder, Lease, LeaseKind};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::target::Target;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio_postgres::SimpleQueryMessage;

use crate::support::compare::python;
use crate::support::pipeline::Pipeline;

fn assets() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/schemas")
}

/// Run with `D2R_WRITE_SCHEMAS=1` to write the files anew, after a document was changed.
#[test]
fn the_schemas_of_the_repository_are_those_of_the_program() {
    let write = std::env::var_os("D2R_WRITE_SCHEMAS").is_some();
    let files: BTreeMap<PathBuf, String> =
        KINDS.iter().map(|kind| (assets().join(format!("{}.json", kind.name)), format!("{:#}\n", kind.schema()))).collect();
    if write {
        std::fs::create_dir_all(assets()).unwrap();
        for (path, text) in &files {
            std::fs::write(path, text).unwrap();
        }
    }
    let there: BTreeSet<PathBuf> = std::fs::read_dir(assets()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(there, files.keys().cloned().collect(), "one file a document, and no other");
    let stale: Vec<_> = files.iter().filter(|(path, text)| std::fs::read_to_string(path).unwrap() != **text).collect();
    assert!(
        stale.is_empty(),
        "these are out of date: {:#?}\nDoes a reader of before still understand the document? If not, raise its VERSION. \
         Then: D2R_WRITE_SCHEMAS=1 cargo test --test it schemas_of_the_repository",
        stale.iter().map(|(path, _)| path).collect::<Vec<_>>()
    );
}

/// The errors that the validator finds.
pub fn errors(documents: &[Value]) -> Vec<String> {
    let schemas: BTreeMap<String, Value> = KINDS.iter().map(|kind| (format!("{}/{}", kind.name, kind.version), kind.schema())).collect();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare/validate.py");
    let mut child = python().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let given = json!({ "schemas": schemas, "documents": documents }).to_string();
    child.stdin.take().unwrap().write_all(given.as_bytes()).unwrap();
    let ran = child.wait_with_output().unwrap();
    let code = ran.status.code().unwrap();
    let found: Vec<String> = String::from_utf8(ran.stdout).unwrap().lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
    // An exception ends Python with 1 as well, but says nothing on standard output.
    assert!(code == i32::from(!found.is_empty()), "{}", String::from_utf8_lossy(&ran.stderr));
    found
}

/// Every document that the program printed, and the names of their schemas.
#[derive(Default)]
struct Printed(Vec<Value>);

impl Printed {
    fn add(&mut self, text: &str, arguments: &[&str]) {
        for line in text.lines() {
            assert!(line.starts_with(r#"{"schema":""#), "{arguments:?} begins no document: {line}");
            self.0.push(serde_json::from_str(line).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {line}")));
        }
    }

    /// Runs a command that prints documents only.
    async fn run(&mut self, pipeline: &Pipeline, name: &str, arguments: &[&str]) -> &Value {
        let ran = pipeline.program(arguments).output().await.unwrap();
        let before = self.0.len();
        self.add(&String::from_utf8(ran.stdout).unwrap(), arguments);
        let printed = &self.0[before..];
        let last = printed.last().unwrap_or_else(|| panic!("{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr)));
        assert!(last["schema"].as_str().unwrap().starts_with(&format!("{name}/")), "{arguments:?} printed {last:#}");
        last
    }

    fn kinds(&self) -> BTreeSet<&str> {
        self.0.iter().filter_map(|document| document["schema"].as_str()?.split('/').next()).collect()
    }
}

/// The words by which one of these occurs in any document, as `event` or `outcome`.
fn values<'a>(documents: &'a [Value], field: &str) -> BTreeSet<&'a str> {
    documents.iter().filter_map(|document| document[field].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_document_that_is_printed_is_valid() {
    let (mut pipeline, mut workload) = Pipeline::sample(14).await;
    let mut printed = Printed::default();
    // Before anything is there, and with everything there.
    printed.run(&pipeline, "check", &["check", "--json"]).await;
    printed.run(&pipeline, "status", &["status", "--json"]).await;
    printed.run(&pipeline, "jobs", &["prepare", "--events", "--json"]).await;
    printed.run(&pipeline, "jobs", &["load", "--events", "--json"]).await;
    pipeline.work(&mut workload, 20);
    printed.run(&pipeline, "jobs", &["extract", "--json"]).await;
    // Pending records: what a load would do, and what status counts.
    printed.run(&pipeline, "status", &["status", "--json"]).await;
    let dry = printed.run(&pipeline, "dry-run", &["dry-run", "--json"]).await;
    assert!(dry["tables"].as_array().unwrap().iter().any(|line| line["report"]["rows"].as_u64() > Some(0)), "{dry:#}");
    // A table whose batch waits, looked at from all sides.
    let waiting = dry["tables"].as_array().unwrap().iter().find(|line| line["report"]["rows"].as_u64() > Some(0)).unwrap();
    let (waiting, batch) = (waiting["table"].as_str().unwrap().to_owned(), waiting["report"]["to"].to_string());
    let files = printed.run(&pipeline, "files", &["files", "--table", &waiting, "--json"]).await;
    assert_eq!(files["batches"][0]["state"], "pending", "{files:#}");
    for show in [&["--show-values"][..], &[]] {
        let preview = [&["preview", "--table", &waiting, "--batch", &batch, "--json"], show].concat();
        let preview = printed.run(&pipeline, "preview", &preview).await;
        let first = &preview["rows"][0]["cells"][0]["is"];
        assert_eq!(first, if show.is_empty() { "hidden" } else { "text" }, "{preview:#}");
        printed.run(&pipeline, "staging", &[&["staging", "--table", &waiting, "--json"], show].concat()).await;
    }
    let script = printed.run(&pipeline, "load-sql", &["load-sql", "--table", &waiting, "--json"]).await;
    assert!(script["transactions"].as_array().unwrap().len() > 3, "{script:#}");
    let columns = printed.run(&pipeline, "columns", &["columns", "--table", &waiting, "--json"]).await;
    assert_eq!(columns["columns"][0]["fits"], true, "{columns:#}");
    let log = printed.run(&pipeline, "log", &["log", "--table", &waiting, "--json"]).await;
    assert_eq!(log["lines"][0]["event"], "snapshot", "{log:#}");
    printed.run(&pipeline, "jobs", &["sync", "--events", "--json"]).await;
    printed.run(&pipeline, "event", &["sync", "--events"]).await;
    printed.run(&pipeline, "status", &["status", "--table", "dbo.*", "--json"]).await;
    printed.run(&pipeline, "check", &["check", "--json"]).await;
    let verified = printed.run(&pipeline, "verify", &["verify", "--events", "--json"]).await;
    assert!(verified["tables"][0]["report"]["shape"].is_array(), "{verified:#}");
    printed.run(&pipeline, "tables", &["tables", "--json"]).await;
    printed.run(&pipeline, "keys", &["keys", "--json"]).await;
    printed.run(&pipeline, "enable", &["enable", "--table", "dbo.Country", "--json"]).await;
    printed.run(&pipeline, "buckets", &["buckets", "--json"]).await;
    printed.run(&pipeline, "load-errors", &["load-errors", "--json"]).await;
    printed.run(&pipeline, "maintain", &["maintain", "analyze", "--table", "dbo.Country", "--json"]).await;
    printed.run(&pipeline, "widen", &["widen", "--table", "dbo.Country", "--column", "Name", "--to", "600", "--json"]).await;
    let nothing = printed.run(&pipeline, "widen", &["widen", "--table", "dbo.Country", "--json"]).await;
    assert_eq!(nothing["statements"], json!([]), "{nothing:#}");
    let archive = pipeline.config.with_file_name("bundle.tar.gz").display().to_string();
    printed.run(&pipeline, "bundle", &["bundle", "--out", &archive, "--json"]).await;
    printed.0.extend(super::bundle::documents(Path::new(&archive)).into_values());

    // A key that changed, with its values and without.
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    let rows = client.simple_query("SELECT code FROM public.country ORDER BY 1 LIMIT 1").await.unwrap();
    let key = rows.iter().find_map(|row| if let SimpleQueryMessage::Row(row) = row { row.get(0) } else { None }).unwrap().to_owned();
    printed.run(&pipeline, "trace", &["trace", "--table", "dbo.Country", "--key", &key, "--json"]).await;
    printed.run(&pipeline, "trace", &["trace", "--table", "dbo.Country", "--key", &key, "--show-values", "--json"]).await;
    // A row that is missing in production, with its key and its values.
    client.batch_execute(&format!("DELETE FROM public.country WHERE code = '{key}'")).await.unwrap();
    let shown = ["verify", "--table", "dbo.Country", "--show-values", "--show-keys", "--settle", "0", "--json"];
    let different = printed.run(&pipeline, "verify", &shown).await;
    assert_eq!(different["tables"][0]["report"]["missing"], 1, "{different:#}");

    // The operator's orders.
    printed.run(&pipeline, "pause", &["pause", "--table", "dbo.Country", "--reason", "a look", "--json"]).await;
    printed.run(&pipeline, "resume", &["resume", "--table", "dbo.Country", "--json"]).await;
    printed.run(&pipeline, "skip", &["skip", "--table", "dbo.Country", "--json"]).await;
    printed.run(&pipeline, "adopt", &["adopt", "--json"]).await;
    printed.run(&pipeline, "accept-schema", &["accept-schema", "--json"]).await;
    printed.run(&pipeline, "recapture", &["recapture", "--json"]).await;
    printed.run(&pipeline, "lease-list", &["lease", "--json"]).await;
    printed.run(&pipeline, "lease", &["lease", "--release", "--json"]).await;
    printed.run(&pipeline, "retry", &["retry", "--json"]).await;
    printed.run(&pipeline, "recover", &["recover", "--json"]).await;
    Box::pin(orders_with_something_to_do(&mut printed, &mut pipeline)).await;

    let max = printed.0.iter().rev().find_map(|document| document["tables"][0]["report"]["applied_lsn"].as_str()).unwrap().to_owned();
    printed.run(&pipeline, "lsn", &["lsn", &max, "--json"]).await;
    printed.run(&pipeline, "lsn", &["lsn", "1999-01-01 00:00:00", "--json"]).await;
    printed.run(&pipeline, "fault", &["lsn", "soon", "--json"]).await;
    printed.run(&pipeline, "fault", &["--read-only", "sync", "--json"]).await;
    printed.run(&pipeline, "explain", &["explain", "SYNC-002", "--json"]).await;
    printed.run(&pipeline, "explain-list", &["explain", "--list", "--json"]).await;
    printed.run(&pipeline, "schema-list", &["schema", "--json"]).await;

    // The target is gone: faults inside documents, and runs that keep them.
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let away = text.replace(&format!("port = {}", pipeline.lab.redshift.addr().port()), "port = 9");
    std::fs::write(&pipeline.config, format!("{away}\n[load]\nretries = 0\n")).unwrap();
    printed.run(&pipeline, "jobs", &["load", "--events", "--json"]).await;
    // Without a document at the end the events alone tell what stopped a table.
    let ended = printed.run(&pipeline, "event", &["load", "--events"]).await;
    assert!(ended["event"] == "finished" && ended["fault"]["code"] == ended["outcome"], "{ended:#}");
    assert!(ended["fault"]["next"].as_array().is_some_and(|next| !next.is_empty()), "{ended:#}");
    printed.run(&pipeline, "check", &["check", "--json"]).await;
    printed.run(&pipeline, "status", &["status", "--json"]).await;
    printed.run(&pipeline, "dry-run", &["dry-run", "--json"]).await;
    printed.run(&pipeline, "runs", &["runs", "--json"]).await;
    // What failed is tried again, in vain and with success.
    std::fs::write(&pipeline.config, text).unwrap();
    pipeline.sql.run("UPDATE dbo.Customer SET Phone = '+00 1' WHERE CustomerId = 1").unwrap();
    pipeline.capture();
    printed.run(&pipeline, "jobs", &["extract", "--table", "dbo.Customer", "--json"]).await;
    let refused = pipeline.lab.redshift.faults().on("COPY \"d2r_staging\".\"dbo__customer\"", 1, Action::Refuse("42501", "on purpose"));
    let again = printed.run(&pipeline, "retry", &["retry", "--table", "dbo.Customer", "--events", "--json"]).await;
    let line = &again["tables"][0];
    assert!(refused.was_hit() && line["failed_with"] == "SYNC-025" && line["outcome"] == "fault", "{again:#}");
    let failed_with = line["fault"]["code"].clone();
    let again = printed.run(&pipeline, "retry", &["retry", "--table", "dbo.Customer", "--json"]).await;
    let line = &again["tables"][0];
    assert!(line["failed_with"] == failed_with && line["job"] == "load" && line["rows"] == 1, "{again:#}");

    printed.run(&pipeline, "demo", &["demo", "--headless", "--rounds", "1", "--transactions", "5", "--events", "--json"]).await;
    // A lab says how to reach it, and stays.
    let mut child = pipeline.program(&["lab", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let line = BufReader::new(child.stdout.take().unwrap()).lines().next_line().await.unwrap().unwrap();
    printed.add(&line, &["lab"]);
    super::every::terminate(&child).await;
    assert!(child.wait().await.unwrap().success());

    let found = errors(&printed.0);
    assert!(found.is_empty(), "{}", found.join("\n"));
    // What the console writes is judged where the console is driven: console_pty::export.
    let all: BTreeSet<&str> = KINDS.iter().filter(|kind| kind.by != ["console"]).map(|kind| kind.name).collect();
    assert_eq!(printed.kinds(), all, "every kind of document was printed");
    let events = values(&printed.0, "event");
    assert!(["started", "recorded", "staged", "applied", "finished"].iter().all(|event| events.contains(event)), "{events:?}");
}

/// The orders of an operator, each with the thing that it is for.
async fn orders_with_something_to_do(printed: &mut Printed, pipeline: &mut Pipeline) {
    let name = "dbo.Country";
    let table: TableName = name.parse().unwrap();
    // Leases: of a process of ours that ended, of somebody else's, and of a job elsewhere.
    let engine = pipeline.engine().await;
    let ended = Holder { pid: 1 << 23, ..Run::new("load", false).holder };
    let others = Holder { user: "rosalind".into(), ..ended.clone() };
    let elsewhere = Holder { host: "elsewhere".into(), machine: None, ..others.clone() };
    let (release, take, force) = (&["--release"][..], &["--take-over", "--confirm"][..], &["--take-over", "--force", name][..]);
    for (holder, how) in [(ended, release), (others, take), (elsewhere, force)] {
        let present = engine.store.lease(&table, LeaseKind::Load).await.unwrap();
        let lease = Lease { holder: Some(holder.clone()), beat: 1, at: Timestamp::now(), failed: None };
        engine.store.put_lease(&table, LeaseKind::Load, &lease, present.as_ref().map(|(_, etag)| etag)).await.unwrap();
        let list = printed.run(pipeline, "lease-list", &["lease", "--json"]).await;
        assert_eq!(list["leases"][0]["lease"]["holder"]["user"], holder.user, "{list:#}");
        let freed = printed.run(pipeline, "lease", &[&["lease", "--table", name, "--json"], how].concat()).await;
        assert_eq!(freed["tables"][0]["result"]["leases"][0]["holder"]["host"], holder.host, "{freed:#}");
    }

    // A column more: the stream goes on without it, and another capture instance has it.
    pipeline.sql.run("ALTER TABLE dbo.Country ADD Continent nvarchar(20) NULL").unwrap();
    pipeline.capture();
    for (order, is) in [("accept-schema", "batch"), ("recapture", "made")] {
        let asked = printed.run(pipeline, order, &[order, "--table", name, "--json"]).await;
        assert_eq!(asked["tables"][0]["fault"]["code"], "SYNC-040", "{asked:#}");
        let done = printed.run(pipeline, order, &[order, "--table", name, "--confirm", "--json"]).await;
        assert!(!done["tables"][0]["result"][is].is_null(), "{done:#}");
    }

    // The state is that of a server with another name.
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    let state = engine.target.names(&table).state;
    client.batch_execute(&format!("UPDATE {state} SET source_server = 'QUAY-1'")).await.unwrap();
    let asked = printed.run(pipeline, "adopt", &["adopt", "--table", name, "--json"]).await;
    assert_eq!(asked["tables"][0]["fault"]["code"], "SYNC-040", "{asked:#}");
    let adopted = printed.run(pipeline, "adopt", &["adopt", "--table", name, "--confirm", "--json"]).await;
    let result = &adopted["tables"][0]["result"];
    assert_eq!((&result["was"]["source"]["server"], &result["diverged"]), (&json!("QUAY-1"), &json!(true)), "{adopted:#}");
}

/// The validator refuses what is wrong: otherwise the test above could not fail.
#[test]
fn a_wrong_document_is_refused() {
    let lsn = "0000002a000000ffffff";
    let right = json!({ "schema": "lsn/1", "lsn": lsn, "time": "2026-03-02T09:30:00.123", "newest_before": [lsn, "2026-03-02T09:30:00"], "oldest": null });
    assert_eq!(errors(std::slice::from_ref(&right)), Vec::<String>::new());
    let event = json!({ "schema": "event/1", "event": "started", "job": "load", "table": "dbo.Country" });
    assert_eq!(errors(std::slice::from_ref(&event)), Vec::<String>::new());
    let edited = |document: &Value, edit: fn(&mut serde_json::Map<String, Value>)| {
        let mut document = document.clone();
        edit(document.as_object_mut().unwrap());
        document
    };
    let wrong = [
        edited(&right, |lsn| drop(lsn.remove("oldest"))),
        edited(&right, |lsn| drop(lsn.insert("lsn".into(), json!("2A")))),
        edited(&right, |lsn| drop(lsn.insert("lsn".into(), json!(7)))),
        edited(&right, |lsn| drop(lsn.insert("time".into(), json!("2026-03-02T09:30:00Z")))),
        edited(&right, |lsn| drop(lsn.insert("undocumented".into(), json!(1)))),
        edited(&right, |lsn| drop(lsn.insert("schema".into(), json!("lsn/999")))),
        edited(&right, |lsn| drop(lsn.remove("schema"))),
        edited(&event, |event| drop(event.insert("event".into(), json!("exploded")))),
        edited(&event, |event| drop(event.insert("undocumented".into(), json!(1)))),
        edited(&event, |event| drop(event.remove("job"))),
    ];
    for document in wrong {
        assert!(!errors(std::slice::from_ref(&document)).is_empty(), "{document:#} was taken");
    }
}

/// The list, a schema, and a name that does not exist.
#[test]
fn the_schema_command_prints_what_the_registry_holds() {
    let run = |arguments: &[&str]| {
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_db-to-redshift")).args(arguments).output().unwrap();
        (ran.status.code().unwrap(), String::from_utf8(ran.stdout).unwrap(), String::from_utf8(ran.stderr).unwrap())
    };
    let (code, list, _) = run(&["schema"]);
    assert!(code == 0 && KINDS.iter().all(|kind| list.contains(&format!("{}/{}", kind.name, kind.version))), "{list}");
    for kind in KINDS {
        let (code, schema, _) = run(&["schema", kind.name]);
        let expected = std::fs::read_to_string(assets().join(format!("{}.json", kind.name))).unwrap();
        assert_eq!((code, schema), (0, expected), "{}", kind.name);
    }
    let (code, _, told) = run(&["schema", "statsu"]);
    assert!(code == 2 && told.contains("CFG-016") && told.contains("db-to-redshift schema status"), "{told}");
}
