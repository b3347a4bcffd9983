//! The lab's change data capture below T-SQL: log, scan, change tables, clean-up.

use std::sync::Arc;

use db_to_redshift::lab::sqlserver::cdc::{Cdc, GeneratedRow, Limits};
use db_to_redshift::lab::sqlserver::engine::catalog::{self, Column, Index, ObjectKind, TableDef};
use db_to_redshift::lab::sqlserver::engine::extension::{Argument, Call, Extension, Outcome};
use db_to_redshift::lab::sqlserver::engine::security::Rights;
use db_to_redshift::lab::sqlserver::engine::server::{ConnectionState, Database, Server, User};
use db_to_redshift::lab::sqlserver::session::Message;
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use rusqlite::Connection;
use tempfile::TempDir;

struct Bench {
    cdc: Arc<Cdc>,
    database: Arc<Database>,
    connection: Connection,
    state: Arc<ConnectionState>,
    folder: TempDir,
    rights: Rights,
}

fn argument(name: &str, value: &str) -> Argument {
    let value = match value {
        "NULL" => Datum::Null,
        hex if hex.starts_with("0x") => {
            Datum::Bytes((2..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect())
        }
        text => Datum::Text(text.encode_utf16().collect()),
    };
    Argument { name: name.into(), data_type: DataType::NVarChar(Some(200)), value, output: false }
}

impl Bench {
    /// Table dbo.orders (id, note varchar(max), total) with a clustered key, CDC on for the database.
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let sa = User { name: "sa".into(), password: "right".into() };
        let server = Server::open(folder.path(), &["shop"], vec![sa]).unwrap();
        let cdc = Cdc::attach(&server).unwrap();
        let database = server.database("shop").unwrap();
        let rights = Rights::new(&server.security, database.id, &database.name, "sa");
        let state = Arc::new(ConnectionState::default());
        let connection = database.connect_with(&state).unwrap();
        let key = Index {
            name: "pk_orders".into(),
            primary_key: true,
            unique_constraint: false,
            unique: true,
            clustered: true,
            columns: vec!["id".into()],
        };
        let columns = vec![
            Column::new("id", DataType::Int, false),
            Column::new("note", DataType::VarChar(None), true),
            Column::new("total", DataType::Int, true),
            Column::new("version", DataType::RowVersion, true),
        ];
        let table = TableDef {
            schema: "dbo".into(),
            name: "orders".into(),
            kind: ObjectKind::UserTable,
            ms_shipped: false,
            columns,
            indexes: vec![key],
        };
        catalog::create_table(&connection, &table).unwrap();
        let bench = Self { cdc, database, connection, state, folder, rights };
        bench.call("sp_cdc_enable_db", &[]).unwrap();
        bench
    }

    fn enabled() -> Self {
        let bench = Self::new();
        bench.call("sp_cdc_enable_table", &[("@source_schema", "dbo"), ("@source_name", "orders"), ("@role_name", "NULL")]).unwrap();
        bench.cdc.capture_now("shop").unwrap();
        bench
    }

    fn call(&self, name: &str, arguments: &[(&str, &str)]) -> Result<Outcome, Message> {
        let arguments: Vec<_> = arguments.iter().map(|(name, value)| argument(name, value)).collect();
        let procedure = self.cdc.procedure(&format!("sys.{name}")).unwrap();
        let call = Call { conn: &self.connection, database: &self.database, user: "sa", rights: &self.rights };
        if procedure.transactional {
            self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        }
        let outcome = (procedure.run)(&call, &arguments);
        if procedure.transactional {
            if outcome.is_ok() {
                self.cdc.before_commit(&call).unwrap();
            }
            self.connection.execute_batch(if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" }).unwrap();
        }
        outcome
    }

    fn fails(&self, name: &str, arguments: &[(&str, &str)]) -> i32 {
        self.call(name, arguments).unwrap_err().number
    }

    /// One transaction; each statement with the column ids of its SET list.
    fn commit(&self, statements: &[(&str, &[i32])]) {
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (sql, touched) in statements {
            self.state.begin_statement(touched.to_vec());
            self.connection.execute_batch(sql).unwrap();
        }
        let call = Call { conn: &self.connection, database: &self.database, user: "sa", rights: &self.rights };
        self.cdc.before_commit(&call).unwrap();
        self.connection.execute_batch("COMMIT").unwrap();
    }

    fn changes(&self) -> Vec<(i64, i64, Option<String>, String, i64)> {
        let sql = "SELECT \"__$operation\", id, note, hex(\"__$update_mask\"), \"__$command_id\" FROM \"cdc.dbo_orders_CT\"
                    ORDER BY \"__$start_lsn\", \"__$command_id\", \"__$seqval\", \"__$operation\"";
        let mut query = self.connection.prepare(sql).unwrap();
        let rows = query.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?, r.get(4)?))).unwrap();
        rows.map(Result::unwrap).collect()
    }

    fn one<T: rusqlite::types::FromSql>(&self, sql: &str) -> T {
        self.connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }
}

