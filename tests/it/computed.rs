//! A table with computed columns through the whole pipeline: production has no such columns, and
//! the others equal the source.

use crate::support::audit;
use crate::support::lab::{cells, redshift};
use crate::support::pipeline::Pipeline;
use db_to_redshift::lab::sample;

async fn run(pipeline: &Pipeline, arguments: &[&str]) -> (i32, String) {
    let output = pipeline.program(arguments).output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), said.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A column before them, between them and behind them, so that ordinals are no positions.
async fn started() -> Pipeline {
    let mut pipeline = Pipeline::start([
        &*format!("ALTER DATABASE [{}] SET ALLOW_SNAPSHOT_ISOLATION ON", sample::DATABASE),
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.Basket (
            Qty int NOT NULL, Label AS (CONCAT(Fruit, N' x ', Qty)), Id int NOT NULL PRIMARY KEY NONCLUSTERED,
            Total AS (Qty * Price) PERSISTED, Price decimal(9,2) NULL, Fruit nvarchar(20) NULL, Notes nvarchar(max) NULL,
            Size AS (LEN(Notes)) PERSISTED)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Basket', NULL",
    ])
    .await;
    pipeline
        .sql
        .run("INSERT dbo.Basket VALUES (1, 1, 2.50, N'pear', N'ripe'), (2, 2, NULL, N'plum', NULL), (3, 3, 1, NULL, N'x')")
        .unwrap();
    pipeline.capture();
    pipeline
}

async fn assert_equal(pipeline: &mut Pipeline) {
    let tables = pipeline.tables().await;
    pipeline.assert_equal(&tables).await;
    audit::equal(pipeline, &tables).await.unwrap();
    let (code, said) = run(pipeline, &["verify"]).await;
    assert!(code == 0 && said.contains("equal"), "{code} {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_left_out_and_everything_else_ends_equal() {
    let mut pipeline = started().await;
    let (code, said) = run(&pipeline, &["prepare"]).await;
    assert_eq!(code, 0, "{said}");
    for column in ["Label", "Total", "Size"] {
        assert!(said.contains(&format!("column {column} is computed")), "{said}");
    }
    let (code, said) = run(&pipeline, &["load"]).await;
    assert_eq!(code, 0, "{said}");
    let client = redshift(&pipeline.lab).await;
    let names =
        "SELECT column_name FROM information_schema.columns WHERE table_schema = 'public' AND table_name = 'basket' ORDER BY column_name";
    assert_eq!(cells(&client.simple_query(names).await.unwrap()), ["fruit", "id", "notes", "price", "qty"]);
    assert_equal(&mut pipeline).await;

    let long = "UPDATE dbo.Basket SET Notes = REPLICATE(CAST(N'n' AS nvarchar(max)), 9000) WHERE Id = 1";
    for batch in [
        "INSERT dbo.Basket VALUES (4, 4, 0.25, N'fig', N'dry'), (5, 5, 5, N'lime', NULL)",
        // Only what a computed column is made of; the large value stays untouched.
        "UPDATE dbo.Basket SET Price = 2.75 WHERE Id = 1",
        "UPDATE dbo.Basket SET Qty = Qty + 10 WHERE Total > 1",
        "UPDATE dbo.Basket SET Fruit = Label WHERE Id = 2",
        long,
        "UPDATE dbo.Basket SET Id = 30 WHERE Id = 3",
        "DELETE dbo.Basket WHERE Id = 5",
    ] {
        pipeline.sql.run(batch).unwrap_or_else(|error| panic!("{error}\n{batch}"));
    }
    pipeline.capture();
    let (code, said) = run(&pipeline, &["sync"]).await;
    assert_eq!(code, 0, "{said}");
    assert_equal(&mut pipeline).await;
    let rows = cells(&client.simple_query("SELECT id, qty, price, fruit, LEN(notes) FROM public.basket ORDER BY id").await.unwrap());
    assert_eq!(rows, ["1|11|2.75|pear|9000", "2|2|NULL|plum x 2|NULL", "4|4|0.25|fig|3", "30|13|1.00|NULL|1"]);

    let (_, said) = run(&pipeline, &["check"]).await;
    assert!(said.contains("computed, so left out: Label, Total, Size"), "{said}");
    let (_, said) = run(&pipeline, &["columns"]).await;
    assert_eq!(said.matches("computed: not carried").count(), 3, "{said}");
}

/// A computed column that comes, or goes, is DDL like any other and asks for no new snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn one_that_comes_or_goes_stops_the_stream_until_it_is_accepted() {
    let mut pipeline = started().await;
    pipeline.prepared().await;
    for ddl in ["ALTER TABLE dbo.Basket ADD Dozen AS (Qty / 12)", "ALTER TABLE dbo.Basket DROP COLUMN Total"] {
        pipeline.sql.run(ddl).unwrap();
        pipeline.sql.run("UPDATE dbo.Basket SET Qty = Qty + 1").unwrap();
        pipeline.capture();
        let (code, said) = run(&pipeline, &["sync"]).await;
        assert!(code == 4 && said.contains("SYNC-004"), "{ddl}: {code} {said}");
        // Capture passes the change of the definition.
        pipeline.sql.run("UPDATE dbo.Basket SET Price = 9 WHERE Id = 2").unwrap();
        pipeline.capture();
        let (code, said) = run(&pipeline, &["accept-schema", "--table", "dbo.Basket", "--confirm"]).await;
        assert_eq!(code, 0, "{ddl}: {said}");
        let (code, said) = run(&pipeline, &["sync"]).await;
        assert_eq!(code, 0, "{ddl}: {said}");
        assert_equal(&mut pipeline).await;
    }
    let (code, said) = run(&pipeline, &["recapture"]).await;
    assert!(code == 0 && said.contains("captures every column that it is to"), "{code} {said}");
}
