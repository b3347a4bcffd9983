//! The lab's T-SQL engine, on its session contract.

use db_to_redshift::lab::sqlserver::session::{Parameter, Sessions};
use db_to_redshift::lab::sqlserver::types::{DataType, Datum};

use crate::support::tsql::{Collected, Lab, expect, run, shown};
#[test]
fn login_is_checked() {
    let lab = Lab::new();
    let refused = |user, password, database| lab.sessions.login(user, password, database, "").err().map(|m| (m.number, m.class));
    assert_eq!(refused("sa", "wrong", "shop"), Some((18456, 14)));
    assert_eq!(refused("who", "right", "shop"), Some((18456, 14)));
    assert_eq!(refused("sa", "right", "nowhere"), Some((4060, 11)));
    assert_eq!(lab.sessions.login("SA", "right", "SHOP", "").unwrap().1, "Shop");
}

#[test]
fn expressions() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("SELECT 1", "1"),
            ("SELECT 7 / 2, 7 % 3, -7 / 2, 7.0 / 2", "3 1 -3 3500000e-6"),
            ("SELECT 1.10 + 2.205, 0.5 * 0.5", "3305e-3 25e-2"),
            ("SELECT 2147483647 + 1", "!8115"),
            ("SELECT 1 / 0", "!8134"),
            ("SELECT 'a' + N'b', 'x' + NULL", "ab NULL"),
            ("SELECT CASE WHEN 'abc' = 'ABC  ' THEN 1 ELSE 0 END", "1"),
            ("SELECT CASE WHEN 'abc' = 'ABC' COLLATE Latin1_General_BIN2 THEN 1 ELSE 0 END", "0"),
            ("SELECT IIF(1 = 1, 'y', 'n'), ISNULL(NULL, 3), COALESCE(NULL, NULL, 2.5), NULLIF(1, 1)", "y 3 25e-1 NULL"),
            ("SELECT CAST('12' AS int) + 1, TRY_CAST('x' AS int), CONVERT(varchar(10), 0x0AFF, 1)", "13 NULL 0x0AFF"),
            ("SELECT CAST('x' AS int)", "!245"),
            ("SELECT CAST('2024-02-30' AS date)", "!242"),
            ("SELECT CAST(300 AS tinyint)", "!220"),
            ("SELECT CONVERT(varchar(30), CAST('2024-02-29T13:14:15.1234567' AS datetime2(7)), 121)", "2024-02-29 13:14:15.1234567"),
            ("SELECT CONVERT(varchar(30), CAST('2024-02-29 23:59:59.999' AS datetime), 121)", "2024-03-01 00:00:00.000"),
            ("SELECT CONVERT(varchar(30), CAST('2024-02-29 12:00:00.005' AS datetime), 121)", "2024-02-29 12:00:00.007"),
            ("SELECT CONVERT(varchar(40), CAST('2024-01-01 00:30:00 +02:00' AS datetimeoffset(0)), 121)", "2024-01-01 00:30:00 +02:00"),
            (
                "SELECT CASE WHEN CAST('2024-01-01 02:00 +02:00' AS datetimeoffset) = CAST('2024-01-01 00:00' AS datetimeoffset) THEN 1 END",
                "1",
            ),
            (
                "SELECT CONVERT(char(8), DATEADD(month, 1, CAST('2024-01-31' AS date)), 112), DATEDIFF(day, '2024-01-01', '2024-03-01')",
                "20240229 60",
            ),
            ("SELECT DATEPART(tzoffset, SYSDATETIMEOFFSET()), DATEPART(year, '2024-05-06')", "0 2024"),
            ("SELECT LEN('ab  '), DATALENGTH(N'ab'), LEFT('abc', 2), RIGHT('abc', 2), SUBSTRING('abcdef', 2, 3)", "2 4 ab bc bcd"),
            ("SELECT SUBSTRING(0x010203, 2, 1), CAST(SUBSTRING(0x0103, 2, 1) AS int) & 2", "0x02 2"),
            (
                "SELECT REPLACE('aXa', 'x', 'yy'), UPPER('é'), CHARINDEX('C', 'abc'), QUOTENAME('a]b'), REPLICATE('ab', 3)",
                "ayya É 3 [a]]b] ababab",
            ),
            ("SELECT CONCAT('a', NULL, 1), ROUND(2.345, 2), ABS(-3), FLOOR(-1.5), CEILING(1.2)", "a1 2350e-3 3 -2e-0 2e-0"),
            ("SELECT 1 WHERE 'abc' LIKE 'A%' AND 'a_c' LIKE 'a\\_c' ESCAPE '\\' AND 'b' LIKE '[a-c]' AND 'b' NOT LIKE '[^b]'", "1"),
            ("SELECT 1 WHERE 3 IN (1, 2, 3) AND 2 BETWEEN 1 AND 3 AND NOT (1 = 2) AND NULL IS NULL", "1"),
            ("SELECT CAST(1 AS binary(4)), CAST(0x0102 AS int), CAST('ab' AS binary(4))", "0x00000001 258 0x61620000"),
            ("SELECT CAST(12.345 AS money), CAST(1e0 AS float), CAST('1.5' AS decimal(5, 1))", "$123450 1 15e-1"),
            ("SELECT CAST(9999999999999999999999999999 AS decimal(38, 0)) + 1", "10000000000000000000000000000e-0"),
            ("SELECT nosuch(1)", "!195"),
            ("SELECT dbo.nosuch(1)", "!4121"),
            ("SELECT * FROM nowhere", "!208"),
            ("SELECT x", "!207"),
            ("SELECT @x", "!137"),
            ("SELECT 1 FROM", "!102"),
            ("MERGE INTO t USING u ON 1 = 1", "!40510"),
            ("EXEC sp_nosuch", "!2812"),
            (
                "SELECT HAS_PERMS_BY_NAME(N'dbo.none', 'OBJECT', 'SELECT'), DB_NAME(), SUSER_SNAME(), DB_ID('shop'), OBJECT_ID('dbo.none')",
                "NULL Shop sa 5 NULL",
            ),
            ("SELECT SERVERPROPERTY('EngineEdition'), @@SERVERNAME, @@TRANCOUNT", "3 LABSQL 0"),
        ],
    );
}

