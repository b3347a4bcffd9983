//! `maintain` as it is typed: one table, or all of them.

use db_to_redshift::target::Target;
use serde_json::Value;

use crate::support::lab::cells;
use crate::support::pipeline::Pipeline;
use crate::support::recorder::Recorder;

async fn maintain(pipeline: &Pipeline, arguments: &[&str]) -> Value {
    let output = pipeline.program(&[&["maintain"], arguments, &["--json"]].concat()).output().await.unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stdout));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What was done to each table, in the order in which it was told.
fn told(document: &Value) -> Vec<(&str, &str)> {
    let lines = document["tables"].as_array().unwrap().iter();
    lines.map(|line| (line["table"].as_str().unwrap(), line["report"]["did"].as_str().unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_table_is_analyzed_vacuumed_and_freed_of_what_is_staged() {
    let (pipeline, _) = Pipeline::sample(8).await;
    let tables = pipeline.prepared().await;
    assert!(tables.len() > 3);
    let engine = pipeline.engine().await;
    let production: Vec<String> = tables.iter().map(|table| engine.target.names(table).production.clone()).collect();
    // The statements are read on their way, which has to be unencrypted.
    let recorder = Recorder::before(pipeline.lab.redshift.addr()).await;
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let (others, redshift) = text.split_once("[redshift]").unwrap();
    let port = format!("port = {}", pipeline.lab.redshift.addr().port());
    let redshift = redshift.replace(&port, &format!("port = {}", recorder.port)).replace("ca_file = ", "tls = \"off\" # ");
    std::fs::write(&pipeline.config, format!("{others}[redshift]{redshift}")).unwrap();

    for (order, word, did) in [("analyze", "ANALYZE", "analyzed production"), ("vacuum", "VACUUM", "vacuumed production")] {
        let of_all: Vec<String> = production.iter().map(|table| format!("{word} {table}")).collect();
        for (arguments, wanted) in
            [(&[order, "--table", "dbo.Country"][..], vec![format!("{word} \"public\".\"country\"")]), (&[order], of_all)]
        {
            recorder.take();
            let document = maintain(&pipeline, arguments).await;
            let told = told(&document);
            assert!(told.len() == wanted.len() && told.iter().all(|(_, said)| *said == did), "{told:?}");
            let mut ran: Vec<String> = recorder.take().into_iter().filter(|sql| sql.contains(word)).collect();
            let mut wanted = wanted;
            ran.sort();
            wanted.sort();
            assert_eq!(ran, wanted, "{arguments:?}");
        }
    }

    // What a load left behind in staging, of two tables.
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    for (table, key) in [("country", "code"), ("customer", "customerid")] {
        let left = format!(
            "INSERT INTO d2r_staging.dbo__{table} (__d2r_op, __d2r_batch, __d2r_order, {key}) SELECT 'D', 9, 1, MIN({key}) FROM public.{table}"
        );
        client.batch_execute(&left).await.unwrap();
    }
    let counts = "SELECT (SELECT COUNT(*) FROM d2r_staging.dbo__country) || ' ' || (SELECT COUNT(*) FROM d2r_staging.dbo__customer)";
    maintain(&pipeline, &["truncate-staging", "--table", "dbo.Country"]).await;
    assert_eq!(cells(&client.simple_query(counts).await.unwrap()), ["0 1"]);
    let document = maintain(&pipeline, &["truncate-staging"]).await;
    let told = told(&document);
    assert!(told.len() == tables.len() && told.iter().all(|(_, said)| *said == "emptied staging"), "{told:?}");
    assert_eq!(cells(&client.simple_query(counts).await.unwrap()), ["0 0"]);
    pipeline.assert_equal(&tables).await;
}
