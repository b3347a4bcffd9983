//! A table of the types that are selected with a cast, through the whole pipeline: production
//! equals the source by both comparisons, neither of which shares code with the program.

use db_to_redshift::lab::compare::{self, Pair};
use db_to_redshift::target::Target;

use crate::support::audit;
use crate::support::pipeline::Pipeline;
use crate::support::rig::done;

const SCHEMA: &[&str] = &[
    "CREATE TABLE dbo.Parcel (
        Id int NOT NULL PRIMARY KEY, Form xml NULL, Extra sql_variant NULL, Place hierarchyid NULL, Spot geography NULL,
        Outline geometry NULL, Remark text NULL, Label ntext NULL, Scan image NULL, Share decimal(38,38) NULL, Weight float NULL)",
    "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
    "EXEC sys.sp_cdc_enable_db",
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Parcel', @role_name = NULL, @supports_net_changes = 0",
];

fn insert(id: i32) -> String {
    format!(
        "INSERT INTO dbo.Parcel (Id, Form, Extra, Place, Spot, Outline, Remark, Label, Scan, Share, Weight) VALUES
         ({id}, N'<form n=\"{id}\"><line>5 \u{20ac} \u{1F600}</line></form>', CAST('2026-11-23T08:00:00.12' AS datetime2(2)),
          hierarchyid::Parse('/{id}/-3/16.1/'), geography::STGeomFromText('LINESTRING(13.4 52.5, 2.35 48.85)', 4326),
          geometry::Point({id}, -0.5, 0), 'left at \"reception\" {id}', N'\u{1F4E6} {id}', 0xFFD8{id:04}, -0.{id:038}, {id} / 3E0)"
    )
}

async fn assert_equal(pipeline: &mut Pipeline) {
    let tables = pipeline.tables().await;
    pipeline.assert_equal(&tables).await;
    let engine = pipeline.engine().await;
    let pairs: Vec<_> =
        tables.iter().map(|table| Pair { table: table.clone(), production: engine.target.names(table).production }).collect();
    let target = compare::redshift(&pipeline.lab).await.unwrap();
    let compared = compare::tables(&mut pipeline.sql, &target, &pairs).await.unwrap();
    assert!(compared.iter().all(|one| one.is_equal() && one.source_rows > 0), "{compared:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshot_and_changes_end_equal() {
    let inserts: Vec<String> = (1..=6).map(insert).collect();
    let nulls = "INSERT INTO dbo.Parcel (Id) VALUES (100)";
    let empty = "INSERT INTO dbo.Parcel (Id, Form, Extra, Place, Remark, Label, Scan, Share) VALUES (101, N'', N'', '/', '', N'', 0x, 0)";
    let batches = SCHEMA.iter().copied().chain(inserts.iter().map(String::as_str)).chain([nulls, empty]);
    let mut pipeline = Pipeline::start(batches).await;
    let tables = pipeline.prepared().await;
    assert_eq!(tables.len(), 1);
    assert_equal(&mut pipeline).await;

    let work = [
        // Untouched values, which capture leaves NULL.
        "UPDATE dbo.Parcel SET Weight = 1.5E0 WHERE Id = 1".to_owned(),
        "UPDATE dbo.Parcel SET Form = N'<new/>', Label = NULL WHERE Id = 2".to_owned(),
        "UPDATE dbo.Parcel SET Remark = 'moved', Extra = CAST(7 AS tinyint), Spot = geography::Point(-33.9, 151.2, 4326) WHERE Id = 100"
            .to_owned(),
        "DELETE FROM dbo.Parcel WHERE Id = 3".to_owned(),
        format!("BEGIN TRANSACTION; DELETE FROM dbo.Parcel WHERE Id = 4; {}; COMMIT", insert(4)),
        "UPDATE dbo.Parcel SET Id = 50 WHERE Id = 5".to_owned(),
        insert(7),
        "UPDATE dbo.Parcel SET Weight = 2.5E0 WHERE Id = 7".to_owned(),
    ];
    for batch in &work {
        pipeline.sql.run(batch).unwrap_or_else(|error| panic!("{error}\n{batch}"));
    }
    pipeline.capture();
    crate::support::rig::done(pipeline.engine().await.sync(&tables).await);
    assert_equal(&mut pipeline).await;
}

/// A difference must show in each of these columns.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_value_of_each_type_is_seen() {
    let inserts = [insert(1)];
    let mut pipeline = Pipeline::start(SCHEMA.iter().copied().chain(inserts.iter().map(String::as_str))).await;
    let tables = pipeline.prepared().await;
    let engine = pipeline.engine().await;
    let production = engine.target.names(&tables[0]).production;
    let target = compare::redshift(&pipeline.lab).await.unwrap();
    let pairs = [Pair { table: tables[0].clone(), production: production.clone() }];
    for column in ["form", "extra", "place", "spot", "outline", "remark", "label", "share"] {
        target.batch_execute(&format!("UPDATE {production} SET {column} = REVERSE({column})")).await.unwrap();
        let compared = compare::tables(&mut pipeline.sql, &target, &pairs).await.unwrap();
        assert!(!compared[0].is_equal(), "{column}");
        target.batch_execute(&format!("UPDATE {production} SET {column} = REVERSE({column})")).await.unwrap();
    }
    assert_equal(&mut pipeline).await;
}