fn row(operation: i64, id: i64, note: Option<&str>, mask: &str, command: i64) -> (i64, i64, Option<String>, String, i64) {
    (operation, id, note.map(Into::into), mask.into(), command)
}

#[test]
fn committed_is_not_captured_until_the_scan() {
    let bench = Bench::enabled();
    assert_eq!(bench.cdc.max_lsn("shop").unwrap(), None, "the start of an instance makes no row in the mapping");
    let min: Option<Vec<u8>> = bench.one("SELECT start_lsn FROM \"cdc.change_tables\"");
    assert!(min.is_some(), "the scan has set the low endpoint");
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id, note, total) VALUES (1, 'a', 10), (2, 'b', 20)", &[])]);
    assert!(bench.changes().is_empty());
    let scan = bench.cdc.capture_now("shop").unwrap();
    assert_eq!((scan.transactions, scan.rows), (1, 2));
    assert_eq!(bench.changes(), [row(2, 1, Some("a"), "0F", 1), row(2, 2, Some("b"), "0F", 1)]);
    let (rows, max): (i64, Vec<u8>) = bench
        .connection
        .query_row("SELECT count(*), max(start_lsn) FROM \"cdc.lsn_time_mapping\"", [], |r| Ok((r.get(0)?, r.get(1)?)))
        .unwrap();
    assert_eq!(rows, 1);
    assert_eq!(bench.one::<Vec<u8>>("SELECT max(\"__$start_lsn\") FROM \"cdc.dbo_orders_CT\""), max);
    assert!(bench.one::<bool>("SELECT max(\"__$seqval\") < max(\"__$start_lsn\") FROM \"cdc.dbo_orders_CT\""));
}

#[test]
fn a_start_lsn_is_null_until_capture_has_begun() {
    let bench = Bench::new();
    bench.call("sp_cdc_enable_table", &[("@source_schema", "dbo"), ("@source_name", "orders"), ("@role_name", "NULL")]).unwrap();
    assert_eq!(bench.one::<Option<Vec<u8>>>("SELECT start_lsn FROM \"cdc.change_tables\""), None);
    // Work between enabling and the first scan is captured.
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (7)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    assert_eq!(bench.changes(), [row(2, 7, None, "0F", 1)]);
    assert!(bench.one::<bool>("SELECT start_lsn < (SELECT min(start_lsn) FROM \"cdc.lsn_time_mapping\") FROM \"cdc.change_tables\""));
}

#[test]
fn untouched_large_values_are_null_with_a_clear_bit() {
    let bench = Bench::enabled();
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id, note, total) VALUES (1, 'long', 10)", &[])]);
    bench.commit(&[
        ("UPDATE \"dbo.orders\" SET total = 11 WHERE id = 1", &[3]),
        ("UPDATE \"dbo.orders\" SET note = 'longer' WHERE id = 1", &[2]),
        ("UPDATE \"dbo.orders\" SET note = NULL WHERE id = 1", &[2]),
        ("DELETE FROM \"dbo.orders\" WHERE id = 1", &[]),
    ]);
    bench.cdc.capture_now("shop").unwrap();
    // The rowversion (ordinal 4) counts as touched by every update.
    let expected = [
        row(2, 1, Some("long"), "0F", 1),
        row(3, 1, None, "0C", 1),
        row(4, 1, None, "0C", 1),
        row(3, 1, Some("long"), "0A", 2),
        row(4, 1, Some("longer"), "0A", 2),
        row(3, 1, Some("longer"), "0A", 3),
        row(4, 1, None, "0A", 3),
        row(1, 1, None, "0F", 4),
    ];
    assert_eq!(bench.changes(), expected);
    let pairs: i64 = bench.one(
        "SELECT count(*) FROM \"cdc.dbo_orders_CT\" a JOIN \"cdc.dbo_orders_CT\" b ON b.\"__$seqval\" = a.\"__$seqval\"
          WHERE a.\"__$operation\" = 3 AND b.\"__$operation\" = 4",
    );
    assert_eq!(pairs, 3, "the two rows of an update share their sequence value");
}

