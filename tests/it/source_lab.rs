//! The source against the lab's SQL Server: catalogue, bounds, changes, keys, clean-up.

use std::collections::BTreeSet;

use db_to_redshift::model::fault::src;
use db_to_redshift::model::{CaptureIdentity, ChangeRow, Fault, Lsn, Operation, TableName, Value};
use db_to_redshift::source::{CaptureInstance, ChangesMode, ChangesRequest, CleanUp, Pages, ProbeRange, ScanIsolation, Source};

use crate::support::lab_sql_server::Lab;

fn dbo(name: &str) -> TableName {
    TableName::new("dbo", name)
}

async fn rows<P: Pages>(mut pages: P) -> Result<Vec<P::Row>, Fault> {
    let mut rows = Vec::new();
    while let Some(page) = pages.next_page().await? {
        assert!(!page.is_empty());
        rows.extend(page);
    }
    Ok(rows)
}

/// The newest capture instance of a table.
async fn instance(lab: &Lab, table: &TableName) -> CaptureInstance {
    let mut facts = lab.source.describe(std::slice::from_ref(table)).await.unwrap();
    facts.remove(0).unwrap().instances.remove(0)
}

fn everything(table: &TableName, instance: &CaptureInstance, max: Lsn, mode: ChangesMode) -> ChangesRequest {
    let from = instance.start_lsn.unwrap();
    ChangesRequest {
        table: table.clone(),
        instance: instance.identity.instance.clone(),
        shape: instance.shape.clone(),
        from,
        to: max,
        mode,
    }
}