const UTF8: &str = "COLLATE Latin1_General_100_CI_AS_SC_UTF8";

/// Narrow text under a UTF-8 collation: on the wire the lab sends it by code page 1252, with `?` for
/// what that lacks, so only a cast on the server brings it.
#[tokio::test(flavor = "multi_thread")]
async fn narrow_text_that_is_utf8_is_carried_to_the_letter() {
    let create = format!(
        "CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY, u varchar(40) {UTF8} NULL, um varchar(max) {UTF8} NULL,
         c char(12) {UTF8} NULL)"
    );
    let keyed = format!("CREATE TABLE dbo.k (k varchar(40) {UTF8} NOT NULL PRIMARY KEY, n int NULL)");
    let mut pipeline = Pipeline::start([
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
        "EXEC sys.sp_cdc_enable_db",
        &create,
        &keyed,
        "EXEC sys.sp_cdc_enable_table N'dbo', N'u', NULL",
        "EXEC sys.sp_cdc_enable_table N'dbo', N'k', NULL",
    ])
    .await;
    let values = ["日本語", "😀 é", "Ελληνικά", "plain", ""];
    // Forty bytes are thirteen such characters and no more.
    let long = "語".repeat(14);
    assert_eq!(pipeline.sql.run(&format!("INSERT dbo.u (id, u) VALUES (99, N'{long}')")).unwrap_err().number, 2628);
    pipeline.sql.run(&format!("INSERT dbo.u (id, u, um) VALUES (98, N'{}', N'{}')", "語".repeat(13), "語".repeat(9_000))).unwrap();
    let row = |id: usize, value: &str| format!("INSERT dbo.u VALUES ({id}, N'{value}', N'{value}{value}', N'語')");
    for (id, value) in values.iter().enumerate() {
        pipeline.sql.run(&row(id, value)).unwrap();
        pipeline.sql.run(&format!("INSERT dbo.k VALUES (N'{value}', {id})")).unwrap();
    }
    pipeline.capture();
    let tables = pipeline.prepared().await;
    for (id, value) in values.iter().enumerate() {
        pipeline.sql.run(&row(id + 10, value)).unwrap();
        pipeline.sql.run(&format!("UPDATE dbo.u SET u = N'{value}!' WHERE id = {id}")).unwrap();
        pipeline.sql.run(&format!("UPDATE dbo.k SET n = n + 10 WHERE k = N'{value}'")).unwrap();
    }
    pipeline.sql.run("UPDATE dbo.k SET k = N'日本' WHERE k = N'日本語'; DELETE dbo.k WHERE k = N'plain'").unwrap();
    pipeline.capture();
    done(pipeline.engine().await.sync(&tables).await);
    audit::equal(&mut pipeline, &tables).await.unwrap();
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    let held = |sql: &'static str| async { crate::support::lab::cells(&client.simple_query(sql).await.unwrap()) };
    assert_eq!(
        held("SELECT u, um, RTRIM(c) FROM public.u WHERE id IN (0, 1) ORDER BY id").await,
        ["日本語!|日本語日本語|語", "😀 é!|😀 é😀 é|語"]
    );
    assert_eq!(held("SELECT k, n FROM public.k ORDER BY n").await, ["日本|10", "😀 é|11", "Ελληνικά|12", "|14"]);
}