#[test]
fn a_rolled_back_transaction_leaves_nothing() {
    let bench = Bench::enabled();
    bench.connection.execute_batch("BEGIN IMMEDIATE; INSERT INTO \"dbo.orders\" (id) VALUES (1); ROLLBACK").unwrap();
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (2)", &[])]);
    assert_eq!(bench.cdc.capture_now("shop").unwrap().rows, 1);
    assert_eq!(bench.changes(), [row(2, 2, None, "0F", 1)]);
}

#[test]
fn a_scan_takes_whole_transactions_in_order() {
    let bench = Bench::enabled();
    for id in 1..=5 {
        bench.commit(&[(&format!("INSERT INTO \"dbo.orders\" (id) VALUES ({id}), ({})", id + 100), &[])]);
    }
    let some = bench.cdc.capture_some("shop", Limits { maxtrans: 2, maxscans: 1 }).unwrap();
    assert_eq!((some.transactions, some.rows, some.more), (2, 4, true));
    let first = bench.cdc.max_lsn("shop").unwrap().unwrap();
    assert!(!bench.cdc.capture_idle_tick("shop").unwrap(), "not idle while work waits");
    bench.cdc.capture_now("shop").unwrap();
    assert!(bench.cdc.max_lsn("shop").unwrap().unwrap() > first);
    assert_eq!(bench.changes().len(), 10);
    let before = bench.cdc.max_lsn("shop").unwrap().unwrap();
    assert!(bench.cdc.capture_idle_tick("shop").unwrap());
    assert!(bench.cdc.max_lsn("shop").unwrap().unwrap() > before);
    assert_eq!(bench.one::<i64>("SELECT count(*) FROM \"cdc.lsn_time_mapping\" WHERE tran_id = x'00'"), 1);
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (50)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    let last: i64 = bench.one("SELECT id FROM \"cdc.dbo_orders_CT\" ORDER BY \"__$start_lsn\" DESC LIMIT 1");
    assert_eq!(last, 50, "LSNs rise past the dummy row");
}

#[test]
fn enabling_refuses_as_documented() {
    let bench = Bench::new();
    let base = [("@source_schema", "dbo"), ("@source_name", "orders"), ("@role_name", "NULL")];
    let with = |more: &[(&'static str, &'static str)]| [&base[..], more].concat();
    assert_eq!(bench.fails("sp_cdc_enable_table", &base[..2]), 201);
    assert_eq!(bench.fails("sp_cdc_enable_table", &[base[0], ("@source_name", "nothing"), base[2]]), 22931);
    assert_eq!(bench.fails("sp_cdc_enable_table", &[("@source_schema", "cdc"), base[1], base[2]]), 22974);
    assert_eq!(bench.fails("sp_cdc_enable_table", &[base[0], base[1], ("@role_name", "")]), 22907);
    assert_eq!(bench.fails("sp_cdc_enable_table", &with(&[("@capture_instance", &"x".repeat(101).leak()[..])])), 22927);
    assert_eq!(bench.fails("sp_cdc_enable_table", &with(&[("@index_name", "none")])), 22928);
    assert_eq!(bench.fails("sp_cdc_enable_table", &with(&[("@captured_column_list", "id, nope")])), 22942);
    assert_eq!(bench.fails("sp_cdc_enable_table", &with(&[("@captured_column_list", "total")])), 22943);
    bench.call("sp_cdc_enable_table", &base).unwrap();
    assert_eq!(bench.fails("sp_cdc_enable_table", &base), 22926);
    bench.call("sp_cdc_enable_table", &with(&[("@capture_instance", "two"), ("@supports_net_changes", "0")])).unwrap();
    assert_eq!(bench.fails("sp_cdc_enable_table", &with(&[("@capture_instance", "three")])), 22962);
    assert_eq!(bench.call("sp_cdc_enable_db", &[]).unwrap().messages[0].number, 22905);
    assert_eq!(bench.fails("sp_cdc_disable_table", &[base[0], base[1], ("@capture_instance", "four")]), 22960);
    bench.call("sp_cdc_disable_table", &[base[0], base[1], ("@capture_instance", "all")]).unwrap();
    assert_eq!(bench.fails("sp_cdc_disable_table", &[base[0], base[1], ("@capture_instance", "all")]), 22985);
    bench.call("sp_cdc_disable_db", &[]).unwrap();
    assert_eq!(bench.fails("sp_cdc_enable_table", &base), 22901);
    assert_eq!(bench.fails("sp_cdc_help_jobs", &[]), 22901);
}