async fn changes(lab: &Lab, table: &TableName, mode: ChangesMode) -> Vec<ChangeRow> {
    lab.capture();
    let instance = instance(lab, table).await;
    let max = lab.source.watermarks(&[]).await.unwrap().max.unwrap();
    rows(lab.source.changes(&everything(table, &instance, max, mode)).await.unwrap()).await.unwrap()
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

#[tokio::test]
async fn start_up_says_who_is_there() {
    let lab = Lab::start().await;
    let facts = lab.source.start_up().await.unwrap();
    assert_eq!(facts.identity.database, lab.database);
    assert!(!facts.identity.server.is_empty() && !facts.version.is_empty() && !facts.edition.is_empty());
    assert!(!facts.cdc_enabled);
    lab.source.enable_database().await.unwrap();
    lab.source.enable_database().await.unwrap();
    assert!(lab.source.start_up().await.unwrap().cdc_enabled);
}

#[tokio::test]
async fn before_capture_is_on_there_are_no_bounds() {
    let lab = Lab::start().await;
    let marks = lab.source.watermarks(&["dbo_Nothing".into()]).await.unwrap();
    assert!(!marks.cdc_enabled && marks.max.is_none());
    assert_eq!(marks.min, [Lsn::ZERO]);
    lab.source.enable_database().await.unwrap();
    let marks = lab.source.watermarks(&["dbo_Nothing".into()]).await.unwrap();
    assert!(marks.cdc_enabled && marks.max.is_none() && marks.min == [Lsn::ZERO]);
}

#[tokio::test]
async fn tables_are_described_with_keys_columns_and_instances() {
    let lab = Lab::start().await;
    lab.run("CREATE SCHEMA [odd schema]").await;
    lab.run(
        "CREATE TABLE [odd schema].[order]]lines] (
             [note to self] nvarchar(max) NULL,
             line smallint NOT NULL,
             code varchar(12) NOT NULL,
             price decimal(9,2) NULL,
             CONSTRAINT pk_lines PRIMARY KEY (code, line))",
    )
    .await;
    lab.run("CREATE TABLE dbo.Log (at datetime2(3) NOT NULL, what nvarchar(40) NULL)").await;
    lab.run("CREATE TABLE dbo.Quiet (id int NOT NULL PRIMARY KEY)").await;
    lab.source.enable_database().await.unwrap();
    let lines = TableName::new("odd schema", "order]lines");
    lab.source.enable_table(&lines, None).await.unwrap();
    lab.source.enable_table(&lines, None).await.unwrap();
    lab.source.enable_table(&dbo("Log"), Some("readers")).await.unwrap();

    let tables = lab.source.tables().await.unwrap();
    let seen: BTreeSet<_> = tables.iter().map(|table| (table.name.to_string(), table.tracked, table.has_key)).collect();
    let expected = [("[odd schema].[order]]lines]", true, true), ("dbo.Log", true, false), ("dbo.Quiet", false, true)];
    assert_eq!(seen, expected.map(|(name, tracked, key)| (name.to_owned(), tracked, key)).into());

    let facts = lab.source.describe(&[dbo("Quiet"), lines.clone(), dbo("Log")]).await.unwrap();
    let facts: Vec<_> = facts.into_iter().map(Result::unwrap).collect();
    assert_eq!(facts.iter().map(|facts| facts.name.clone()).collect::<Vec<_>>(), [dbo("Quiet"), lines, dbo("Log")]);
    assert!(!facts[0].tracked && facts[0].instances.is_empty());
    let instance = &facts[1].instances[0];
    let columns: Vec<_> = instance.shape.columns().iter().map(|c| (c.name.as_str(), c.ordinal, c.sql_type.to_string())).collect();
    assert_eq!(
        columns,
        [
            ("code", 3, "varchar(12)".to_owned()),
            ("line", 2, "smallint".to_owned()),
            ("note to self", 1, "nvarchar(max)".to_owned()),
            ("price", 4, "decimal(9,2)".to_owned()),
        ]
    );
    assert_eq!(instance.shape.key_len(), 2);
    assert!(instance.missing.is_empty() && instance.uncaptured.is_empty() && instance.computed.is_empty());
    assert!(!instance.supports_net_changes && instance.role.is_none());
    assert_eq!(facts[2].instances[0].shape.key_len(), 0);
    assert_eq!(facts[2].instances[0].role.as_deref(), Some("readers"));

    let mut both = lab.source.describe(&[dbo("quiet"), dbo("Log")]).await.unwrap();
    assert_eq!(both.pop().unwrap().unwrap().instances.len(), 1, "one missing table does not stop the other");
    let fault = both.pop().unwrap().unwrap_err();
    assert!(fault.is(&src::NO_TABLE) && fault.facts().contains(&("nearest".into(), "dbo.Quiet".into())), "{fault:?}");
}

#[tokio::test]
async fn a_column_that_came_later_or_went_is_seen() {
    let lab = Lab::start().await;
    lab.run("CREATE TABLE dbo.T (id int NOT NULL PRIMARY KEY, a int NULL, b int NULL)").await;
    lab.source.enable_database().await.unwrap();
    lab.source.enable_table(&dbo("T"), None).await.unwrap();
    lab.run("ALTER TABLE dbo.T ADD c nvarchar(5) NULL").await;
    lab.run("ALTER TABLE dbo.T DROP COLUMN b").await;
    lab.run("INSERT INTO dbo.T (id, a, c) VALUES (1, 2, N'x')").await;
    lab.capture();
    let instance = instance(&lab, &dbo("T")).await;
    assert_eq!(instance.missing, ["b"]);
    assert_eq!(instance.uncaptured.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["c"]);
    assert_eq!(instance.shape.columns().len(), 2);
    assert!(instance.ddl_lsn.is_some());
    assert_eq!(instance.beyond, ["c"], "it came after the instance");
}

