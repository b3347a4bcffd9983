//! Security policies and masks of the lab's SQL Server: what they hide from whom, and what they do not.

use db_to_redshift::lab::sqlserver::cdc::Cdc;
use db_to_redshift::lab::sqlserver::session::Session;

use crate::support::lab_sql_server::set_policy;
use crate::support::tsql::{Lab, expect, shown};

/// The owner's session and that of a login `reader` with SELECT on the schema.
fn lab() -> (Lab, Box<dyn Session>, Box<dyn Session>) {
    let lab = Lab::new();
    let mut sa = lab.session();
    expect(
        &mut sa,
        &[
            ("CREATE LOGIN reader WITH PASSWORD = 'read it'; CREATE USER reader FOR LOGIN reader", ""),
            ("GRANT SELECT, UPDATE ON SCHEMA::dbo TO reader", ""),
        ],
    );
    let reader = lab.session_of("reader", "read it").unwrap();
    (lab, sa, reader)
}

/// `dbo.t`, of which everybody sees what is his own, and members of the role `carriers` see all.
const CONDITION: &str = "owner = USER_NAME() OR IS_ROLEMEMBER(N'carriers') = 1";

fn policy(lab: &Lab, enabled: bool) {
    set_policy(&lab.server, "shop", ("dbo", "t"), CONDITION, enabled);
}

fn owned(sa: &mut Box<dyn Session>) {
    expect(
        sa,
        &[
            ("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, owner sysname NOT NULL, n int NULL)", ""),
            ("INSERT dbo.t VALUES (1, N'reader', 10), (2, N'other', 20), (3, N'dbo', 30)", ""),
        ],
    );
}

#[test]
fn a_filter_hides_rows_from_everybody_in_silence() {
    let (lab, mut sa, mut reader) = lab();
    owned(&mut sa);
    policy(&lab, true);
    expect(
        &mut sa,
        &[
            ("SELECT id FROM dbo.t ORDER BY id", "3"),
            ("SELECT x.id FROM dbo.t AS x LEFT JOIN dbo.t AS y ON y.id = x.id WHERE y.n IS NOT NULL", "3"),
            ("SELECT COUNT(*) FROM (SELECT id FROM dbo.t) AS x", "1"),
            ("WITH c AS (SELECT * FROM dbo.t) SELECT id, owner, n FROM c", "3 dbo 30"),
            ("UPDATE dbo.t SET n = 0 WHERE id = 2; SELECT @@ROWCOUNT", "0"),
            ("DELETE dbo.t WHERE id < 3; SELECT @@ROWCOUNT", "0"),
            ("INSERT dbo.t VALUES (2, N'other', 0)", "!2627"),
            ("INSERT dbo.t VALUES (4, N'other', 40)", ""),
        ],
    );
    expect(&mut reader, &[("SELECT id, n FROM dbo.t", "1 10"), ("SELECT id FROM dbo.t WHERE id = 4", "")]);
    // The predicate may let a login pass.
    expect(&mut sa, &[("CREATE ROLE carriers; ALTER ROLE carriers ADD MEMBER reader", "")]);
    assert_eq!(shown(&mut reader, "SELECT COUNT(*) FROM dbo.t"), "4");
    expect(&mut sa, &[("DROP ROLE carriers", ""), ("SELECT COUNT(*) FROM dbo.t", "1")]);
    // What was filtered stood there all the while.
    policy(&lab, false);
    assert_eq!(shown(&mut sa, "SELECT COUNT(*), SUM(n) FROM dbo.t"), "4 100");
}