#[test]
fn two_instances_capture_from_their_own_start() {
    let bench = Bench::enabled();
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id, total) VALUES (1, 5)", &[])]);
    let arguments = [
        ("@source_schema", "dbo"),
        ("@source_name", "orders"),
        ("@role_name", "NULL"),
        ("@capture_instance", "second"),
        ("@captured_column_list", "total,id"),
    ];
    bench.call("sp_cdc_enable_table", &arguments).unwrap();
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id, total) VALUES (2, 6)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    assert_eq!(bench.changes().len(), 2);
    let second: (i64, i64, i64, String) = bench
        .connection
        .query_row("SELECT count(*), min(id), min(total), min(hex(\"__$update_mask\")) FROM \"cdc.second_CT\"", [], |r| {
            Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .unwrap();
    assert_eq!(second, (1, 2, 6, "03".into()));
}

#[test]
fn clean_up_moves_the_mark_first() {
    let bench = Bench::enabled();
    for id in 1..=4 {
        bench.commit(&[(&format!("INSERT INTO \"dbo.orders\" (id) VALUES ({id})"), &[])]);
    }
    bench.cdc.capture_now("shop").unwrap();
    let lsns: Vec<String> = bench
        .connection
        .prepare("SELECT '0x' || hex(start_lsn) FROM \"cdc.lsn_time_mapping\" ORDER BY 1")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let clean = |mark: &str| bench.call("sp_cdc_cleanup_change_table", &[("@capture_instance", "dbo_orders"), ("@low_water_mark", mark)]);
    assert_eq!(clean("0x00000000000000000001").unwrap_err().number, 22964);
    clean(&lsns[1]).unwrap();
    assert_eq!(bench.changes().len(), 3);
    assert_eq!(clean(&lsns[0]).unwrap_err().number, 22964, "the mapping is trimmed with the last reader's mark");
    bench.cdc.fail_cleanup(true);
    let failed = clean(&lsns[2]).unwrap();
    assert_eq!((failed.messages[0].number, &failed.outputs[0].2), (22852, &Datum::Bit(true)));
    assert_eq!(bench.changes().len(), 3, "rows are still there, below the mark");
    bench.cdc.fail_cleanup(false);
    assert_eq!(clean(&lsns[1]).unwrap_err().number, 22957);
    clean("NULL").unwrap();
    assert_eq!(bench.changes().len(), 2);
    // Retention counts back from the newest commit in the mapping, not from now.
    bench.database.clock.set_shift(3600);
    assert_eq!(bench.cdc.cleanup_now("shop", Some(30)).unwrap(), 0);
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (5)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    assert_eq!(bench.cdc.cleanup_now("shop", Some(30)).unwrap(), 2);
    assert_eq!(bench.changes().len(), 1);
}

#[test]
fn a_filled_change_table_is_like_a_captured_one() {
    let bench = Bench::enabled();
    let rows = (0..1000).map(|id| GeneratedRow {
        operation: 2,
        values: vec![Datum::Int(id), Datum::Null, Datum::Int(id * 2), Datum::Bytes(vec![0; 8])],
        commits: id % 100 == 99,
    });
    let filled = bench.cdc.fill_change_table("shop", "dbo_orders", rows).unwrap();
    assert_eq!((filled.rows, filled.transactions), (1000, 10));
    assert_eq!(bench.cdc.max_lsn("shop").unwrap(), Some(filled.last));
    assert_eq!(bench.one::<i64>("SELECT count(DISTINCT \"__$start_lsn\") FROM \"cdc.dbo_orders_CT\""), 10);
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (5000)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    assert_eq!(bench.one::<i64>("SELECT id FROM \"cdc.dbo_orders_CT\" ORDER BY \"__$start_lsn\" DESC LIMIT 1"), 5000);
}

#[test]
fn a_restore_takes_rows_and_lsns_back() {
    let bench = Bench::enabled();
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (1)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    let (then, fork) = (bench.cdc.max_lsn("shop").unwrap(), catalog::meta::<Vec<u8>>(&bench.connection, "recovery_fork_guid").unwrap());
    let copy = bench.folder.path().join("shop.bak");
    bench.cdc.back_up("shop", &copy).unwrap();
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (2)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    assert!(bench.cdc.max_lsn("shop").unwrap() > then);
    bench.cdc.restore("shop", &copy).unwrap();
    assert_eq!(bench.cdc.max_lsn("shop").unwrap(), then, "the source went back");
    assert_eq!(bench.one::<i64>("SELECT max(id) FROM \"dbo.orders\""), 1);
    assert_ne!(catalog::meta::<Vec<u8>>(&bench.connection, "recovery_fork_guid").unwrap(), fork);
    bench.commit(&[("INSERT INTO \"dbo.orders\" (id) VALUES (3)", &[])]);
    bench.cdc.capture_now("shop").unwrap();
    assert!(bench.cdc.max_lsn("shop").unwrap() > then);
}
