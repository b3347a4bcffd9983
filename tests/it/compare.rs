//! The independent comparison of source and production: its own tests, and one table with every
//! type on both sides: equal, then spoiled in one place after another.

use db_to_redshift::lab::redshift::{self, RedshiftOptions, S3Access};
use db_to_redshift::lab::s3::{self, S3Options};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};
use db_to_redshift::lab::sqlserver::wire::{Options, tls};

use crate::support::compare::{Compared, Endpoint, compare, python};
use crate::support::scripted_sql_server::{DATABASE, PASSWORD, Scripted, USER};

#[test]
fn the_type_table_of_the_comparison_holds() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/compare");
    let ran = python().args(["-m", "unittest", "-v"]).current_dir(folder).output().unwrap();
    let report = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{report}");
    assert!(report.contains("\nRan 9 tests"), "{report}");
}

/// A column: name, type name in sys.types, scale, type on the wire, type in production, and what
/// the first and the second row hold on either side. The third row is all NULL but its key.
struct Case(&'static str, u8, DataType, &'static str, [(Datum, &'static str); 2]);

fn text(text: &str) -> Datum {
    Datum::Text(text.encode_utf16().collect())
}

/// Days from 0001-01-01 to 9999-12-31.
const LAST_DAY: u32 = 3_652_058;

fn cases() -> Vec<Case> {
    use DataType as T;
    use Datum as D;
    vec![
        Case("int", 0, T::Int, "INTEGER", [(D::Int(1), "1"), (D::Int(-2), "-2")]),
        Case("bit", 0, T::Bit, "BOOLEAN", [(D::Bit(true), "t"), (D::Bit(false), "f")]),
        Case("tinyint", 0, T::TinyInt, "SMALLINT", [(D::Int(255), "255"), (D::Int(0), "0")]),
        Case("bigint", 0, T::BigInt, "BIGINT", [(D::Int(i64::MAX), "9223372036854775807"), (D::Int(i64::MIN), "-9223372036854775808")]),
        Case(
            "decimal",
            37,
            T::Decimal { precision: 38, scale: 37 },
            "DECIMAL(38,37)",
            [
                (D::Decimal { unscaled: -1, scale: 37 }, "-0.0000000000000000000000000000000000001"),
                (D::Decimal { unscaled: 10_i128.pow(38) - 1, scale: 37 }, "9.9999999999999999999999999999999999999"),
            ],
        ),
        Case("money", 4, T::Money, "DECIMAL(20,4)", [(D::Money(i64::MAX), "922337203685477.5807"), (D::Money(-1), "-0.0001")]),
        Case("smallmoney", 4, T::SmallMoney, "DECIMAL(10,4)", [(D::Money(-2_147_483_648), "-214748.3648"), (D::Money(0), "0")]),
        Case("real", 0, T::Real, "REAL", [(D::Real(0.1), "0.1"), (D::Real(f32::MIN_POSITIVE), "1.1754944e-38")]),
        Case("float", 0, T::Float, "DOUBLE PRECISION", [(D::Float(0.1), "0.1"), (D::Float(-1.0e300), "-1e300")]),
        Case("char", 0, T::Char(4), "VARCHAR(12)", [(text("a   "), "\"a   \""), (text("    "), "\"    \"")]),
        Case("varchar", 0, T::VarChar(Some(20)), "VARCHAR(60)", [(text("caf\u{e9} \""), "\"caf\u{e9} \"\"\""), (text(""), "\"\"")]),
        Case(
            "nvarchar",
            0,
            T::NVarChar(None),
            "VARCHAR(65535)",
            [(text("\u{1f980},\n"), "\"\u{1f980},\n\""), (text("a\0b"), "\"a\u{fffd}b\"")],
        ),
        Case("nchar", 0, T::NChar(2), "VARCHAR(6)", [(Datum::Text(vec![0xd83d, 0x61]), "\"\u{fffd}a\""), (text("x "), "\"x \"")]),
        Case("varbinary", 0, T::VarBinary(None), "VARBYTE(100)", [(D::Bytes(vec![0, 255]), "00ff"), (D::Bytes(vec![0x5c]), "5c")]),
        Case(
            "timestamp",
            0,
            T::RowVersion,
            "VARBYTE(8)",
            [(D::Bytes(vec![0, 0, 0, 0, 0, 0, 7, 209]), "00000000000007d1"), (D::Bytes(vec![0; 8]), "0000000000000000")],
        ),
        Case("date", 0, T::Date, "DATE", [(D::Date(0), "0001-01-01"), (D::Date(LAST_DAY), "9999-12-31")]),
        Case("time", 7, T::Time(7), "TIME", [(D::Time(863_999_999_999), "23:59:59.999999"), (D::Time(0), "00:00:00")]),
        Case(
            "datetime",
            3,
            T::DateTime,
            "TIMESTAMP",
            [
                (D::DateTime { days: 0, ticks: 1 }, "1900-01-01 00:00:00.003"),
                (D::DateTime { days: -1, ticks: 25_919_999 }, "1899-12-31 23:59:59.997"),
            ],
        ),
        Case(
            "smalldatetime",
            0,
            T::SmallDateTime,
            "TIMESTAMP",
            [
                (D::SmallDateTime { days: 1, minutes: 61 }, "1900-01-02 01:01:00"),
                (D::SmallDateTime { days: 0, minutes: 0 }, "1900-01-01 00:00:00"),
            ],
        ),
        Case(
            "datetime2",
            7,
            T::DateTime2(7),
            "TIMESTAMP",
            [
                (D::DateTime2 { days: LAST_DAY, ticks: 863_999_999_999 }, "9999-12-31 23:59:59.999999"),
                (D::DateTime2 { days: 0, ticks: 10 }, "0001-01-01 00:00:00.000001"),
            ],
        ),
        Case(
            "datetimeoffset",
            7,
            T::DateTimeOffset(7),
            "TIMESTAMPTZ",
            [
                (D::DateTimeOffset { days: 0, ticks: 0, offset: -840 }, "0001-01-01 00:00:00+00"),
                (D::DateTimeOffset { days: LAST_DAY, ticks: 863_999_999_999, offset: 840 }, "9999-12-31 23:59:59.999999+00"),
            ],
        ),
        Case(
            "uniqueidentifier",
            0,
            T::UniqueIdentifier,
            "CHAR(36)",
            [
                (D::Guid(*b"0123456789abcdef"), "30313233-3435-3637-3839-616263646566"),
                (D::Guid([0xff; 16]), "ffffffff-ffff-ffff-ffff-ffffffffffff"),
            ],
        ),
    ]
}

/// The source: a catalogue and three rows, as python-tds asks for them.
fn script(cases: &'static [Case]) -> Scripted {
    let script = Scripted::default();
    let name = |at: usize| text(&format!("C{at}"));
    let column = |(at, case): (usize, &Case)| {
        let collation = if case.0.ends_with("char") { text("Latin1_General_CI_AS") } else { Datum::Null };
        vec![name(at), Datum::Int(i64::try_from(at).unwrap() + 1), text(case.0), Datum::Int(case.1.into()), collation, Datum::Bit(false)]
    };
    let string = || DataType::NVarChar(Some(128));
    script.on_rows(
        "FROM sys.columns",
        vec![
            ("name", string()),
            ("column_id", DataType::Int),
            ("type", string()),
            ("scale", DataType::TinyInt),
            ("collation_name", string()),
            ("is_computed", DataType::Bit),
        ],
        cases.iter().enumerate().map(column).collect(),
    );
    script.on_rows(
        "FROM sys.indexes",
        vec![("index_id", DataType::Int), ("is_primary_key", DataType::Bit), ("key_ordinal", DataType::Int), ("column_id", DataType::Int)],
        vec![vec![Datum::Int(1), Datum::Bit(true), Datum::Int(1), Datum::Int(1)]],
    );
    let row = |n: usize| cases.iter().map(|case| case.4[n].0.clone()).collect::<Vec<_>>();
    let mut nulls = vec![Datum::Null; cases.len()];
    nulls[0] = Datum::Int(3);
    let rows = vec![row(0), row(1), nulls];
    let columns: Vec<(&'static str, DataType)> = cases.iter().map(|case| (case.0, case.2.clone())).collect();
    script.on_rows("FROM [dbo].[Everything]", columns, rows);
    script
}

fn csv(cases: &[Case]) -> String {
    let line = |cells: Vec<&str>| cells.join(",") + "\n";
    let row = |n: usize| line(cases.iter().map(|case| case.4[n].1).collect());
    row(0) + &row(1) + &line(std::iter::once("3").chain(cases.iter().skip(1).map(|_| "@NULL@")).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_type_is_equal_and_every_difference_is_seen() {
    let cases: &'static [Case] = cases().leak();
    let identity = tls::self_signed().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, &identity.certificate_pem).unwrap();
    let sqlserver = script(cases).serve(Options { tls: Some(identity.config), require_encryption: true, ..Options::default() }).await;
    let s3 = s3::start(S3Options::default()).await.unwrap();
    s3.create_bucket("files");
    s3.overwrite("files", "everything.csv", csv(cases).into());
    let keys = s3.options().clone();
    let access =
        S3Access { endpoint: s3.endpoint(), access_key: keys.access_key.clone(), secret_key: keys.secret_key.clone(), region: keys.region };
    let options =
        RedshiftOptions { s3: access, source: None, database: "dwh".into(), user: "loader".into(), password: PASSWORD.into(), tls: false };
    let redshift = redshift::start(options).await.unwrap();
    let target =
        Endpoint { port: redshift.addr().port(), user: "loader".into(), password: PASSWORD.into(), database: "dwh".into(), ca: None };
    let client = target.connect().await;
    let columns: Vec<String> = cases.iter().enumerate().map(|(at, case)| format!("c{at} {}", case.3)).collect();
    client.batch_execute(&format!("CREATE TABLE everything ({})", columns.join(", "))).await.unwrap();
    let copy = format!(
        "COPY everything FROM 's3://files/everything.csv' ACCESS_KEY_ID '{}' SECRET_ACCESS_KEY '{}' FORMAT AS CSV NULL AS '@NULL@'",
        keys.access_key, keys.secret_key
    );
    client.batch_execute(&copy).await.unwrap();

    let source = Endpoint { port: sqlserver.port(), user: USER.into(), password: PASSWORD.into(), database: DATABASE.into(), ca: Some(ca) };
    let mapping = r#"[{"schema": "dbo", "table": "Everything", "production": "public.everything"}]"#;
    let run = || compare(&source, &target, mapping, &[]);
    let equal = "dbo.Everything -> public.everything: 3 rows in the source, 3 in production, equal\n";
    assert_eq!(run().await, Compared { exit: 0, report: equal.to_owned() });

    // A copy for each column, whose second row has the first row's value in this column alone.
    let mut entries = Vec::new();
    for at in 1..cases.len() {
        let spoil = format!(
            "CREATE TABLE spoiled{at} AS SELECT * FROM everything;
             UPDATE spoiled{at} SET c{at} = (SELECT c{at} FROM everything WHERE c0 = 1) WHERE c0 = -2"
        );
        client.batch_execute(&spoil).await.unwrap();
        entries.push(format!(r#"{{"schema": "dbo", "table": "Everything", "production": "public.spoiled{at}"}}"#));
    }
    let seen = compare(&source, &target, &format!("[{}]", entries.join(",")), &["--values"]).await;
    let line =
        |at: usize| format!("dbo.Everything -> public.spoiled{at}: 3 rows in the source, 3 in production, DIFFERENT\n  differs: ('-2')\n");
    assert_eq!(seen, Compared { exit: 1, report: (1..cases.len()).map(line).collect() });
    client.batch_execute("INSERT INTO everything SELECT * FROM everything WHERE c0 = 3").await.unwrap();
    let seen = run().await;
    assert!(seen.exit == 1 && seen.report.contains("4 in production, DIFFERENT\n  only in production: key#"), "{}", seen.report);
    client.batch_execute("DELETE FROM everything WHERE c0 = 3").await.unwrap();
    let seen = run().await;
    assert!(seen.exit == 1 && seen.report.contains("2 in production, DIFFERENT\n  only in the source: key#"), "{}", seen.report);
    client.batch_execute("ALTER TABLE everything DROP COLUMN c5").await.unwrap();
    assert!(run().await.report.ends_with("different columns\n  production lacks column C5\n"));
    assert_eq!(compare(&Endpoint { password: "wrong".into(), ..source.clone() }, &target, mapping, &[]).await.exit, 2);
}
