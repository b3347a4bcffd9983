//! Values that are too long for their column, under each policy, through files, COPY and
//! production.

mod fail;
mod types;

use std::sync::Arc;

use db_to_redshift::config::{Changes, TableRule};
use db_to_redshift::engine::event::{Event, Events};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{TableName, Unfit, UnfitCount};
use db_to_redshift::store::ChangeStore;

use crate::support::memory_source::text;
use crate::support::rig::{Rig, TestEngine, done, fault, id, row};

/// What a VARCHAR holds at the most.
const LIMIT: usize = 65_535;

fn rules(table: &TableName, column: &str, policy: Unfit) -> Vec<TableRule> {
    vec![TableRule {
        name: table.to_string(),
        skip: false,
        changes: Changes::All,
        columns: vec![(column.to_owned(), policy)],
        sees_all_rows: false,
    }]
}

async fn rig(policy: Unfit) -> (Rig, TableName) {
    let mut rig = Rig::start().await;
    let table = rig.table();
    rig.settings.tables = rules(&table, "NOTE", policy);
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.insert(&table, row(1, "short", 1));
            tran.insert(&table, row(2, &long(), 2));
        })
    });
    (rig, table)
}

/// One byte short of the limit, and then a character of four: five bytes too many.
fn long() -> String {
    "x".repeat(LIMIT - 1) + "\u{1F600}" + "y"
}

fn one(table: &TableName) -> &[TableName] {
    std::slice::from_ref(table)
}

async fn open(rig: &Rig, table: &TableName) {
    done(rig.engine().prepare(one(table), PrepareOptions::default()).await);
    rig.load(table).await;
}

