//! Logins, users, roles and permissions of the lab's SQL Server, and the gates of CDC.

use db_to_redshift::lab::sqlserver::cdc::Cdc;
use db_to_redshift::lab::sqlserver::session::Session;

use crate::support::tsql::{Lab, expect, run, shown};

/// A database with a tracked table behind the role `gate`, and the login `reader` with a user.
fn lab() -> (Lab, Box<dyn Session>, Box<dyn Session>) {
    let lab = Lab::new();
    let cdc = Cdc::attach(&lab.server).unwrap();
    let mut sa = lab.session();
    expect(
        &mut sa,
        &[
            ("EXEC sys.sp_cdc_enable_db", ""),
            ("CREATE TABLE dbo.t (id int NOT NULL PRIMARY KEY, name nvarchar(10) NULL)", ""),
            ("EXEC sys.sp_cdc_enable_table N'dbo', N't', N'gate', @supports_net_changes = 1", ""),
            ("INSERT dbo.t VALUES (1, N'a')", ""),
            ("CREATE LOGIN reader WITH PASSWORD = N'read it', CHECK_POLICY = OFF", ""),
            ("CREATE LOGIN reader WITH PASSWORD = 'again'", "!15025"),
        ],
    );
    cdc.capture_now("shop").unwrap();
    assert_eq!(lab.session_of("reader", "wrong").err().unwrap().number, 18456);
    assert_eq!(lab.session_of("reader", "read it").err().unwrap().number, 4060, "a login without a user");
    expect(&mut sa, &[("CREATE USER reader FOR LOGIN reader", ""), ("CREATE USER other FOR LOGIN nobody", "!15007")]);
    let reader = lab.session_of("reader", "read it").unwrap();
    (lab, sa, reader)
}

#[test]
fn a_login_may_do_what_it_was_granted() {
    let (_lab, mut sa, mut reader) = lab();
    expect(
        &mut reader,
        &[
            ("SELECT USER_NAME(), SUSER_SNAME(), IS_SRVROLEMEMBER('sysadmin'), IS_ROLEMEMBER('db_owner')", "reader reader 0 0"),
            ("SELECT id FROM dbo.t", "!229"),
            ("SELECT HAS_PERMS_BY_NAME(N'[dbo].[t]', 'OBJECT', 'SELECT')", "0"),
            ("SELECT name FROM sys.tables WHERE name = 't'", "t"),
            ("INSERT dbo.t VALUES (2, N'b')", "!229"),
            ("CREATE TABLE dbo.mine (id int)", "!262"),
            ("GRANT SELECT ON dbo.t TO reader", "!15247"),
            ("CREATE LOGIN more WITH PASSWORD = 'x'", "!15247"),
            ("SELECT COUNT(*) FROM sys.dm_cdc_errors", "!262"),
            ("SELECT j.retention FROM msdb.dbo.cdc_jobs AS j", "!916"),
        ],
    );
    expect(&mut sa, &[("GRANT SELECT, UPDATE ON OBJECT::dbo.t TO reader; GRANT VIEW DATABASE STATE TO reader", "")]);
    expect(
        &mut reader,
        &[
            ("SELECT id FROM dbo.t", "1"),
            ("UPDATE dbo.t SET name = N'c' WHERE id = 1; SELECT name FROM dbo.t", "c"),
            ("DELETE dbo.t", "!229"),
            ("SELECT COUNT(*) FROM sys.dm_cdc_errors", "0"),
            ("SELECT HAS_PERMS_BY_NAME(N'[dbo].[t]', 'OBJECT', 'SELECT'), HAS_PERMS_BY_NAME(N'dbo.none', 'OBJECT', 'SELECT')", "1 NULL"),
        ],
    );
    // DENY counts before every GRANT, a REVOKE takes either away.
    expect(&mut sa, &[("CREATE ROLE readers; ALTER ROLE readers ADD MEMBER reader; DENY SELECT ON SCHEMA::dbo TO readers", "")]);
    assert_eq!(shown(&mut reader, "SELECT id FROM dbo.t"), "!229");
    expect(&mut sa, &[("REVOKE SELECT ON SCHEMA::dbo FROM readers; REVOKE SELECT ON dbo.t FROM reader", "")]);
    assert_eq!(shown(&mut reader, "SELECT id FROM dbo.t"), "!229");
    expect(&mut sa, &[("ALTER ROLE db_datareader ADD MEMBER readers", "")]);
    assert_eq!(shown(&mut reader, "SELECT id FROM dbo.t"), "1", "through a role of a role");
    expect(&mut sa, &[("ALTER ROLE none ADD MEMBER reader", "!15151"), ("GRANT SELECT TO nobody", "!15151")]);
}

