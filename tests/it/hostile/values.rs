//! Hostile values, from T-SQL to production.

use std::fs;

use db_to_redshift::model::TableName;

use super::{hostile_pipeline, text, track};
use crate::support::rig::done;

/// Values of nvarchar.
pub(super) const VALUES: &[&str] = &[
    "",
    " ",
    "\\",
    "\\\\",
    "\\n",
    "\\N",
    "\\\"",
    "ends with \\",
    "\"",
    "\"\"",
    "\"a\",\"b\"",
    "'",
    "''; DROP TABLE t; --",
    "$$",
    "$1",
    "%s%n%%",
    "{}{0}",
    "line\nbreak",
    "line\r\nbreak",
    "\r",
    "\ttab\u{b}\u{c}",
    ",",
    "a,b",
    "NULL",
    "null",
    "@null",
    "null-6f9619ff-8b86-d011-b42d-00c04fc964ff",
    "=1+1",
    "@SUM(A1)",
    "zero\u{200b}width\u{feff}",
    "\u{feff}",
    "\u{202e}right to left",
    "\u{85}\u{2028}\u{2029}",
    "\u{1}\u{1f}\u{7f}",
    "e\u{301} é",
    "日本語 🛒 👩‍👩‍👧",
    "\u{fffd}\u{ffff}",
    "-- comment",
    "/* comment */",
    "<script>",
    "trailing blanks   ",
];

/// The same for a code page: what Latin-1 can hold.
fn latin(value: &str) -> String {
    value.chars().filter(|c| (*c as u32) < 0x80 || ('\u{a1}'..='\u{ff}').contains(c)).collect()
}