/// Extracts, and returns what was warned of.
async fn warnings(rig: &Rig, table: &TableName) -> Vec<String> {
    let (events, mut receiver) = Events::new();
    let mut engine = Arc::into_inner(rig.engine()).unwrap();
    engine.events = events;
    let engine: TestEngine = Arc::new(engine);
    done(engine.extract(one(table)).await);
    drop(engine);
    let mut texts = Vec::new();
    while let Some(event) = receiver.events.recv().await {
        if let Event::Warning { text, .. } = event {
            texts.push(text);
        }
    }
    texts
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_cuts_between_characters_counts_and_warns() {
    let (rig, table) = rig(Unfit::Truncate).await;
    open(&rig, &table).await;
    let zero = rig.s3.store.record(&table, 1, 0).await.unwrap().unwrap();
    assert_eq!(zero.counts.unfit["note"], UnfitCount { truncated: 1, nulled: 0 });
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(1), &[(1, text(&"é".repeat(40_000)))])));
    let warned = warnings(&rig, &table).await;
    assert_eq!(warned, ["batch 1: column note: 1 values over 65535 bytes were cut (policy \"truncate\")"]);
    rig.load(&table).await;
    let found = rig.production().await;
    assert_eq!(found[0].1.as_ref().unwrap(), &"é".repeat(LIMIT / 2));
    assert_eq!(found[1].1.as_ref().unwrap(), &"x".repeat(LIMIT - 1));
    let record = rig.s3.store.record(&table, 1, 1).await.unwrap().unwrap();
    assert_eq!(record.counts.unfit["note"], UnfitCount { truncated: 1, nulled: 0 });
    // A record that an older program wrote has no such counts.
    let mut json = serde_json::to_value(&record).unwrap();
    json["counts"].as_object_mut().unwrap().remove("unfit");
    assert!(serde_json::from_value::<db_to_redshift::model::CommitRecord>(json).unwrap().counts.unfit.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn null_takes_the_place_and_is_counted() {
    let (rig, table) = rig(Unfit::Null).await;
    open(&rig, &table).await;
    let found = rig.production().await;
    assert_eq!((found[0].1.as_deref(), found[1].1.as_deref()), (Some("short"), None));
    let zero = rig.s3.store.record(&table, 1, 0).await.unwrap().unwrap();
    assert_eq!(zero.counts.unfit["note"], UnfitCount { truncated: 0, nulled: 1 });
}

/// The default: the load fails and names the column; another policy helps from the next epoch on.
#[tokio::test(flavor = "multi_thread")]
async fn fail_leaves_it_to_copy_to_say_where() {
    let (mut rig, table) = rig(Unfit::Fail).await;
    done(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    let failed = fault(rig.engine().load(one(&table)).await);
    assert_eq!(failed.code(), rs::LOAD_FAILED.code);
    assert!(failed.to_string().contains("note"), "{failed}");
    assert!(rig.production().await.is_empty());
    rig.settings.tables = rules(&table, "note", Unfit::Null);
    done(rig.engine().prepare(one(&table), PrepareOptions { new_epoch: true, ..PrepareOptions::default() }).await);
    rig.load(&table).await;
    assert_eq!(rig.production().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn super_holds_the_whole_text_as_a_json_string() {
    let (rig, table) = rig(Unfit::Super).await;
    open(&rig, &table).await;
    // What would be JSON of another kind stays text.
    rig.source.with(|inner| {
        inner.commit(|tran| {
            tran.update(&table, &id(1), &[(1, text("12"))]);
            tran.insert(&table, row(3, "a \"q\" \\ \n\u{1} null", 3));
            tran.insert(&table, row(4, "", 4));
        })
    });
    rig.sync(&table).await;
    // An update that leaves the value alone keeps it.
    rig.source.with(|inner| inner.commit(|tran| tran.update(&table, &id(2), &[(2, db_to_redshift::model::Value::Int(7))])));
    rig.sync(&table).await;
    let rows = rig.query("SELECT JSON_SERIALIZE(note), n FROM public.t ORDER BY id").await;
    let texts: Vec<String> = rows.iter().map(|row| serde_json::from_str(row[0].as_ref().unwrap()).unwrap()).collect();
    assert_eq!(texts, ["12", &long(), "a \"q\" \\ \n\u{1} null", ""]);
    assert_eq!(rows[1][1].as_deref(), Some("7"));
}

#[tokio::test(flavor = "multi_thread")]
async fn to_and_from_super_needs_a_new_epoch() {
    let (mut rig, table) = rig(Unfit::Null).await;
    open(&rig, &table).await;
    rig.settings.tables = rules(&table, "note", Unfit::Super);
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "three", 3))));
    let refused = fault(rig.engine().extract(one(&table)).await);
    assert_eq!(refused.code(), sync::POLICY.code, "{refused}");
    let refused = fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await);
    assert_eq!(refused.code(), sync::POLICY.code, "{refused}");

    let fresh = PrepareOptions { new_epoch: true, ..PrepareOptions::default() };
    let refused = fault(rig.engine().prepare(one(&table), fresh).await);
    assert_eq!(refused.code(), rs::PRODUCTION_DIFFERS.code, "{refused}");
    let action = refused.actions().next().unwrap().to_owned();
    let (sql, _) = action.split_once("; then: ").unwrap();
    rig.query(sql).await;
    done(rig.engine().prepare(one(&table), fresh).await);
    rig.load(&table).await;
    rig.sync(&table).await;
    let found = rig.query("SELECT JSON_SERIALIZE(note) FROM public.t WHERE id <> 2 ORDER BY id").await;
    assert_eq!(found, [[Some("\"short\"".to_owned())], [Some("\"three\"".to_owned())]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_hold_is_a_fault_everywhere() {
    let (mut rig, table) = rig(Unfit::Null).await;
    open(&rig, &table).await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(3, "three", 3))));
    for (column, policy) in [("id", Unfit::Truncate), ("n", Unfit::Null), ("nothing", Unfit::Truncate)] {
        rig.settings.tables = rules(&table, column, policy);
        for refused in
            [fault(rig.engine().extract(one(&table)).await), fault(rig.engine().prepare(one(&table), PrepareOptions::default()).await)]
        {
            assert_eq!(refused.code(), rs::COLUMN_POLICY.code, "{column}: {refused}");
        }
        let found = rig.engine().check(one(&table)).await;
        assert!(found.iter().any(|line| format!("{:?}", line.result).contains(rs::COLUMN_POLICY.code)), "{column}");
    }
    // A pattern may name columns that not every table has.
    rig.settings.tables = rules(&TableName::new("dbo", "*"), "nothing", Unfit::Truncate);
    rig.extract(&table).await;
}

/// A rule with a slip in its name would silently hold for nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_matches_no_table_is_told() {
    let (mut rig, table) = rig(Unfit::Null).await;
    let slip = TableName::new("dbo", format!("{}x", table.name));
    rig.settings.tables.extend(rules(&slip, "n", Unfit::Truncate));
    let found = rig.engine().check(one(&table)).await;
    let told: Vec<_> = found.iter().filter(|line| line.what == "[[table]]").collect();
    assert!(matches!(told[..], [line] if format!("{:?}", line.result).contains(&slip.to_string())), "{told:?}");
}
