//! Traces of the protocol's section 8 that break weaker rules. Each test names its number.

mod doubts;
mod extract;
mod history;
mod load;
mod moved_keys;
mod overlap;
mod real_servers;
mod safety;
mod stale;
mod target;

use std::path::Path;

use db_to_redshift::model::TableName;

fn one(table: &TableName) -> &[TableName] {
    std::slice::from_ref(table)
}

#[test]
fn every_trace_of_the_protocol_has_a_test() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/traces");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap());
    let text: String = files.collect();
    let missing: Vec<u32> = (1..=32).filter(|number| !text.contains(&format!("fn trace_{number:02}_"))).collect();
    assert!(missing.is_empty(), "no test for the traces {missing:?}");
}
