//! Text that production cannot hold, a lone surrogate and NUL, from T-SQL to production: what
//! becomes of it, and who hears of it.

use db_to_redshift::cli::connect;
use db_to_redshift::config;
use db_to_redshift::engine::Run;
use db_to_redshift::engine::event::Event;
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::TableName;
use db_to_redshift::store::ChangeStore;
use tokio_util::sync::CancellationToken;

use crate::support::lab::{cells, redshift};
use crate::support::pipeline::Pipeline;
use crate::support::rig::done;

fn table() -> [TableName; 1] {
    [TableName::new("dbo", "Notes")]
}

/// Captures, opens the epoch or extracts, loads, and returns what was warned of.
async fn warned(pipeline: &Pipeline, opens: bool) -> Vec<String> {
    pipeline.capture();
    let settings = config::load(Some(&pipeline.config), None).unwrap();
    let (engine, mut events) = connect::engine(settings, Run::new("test", false), CancellationToken::new()).await.unwrap();
    let ran = tokio::spawn(async move {
        done(if opens { engine.prepare(&table(), PrepareOptions::default()).await } else { engine.extract(&table()).await });
        done(engine.load(&table()).await);
    });
    let mut texts = Vec::new();
    while let Some(event) = events.events.recv().await {
        if let Event::Warning { text, .. } = event {
            texts.push(text);
        }
    }
    ran.await.unwrap();
    texts
}

/// The record counts them, and the warnings say so.
async fn assert_told(pipeline: &Pipeline, seq: u64, nuls: u64, halves: u64, warnings: &[String]) {
    let counts = pipeline.engine().await.store.record(&table()[0], 1, seq).await.unwrap().unwrap().counts;
    assert_eq!((counts.replaced_nuls, counts.replacement_characters), (nuls, halves));
    let which = if seq == 0 { "snapshot".to_owned() } else { format!("batch {seq}") };
    let told: Vec<&String> = warnings.iter().filter(|text| text.starts_with(&which)).collect();
    let expected = [
        format!("{which}: {nuls} NUL characters became U+FFFD"),
        format!("{which}: {halves} characters U+FFFD: halves of characters in the source (lone surrogates), or that character itself"),
    ];
    assert_eq!(told, expected.iter().collect::<Vec<_>>(), "{warnings:?}");
}

async fn production(pipeline: &Pipeline) -> Vec<String> {
    let client = redshift(&pipeline.lab).await;
    cells(&client.simple_query("SELECT id, t, m FROM public.notes ORDER BY id").await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn halves_of_characters_and_nul_are_mended_counted_and_told() {
    let mut pipeline = Pipeline::start([
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.Notes (id int NOT NULL PRIMARY KEY, t nvarchar(20) NULL, m nvarchar(max) NULL)",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'Notes', NULL",
        // A half that leads, one that follows, both the wrong way round, NUL, and a whole pair.
        "INSERT dbo.Notes VALUES (1, N'a' + NCHAR(55296) + N'b', N'x' + NCHAR(0) + NCHAR(56320)), \
         (2, NCHAR(56832) + NCHAR(55357), NCHAR(55357) + NCHAR(56832)), (3, N'plain', NULL)",
    ])
    .await;
    let warnings = warned(&pipeline, true).await;
    assert_told(&pipeline, 0, 1, 4, &warnings).await;
    assert_eq!(production(&pipeline).await, ["1|a\u{fffd}b|x\u{fffd}\u{fffd}", "2|\u{fffd}\u{fffd}|\u{1f600}", "3|plain|NULL"]);
    pipeline.assert_equal(&table()).await;

    pipeline.sql.run("UPDATE dbo.Notes SET t = NCHAR(55296), m = NCHAR(57343) + N'y' WHERE id = 3").unwrap();
    pipeline.sql.run("INSERT dbo.Notes VALUES (4, NCHAR(0) + N'z' + NCHAR(0), N'\u{fffd}')").unwrap();
    let warnings = warned(&pipeline, false).await;
    assert_told(&pipeline, 1, 2, 3, &warnings).await;
    let found = production(&pipeline).await;
    assert_eq!(found[2..], ["3|\u{fffd}|\u{fffd}y".to_owned(), "4|\u{fffd}z\u{fffd}|\u{fffd}".to_owned()]);
    pipeline.assert_equal(&table()).await;
}
