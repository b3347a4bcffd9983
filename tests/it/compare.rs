//! The independent comparison of source and production: its own tests.

use crate::support::compare::python;

#[test]
fn the_type_table_of_the_comparison_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare");
    let ran = python().args(["-m", "unittest", "-v"]).current_dir(folder).output().unwrap();
    let report = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{report}");
    assert!(report.contains("\nRan 8 tests"), "{report}");
}