#[test]
fn tables_and_queries() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("CREATE SCHEMA sales", ""),
            (
                "CREATE TABLE sales.orders (id int IDENTITY(10, 5) NOT NULL CONSTRAINT pk_orders PRIMARY KEY CLUSTERED,
                   customer nvarchar(20) NOT NULL, amount decimal(20, 4) NULL, placed datetime2(3) NOT NULL DEFAULT SYSUTCDATETIME(),
                   note varchar(max) NULL, version rowversion)",
                "",
            ),
            ("INSERT INTO sales.orders (customer, amount) VALUES (N'Ann', 10.5), (N'bob', 2), (N'ANN', NULL)", ""),
            ("SELECT @@ROWCOUNT, @@IDENTITY", "3 20e-0"),
            ("SELECT id, customer, amount FROM sales.orders ORDER BY id", "10 Ann 105000e-4\n15 bob 20000e-4\n20 ANN NULL"),
            (
                "SELECT customer, COUNT(*) AS n, SUM(amount) FROM sales.orders GROUP BY customer ORDER BY n DESC",
                "Ann 2 105000e-4\nbob 1 20000e-4",
            ),
            (
                "SELECT TOP (1) o.id FROM sales.orders AS o WITH (NOLOCK) WHERE o.customer = 'ann' ORDER BY o.id DESC OPTION (RECOMPILE)",
                "20",
            ),
            ("SELECT id FROM sales.orders ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", "15"),
            ("SELECT DISTINCT customer FROM sales.orders ORDER BY customer", "Ann\nbob"),
            ("SELECT a.id, b.id FROM sales.orders a LEFT JOIN sales.orders b ON b.id = a.id + 5 ORDER BY 1", "10 15\n15 20\n20 NULL"),
            ("WITH c AS (SELECT id FROM sales.orders WHERE amount > 5) SELECT * FROM c UNION ALL SELECT 1.5 ORDER BY id", "15e-1\n100e-1"),
            (
                "SELECT v.n, v.s FROM (VALUES (1, 'a'), (2, N'b')) AS v(n, s) WHERE EXISTS (SELECT 1 FROM sales.orders o WHERE o.id > v.n * 9) ORDER BY n",
                "1 a\n2 b",
            ),
            (
                "SELECT ROW_NUMBER() OVER (PARTITION BY customer ORDER BY id DESC) AS r, id FROM sales.orders ORDER BY id",
                "2 10\n1 15\n1 20",
            ),
            ("SELECT o.id, x.twice FROM sales.orders o CROSS APPLY (SELECT o.id * 2 AS twice) x WHERE o.id = 10", "10 20"),
            (
                "UPDATE sales.orders SET amount = amount * 2 WHERE customer = 'bob'; SELECT amount FROM sales.orders WHERE id = 15",
                "40000e-4",
            ),
            (
                "UPDATE o SET note = c.n FROM sales.orders o JOIN (SELECT 10 AS id, 'joined' AS n) c ON c.id = o.id; SELECT note FROM sales.orders WHERE id = 10",
                "joined",
            ),
            ("DELETE FROM sales.orders WHERE amount IS NULL; SELECT COUNT(*) FROM sales.orders", "2"),
            ("INSERT sales.orders (customer) VALUES (NULL)", "!515"),
            ("INSERT sales.orders (customer) VALUES (REPLICATE('x', 21))", "!2628"),
            ("INSERT sales.orders (id, customer) VALUES (1, 'c')", "!544"),
            ("SET IDENTITY_INSERT sales.orders ON; INSERT sales.orders (id, customer) VALUES (15, 'c')", "!2627"),
            ("SET IDENTITY_INSERT sales.orders OFF; INSERT sales.orders (nope) VALUES (1)", "!207"),
            ("INSERT sales.orders (customer, amount) VALUES ('d')", "!109"),
            (
                "SELECT DATALENGTH(version), IIF(MIN(version) < MAX(version), 'grows', 'same') FROM sales.orders GROUP BY DATALENGTH(version)",
                "8 grows",
            ),
            ("ALTER TABLE sales.orders ADD extra int NOT NULL DEFAULT 7; SELECT TOP 1 extra FROM sales.orders", "7"),
            (
                "ALTER TABLE sales.orders DROP COLUMN note; ALTER TABLE sales.orders ADD note int; SELECT column_id FROM sys.columns WHERE object_id = OBJECT_ID('sales.orders') AND name = 'note'",
                "8",
            ),
            ("ALTER TABLE sales.orders ALTER COLUMN amount decimal(10, 1) NULL; SELECT amount FROM sales.orders WHERE id = 10", "105e-1"),
            ("ALTER TABLE sales.orders ALTER COLUMN customer nvarchar(2) NOT NULL", "!2628"),
            ("CREATE UNIQUE INDEX ix ON sales.orders (customer); INSERT sales.orders (customer) VALUES ('BOB')", "!2601"),
            (
                "SELECT name, type_desc, is_unique FROM sys.indexes WHERE object_id = OBJECT_ID('sales.orders') ORDER BY index_id",
                "pk_orders CLUSTERED 1\nix NONCLUSTERED 1",
            ),
            (
                "SELECT COLUMN_NAME, DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 'orders' AND ORDINAL_POSITION < 3",
                "id int\ncustomer nvarchar",
            ),
            ("TRUNCATE TABLE sales.orders; SELECT COUNT(*) FROM sales.orders", "0"),
            ("DROP TABLE sales.orders; DROP TABLE IF EXISTS sales.orders; SELECT OBJECT_ID('sales.orders')", "NULL"),
            ("SELECT name FROM sys.databases WHERE database_id = DB_ID()", "Shop"),
            ("SELECT name FROM master.sys.databases ORDER BY database_id", "master\nShop"),
            ("SELECT encrypt_option FROM sys.dm_exec_connections WHERE session_id = @@SPID", "TRUE"),
            ("SELECT TYPE_NAME(231), t.name FROM sys.types t WHERE t.user_type_id = 256", "nvarchar sysname"),
        ],
    );
}

