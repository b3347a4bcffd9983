//! Recapture: how a table's new column comes to production, by the command line.

use crate::support::pipeline::Pipeline;
use db_to_redshift::lab::sample;
use db_to_redshift::model::TableName;

async fn run(pipeline: &Pipeline, arguments: &[&str]) -> (i32, String) {
    let output = pipeline.program(arguments).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said)
}

async fn production(pipeline: &Pipeline, columns: &str) -> Vec<String> {
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    crate::support::lab::cells(&client.simple_query(&format!("SELECT {columns} FROM public.t ORDER BY id")).await.unwrap())
}

/// A table whose capture leaves one column out on purpose, two rows in production.
async fn started() -> Pipeline {
    let mut pipeline = Pipeline::start([
        &*format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE),
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL, secret int NULL)",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N't', @role_name = NULL, @captured_column_list = N'id, name'",
    ])
    .await;
    pipeline.sql.run("INSERT dbo.t VALUES (1, N'a', 10), (2, N'b', 20)").unwrap();
    pipeline.capture();
    pipeline.prepared().await;
    pipeline
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_is_carried_with_the_value_of_every_row() {
    let mut pipeline = started().await;
    let (code, said) = run(&pipeline, &["recapture"]).await;
    assert!(code == 0 && said.contains("dbo_t captures every column that it is to"), "{code} {said}");

    // Rows that stand there get the default, of which no change table ever hears.
    pipeline.sql.run("ALTER TABLE dbo.t ADD paid decimal(9,2) NOT NULL DEFAULT 1.5").unwrap();
    pipeline.sql.run("INSERT dbo.t (id, name, secret, paid) VALUES (3, N'c', 30, 7)").unwrap();
    pipeline.capture();
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert!(code == 4 && said.contains("SYNC-004") && said.contains("recapture --table"), "{code} {said}");
    assert!(run(&pipeline, &["check"]).await.1.contains("recapture --table 'dbo.t' makes one that does"));

    let (code, said) = run(&pipeline, &["recapture", "--table", "dbo.t"]).await;
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(code == 2 && said.contains("captures beyond paid") && said.contains("stay left out secret"), "{code} {said}");
    let (code, said) = run(&pipeline, &["recapture", "--table", "dbo.t", "--without", "secret", "--confirm"]).await;
    assert!(code == 2 && said.contains("no new column secret"), "{code} {said}");
    let (code, said) = run(&pipeline, &["recapture", "--table", "dbo.t", "--confirm"]).await;
    assert!(code == 0 && said.contains("made dbo_t_2 beside dbo_t: it captures paid too"), "{code} {said}");
    let (code, said) = run(&pipeline, &["recapture", "--table", "dbo.t", "--confirm"]).await;
    assert!(code == 0 && said.contains("dbo_t_2 captures every column that it is to"), "no third one: {code} {said}");

    // Until the new epoch the stream goes on with the old instance.
    pipeline.capture();
    let (code, said) = run(&pipeline, &["accept-schema", "--table", "dbo.t", "--confirm"]).await;
    assert_eq!(code, 0, "{said}");
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(production(&pipeline, "id, name").await, ["1|a", "2|b", "3|c"]);
    assert!(run(&pipeline, &["check"]).await.1.contains("the open epoch reads dbo_t; dbo_t_2 is newer"));

    let (code, said) = run(&pipeline, &["prepare", "--new-epoch", "--table", "dbo.t"]).await;
    assert!(code == 0 && said.contains("added column \"paid\" DECIMAL(9,2)"), "{code} {said}");
    pipeline.sql.run("UPDATE dbo.t SET paid = 9 WHERE id = 2; INSERT dbo.t (id, name) VALUES (4, N'd')").unwrap();
    pipeline.capture();
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(production(&pipeline, "id, name, paid").await, ["1|a|1.50", "2|b|9.00", "3|c|7.00", "4|d|1.50"]);
    let (_, said) = run(&pipeline, &["check"]).await;
    let end = "EXEC sys.sp_cdc_disable_table @source_schema = N'dbo', @source_name = N't', @capture_instance = N'dbo_t'";
    assert!(said.contains(end) && said.contains("left out when dbo_t_2 was made: secret"), "{said}");

    // The statement that check gives ends the old instance, and the stream does not mind.
    pipeline.sql.run(end).unwrap();
    pipeline.sql.run("DELETE dbo.t WHERE id = 1").unwrap();
    pipeline.capture();
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert_eq!(code, 0, "{said}");
    assert_eq!(production(&pipeline, "id, paid").await, ["2|9.00", "3|7.00", "4|1.50"]);
}

/// Secrets that came last may stay where they are.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_column_may_be_left_out() {
    let mut pipeline = started().await;
    pipeline.sql.run("ALTER TABLE dbo.t ADD paid int NULL").unwrap();
    pipeline.sql.run("ALTER TABLE dbo.t ADD iban nvarchar(34) NULL").unwrap();
    pipeline.capture();
    let (code, said) = run(&pipeline, &["recapture", "--table", "dbo.t", "--without", "iban", "--confirm", "--json"]).await;
    let document: serde_json::Value = serde_json::from_str(&said).unwrap();
    let report = &document["tables"][0]["result"];
    assert_eq!((code, &report["made"], &report["added"]), (0, &"dbo_t_2".into(), &serde_json::json!(["paid"])), "{said}");
    assert_eq!(report["left_out"], serde_json::json!(["secret", "iban"]));
    pipeline.capture();
    for arguments in [["prepare", "--new-epoch"].as_slice(), &["load"]] {
        let (code, said) = run(&pipeline, arguments).await;
        assert_eq!(code, 0, "{said}");
    }
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    assert!(client.simple_query("SELECT iban FROM public.t").await.is_err(), "it never left the source");
    let table = TableName::new("dbo", "t");
    assert_eq!(pipeline.tables().await, [table]);
    assert_eq!(production(&pipeline, "id, name, paid").await, ["1|a|NULL", "2|b|NULL"]);
}
