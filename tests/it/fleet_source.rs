//! What the source says of a whole fleet of tables, against the lab's SQL Server.

use db_to_redshift::lab::sqlserver::cdc::GeneratedRow;
use db_to_redshift::lab::sqlserver::types::Datum;
use db_to_redshift::model::{Lsn, TableName};
use db_to_redshift::source::{ProbeRange, Source};

use crate::support::lab_sql_server::Lab;

const SCHEMA: &str = "fleet";

/// A lab with so many tracked tables, captured, a change of the first and of the last.
async fn lab_with(tables: usize) -> Lab {
    let lab = Lab::start().await;
    let names = lab.cdc.track_many(&lab.database, SCHEMA, tables).unwrap();
    lab.capture();
    for name in [&names[0], &names[tables - 1]] {
        let row = GeneratedRow { operation: 2, values: vec![Datum::Int(1), Datum::Int(1)], commits: true };
        lab.cdc.fill_change_table(&lab.database, &format!("{SCHEMA}_{name}"), std::iter::once(row)).unwrap();
    }
    lab
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_has_its_instances_and_bounds() {
    let lab = lab_with(3).await;
    lab.run("CREATE TABLE dbo.untracked (id int PRIMARY KEY);").await;
    let facts = lab.source.fleet().await.unwrap();
    assert!(facts.cdc_enabled);
    let names: Vec<_> = facts.tables.iter().map(|table| table.name.clone()).collect();
    assert_eq!(names, ["t00001", "t00002", "t00003"].map(|name| TableName::new(SCHEMA, name)));
    let described = lab.source.describe(&names).await.unwrap();
    let marks = lab.source.watermarks(&["fleet_t00001".into(), "fleet_t00002".into(), "fleet_t00003".into()]).await.unwrap();
    for ((fleet, described), min) in facts.tables.iter().zip(&described).zip(&marks.min) {
        assert_eq!(fleet.instances.len(), 1);
        assert_eq!(fleet.instances[0].identity, described.as_ref().unwrap().instances[0].identity);
        assert_eq!(fleet.instances[0].start_lsn, Some(*min));
    }
    assert_eq!(facts.newest.as_ref().map(|row| row.lsn), marks.max);
    assert_eq!(facts.newest, lab.source.mapping(marks.max.unwrap()).await.unwrap().newest);
    assert_eq!(facts.oldest.map(|row| row.lsn), lab.source.mapping(marks.max.unwrap()).await.unwrap().oldest);
    assert!(facts.health.retention.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_instances_the_newest_comes_first() {
    let lab = lab_with(1).await;
    lab.run("EXEC sys.sp_cdc_enable_table @source_schema = N'fleet', @source_name = N't00001', @role_name = NULL, @capture_instance = N'second';")
        .await;
    let facts = lab.source.fleet().await.unwrap();
    let instances: Vec<_> = facts.tables[0].instances.iter().map(|instance| instance.identity.instance.as_str()).collect();
    assert_eq!(instances, ["second", "fleet_t00001"]);
    assert_eq!(facts.tables[0].instances[0].start_lsn, None, "capture has not begun on it");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_cdc_a_fleet_is_empty() {
    let lab = Lab::start().await;
    let facts = lab.source.fleet().await.unwrap();
    assert!(!facts.cdc_enabled && facts.tables.is_empty() && facts.newest.is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn any_number_of_lsns_is_mapped_in_one_round_trip() {
    let lab = lab_with(2).await;
    let facts = lab.source.fleet().await.unwrap();
    let (oldest, newest) = (facts.oldest.unwrap(), facts.newest.unwrap());
    let mut at = vec![newest.lsn, oldest.lsn.prev(), newest.lsn.prev(), oldest.lsn, newest.lsn.next(), Lsn::MAX];
    // More than a request has parameters.
    at.extend(std::iter::repeat_n(newest.lsn, 3_000));
    let before = lab.requests();
    let found = lab.source.mappings(&at).await.unwrap();
    assert!(lab.requests() - before <= 2, "the statement, and one that resets a session");
    assert_eq!(found.len(), at.len());
    let alone = lab.source.mapping(newest.lsn.prev()).await.unwrap();
    assert!(alone.newest.as_ref().unwrap().lsn < newest.lsn);
    assert_eq!(found[2], alone);
    assert_eq!((&found[0].newest, &found[1].newest, &found[3].newest), (&Some(newest.clone()), &None, &Some(oldest.clone())));
    assert!(found[4..].iter().all(|facts| facts.newest.as_ref() == Some(&newest)));
    assert!(found.iter().all(|facts| facts.oldest == Some(oldest.lsn)));
    assert_eq!((found[0].time_of(newest.lsn), found[4].time_of(newest.lsn.next())), (Some(newest.end_time), None));
    assert_eq!((found[4].time(), found[1].time()), (Some(newest.end_time), None));
    assert!(lab.source.mappings(&[]).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_ranges_are_probed_in_one_request() {
    const TABLES: usize = 450;
    let lab = lab_with(TABLES).await;
    let facts = lab.source.fleet().await.unwrap();
    let max = facts.newest.unwrap().lsn;
    let range = |table: &db_to_redshift::source::FleetTable| {
        let instance = &table.instances[0];
        ProbeRange { instance: instance.identity.instance.clone(), from: instance.start_lsn.unwrap(), to: max }
    };
    let mut ranges: Vec<_> = facts.tables.iter().map(range).collect();
    let before = lab.requests();
    let first = lab.source.first_changes(&ranges).await.unwrap();
    assert_eq!(lab.requests() - before, 1);
    assert_eq!(first.len(), TABLES);
    assert!(first[0].is_some() && first[TABLES - 1] == Some(max));
    assert!(first[1..TABLES - 1].iter().all(Option::is_none));
    // Each range has its own ends.
    ranges[0].to = ranges[0].from;
    ranges[TABLES - 1].from = max.next();
    let none = lab.source.first_changes(&ranges).await.unwrap();
    assert!(none.iter().all(Option::is_none));
}