/// Another instance is like the one before in all but its columns, hostile names and all.
#[tokio::test]
async fn another_capture_instance_has_the_columns_that_came_later() {
    let lab = Lab::start().await;
    lab.run("CREATE TABLE dbo.T (id int NOT NULL PRIMARY KEY, other int NOT NULL, [a,]]b] int NULL, secret int NULL)").await;
    lab.run("CREATE UNIQUE INDEX by_other ON dbo.T (other)").await;
    lab.source.enable_database().await.unwrap();
    lab.run(
        "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'T', @role_name = N'readers',
             @supports_net_changes = 1, @index_name = N'by_other', @captured_column_list = N'id,other,[a,]]b]'",
    )
    .await;
    let before = instance(&lab, &dbo("T")).await;
    assert_eq!(before.uncaptured.iter().map(|column| column.name.as_str()).collect::<Vec<_>>(), ["secret"]);
    assert!(before.beyond.is_empty(), "it was left out on purpose");
    lab.run("ALTER TABLE dbo.T ADD [c;--'x] nvarchar(5) NULL").await;
    lab.capture();
    assert_eq!(instance(&lab, &dbo("T")).await.beyond, ["secret", "c;--'x"], "only the text of the DDL tells which came later");
    let columns = ["id", "other", "a,]b", "c;--'x"].map(str::to_owned);
    assert_eq!(lab.source.add_instance(&dbo("T"), &before.identity, Some(&columns)).await.unwrap(), "dbo_T_2");
    let facts = lab.source.describe(&[dbo("T")]).await.unwrap().remove(0).unwrap();
    assert_eq!(facts.columns, ["id", "other", "a,]b", "secret", "c;--'x"]);
    let [newest, oldest] = facts.instances.as_slice() else { panic!("{facts:?}") };
    assert_eq!((newest.identity.instance.as_str(), &oldest.identity), ("dbo_T_2", &before.identity));
    let mut names: Vec<_> = newest.shape.columns().iter().map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["a,]b", "c;--'x", "id", "other"]);
    assert_eq!((newest.role.as_deref(), newest.supports_net_changes, newest.beyond.len()), (Some("readers"), true, 0));
    assert_eq!(newest.shape.columns()[0].name, "other", "the index that capture was told to use");

    let third = lab.source.add_instance(&dbo("T"), &newest.identity, None).await.unwrap_err();
    assert!(third.is(&src::ENABLE_REFUSED) && third.to_string().contains("22962"), "{third}");
    let gone = CaptureIdentity { object_id: 1, ..newest.identity.clone() };
    assert!(lab.source.add_instance(&dbo("T"), &gone, None).await.unwrap_err().is(&src::CDC_OFF));
}

#[tokio::test]
async fn the_name_of_another_instance_may_be_taken() {
    let lab = Lab::start().await;
    lab.run("CREATE TABLE dbo.T (id int NOT NULL PRIMARY KEY)").await;
    lab.run("CREATE TABLE dbo.T_2 (id int NOT NULL PRIMARY KEY)").await;
    lab.source.enable_database().await.unwrap();
    lab.source.enable_table(&dbo("T"), None).await.unwrap();
    lab.source.enable_table(&dbo("T_2"), None).await.unwrap();
    let before = instance(&lab, &dbo("T")).await;
    assert_eq!(lab.source.add_instance(&dbo("T"), &before.identity, None).await.unwrap(), "dbo_T_3");
}

/// The default name is too long, or another table's default name.
#[tokio::test]
async fn a_table_is_enabled_where_the_default_name_of_its_instance_will_not_do() {
    let lab = Lab::start().await;
    let long = dbo(&"L".repeat(128));
    let clash = TableName::new("dbo_a", "b");
    lab.run("CREATE SCHEMA dbo_a").await;
    lab.source.enable_database().await.unwrap();
    for (table, name) in [(dbo("a_b"), "dbo_a_b".to_owned()), (clash, "dbo_a_b_2".into()), (long, format!("dbo_{}_1", "L".repeat(94)))] {
        lab.run(&format!("CREATE TABLE [{}].[{}] (id int NOT NULL PRIMARY KEY)", table.schema, table.name)).await;
        for _ in 0..2 {
            lab.source.enable_table(&table, Some("readers")).await.unwrap();
            assert_eq!(instance(&lab, &table).await.identity.instance, name);
        }
    }
}