/// The same as text of an XML element: what XML 1.0 allows. A server makes LF of CR.
fn markup(value: &str) -> String {
    let allowed = |c: &char| !matches!(c, '\0'..='\u{8}' | '\u{b}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    let kept: String = value.chars().filter(allowed).collect();
    kept.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A SUPER holds each value as one JSON string, whatever JSON of its own the text would be.
#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_carried_into_a_super() {
    let create = "CREATE TABLE dbo.s (id int NOT NULL PRIMARY KEY, m nvarchar(max) NULL)".to_owned();
    let mut pipeline = hostile_pipeline(&[create, track("dbo", "s", "dbo_s")]).await;
    let config = fs::read_to_string(&pipeline.config).unwrap();
    fs::write(&pipeline.config, format!("{config}\n[[table]]\nname = \"dbo.s\"\ncolumns = {{ m = \"super\" }}\n")).unwrap();
    let values: Vec<&str> = VALUES.iter().copied().chain(["12", "true", "{\"a\":1}", "[1, 2", "\"x\"", "\\u0041"]).collect();
    let half = values.len() / 2;
    for (at, value) in values.iter().enumerate() {
        if at == half {
            pipeline.capture();
            pipeline.prepared().await;
        }
        pipeline.sql.run(&format!("INSERT INTO dbo.s VALUES ({at}, {})", text(value))).unwrap();
    }
    pipeline.capture();
    done(pipeline.engine().await.sync(&[TableName::new("dbo", "s")]).await);
    let client = crate::support::lab::redshift(&pipeline.lab).await;
    let rows = client.simple_query("SELECT JSON_SERIALIZE(m) FROM public.s ORDER BY id").await.unwrap();
    let cells = crate::support::lab::cells(&rows);
    let found: Vec<String> = cells.iter().map(|json| serde_json::from_str(json).unwrap()).collect();
    assert_eq!(found, values);
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_carried_to_the_letter() {
    let create = "CREATE TABLE dbo.v (id int NOT NULL PRIMARY KEY, c char(60) NULL, v varchar(60) NULL, vm varchar(max) NULL, \
                  nc nchar(60) NULL, nv nvarchar(60) NULL, nm nvarchar(max) NULL, b varbinary(60) NULL)";
    let keyed = "CREATE TABLE dbo.k (k nvarchar(60) NOT NULL PRIMARY KEY, n int NULL, note nvarchar(max) NULL)";
    let old = "CREATE TABLE dbo.w (id int NOT NULL PRIMARY KEY, t text NULL, nt ntext NULL, sv sql_variant NULL)";
    let double = "CREATE TABLE dbo.kk (a varchar(60) NOT NULL, b nchar(70) NOT NULL, n int NULL, PRIMARY KEY (a, b))";
    let utf8 = "COLLATE Latin1_General_100_CI_AS_SC_UTF8 NULL";
    let marked = format!("CREATE TABLE dbo.x (id int NOT NULL PRIMARY KEY, x xml NULL, u varchar(300) {utf8}, um varchar(max) {utf8})");
    let mut batches = Vec::new();
    for (table, create) in [("v", create), ("k", keyed), ("w", old), ("kk", double), ("x", &marked)] {
        batches.extend([create.to_owned(), track("dbo", table, &format!("dbo_{table}"))]);
    }
    let mut pipeline = hostile_pipeline(&batches).await;
    let row = |at: usize, value: &str| {
        let ansi = format!("'{}'", latin(value).replace('\'', "''"));
        let wide = text(value);
        let bytes: String = value.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        format!("INSERT INTO dbo.v VALUES ({at}, {ansi}, {ansi}, {ansi}, {wide}, {wide}, {wide}, 0x{bytes})")
    };
    // Half comes by the snapshot, half by changes.
    let half = VALUES.len() / 2;
    let more = |at: usize, value: &str| {
        let ansi = latin(value).replace('\'', "''");
        format!("INSERT INTO dbo.w VALUES ({at}, '{ansi}', {wide}, {wide})", wide = text(value))
    };
    let marked = |at: usize, value: &str| {
        let (words, wide) = (markup(value), text(value));
        format!("INSERT INTO dbo.x VALUES ({at}, {}, {wide}, {wide})", text(&format!("<v a=\"{words}\">{words}</v>")))
    };
    for (at, value) in VALUES[..half].iter().enumerate() {
        for sql in [row(at, value), more(at, value), marked(at, value)] {
            pipeline.sql.run(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
    }
    // Distinct for a collation that ignores case and trailing blanks. A key with U+FFFD may have
    // been a lone surrogate, so such keys are refused.
    let fit = |value: &&str| value.trim_end_matches(' ') == *value && *value != "null" && !value.contains('\u{fffd}');
    let keys: Vec<&str> = VALUES.iter().copied().filter(fit).collect();
    for (at, key) in keys.iter().enumerate().filter(|(at, _)| at % 2 == 0) {
        let inserted = pipeline.sql.run(&format!("INSERT INTO dbo.k VALUES ({}, {at}, N'large')", text(key)));
        // Invisible characters alone may equal another key for the collation.
        assert!(inserted.is_ok() || inserted.unwrap_err().number == 2627);
        let ansi = latin(key).replace('\'', "''");
        let inserted = pipeline.sql.run(&format!("INSERT INTO dbo.kk VALUES ('{ansi}', {}, {at})", text(key)));
        assert!(inserted.is_ok() || inserted.unwrap_err().number == 2627);
    }
    pipeline.capture();
    let tables = pipeline.prepared().await;
    pipeline.assert_equal(&tables).await;
    for (at, value) in VALUES.iter().enumerate().skip(half) {
        for sql in [row(at, value), more(at, value), marked(at, value)] {
            pipeline.sql.run(&sql).unwrap_or_else(|error| panic!("{error}\n{sql}"));
        }
    }
    pipeline.sql.run("UPDATE dbo.kk SET n = n + 100; UPDATE dbo.kk SET b = N'moved ' + CAST(n AS nvarchar(9)) WHERE n > 110").unwrap();
    for (at, value) in VALUES.iter().enumerate() {
        let to = (at + 7) % VALUES.len();
        pipeline
            .sql
            .run(&format!("UPDATE dbo.v SET nv = {}, v = '{}' WHERE id = {to}", text(value), latin(value).replace('\'', "''")))
            .unwrap();
    }
    for (at, key) in keys.iter().enumerate() {
        let key = text(key);
        let sql = match at % 4 {
            0 => format!("UPDATE dbo.k SET n = n + 100 WHERE k = {key}"),
            2 => format!("DELETE FROM dbo.k WHERE k = {key}"),
            _ => format!("INSERT INTO dbo.k VALUES ({key}, {at}, {key})"),
        };
        let ran = pipeline.sql.run(&sql);
        assert!(ran.is_ok() || ran.unwrap_err().number == 2627, "{sql}");
    }
    pipeline.capture();
    done(pipeline.engine().await.sync(&tables).await);
    pipeline.assert_equal(&tables).await;
}
