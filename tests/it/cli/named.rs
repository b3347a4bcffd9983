//! Tables as they are named with `--table`: not there, not prepared, one too many.

use db_to_redshift::source::Source;
use serde_json::{Value, json};

use crate::support::pipeline::Pipeline;

/// `dbo.Beans` and `dbo.Mugs` are carried, `dbo.Cups` is tracked, `dbo.Spoons` only stands there.
async fn pipeline() -> Pipeline {
    let pipeline = Pipeline::start([
        "CREATE TABLE dbo.Beans (id int NOT NULL PRIMARY KEY)",
        "CREATE TABLE dbo.Mugs (id int NOT NULL PRIMARY KEY)",
        "CREATE TABLE dbo.Cups (id int NOT NULL PRIMARY KEY)",
        "CREATE TABLE dbo.Spoons (id int NOT NULL PRIMARY KEY)",
        "EXEC sys.sp_cdc_enable_db",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Beans', NULL",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Mugs', NULL",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Cups', NULL",
    ])
    .await;
    for command in [&["prepare", "--mode", "start", "--table", "dbo.Beans", "--table", "dbo.Mugs"][..], &["load"]] {
        let output = pipeline.program(command).output().await.unwrap();
        assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stdout));
    }
    pipeline
}

/// Exit code and fault of a command about this table.
async fn fault(pipeline: &Pipeline, command: &[&str], table: Option<&str>) -> (i32, Value) {
    let table = table.into_iter().flat_map(|table| ["--table", table]);
    let arguments: Vec<&str> = command.iter().copied().chain(table).chain(["--json"]).collect();
    let output = pipeline.program(&arguments).output().await.unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut document: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{arguments:?}: {error}: {text}"));
    (output.status.code().unwrap(), document["fault"].take())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_yet_to_be_prepared_is_told_from_one_that_is_not_there() {
    let pipeline = pipeline().await;
    for command in [
        &["load"][..],
        &["dry-run"],
        &["verify"],
        &["files"],
        &["preview", "--batch", "0"],
        &["staging"],
        &["load-sql"],
        &["retry"],
        &["skip"],
        &["trace", "--key", "1"],
        &["accept-schema"],
        &["recapture"],
        &["widen"],
        &["load-errors"],
        &["maintain", "analyze"],
    ] {
        let (code, fault) = fault(&pipeline, command, Some("dbo.Cups")).await;
        assert_eq!((code, &fault["code"]), (4, &json!("SYNC-010")), "{command:?}: {fault:#}");
        assert_eq!(fault["next"][0], "db-to-redshift prepare --table 'dbo.Cups'", "{command:?}");
    }
    let (code, untracked) = fault(&pipeline, &["load"], Some("dbo.Spoons")).await;
    assert_eq!(
        (code, &untracked["code"], &untracked["next"][0]),
        (4, &json!("SYNC-011"), &json!("db-to-redshift enable --table 'dbo.Spoons'"))
    );
    let (code, mistyped) = fault(&pipeline, &["load"], Some("dbo.Cupps")).await;
    assert_eq!((code, &mistyped["code"], &mistyped["evidence"][0]["value"]), (2, &json!("SYNC-024"), &json!("dbo.Cups")));
    let (code, wild) = fault(&pipeline, &["load"], Some("dbo.C*")).await;
    assert_eq!((code, &wild["what"]), (2, &json!("no table with anything in the store matches \"dbo.C*\"")));

    // A source that is away says nothing of the name.
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    let port = format!("port = {}", pipeline.lab.sqlserver.address().port());
    std::fs::write(&pipeline.config, text.replace(&port, "port = 9")).unwrap();
    let (code, away) = fault(&pipeline, &["load"], Some("dbo.Cups")).await;
    assert_eq!((code, &away["what"]), (2, &json!("no table with anything in the store matches \"dbo.Cups\"")));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_one_table_is_wanted_it_must_be_named() {
    let pipeline = pipeline().await;
    for (command, named) in [(&["columns"][..], None), (&["files"], None), (&["widen"], None), (&["staging"], Some("dbo.*"))] {
        let (code, fault) = fault(&pipeline, command, named).await;
        assert_eq!((code, &fault["code"]), (2, &json!("CFG-015")), "{command:?}: {fault:#}");
        assert_eq!(fault["what"], "this command works on one table: --table schema.name", "{command:?}");
        assert!(fault["evidence"][0]["value"].as_str().unwrap().contains("dbo.Beans, "), "{command:?}: {fault:#}");
    }
}

/// What is advised names the table, also where a command looks at many.
#[tokio::test(flavor = "multi_thread")]
async fn what_verify_and_check_advise_names_the_table() {
    let mut pipeline = pipeline().await;
    for id in 1..=2 {
        pipeline.sql.run(&format!("INSERT dbo.Beans VALUES ({id})")).unwrap();
        pipeline.capture();
    }
    let max = pipeline.engine().await.source.watermarks(&[]).await.unwrap().max.unwrap();
    pipeline.sql.run(&format!("EXEC sys.sp_cdc_cleanup_change_table N'dbo_Beans', 0x{max}")).unwrap();
    pipeline
        .sql
        .run_all(["CREATE TABLE dbo.Trays (__d2r_x int NOT NULL PRIMARY KEY)", "EXEC sys.sp_cdc_enable_table N'dbo', N'Trays', NULL"])
        .unwrap();
    pipeline.capture();
    for (command, code, table) in [(&["verify", "--settle", "0"][..], "SYNC-002", "dbo.Beans"), (&["check"], "RS-020", "dbo.Trays")] {
        let output = pipeline.program(&[command, &["--json"]].concat()).output().await.unwrap();
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        let lines = ["tables", "findings"].iter().filter_map(|name| document[name].as_array()).flatten();
        let fault = lines.map(|line| &line["fault"]).find(|fault| fault["code"] == code).unwrap_or_else(|| panic!("{document:#}"));
        let next: Vec<&str> = fault["next"].as_array().unwrap().iter().map(|next| next.as_str().unwrap()).collect();
        assert!(next.iter().all(|next| !next.contains("<table>")), "{next:?}");
        assert!(next.iter().any(|next| next.contains(&format!("--table '{table}'"))), "{next:?}");
    }
}