#[test]
fn every_type_is_kept_exactly() {
    let lab = Lab::new();
    let mut s = lab.session();
    let types = [
        "bit",
        "tinyint",
        "smallint",
        "int",
        "bigint",
        "decimal(18,3)",
        "decimal(38,10)",
        "money",
        "smallmoney",
        "real",
        "float",
        "char(4)",
        "varchar(10)",
        "varchar(max)",
        "nchar(4)",
        "nvarchar(10)",
        "nvarchar(max)",
        "binary(4)",
        "varbinary(8)",
        "varbinary(max)",
        "date",
        "time(7)",
        "datetime",
        "smalldatetime",
        "datetime2(7)",
        "datetimeoffset(7)",
        "uniqueidentifier",
    ];
    let list: Vec<String> = types.iter().enumerate().map(|(i, t)| format!("c{i} {t} NULL")).collect();
    assert_eq!(shown(&mut s, &format!("CREATE TABLE dbo.everything (id int PRIMARY KEY, {})", list.join(", "))), "");
    let lone = Datum::Text(vec![0x41, 0xD800, 0, 0x20]);
    let text = |t: &str| Datum::Text(t.encode_utf16().collect());
    let values = [
        (DataType::Bit, Datum::Bit(true)),
        (DataType::TinyInt, Datum::Int(255)),
        (DataType::SmallInt, Datum::Int(-32_768)),
        (DataType::Int, Datum::Int(i32::MIN.into())),
        (DataType::BigInt, Datum::Int(i64::MIN)),
        (DataType::Decimal { precision: 18, scale: 3 }, Datum::Decimal { unscaled: -999_999_999_999_999_999, scale: 3 }),
        (DataType::Decimal { precision: 38, scale: 10 }, Datum::Decimal { unscaled: 10_i128.pow(38) - 1, scale: 10 }),
        (DataType::Money, Datum::Money(i64::MAX)),
        (DataType::SmallMoney, Datum::Money(i32::MIN.into())),
        (DataType::Real, Datum::Real(1.1)),
        (DataType::Float, Datum::Float(1e300)),
        (DataType::Char(4), text("ab  ")),
        (DataType::VarChar(Some(10)), text("é€ ")),
        (DataType::VarChar(None), text("")),
        (DataType::NChar(4), text("日本  ")),
        (DataType::NVarChar(Some(10)), lone),
        (DataType::NVarChar(None), text("𝄞")),
        (DataType::Binary(4), Datum::Bytes(vec![0, 1, 0, 0])),
        (DataType::VarBinary(Some(8)), Datum::Bytes(vec![])),
        (DataType::VarBinary(None), Datum::Bytes(vec![0; 3])),
        (DataType::Date, Datum::Date(0)),
        (DataType::Time(7), Datum::Time(863_999_999_999)),
        (DataType::DateTime, Datum::DateTime { days: -53_690, ticks: 1 }),
        (DataType::SmallDateTime, Datum::SmallDateTime { days: 65_535, minutes: 1439 }),
        (DataType::DateTime2(7), Datum::DateTime2 { days: 3_652_058, ticks: 863_999_999_999 }),
        (DataType::DateTimeOffset(7), Datum::DateTimeOffset { days: 5, ticks: 1, offset: -720 }),
        (DataType::UniqueIdentifier, Datum::Guid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16])),
    ];
    let parameters: Vec<Parameter> = values
        .iter()
        .enumerate()
        .map(|(i, (t, v))| Parameter { name: format!("@p{i}"), data_type: t.clone(), value: v.clone(), output: false })
        .collect();
    let declared: Vec<String> = types.iter().enumerate().map(|(i, t)| format!("@p{i} {t}")).collect();
    let names: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
    let mut sink = Collected::default();
    let sql = format!("INSERT INTO dbo.everything VALUES (1, {}); INSERT INTO dbo.everything (id) VALUES (2)", names.join(", "));
    s.execute_sql(&sql, &declared.join(", "), &parameters, &mut sink).unwrap();
    assert_eq!(sink.messages, vec![]);
    let sink = run(&mut s, "SELECT * FROM dbo.everything ORDER BY id");
    for (i, (data_type, value)) in values.iter().enumerate() {
        assert_eq!(&sink.columns[0][i + 1].data_type, data_type);
        assert_eq!(&sink.rows[0][i + 1], value, "{data_type:?}");
        assert_eq!(sink.rows[1][i + 1], Datum::Null);
        // Each value is found again by itself.
        let mut found = Collected::default();
        let sql = format!("SELECT id FROM dbo.everything WHERE c{i} = @p{i}");
        s.execute_sql(&sql, &declared[i], &parameters[i..=i], &mut found).unwrap();
        assert_eq!(found.rows, vec![vec![Datum::Int(1)]], "{data_type:?} {:?}", found.messages);
    }
}

