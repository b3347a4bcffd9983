//! A table of the types that are selected with a cast, through the whole pipeline: production
//! equals the source by both comparisons, neither of which shares code with the program.

use db_to_redshift::lab::compare::{self, Pair};
use db_to_redshift::target::Target;

use crate::support::pipeline::Pipeline;

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
