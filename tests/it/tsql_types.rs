//! xml, sql_variant, the CLR types and the old large types in the lab's T-SQL: what they take, what
//! they show, and what they refuse.

use crate::support::tsql::{Lab, expect};

#[test]
fn clr_types_have_their_methods() {
    let lab = Lab::new();
    let mut session = lab.session();
    expect(
        &mut session,
        &[
            ("CREATE TABLE dbo.t (id int PRIMARY KEY, h hierarchyid, g geography, m geometry)", ""),
            (
                "INSERT INTO dbo.t VALUES (1, hierarchyid::Parse('/1/2/'), geography::Point(47.5, -122.25, 4326), geometry::STGeomFromText('POINT(1 2 3)', 0))",
                "",
            ),
            ("INSERT INTO dbo.t VALUES (2, '/3.1/', 'POINT(1 2)', NULL), (3, 0x58, NULL, NULL)", ""),
            (
                "SELECT h.ToString(), g.STAsText(), t.[m].STAsText(), m.ToString() FROM dbo.t AS t WHERE id = 1",
                "/1/2/ POINT (-122.25 47.5) POINT (1 2) POINT (1 2 3)",
            ),
            ("SELECT h.ToString(), m.STAsText() FROM dbo.t ORDER BY h", "/1/ NULL\n/1/2/ POINT (1 2)\n/3.1/ NULL"),
            ("SELECT id FROM dbo.t WHERE h = '/1/2/'", "1"),
            ("SELECT CAST(h AS nvarchar(4000)), CAST(h AS varbinary(892)) FROM dbo.t WHERE id = 3", "/1/ 0x58"),
            ("SELECT h.GetLevel() FROM dbo.t", "!6506"),
            ("SELECT h.tostring() FROM dbo.t", "!6506"),
            ("SELECT hierarchyid::Nothing('/')", "!6506"),
            ("INSERT INTO dbo.t (id, h) VALUES (9, 'no path')", "!6522"),
            ("SELECT geography::Point(91, 0, 4326)", "!6522"),
            ("SELECT id FROM dbo.t WHERE g = g", "!402"),
            (
                "SELECT name, system_type_id, user_type_id FROM sys.types WHERE system_type_id = 240 ORDER BY user_type_id",
                "hierarchyid 240 128\ngeometry 240 129\ngeography 240 130",
            ),
            (
                "SELECT max_length, user_type_id FROM sys.columns WHERE object_id = OBJECT_ID('dbo.t') AND column_id > 1 ORDER BY column_id",
                "892 128\n-1 130\n-1 129",
            ),
        ],
    );
}

#[test]
fn variants_keep_their_base_type_and_xml_is_checked() {
    let lab = Lab::new();
    let mut session = lab.session();
    expect(
        &mut session,
        &[
            ("CREATE TABLE dbo.v (id int PRIMARY KEY, v sql_variant, x xml)", ""),
            (
                "INSERT INTO dbo.v VALUES (1, 7, N'<?xml version=\"1.0\"?><a/>'), (2, N'seven', N'plain'), (3, $1.5, NULL), (4, NULL, N'<a><b/></a>')",
                "",
            ),
            (
                "SELECT CAST(v AS nvarchar(4000)), CAST(x AS nvarchar(max)) FROM dbo.v ORDER BY id",
                "7 <a/>\nseven plain\n1.50 NULL\nNULL <a><b/></a>",
            ),
            ("SELECT CAST(v AS int) + 1 FROM dbo.v WHERE id = 1", "8"),
            ("SELECT CAST(v AS int) FROM dbo.v WHERE id = 2", "!245"),
            ("INSERT INTO dbo.v (id, v) VALUES (9, CAST('x' AS varchar(max)))", "!206"),
            ("INSERT INTO dbo.v (id, x) VALUES (9, N'<a></b>')", "!9436"),
            ("INSERT INTO dbo.v (id, x) VALUES (9, N'<a>')", "!9400"),
            ("SELECT id FROM dbo.v WHERE x = N'<a/>'", "!402"),
            ("SELECT id FROM dbo.v WHERE x IS NULL", "3"),
        ],
    );
}

#[test]
fn old_large_types_convert_and_are_no_keys() {
    let lab = Lab::new();
    let mut session = lab.session();
    expect(
        &mut session,
        &[
            ("CREATE TABLE dbo.o (id int PRIMARY KEY, t text, n ntext, i image)", ""),
            ("INSERT INTO dbo.o VALUES (1, 'plain', N'wide \u{20ac}', 0x00FF), (2, '', N'', 0x)", ""),
            (
                "SELECT t, n, i, DATALENGTH(n), CAST(t AS varchar(max)), CAST(i AS varbinary(max)) FROM dbo.o WHERE id = 1",
                "plain wide \u{20ac} 0x00ff 12 plain 0x00ff",
            ),
            ("SELECT id FROM dbo.o WHERE t LIKE 'pl%'", "1"),
            ("SELECT id FROM dbo.o WHERE t = 'plain'", "!402"),
            ("CREATE TABLE dbo.k (t text PRIMARY KEY)", "!1919"),
            ("CREATE INDEX i ON dbo.o (n)", "!1919"),
            ("SELECT max_length FROM sys.columns WHERE object_id = OBJECT_ID('dbo.o') AND name = 'i'", "16"),
        ],
    );
}