#[test]
fn columns_are_granted_and_denied_one_by_one() {
    let (_lab, mut sa, mut reader) = lab();
    expect(&mut sa, &[("GRANT SELECT ON OBJECT::dbo.t (id) TO reader", ""), ("GRANT SELECT (id) ON SCHEMA::dbo TO reader", "!1020")]);
    let has =
        "SELECT HAS_PERMS_BY_NAME(N'dbo.t', N'OBJECT', N'SELECT'), HAS_PERMS_BY_NAME(N'dbo.t', N'OBJECT', N'SELECT', N'id', N'COLUMN'),
        HAS_PERMS_BY_NAME(N'dbo.t', N'OBJECT', N'SELECT', N'name', N'COLUMN')";
    expect(
        &mut reader,
        &[
            (has, "0 1 0"),
            ("SELECT id FROM dbo.t", "1"),
            ("SELECT * FROM dbo.t", "!230"),
            ("SELECT x.* FROM dbo.t AS x", "!230"),
            ("SELECT id FROM dbo.t WHERE name = N'a'", "!230"),
            ("SELECT x.id FROM dbo.t AS x ORDER BY x.name", "!230"),
        ],
    );
    let told = run(&mut reader, "SELECT name FROM dbo.t").messages.remove(0);
    assert_eq!(told.text, "The SELECT permission was denied on the column 'name' of the object 't', database 'Shop', schema 'dbo'.");
    // The gate of CDC wants every captured column.
    expect(&mut sa, &[("ALTER ROLE gate ADD MEMBER reader", "")]);
    let min = "SELECT sys.fn_cdc_get_min_lsn(N'dbo_t')";
    assert_eq!(shown(&mut reader, min), "0x00000000000000000000");
    expect(&mut sa, &[("GRANT SELECT (name) ON dbo.t TO reader", "")]);
    assert_ne!(shown(&mut reader, min), "0x00000000000000000000");
    expect(&mut reader, &[(has, "0 1 1"), ("SELECT * FROM dbo.t", "1 a")]);
    // A GRANT on a column is worth more than a DENY on its table, a DENY on the column most.
    expect(&mut sa, &[("DENY SELECT ON dbo.t TO reader", "")]);
    assert_eq!(shown(&mut reader, "SELECT id, name FROM dbo.t"), "1 a");
    expect(&mut sa, &[("CREATE ROLE some; ALTER ROLE some ADD MEMBER reader; DENY SELECT ON dbo.t (name) TO some", "")]);
    expect(&mut reader, &[("SELECT id FROM dbo.t", "1"), ("SELECT name FROM dbo.t", "!230")]);
    expect(&mut sa, &[("REVOKE SELECT ON dbo.t FROM reader; REVOKE SELECT ON dbo.t (id, name) FROM reader", "")]);
    expect(&mut reader, &[("SELECT id FROM dbo.t", "!229")]);
    // On an open table a column is closed alone.
    expect(&mut sa, &[("GRANT SELECT ON dbo.t TO reader", "")]);
    expect(&mut reader, &[("SELECT id FROM dbo.t", "1"), ("SELECT name FROM dbo.t", "!230"), ("SELECT COUNT(*) FROM dbo.t", "1")]);
}

#[test]
fn the_gate_of_an_instance_wants_the_role_and_the_source_table() {
    let (_lab, mut sa, mut reader) = lab();
    let zero = "0x00000000000000000000";
    let min = "SELECT sys.fn_cdc_get_min_lsn(N'dbo_t')";
    let range = "DECLARE @from binary(10) = (SELECT MAX(start_lsn) FROM cdc.lsn_time_mapping), @to binary(10) = sys.fn_cdc_get_max_lsn();";
    let all = format!("{range} SELECT id FROM cdc.fn_cdc_get_all_changes_dbo_t(@from, @to, N'all')");
    let net = format!("{range} SELECT id FROM cdc.fn_cdc_get_net_changes_dbo_t(@from, @to, N'all')");
    expect(&mut sa, &[("GRANT SELECT ON cdc.lsn_time_mapping TO reader; GRANT SELECT ON dbo.t TO reader", "")]);
    let closed = [(min, zero), (all.as_str(), "!229"), (net.as_str(), "!208"), ("EXEC sys.sp_cdc_get_captured_columns N'dbo_t'", "!22981")];
    expect(&mut reader, &closed);
    expect(&mut sa, &[("ALTER ROLE gate ADD MEMBER reader", "")]);
    assert_ne!(shown(&mut reader, min), zero);
    expect(&mut reader, &[(all.as_str(), "1"), (net.as_str(), "1"), ("SELECT id FROM cdc.dbo_t_CT", "!229")]);
    // The role alone does not do either.
    expect(&mut sa, &[("REVOKE SELECT ON dbo.t FROM reader", "")]);
    expect(&mut reader, &closed);
    assert_ne!(shown(&mut sa, min), zero, "an administrator passes every gate");
}

#[test]
fn procedures_of_cdc_want_an_owner_or_an_administrator() {
    let (_lab, mut sa, mut reader) = lab();
    expect(
        &mut reader,
        &[
            ("EXEC sys.sp_cdc_enable_db", "!22902"),
            ("EXEC sys.sp_cdc_disable_table N'dbo', N't', N'all'", "!22904"),
            ("EXEC sys.sp_cdc_help_jobs", "!22904"),
            ("EXEC sys.sp_cdc_cleanup_change_table N'dbo_t', NULL", "!22904"),
            ("EXEC sys.sp_cdc_help_change_data_capture", ""),
        ],
    );
    expect(&mut sa, &[("ALTER ROLE db_owner ADD MEMBER reader", "")]);
    expect(
        &mut reader,
        &[
            ("EXEC sys.sp_cdc_enable_db", "!22902"),
            ("CREATE TABLE dbo.u (id int NOT NULL PRIMARY KEY); EXEC sys.sp_cdc_enable_table N'dbo', N'u', NULL", ""),
            ("SELECT capture_instance FROM cdc.change_tables ORDER BY capture_instance", "dbo_t\ndbo_u"),
        ],
    );
    expect(&mut sa, &[("ALTER SERVER ROLE sysadmin ADD MEMBER reader", "")]);
    expect(&mut reader, &[("SELECT IS_SRVROLEMEMBER('sysadmin')", "1"), ("SELECT USER_NAME()", "dbo"), ("EXEC sys.sp_cdc_disable_db", "")]);
}