/// A table with a few transactions in it.
async fn busy_table(lab: &Lab) -> TableName {
    lab.run("CREATE TABLE dbo.Orders (id int NOT NULL PRIMARY KEY, note nvarchar(50) NULL)").await;
    lab.source.enable_database().await.unwrap();
    lab.source.enable_table(&dbo("Orders"), None).await.unwrap();
    lab.run("INSERT INTO dbo.Orders VALUES (1, N'one'), (2, N'two'), (3, NULL)").await;
    lab.run("UPDATE dbo.Orders SET note = N'changed' WHERE id < 3").await;
    lab.run("BEGIN TRANSACTION; DELETE FROM dbo.Orders WHERE id = 1; INSERT INTO dbo.Orders VALUES (1, N'again'); UPDATE dbo.Orders SET note = N'x' WHERE id = 1; COMMIT TRANSACTION").await;
    lab.run("UPDATE dbo.Orders SET id = id + 10").await;
    dbo("Orders")
}

#[tokio::test]
async fn pages_of_any_size_bring_the_same_rows_in_the_same_order() {
    let lab = Lab::start().await;
    let table = busy_table(&lab).await;
    let all = changes(&lab, &table, ChangesMode::All).await;
    assert!(all.len() > 15, "{}", all.len());
    let position = |row: &ChangeRow| (row.lsn, row.command_id, row.seqval, row.operation);
    assert!(all.windows(2).all(|pair| position(&pair[0]) < position(&pair[1])));
    let instance = instance(&lab, &table).await;
    let max = lab.source.watermarks(&[]).await.unwrap().max.unwrap();
    for size in [1, 2, 3, 7] {
        let source = lab.source_with_pages(size);
        let request = everything(&table, &instance, max, ChangesMode::All);
        assert!(rows(source.changes(&request).await.unwrap()).await.unwrap() == all, "pages of {size}");
    }
}

#[tokio::test]
async fn before_images_and_masks_come_with_their_rows() {
    let lab = Lab::start().await;
    let table = busy_table(&lab).await;
    let all = changes(&lab, &table, ChangesMode::All).await;
    let inserts: Vec<_> = all.iter().take(3).map(|row| (row.operation, row.values.clone())).collect();
    assert!(inserts[0] == (Operation::Insert, vec![Value::Int(1), text("one")]));
    assert!(inserts[2] == (Operation::Insert, vec![Value::Int(3), Value::Null]));
    let (before, after) = (&all[3], &all[4]);
    assert_eq!((before.operation, after.operation), (Operation::Before, Operation::After));
    assert_eq!((before.seqval, before.lsn), (after.seqval, after.lsn));
    assert!(before.values[1] == text("one") && after.values[1] == text("changed"));
    let instance = instance(&lab, &table).await;
    let touched: Vec<_> = instance.shape.columns().iter().map(|column| column.is_touched(&after.mask)).collect();
    assert_eq!(touched, [false, true]);
}

#[tokio::test]
async fn net_changes_bring_one_row_a_key() {
    let lab = Lab::start().await;
    lab.run("CREATE TABLE dbo.N (id int NOT NULL PRIMARY KEY, v int NULL)").await;
    lab.source.enable_database().await.unwrap();
    lab.run("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'N', @role_name = NULL, @supports_net_changes = 1")
        .await;
    lab.run("INSERT INTO dbo.N VALUES (1, 1), (2, 2), (3, 3)").await;
    lab.run("UPDATE dbo.N SET v = v + 1").await;
    lab.run("DELETE FROM dbo.N WHERE id = 3").await;
    let net = changes(&lab, &dbo("N"), ChangesMode::Net).await;
    let mut seen: Vec<_> = net.iter().filter(|row| row.operation != Operation::Delete).map(|row| row.values.clone()).collect();
    seen.sort_by_key(|values| matches!(values[0], Value::Int(2)));
    assert!(seen == [vec![Value::Int(1), Value::Int(2)], vec![Value::Int(2), Value::Int(3)]]);

    // Outside the bounds SQL Server says 313.
    let instance = instance(&lab, &dbo("N")).await;
    let request = everything(&dbo("N"), &instance, Lsn::MAX, ChangesMode::Net);
    let fault = rows(lab.source.changes(&request).await.unwrap()).await.unwrap_err();
    assert!(fault.is(&src::OUT_OF_RANGE), "{fault:?}");
}