#[test]
fn policies_stand_in_the_catalogue_for_who_may_see_them() {
    let (lab, mut sa, mut reader) = lab();
    owned(&mut sa);
    policy(&lab, true);
    let listed = "SELECT s.name, p.name, p.is_enabled, f.predicate_type
        FROM sys.security_predicates AS f JOIN sys.security_policies AS p ON p.object_id = f.object_id
        JOIN sys.schemas AS s ON s.schema_id = p.schema_id WHERE f.target_object_id = OBJECT_ID(N'dbo.t')";
    expect(&mut sa, &[(listed, "rules a]b 1 0"), ("SELECT type_desc FROM sys.objects WHERE name = 'a]b'", "SECURITY_POLICY")]);
    assert_eq!(shown(&mut reader, listed), "");
    expect(&mut sa, &[("GRANT VIEW DEFINITION TO reader", "")]);
    assert_eq!(shown(&mut reader, listed), "rules a]b 1 0");
    expect(&mut sa, &[("REVOKE VIEW DEFINITION FROM reader; GRANT ALTER ANY SECURITY POLICY TO reader", "")]);
    policy(&lab, false);
    assert_eq!(shown(&mut reader, listed), "rules a]b 0 0");
    expect(&mut sa, &[("ALTER SECURITY POLICY rules.[a]]b] WITH (STATE = ON)", "!40510")]);
}

const MASKED: &str = "CREATE TABLE dbo.m (id int NOT NULL PRIMARY KEY, a nvarchar(20) NULL, b char(2) NULL, n decimal(9, 2) NULL,
    d date NULL, v varbinary(4) MASKED WITH (FUNCTION = 'default()') NULL, open_too nvarchar(9) NULL)";

fn masked(sa: &mut Box<dyn Session>) {
    let rows = "INSERT dbo.m VALUES (1, N'secret', 'ab', 9.5, '2020-01-02', 0x0102, N'plain'), (2, NULL, NULL, NULL, NULL, NULL, NULL)";
    expect(sa, &[(MASKED, ""), (rows, "")]);
    for column in ["a", "b", "n", "d"] {
        let mask = format!("ALTER TABLE dbo.m ALTER COLUMN {column} ADD MASKED WITH (FUNCTION = 'default()')");
        expect(sa, &[(mask.as_str(), "")]);
    }
}

#[test]
fn a_mask_stands_in_place_of_values_for_a_login_without_unmask() {
    let (_lab, mut sa, mut reader) = lab();
    masked(&mut sa);
    let all = "SELECT a, b, n, d, v, open_too FROM dbo.m ORDER BY id";
    let values = "secret ab 950e-2 Date(737425) 0x0102 plain\nNULL NULL NULL NULL NULL NULL";
    assert_eq!(shown(&mut sa, all), values, "an owner sees the values");
    expect(
        &mut reader,
        &[
            (all, "xxxx xx 0e-2 Date(693595) 0x30 plain\nNULL NULL NULL NULL NULL NULL"),
            ("SELECT m.* FROM dbo.m AS m WHERE id = 1", "1 xxxx xx 0e-2 Date(693595) 0x30 plain"),
            ("SELECT UPPER(a), LEN(a), CAST(n AS int), a + N'!' FROM dbo.m WHERE id = 1", "xxxx 0 0 xxxx"),
            // Conditions and joins see what stands there.
            ("SELECT COUNT(*) FROM dbo.m WHERE a = N'secret'", "1"),
            ("SELECT x.id FROM dbo.m AS x JOIN dbo.m AS y ON y.n = x.n", "1"),
            ("SELECT id FROM dbo.m WHERE id IN (SELECT id FROM dbo.m WHERE n > 9)", "1"),
            ("SELECT (SELECT TOP (1) a FROM dbo.m WHERE a IS NOT NULL)", "xxxx"),
            ("SELECT c.x FROM dbo.m AS m CROSS APPLY (SELECT m.a AS x) AS c WHERE m.id = 1", "xxxx"),
        ],
    );
    // At any level; what is said of a column counts most.
    let first = "SELECT a, n FROM dbo.m WHERE id = 1";
    for (grant, seen) in [
        ("GRANT UNMASK ON dbo.m (a) TO reader", "secret 0e-2"),
        ("GRANT UNMASK ON dbo.m TO reader", "secret 950e-2"),
        ("REVOKE UNMASK ON dbo.m FROM reader", "secret 0e-2"),
        ("REVOKE UNMASK ON dbo.m (a) FROM reader", "xxxx 0e-2"),
        ("GRANT UNMASK ON SCHEMA::dbo TO reader", "secret 950e-2"),
        ("REVOKE UNMASK ON SCHEMA::dbo FROM reader", "xxxx 0e-2"),
        ("GRANT UNMASK TO reader", "secret 950e-2"),
        ("DENY UNMASK ON dbo.m (n) TO reader", "secret 0e-2"),
    ] {
        expect(&mut sa, &[(grant, "")]);
        assert_eq!(shown(&mut reader, first), seen, "{grant}");
    }
    let has = "SELECT HAS_PERMS_BY_NAME(NULL, N'DATABASE', N'UNMASK'), HAS_PERMS_BY_NAME(N'dbo.m', N'OBJECT', N'UNMASK', N'n', N'COLUMN')";
    assert_eq!(shown(&mut reader, has), "1 0");
}