#[test]
fn transactions() {
    let lab = Lab::new();
    let (mut a, mut b) = (lab.session(), lab.session());
    expect(&mut a, &[("CREATE TABLE t (id int PRIMARY KEY, v int); INSERT t VALUES (1, 1)", "")]);
    expect(
        &mut a,
        &[
            ("BEGIN TRAN; UPDATE t SET v = 2; SELECT @@TRANCOUNT, v FROM t", "1 2"),
            ("SAVE TRAN s; UPDATE t SET v = 3; ROLLBACK TRAN s; SELECT v FROM t", "2"),
        ],
    );
    expect(&mut b, &[("SELECT v FROM t", "1"), ("SET LOCK_TIMEOUT 10; UPDATE t SET v = 9", "!1222")]);
    expect(&mut a, &[("ROLLBACK; SELECT v, @@TRANCOUNT FROM t", "1 0"), ("COMMIT", "!3902"), ("ROLLBACK", "!3903")]);
    expect(&mut a, &[("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; SELECT v FROM t", "!3952")]);
    expect(
        &mut a,
        &[
            ("SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ALTER DATABASE shop SET ALLOW_SNAPSHOT_ISOLATION ON", ""),
            ("SELECT snapshot_isolation_state FROM sys.databases WHERE name = 'shop'", "1"),
            ("SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN", ""),
        ],
    );
    // BEGIN alone pins nothing; the first read does.
    expect(&mut b, &[("UPDATE t SET v = 5", "")]);
    expect(&mut a, &[("SELECT v FROM t", "5")]);
    expect(&mut b, &[("UPDATE t SET v = 6", "")]);
    expect(&mut a, &[("SELECT v FROM t", "5"), ("UPDATE t SET v = 7", "!3960"), ("SELECT v, @@TRANCOUNT FROM t", "6 0")]);
    expect(
        &mut b,
        &[
            ("SET XACT_ABORT ON; BEGIN TRAN; INSERT t VALUES (2, 2); INSERT t VALUES (2, 2); SELECT 'not reached'", "!2627"),
            ("SELECT COUNT(*), @@TRANCOUNT FROM t", "1 0"),
            ("SET XACT_ABORT OFF; INSERT t VALUES (1, 1); SELECT 'goes on'", "goes on\n!2627"),
            ("BEGIN TRY INSERT t VALUES (1, 1); SELECT 'no' END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH", "2627"),
            ("BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH THROW END CATCH", "!8134"),
            ("INSERT t VALUES (3, 3), (1, 1); SELECT COUNT(*) FROM t", "1\n!2627"),
        ],
    );
}