#[tokio::test]
async fn probes_windows_and_the_mapping_agree_with_the_rows() {
    let lab = Lab::start().await;
    let table = busy_table(&lab).await;
    let all = changes(&lab, &table, ChangesMode::All).await;
    let marks = lab.source.watermarks(&["dbo_Orders".into(), "dbo_Nothing".into()]).await.unwrap();
    let max = marks.max.unwrap();
    assert!(marks.min[0] <= all[0].lsn && !marks.min[0].is_zero() && marks.min[1].is_zero());

    let probe = |from, to| ProbeRange { instance: "dbo_Orders".into(), from, to };
    let last = all.last().unwrap().lsn;
    let ranges = [probe(marks.min[0], max), probe(all[0].lsn.next(), max), probe(last.next(), Lsn::MAX)];
    let first = lab.source.first_changes(&ranges).await.unwrap();
    let second = all.iter().map(|row| row.lsn).find(|lsn| *lsn > all[0].lsn).unwrap();
    assert_eq!(first, [Some(all[0].lsn), Some(second), None]);
    assert!(lab.source.first_changes(&[]).await.unwrap().is_empty());

    assert_eq!(lab.source.window_end(all[0].lsn, max, 1).await.unwrap(), all[0].lsn);
    assert_eq!(lab.source.window_end(all[0].lsn, max, 2).await.unwrap(), second);
    assert_eq!(lab.source.window_end(all[0].lsn, max, 1000).await.unwrap(), max);

    let mapping = lab.source.mapping(second.prev()).await.unwrap();
    assert_eq!(mapping.newest.as_ref().unwrap().lsn, all[0].lsn);
    assert!(mapping.oldest.unwrap() <= all[0].lsn);
    let all_at_once = lab.source.mappings(&[Lsn::ZERO.next(), second, second.prev()]).await.unwrap();
    assert!(all_at_once[0].newest.is_none() && all_at_once[1].newest.as_ref().unwrap().lsn == second);
    assert_eq!(all_at_once[2], mapping);
    assert!(lab.source.mappings(&[]).await.unwrap().is_empty());
    assert_eq!(lab.source.clean_up_mark(second.prev()).await.unwrap(), Some(all[0].lsn));
    assert_eq!(lab.source.clean_up_mark(Lsn::ZERO).await.unwrap(), None);
    let clock = lab.source.clock().await.unwrap();
    assert!(mapping.newest.unwrap().end_time <= clock);
}

