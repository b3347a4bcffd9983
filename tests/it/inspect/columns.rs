use db_to_redshift::config::{Changes, TableRule};
use db_to_redshift::engine::check::Found;
use db_to_redshift::engine::inspect::columns::{ColumnMap, MappedColumn};
use db_to_redshift::model::fault::{rs, sync};
use db_to_redshift::model::{Column, SqlType, Unfit};

use super::{loaded, table};
use crate::support::column::column;
use crate::support::rig::Rig;

fn of<'a>(map: &'a ColumnMap, name: &str) -> &'a MappedColumn {
    map.columns.iter().find(|column| column.name == name).unwrap_or_else(|| panic!("{name}: {map:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_column_is_told_with_what_becomes_of_it() {
    let mut rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    let columns = vec![("note".to_owned(), Unfit::Truncate)];
    rig.settings.tables = vec![TableRule { name: table.to_string(), skip: false, changes: Changes::All, columns, sees_all_rows: false }];
    rig.source.with(|inner| {
        let instance = &mut inner.tables.get_mut(&table).unwrap().instance;
        instance.uncaptured.push(Column { nullable: false, ..column("added", 8, SqlType::Date, None) });
        instance.computed.push("total".into());
        instance.missing.push("dropped".into());
    });
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.query("ALTER TABLE public.v ADD COLUMN loaded_at TIMESTAMP").await;
    let map = rig.engine().columns(&table).await.unwrap();
    assert_eq!((map.instance.as_str(), map.production.as_str()), ("dbo_v", r#""public"."v""#));
    assert_eq!(map.only_in_production, ["loaded_at"]);
    assert!(map.refusals.is_empty() && map.target_fault.is_none() && map.store_fault.is_none());
    let id = of(&map, "id");
    assert_eq!(
        (id.source_type.as_deref(), id.key, id.target_type.as_deref(), id.fits),
        (Some("int"), Some(1), Some("INTEGER"), Some(true))
    );
    let name = of(&map, "Name");
    assert_eq!((name.target_name.as_deref(), name.target_type.as_deref()), (Some("name"), Some("VARCHAR(60)")));
    assert_eq!((name.production.as_deref(), name.staging.as_deref(), name.fits), (Some("VARCHAR(10)"), Some("VARCHAR(60)"), Some(false)));
    let note = of(&map, "note");
    assert_eq!((note.policy, note.limit), (Unfit::Truncate, Some(65_535)));
    assert!(note.warnings[0].contains("is cut and counted"), "{note:?}");
    assert!(of(&map, "at").warnings[0].contains("seventh"));
    let added = of(&map, "added");
    assert!(!added.captured && !added.carried && added.nullable == Some(false) && added.source_type.as_deref() == Some("date"));
    assert!(added.target_type.is_none());
    assert!(of(&map, "total").computed && of(&map, "total").captured && !of(&map, "total").carried);
    assert!(of(&map, "dropped").missing);
}

/// A production that somebody altered is told before a load meets it.
#[tokio::test(flavor = "multi_thread")]
async fn check_names_the_columns_that_a_load_would_not_fit_into() {
    let rig = Rig::start().await;
    let table = loaded(&rig, &["a"]).await;
    let production = async || {
        let found = rig.engine().check(std::slice::from_ref(&table)).await;
        found.into_iter().filter(|line| line.what == "production").map(|line| line.result).collect::<Vec<_>>()
    };
    assert!(production().await.is_empty());
    rig.query("ALTER TABLE public.v ALTER COLUMN name TYPE VARCHAR(10)").await;
    rig.query("ALTER TABLE public.v DROP COLUMN note").await;
    let told = production().await;
    let [Found::Fault(refused)] = told.as_slice() else { panic!("{told:?}") };
    assert!(refused.is(&rs::PRODUCTION_DIFFERS), "{refused}");
    let why = |column: &str| refused.facts().iter().find(|(name, _)| name == column).map(|(_, why)| why.clone()).unwrap();
    assert_eq!(why("column name"), "VARCHAR(10) where VARCHAR(60) is needed");
    assert!(why("column note").starts_with("missing"));
    assert!(refused.actions().any(|next| next == r#"ALTER TABLE "public"."v" ALTER COLUMN "name" TYPE VARCHAR(60)"#), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_target_the_plan_is_told() {
    let mut rig = Rig::start().await;
    let table = table(&rig);
    // Never prepared: production has no column yet.
    let map = rig.engine().columns(&table).await.unwrap();
    assert!(map.columns.iter().all(|column| column.production.is_none() && column.fits.is_none() && column.target_type.is_some()));
    let odd = rig.source.table(
        "odd",
        vec![column("At", 1, SqlType::DateTime2 { scale: 7 }, Some(1)), column("v", 2, SqlType::Other { name: "vector".into() }, None)],
    );
    rig.settings.redshift.port = 1;
    let map = rig.engine().columns(&odd).await.unwrap();
    assert_eq!(map.target_fault.as_ref().unwrap().code, rs::CONNECT.code);
    assert!(of(&map, "v").target_type.is_none() && of(&map, "v").refused.as_ref().unwrap().contains("vector"));
    assert!(of(&map, "At").refused.as_ref().unwrap().contains("key"));
    let codes: Vec<_> = map.refusals.iter().map(|fault| fault.code.as_str()).collect();
    assert_eq!(codes, [rs::KEY_COLUMN.code, rs::COLUMN_TYPE.code]);
    rig.source.with(|inner| inner.tables.get_mut(&odd).unwrap().tracked = false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_without_capture_is_named() {
    let (pipeline, _) = crate::support::pipeline::Pipeline::sample(15).await;
    let engine = pipeline.engine().await;
    let map = engine.columns(&"dbo.Country".parse().unwrap()).await.unwrap();
    assert!(
        map.columns.iter().any(|column| column.key == Some(1))
            && map.columns.iter().all(|column| column.carried == column.target_type.is_some())
    );
    let untracked = db_to_redshift::source::Source::tables(&*engine.source).await.unwrap().into_iter().find(|table| !table.tracked);
    if let Some(untracked) = untracked {
        assert!(engine.columns(&untracked.name).await.unwrap_err().is(&sync::NOT_TRACKED));
    }
}