#[test]
fn key_updates_work_as_a_set() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            ("CREATE TABLE t (id int PRIMARY KEY, name nvarchar(5)); INSERT t VALUES (1, 'a'), (2, 'b'), (3, 'c')", ""),
            ("UPDATE t SET id = id + 1; SELECT id, name FROM t ORDER BY id", "2 a\n3 b\n4 c"),
            ("UPDATE t SET id = CASE id WHEN 2 THEN 3 WHEN 3 THEN 2 ELSE id END; SELECT id, name FROM t ORDER BY id", "2 b\n3 a\n4 c"),
            ("UPDATE t SET id = 4 WHERE id = 2; SELECT id, name FROM t ORDER BY id", "2 b\n3 a\n4 c\n!2627"),
            ("CREATE TABLE n (id int NOT NULL PRIMARY KEY NONCLUSTERED, v int); INSERT n VALUES (1, 1), (2, 2)", ""),
            ("UPDATE n SET id = 3 - id; SELECT id, v FROM n ORDER BY id", "1 2\n2 1"),
        ],
    );
}

#[test]
fn batches_variables_and_control() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[
            (
                "DECLARE @i int = 0, @s nvarchar(20) = N'' WHILE @i < 5 BEGIN SET @i += 1 IF @i = 2 CONTINUE IF @i = 4 BREAK SET @s = @s + CAST(@i AS nvarchar(3)) END SELECT @s",
                "13",
            ),
            ("DECLARE @n int SELECT @n = COUNT(*) FROM sys.schemas WHERE name = 'dbo' IF @n = 1 SELECT 'one' ELSE SELECT 'other'", "one"),
            ("DECLARE @sql nvarchar(100) = N'SELECT @a + 1', @r int EXEC sp_executesql @sql, N'@a int', @a = 4", "5"),
            (
                "DECLARE @r int EXEC sp_executesql N'SET @o = @a * 2', N'@a decimal(10,2), @o int OUTPUT', @a = 21, @o = @r OUTPUT SELECT @r",
                "42",
            ),
            ("EXEC ('SELECT 3')", "3"),
            ("RAISERROR('bad %s %d', 16, 1, 'thing', 7)", "!50000"),
            ("THROW 50001, 'x', 1; SELECT 1", "!50001"),
            ("SELECT 1 SELECT 2; SELECT 3 RETURN SELECT 4", "1\n2\n3"),
            ("USE master SELECT DB_NAME() USE shop", "master"),
            ("USE nowhere", "!911"),
            ("SET FMTONLY ON", "!195"),
            ("SET IMPLICIT_TRANSACTIONS OFF; SET DATEFORMAT ymd; SET LOCK_TIMEOUT 10000; SELECT @@LOCK_TIMEOUT", "10000"),
            ("EXEC sp_executesql N'SET LOCK_TIMEOUT 5; SELECT @@LOCK_TIMEOUT'; SELECT @@LOCK_TIMEOUT", "5\n10000"),
            ("SET NOCOUNT ON; SET ANSI_NULLS, QUOTED_IDENTIFIER ON; SET DEADLOCK_PRIORITY LOW; SET TEXTSIZE 2147483647", ""),
        ],
    );
    let printed = run(&mut s, "PRINT 'hello ' + 'there'");
    assert_eq!((printed.messages[0].number, printed.messages[0].text.as_str()), (0, "hello there"));
    assert_eq!(run(&mut s, "SET NOCOUNT ON SELECT 1 SET NOCOUNT OFF SELECT 1").counts, [None, None, None, Some(1)]);
}

