//! A table that is read by net changes, from T-SQL to production.

use std::fs;

use db_to_redshift::model::TableName;
use db_to_redshift::store::ChangeStore;

use crate::support::pipeline::Pipeline;
use crate::support::rig::done;

#[tokio::test(flavor = "multi_thread")]
async fn a_table_read_by_net_changes_equals_its_source() {
    let mut pipeline = Pipeline::start([
        "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
        "EXEC sys.sp_cdc_enable_db",
        "CREATE TABLE dbo.stock (id int NOT NULL, part int NOT NULL, amount int NULL, note nvarchar(40) NULL, PRIMARY KEY (id, part))",
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'stock', @role_name = NULL, @supports_net_changes = 1",
        "INSERT dbo.stock VALUES (1, 1, 10, N'one'), (1, 2, 20, N'two'), (2, 1, 30, NULL), (2, 2, 40, N'four')",
    ])
    .await;
    let config = fs::read_to_string(&pipeline.config).unwrap();
    fs::write(&pipeline.config, format!("{config}\n[[table]]\nname = \"dbo.stock\"\nchanges = \"net\"\n")).unwrap();
    let tables = [TableName::new("dbo", "stock")];
    pipeline.prepare(&tables).await;
    pipeline.assert_equal(&tables).await;

    // In the overlap all changes are read (E5), before-images included.
    change(&mut pipeline, 10);
    done(pipeline.engine().await.sync(&tables).await);
    pipeline.assert_equal(&tables).await;
    let counts = async |pipeline: &Pipeline, seq| {
        let record = pipeline.engine().await.store.record(&tables[0], 1, seq).await.unwrap().unwrap();
        (record.counts.upserts, record.counts.deletes)
    };
    let all = counts(&pipeline, 1).await;

    pipeline.lab.sqlserver.engine.clock.set_shift(5 * 3_600);
    pipeline.sql.run("INSERT dbo.stock VALUES (100, 1, 1, N'late')").unwrap();
    pipeline.capture();
    done(pipeline.engine().await.sync(&tables).await);
    pipeline.assert_equal(&tables).await;

    // The same changes: by net changes a key comes once, however often it changed.
    change(&mut pipeline, 20);
    done(pipeline.engine().await.sync(&tables).await);
    pipeline.assert_equal(&tables).await;
    let net = counts(&pipeline, 3).await;
    assert!(net.0 < all.0 && net.1 < all.1, "{net:?} of {all:?}");
}

/// In several transactions: updates of one row, a row that comes and goes, a key that moves, one
/// that is deleted and comes back.
fn change(pipeline: &mut Pipeline, base: i32) {
    for sql in [
        format!("INSERT dbo.stock VALUES ({base}, 1, 1, N'new'), ({base}, 2, 2, N'brief')"),
        format!("UPDATE dbo.stock SET amount = amount + 1, note = N'changed' WHERE id = {base} AND part = 1"),
        "UPDATE dbo.stock SET amount = amount + 1 WHERE id = 1 AND part = 1".to_owned(),
        "UPDATE dbo.stock SET amount = amount + 1, note = NULL WHERE id = 1 AND part = 1".to_owned(),
        format!("DELETE dbo.stock WHERE id = {base} AND part = 2"),
        "DELETE dbo.stock WHERE id = 2 AND part = 2; INSERT dbo.stock VALUES (2, 2, 41, N'back')".to_owned(),
        format!("UPDATE dbo.stock SET part = part + {base} WHERE id = 2 AND part < 10 AND part <> 2"),
        "UPDATE dbo.stock SET part = 1 WHERE id = 2 AND part > 9".to_owned(),
    ] {
        pipeline.sql.run(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
    }
    pipeline.capture();
}