#[tokio::test]
async fn clean_up_moves_the_mark_once() {
    let lab = Lab::start().await;
    let table = busy_table(&lab).await;
    // A second instance keeps the time mapping that the first one no longer needs.
    lab.run("CREATE TABLE dbo.Other (id int NOT NULL PRIMARY KEY)").await;
    lab.source.enable_table(&dbo("Other"), None).await.unwrap();
    lab.run("INSERT INTO dbo.Other VALUES (1)").await;
    lab.run("INSERT INTO dbo.Orders VALUES (70, N'late')").await;
    lab.run("INSERT INTO dbo.Orders VALUES (71, N'later')").await;
    let all = changes(&lab, &table, ChangesMode::All).await;
    let (late, later) = (all[all.len() - 2].lsn, all[all.len() - 1].lsn);
    assert_eq!(lab.source.clean_up("dbo_Orders", later).await.unwrap(), CleanUp::Done);
    let marks = lab.source.watermarks(&["dbo_Orders".into()]).await.unwrap();
    assert_eq!(marks.min, [later]);
    assert_eq!(lab.source.clean_up("dbo_Orders", late).await.unwrap(), CleanUp::AlreadyDone);
    assert_eq!(lab.source.clean_up("dbo_Orders", later.next()).await.unwrap(), CleanUp::ChooseAgain);
    let request = everything(&table, &instance(&lab, &table).await, later, ChangesMode::All);
    assert_eq!(rows(lab.source.changes(&request).await.unwrap()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn scans_and_keys_find_the_rows_of_today() {
    let lab = Lab::start().await;
    lab.run("CREATE TABLE dbo.Codes (code varchar(10) NOT NULL, n int NOT NULL, note nvarchar(max) NULL, PRIMARY KEY (code, n))").await;
    lab.source.enable_database().await.unwrap();
    lab.source.enable_table(&dbo("Codes"), None).await.unwrap();
    lab.run("INSERT INTO dbo.Codes VALUES ('ABC', 1, N'a'), ('abd', 1, NULL), ('x', 2, N'o''clock')").await;
    let shape = instance(&lab, &dbo("Codes")).await.shape;
    let scanned = rows(lab.source.scan(&dbo("Codes"), &shape, ScanIsolation::ReadCommitted).await.unwrap()).await.unwrap();
    assert_eq!(scanned.len(), 3);

    let key = |code: &str, n| vec![text(code), Value::Int(n)];
    // 'abc' equals 'ABC' for the server, not for us; 'ABC' is asked for twice.
    let keys = [key("abc", 1), key("ABC", 1), key("ABC", 1), key("x", 2), key("x", 3), key("gone", 1)];
    let reread = async |table: &str, keys: &[Vec<Value>]| rows(lab.source.reread(&dbo(table), &shape, keys).await.unwrap()).await.unwrap();
    let mut found = reread("Codes", &keys).await;
    found.sort_by_key(|row| shape.key_identity(row));
    assert!(found == [vec![text("x"), Value::Int(2), text("o'clock")], vec![text("ABC"), Value::Int(1), text("a")]], "{}", found.len());
    assert!(reread("Codes", &[key("abc", 1)]).await.is_empty());
    assert!(reread("Codes", &[]).await.is_empty());
}

#[tokio::test]
async fn many_keys_go_in_few_statements() {
    let lab = Lab::start().await;
    lab.run("CREATE TABLE dbo.Many (id int NOT NULL PRIMARY KEY, v int NULL)").await;
    lab.source.enable_database().await.unwrap();
    lab.source.enable_table(&dbo("Many"), None).await.unwrap();
    for hundred in 0..25 {
        let values: Vec<_> = (0..100).map(|n| format!("({}, {n})", hundred * 100 + n)).collect();
        lab.run(&format!("INSERT INTO dbo.Many VALUES {}", values.join(", "))).await;
    }
    let shape = instance(&lab, &dbo("Many")).await.shape;
    let keys: Vec<_> = (0..5_000).map(|id| vec![Value::Int(id)]).collect();
    let found = rows(lab.source.reread(&dbo("Many"), &shape, &keys).await.unwrap()).await.unwrap();
    assert_eq!(found.iter().map(|row| shape.key_identity(row)).collect::<BTreeSet<_>>().len(), 2_500);
}

/// On Amazon RDS the master user is no sysadmin: `rds_cdc_enable_db` switches CDC on instead. On any
/// other server the same user learns that an administrator is needed.
#[tokio::test]
async fn a_database_owner_enables_cdc_on_rds_only() {
    let lab = Lab::start().await;
    let owner = lab.owner();
    let fault = owner.enable_database().await.unwrap_err();
    assert!(fault.is(&src::ADMINISTRATION), "{fault}");
    lab.cdc.be_rds();
    owner.enable_database().await.unwrap();
    assert!(owner.start_up().await.unwrap().cdc_enabled);
    lab.write("CREATE TABLE dbo.beans (id int NOT NULL PRIMARY KEY)");
    owner.enable_table(&dbo("beans"), None).await.unwrap();
}