#[test]
fn parameters_compare_as_bytes() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[(
            "CREATE TABLE l (lsn binary(10) NOT NULL, n int); INSERT l VALUES (0x00000000000000000001, 1), (0x000000000000000000FF, 2)",
            "",
        )],
    );
    let mut sink = Collected::default();
    let lsn = Datum::Bytes(vec![0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let parameter = Parameter { name: "@from".into(), data_type: DataType::VarBinary(Some(8000)), value: lsn, output: false };
    let top = Parameter { name: "@n".into(), data_type: DataType::Int, value: Datum::Int(5), output: false };
    s.execute_sql("SELECT TOP (@n) n FROM l WHERE lsn > @from ORDER BY lsn", "@from binary(10), @n int", &[parameter, top], &mut sink)
        .unwrap();
    assert_eq!(sink.rows, vec![vec![Datum::Int(2)]]);
}

#[test]
fn many_rows_stream() {
    let lab = Lab::new();
    let mut s = lab.session();
    expect(
        &mut s,
        &[("CREATE TABLE big (id int IDENTITY(1, 1) PRIMARY KEY, name nvarchar(20), amount decimal(12, 2), at datetime2(3))", "")],
    );
    let row = "(N'some name', 12.34, '2024-05-06 07:08:09.123')";
    let insert = format!("INSERT big (name, amount, at) VALUES {}", vec![row; 1000].join(", "));
    for _ in 0..5 {
        assert_eq!(run(&mut s, &insert).counts, [Some(1000)]);
    }
    expect(
        &mut s,
        &[("INSERT big (name, amount, at) SELECT a.name, a.amount, a.at FROM big a JOIN (VALUES (1), (2), (3)) v(n) ON 1 = 1", "")],
    );
    let sink = run(&mut s, "SELECT * FROM big");
    assert_eq!((sink.rows.len(), sink.counts.as_slice()), (20_000, &[Some(20_000)][..]));
    assert_eq!(sink.rows[19_999][0], Datum::Int(20_000));
}