#[test]
fn masks_are_made_and_dropped_as_changes_of_the_schema() {
    let (_lab, mut sa, _) = lab();
    masked(&mut sa);
    let list = "SELECT m.name, m.masking_function FROM sys.masked_columns AS m
        WHERE m.object_id = OBJECT_ID(N'dbo.m') ORDER BY m.column_id";
    expect(
        &mut sa,
        &[
            (list, "a default()\nb default()\nn default()\nd default()\nv default()"),
            ("ALTER TABLE dbo.m ALTER COLUMN b DROP MASKED; ALTER TABLE dbo.m DROP COLUMN d", ""),
            // Another type takes the mask away.
            ("ALTER TABLE dbo.m ALTER COLUMN n decimal(10, 2) NULL", ""),
            (list, "a default()\nv default()"),
            ("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID(N'dbo.m') AND is_masked = 1 ORDER BY name", "a\nv"),
            ("ALTER TABLE dbo.m ALTER COLUMN b DROP MASKED", "!16007"),
            ("ALTER TABLE dbo.m ALTER COLUMN id ADD MASKED WITH (FUNCTION = 'default()')", "!4922"),
            ("ALTER TABLE dbo.m ALTER COLUMN none DROP MASKED", "!4924"),
            ("ALTER TABLE dbo.m ALTER COLUMN b ADD MASKED WITH (FUNCTION = 'email()')", "!40510"),
            ("ALTER TABLE dbo.m ADD x xml MASKED WITH (FUNCTION = 'default()') NULL", "!40510"),
            ("DROP TABLE dbo.m; SELECT COUNT(*) FROM sys.masked_columns", "0"),
        ],
    );
}

/// Capture reads the log: neither a policy nor a mask stands between it and the rows.
#[test]
fn change_tables_show_what_is_withheld() {
    let (lab, mut sa, mut reader) = lab();
    let cdc = Cdc::attach(&lab.server).unwrap();
    owned(&mut sa);
    expect(&mut sa, &[("EXEC sys.sp_cdc_enable_db", ""), ("EXEC sys.sp_cdc_enable_table N'dbo', N't', NULL", "")]);
    expect(&mut sa, &[("GRANT SELECT ON SCHEMA::cdc TO reader", "")]);
    policy(&lab, true);
    expect(&mut sa, &[("ALTER TABLE dbo.t ALTER COLUMN n ADD MASKED WITH (FUNCTION = 'default()')", "")]);
    expect(&mut sa, &[("INSERT dbo.t VALUES (5, N'other', 50)", "")]);
    cdc.capture_now("shop").unwrap();
    assert_eq!(shown(&mut reader, "SELECT id, owner, n FROM cdc.dbo_t_CT"), "5 other 50");
    assert_eq!(shown(&mut reader, "SELECT id, n FROM dbo.t"), "1 0");
    let noted = "SELECT required_column_update FROM cdc.ddl_history WHERE ddl_command LIKE N'%ADD MASKED%'";
    assert_eq!(shown(&mut sa, noted), "0");
}
