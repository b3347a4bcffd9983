//! Every load error code that the client knows, end to end: a change file with a wrong field, the
//! fault of `load`, what `load-errors` shows, nothing half applied, the repair, the retry.

use std::collections::BTreeSet;
use std::io::Read as _;

use bytes::Bytes;
use db_to_redshift::lab::redshift::Action;
use db_to_redshift::lab::s3::{Effect, Rule};
use db_to_redshift::model::fault::rs;
use db_to_redshift::model::{TableName, TargetState};
use db_to_redshift::target::Target;
use db_to_redshift::target::redshift::load_error_meaning;
use serde_json::Value;

use crate::faults::commands;
use crate::support::lab;
use crate::support::pipeline::Pipeline;

/// One code.
struct Case {
    code: &'static str,
    wrong: Wrong,
    told: Told,
    repair: Repair,
}

/// What is wrong with the second row of the change file, or with what surrounds it.
enum Wrong {
    /// A column with these bytes, as they stand in the file.
    Field(&'static str, &'static [u8]),
    /// The whole line.
    Line(fn(&str) -> String),
    /// No field of a CSV file leads to it, as far as the documentation tells: the lab says it of
    /// this column.
    Planned(&'static str),
    /// The lab says it of the statement.
    PlannedStatement(&'static str),
    NoFile,
    ManifestDenied,
}

/// What the fault and `load-errors` tell.
enum Told {
    /// Column, its type and length as the views show them, the refused field (of a planned code it
    /// is the round's number).
    Column(&'static str, &'static str, &'static str, &'static str),
    /// File and line only.
    Line,
    /// No value was refused: the files could not be read. The views hold nothing, so the fault
    /// itself tells the code, and names a part file that is gone.
    Source,
}

/// What the operator does before the retry.
enum Repair {
    /// The file is as it was.
    Restore,
    /// The command of the fault, which widens the column; the file stays.
    Widen,
    /// Another snapshot.
    NewEpoch,
    /// Nothing: the cause went away.
    Nothing,
}

use Repair::{NewEpoch, Nothing, Restore, Widen};
use Told::{Column, Line, Source};
use Wrong::{Field, ManifestDenied, NoFile, Planned, PlannedStatement};

/// Seventy bytes: ten more than `nvarchar(20)` may need.
const WIDE: &[u8] = "\"ääääääääääääääääääääääääääääääääää4\"".as_bytes();
const WIDE_RAW: &str = "ääääääääääääääääääääääääääääääääää4";

fn cases() -> Vec<Case> {
    let case = |code, wrong, told, repair| Case { code, wrong, told, repair };
    let planned = |code| case(code, Planned("n"), Column("n", "Short", "", ""), Nothing);
    vec![
        planned("1200"),
        planned("1201"),
        case("1202", Wrong::Line(|line| format!("{line},4711")), Line, Restore),
        case("1203", Wrong::Line(|line| line.rsplit_once(',').unwrap().0.to_owned()), Line, Restore),
        case("1204", Field("name", WIDE), Column("name", "varchar", "60", WIDE_RAW), Widen),
        case("1204", Field("price", b"123456789.5"), Column("price", "numeric", "10, 2", "123456789.5"), Restore),
        case("1204", Field("raw", b"0102030405"), Column("raw", "varbyte", "4", "0102030405"), Restore),
        case("1205", Field("day", b"4711-02-30"), Column("day", "date", "", "4711-02-30"), Restore),
        case("1206", Field("at", b"4711-02-28 25:00:00"), Column("at", "timestamp", "", "4711-02-28 25:00:00"), Restore),
        case("1207", Field("n", b"4711x"), Column("n", "Short", "", "4711x"), Restore),
        case("1208", Field("ratio", b"47.1.1"), Column("ratio", "float8", "", "47.1.1"), Restore),
        case("1209", Field("price", b"47e11"), Column("price", "numeric", "10, 2", "47e11"), Restore),
        case("1210", Field("flag", b"4711"), Column("flag", "bool", "", "4711"), Restore),
        case("1211", Wrong::Line(|_| String::new()), Line, Restore),
        case("1212", NoFile, Source, NewEpoch),
        case("1213", Field("id", b""), Column("id", "Integer", "", ""), Restore),
        planned("1214"),
        case("1215", Field("tag", b"\"caf\xc3\xa94711\""), Column("tag", "char", "36", "caf\u{e9}4711"), Restore),
        case("1216", Field("name", b"\"47\"11"), Line, Restore),
        planned("1217"),
        case("1218", Field("name", b"\"47\x0011\""), Column("name", "varchar", "*", "47\u{fffd}11"), Restore),
        case("1219", Field("name", b"\"47\xff11\""), Column("name", "varchar", "*", "47\u{fffd}11"), Restore),
        case("1220", Field("name", b"\"47\xed\xa0\x80\""), Column("name", "varchar", "*", "47\u{fffd}\u{fffd}\u{fffd}"), Restore),
        planned("1221"),
        case("1222", Field("n", b"47114711"), Column("n", "Short", "", "47114711"), Restore),
        case("1223", Field("raw", b"4711a"), Column("raw", "varbyte", "4", "4711a"), Restore),
        case("1224", Field("doc", b"\"{4711\""), Column("doc", "super", "", "{4711"), Restore),
        case("8001", ManifestDenied, Source, Nothing),
        case("9005", PlannedStatement("9005 Invalid endkey"), Source, Nothing),
    ]
}

/// The columns of the table behind those that every change file begins with.
const COLUMNS: [&str; 12] = ["id", "n", "price", "ratio", "flag", "day", "at", "name", "tag", "raw", "doc", "filler"];

const TABLE: &str = "CREATE TABLE dbo.Codes (id int NOT NULL PRIMARY KEY, n smallint NOT NULL, price decimal(10,2) NOT NULL,
    ratio float NOT NULL, flag bit NOT NULL, day date NOT NULL, at datetime2(3) NOT NULL, name nvarchar(20) NOT NULL,
    tag uniqueidentifier NOT NULL, raw varbinary(4) NOT NULL, doc nvarchar(max) NULL, filler nvarchar(400) NOT NULL)";

const BUCKET: &str = "lab-changes";

#[test]
fn every_code_of_the_client_has_a_case() {
    let known: BTreeSet<String> = (0..10_000).map(|code| code.to_string()).filter(|code| load_error_meaning(code).is_some()).collect();
    let here: BTreeSet<String> = cases().iter().map(|case| case.code.to_owned()).collect();
    assert_eq!(known, here, "every code that the client explains needs a case, and every case an explanation");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_load_error_is_told_repaired_and_loaded() {
    let mut stage = Stage::start().await;
    let mut wrong = Vec::new();
    for case in cases() {
        println!("code {}", case.code);
        if let Err(why) = stage.play(&case).await {
            wrong.push(format!("{}: {why}", case.code));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Stage {
    pipeline: Pipeline,
    table: TableName,
    round: u32,
}

/// What a load must not touch when it fails.
#[derive(PartialEq, Debug)]
struct Standing {
    rows: Vec<String>,
    state: TargetState,
}

macro_rules! expect {
    ($good:expr, $($told:tt)+) => {
        if !$good {
            return Err(format!($($told)+));
        }
    };
}

impl Stage {
    async fn start() -> Self {
        let rows = "INSERT INTO dbo.Codes SELECT v.id, 0, 1.5, 0.5, 1, '2026-02-03', '2026-02-03T04:05:06.789', N'Ada',
            '0E984725-C51C-4BF4-9960-E1C80E27ABA0', 0x0102, N'text', N'-' FROM (VALUES (1), (2)) AS v(id)";
        let track = "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON; EXEC sys.sp_cdc_enable_db; EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'Codes', @role_name = NULL";
        let pipeline = Pipeline::start([TABLE, track, rows]).await;
        let text = std::fs::read_to_string(&pipeline.config).unwrap();
        std::fs::write(&pipeline.config, format!("{text}\n[[table]]\nname = \"dbo.Codes\"\ncolumns = {{ doc = \"super\" }}\n")).unwrap();
        let table = TableName::new("dbo", "Codes");
        pipeline.prepare(std::slice::from_ref(&table)).await;
        Self { pipeline, table, round: 0 }
    }

    async fn play(&mut self, case: &Case) -> Result<(), String> {
        let filler = self.change().await;
        let before = self.standing().await;
        let parts: Vec<String> = self.pipeline.lab.s3.keys(BUCKET, "").into_iter().filter(|key| key.ends_with(".csv.zst")).collect();
        let [part] = parts.as_slice() else { return Err(format!("one part file was to wait: {parts:?}")) };
        let whole = self.pipeline.lab.s3.object(BUCKET, part).unwrap();
        self.spoil(case, part, &whole);

        let (exit, done) = self.call(&["load"]).await;
        let fault = done["tables"][0]["fault"].clone();
        expect!(exit != 0 && fault.is_object(), "the load went well: {exit} {done}");
        let page = if matches!(case.told, Source) { &rs::COPY_SOURCE } else { &rs::LOAD_FAILED };
        expect!(fault["code"] == page.code, "{} was to come: {fault}", page.code);
        for action in fault["next"].as_array().unwrap() {
            if let Some(why) = commands::refused(action.as_str().unwrap()) {
                return Err(why);
            }
        }
        self.told(case, &fault, part).await?;
        let after = self.standing().await;
        expect!(before == after, "a load that failed left a trace:\n{before:?}\n{after:?}");

        self.repair(case, &fault, part, whole).await?;
        let (exit, done) = self.call(&["load"]).await;
        expect!(exit == 0 && done["tables"][0]["rows"].as_u64() >= Some(2), "the retry failed: {exit} {done}");
        let mut expected = [self.row(1, "Ada", &filler), self.row(2, "Ada", &filler)];
        if matches!(case.repair, Widen) {
            // The edited file was loaded.
            expected = [self.row(1, "Ada", ""), self.row(2, WIDE_RAW, "")];
        }
        let found = self.standing().await.rows;
        expect!(found == expected, "after the retry: {found:?}");
        Ok(())
    }

    /// Both rows change; one batch waits. Returns what stands in `filler`.
    async fn change(&mut self) -> String {
        self.round += 1;
        // Does not compress: an edited file that drops it is never longer than before.
        let filler: String = (0..6).map(|_| uuid::Uuid::new_v4().simple().to_string()).collect();
        let sql = format!("UPDATE dbo.Codes SET n = {}, filler = N'{filler}'", self.round);
        self.pipeline.sql.run(&sql).unwrap();
        self.pipeline.capture();
        let (exit, done) = self.call(&["extract"]).await;
        assert_eq!((exit, &done["tables"][0]["rows"]), (0, &Value::from(2)), "{done}");
        filler
    }

    /// A row of production, as [`Standing`] shows it.
    fn row(&self, id: u32, name: &str, filler: &str) -> String {
        let n = self.round;
        let tag = "0e984725-c51c-4bf4-9960-e1c80e27aba0";
        format!("{id}|{n}|1.50|0.5|t|2026-02-03|2026-02-03 04:05:06.789|{name}|{tag}|0102|\"text\"|{filler}")
    }

    fn spoil(&self, case: &Case, part: &str, whole: &Bytes) {
        let lab = &self.pipeline.lab;
        let code = || case.code.parse().unwrap();
        match case.wrong {
            Field(column, bytes) => self.edit(part, whole, |line| {
                // Operation, batch and order stand in front; no value of the table holds a comma.
                let at = 3 + COLUMNS.iter().position(|name| *name == column).unwrap();
                let mut fields: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
                fields[at] = bytes;
                fields.join(&b',')
            }),
            Wrong::Line(of) => self.edit(part, whole, |line| of(str::from_utf8(line).unwrap()).into_bytes()),
            Planned(column) => drop(lab.redshift.faults().on("COPY", 1, Action::RefuseValue(column, code()))),
            PlannedStatement(said) => drop(lab.redshift.faults().on("COPY", 1, Action::Refuse("XX000", said))),
            NoFile => lab.s3.remove(BUCKET, part),
            ManifestDenied => {
                let denied = Rule::new(Effect::AccessDenied).operation("GetObject").key("/loads/").times(u32::MAX);
                drop(lab.s3.faults().add(denied));
            }
        }
    }

    /// Edits the second line, and fills the object up to the length that the record knows.
    fn edit(&self, part: &str, whole: &Bytes, edit: impl FnOnce(&[u8]) -> Vec<u8>) {
        let mut plain = Vec::new();
        zstd::Decoder::new(&whole[..]).unwrap().read_to_end(&mut plain).unwrap();
        let mut lines: Vec<Vec<u8>> = plain.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        assert_eq!(lines.len(), 3, "two lines and what follows the last");
        for line in &mut lines[..2] {
            let at = 3 + COLUMNS.len() - 1;
            let mut fields: Vec<&[u8]> = line.split(|byte| *byte == b',').collect();
            assert_eq!(fields.len(), at + 2, "the keep flag of doc stands behind the columns");
            fields[at] = b"\"\"";
            *line = fields.join(&b',');
        }
        lines[1] = edit(&lines[1]);
        let mut packed = zstd::encode_all(&lines.join(&b'\n')[..], 3).unwrap();
        // A skippable frame: magic number, length, anything (RFC 8878, 3.1.2).
        let room = whole.len().checked_sub(packed.len() + 8).expect("the filler leaves room");
        packed.extend_from_slice(&0x184D_2A50_u32.to_le_bytes());
        packed.extend_from_slice(&u32::try_from(room).unwrap().to_le_bytes());
        packed.resize(whole.len(), 0);
        assert!(self.pipeline.lab.s3.overwrite(BUCKET, part, packed.into()));
    }

    /// The fault's evidence, and the list of load errors.
    async fn told(&self, case: &Case, fault: &Value, part: &str) -> Result<(), String> {
        let fact = |name: &str| {
            let facts = fault["evidence"].as_array().into_iter().flatten();
            facts.filter(|fact| fact["name"] == name).find_map(|fact| fact["value"].as_str()).unwrap_or_default()
        };
        let file = format!("s3://{BUCKET}/{part}");
        if matches!(case.told, Source) {
            let missing = if matches!(case.wrong, NoFile) { file.as_str() } else { "" };
            expect!(fact("manifest").contains("/loads/"), "the manifest is not named: {fault}");
            expect!(fact("code") == case.code, "the code is {:?}: {fault}", fact("code"));
            expect!(Some(fact("meaning")) == load_error_meaning(case.code), "the meaning is missing: {fault}");
            expect!(fact("missing") == missing, "the fault names {:?} as missing: {fault}", fact("missing"));
            return Ok(());
        }
        let line = if matches!(case.wrong, Planned(_)) { "1" } else { "2" };
        let (column, kind, length, raw) = match case.told {
            Column(column, kind, length, raw) => (column, kind, length, raw),
            _ => ("", "", "", ""),
        };
        // A planned code refuses the first row, which is as it was written: n is the round.
        let round = self.round.to_string();
        let raw = if matches!(case.wrong, Planned("n")) { round.as_str() } else { raw };
        let length_is = |seen: &str| if length == "*" { !seen.is_empty() } else { seen == length };
        let found = (fact("file"), fact("line"), fact("column"), fact("type"), fact("code"));
        expect!(found == (&file, line, column, kind, case.code) && length_is(fact("length")), "the fault tells {found:?}: {fault}");
        expect!(fact("table").contains("codes"), "the table is not named: {fault}");
        expect!(Some(fact("meaning")) == load_error_meaning(case.code), "the meaning is missing: {fault}");
        if matches!(case.repair, Widen) {
            expect!((fact("bytes"), fact("limit")) == ("69", "60"), "bytes and limit are missing: {fault}");
        }
        expect!(raw.len() < 4 || !fault.to_string().contains(raw), "the fault shows the value: {fault}");

        let (exit, list) = self.call(&["load-errors", "--show-values", "--most", "1"]).await;
        let error = &list["load_errors"][0];
        let text = |name: &str| error[name].as_str().unwrap_or_default();
        let found = (text("file"), text("line"), text("column"), text("column_type"), text("code"), text("raw_field"));
        let same = found == (file.as_str(), line, column, kind, case.code, raw);
        expect!(exit == 0 && same && length_is(text("limit")), "load-errors tells {found:?}: {list}");
        let (exit, list) = self.call(&["load-errors", "--most", "1", "--table", "dbo.Codes"]).await;
        expect!(exit == 0 && list["load_errors"][0]["code"] == case.code, "{list}");
        expect!(raw.len() < 4 || !list.to_string().contains(raw), "values are shown unasked: {list}");
        Ok(())
    }

    async fn repair(&self, case: &Case, fault: &Value, part: &str, whole: Bytes) -> Result<(), String> {
        match case.repair {
            Restore => assert!(self.pipeline.lab.s3.overwrite(BUCKET, part, whole)),
            Widen => {
                let told = fault["next"][0].as_str().unwrap();
                expect!(told == "db-to-redshift widen --table 'dbo.Codes' --column 'name' --to 69", "the command is {told}");
                let (exit, done) = self.call(&["widen", "--table", "dbo.Codes", "--column", "name", "--to", "69", "--confirm"]).await;
                expect!(exit == 0, "{done}");
            }
            NewEpoch => {
                let (exit, done) = self.call(&["prepare", "--new-epoch", "--table", "dbo.Codes"]).await;
                expect!(exit == 0, "{done}");
            }
            Nothing => self.pipeline.lab.s3.faults().clear(),
        }
        Ok(())
    }

    async fn standing(&self) -> Standing {
        let engine = self.pipeline.engine().await;
        let mut state = engine.target.state(&self.table).await.unwrap().unwrap();
        // Every load job raises it.
        state.fence = 0;
        let columns = COLUMNS.map(|name| match name {
            "flag" => "CASE WHEN flag THEN 't' ELSE 'f' END".to_owned(),
            "raw" => "TO_HEX(raw)".to_owned(),
            "doc" => "JSON_SERIALIZE(doc)".to_owned(),
            other => format!("CAST({other} AS VARCHAR)"),
        });
        let rows = self.query(&format!("SELECT {} FROM public.codes ORDER BY id", columns.join(" || '|' || "))).await;
        Standing { rows, state }
    }

    async fn query(&self, sql: &str) -> Vec<String> {
        let client = lab::redshift(&self.pipeline.lab).await;
        let messages = client.simple_query(sql).await.unwrap();
        let rows = messages.iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        });
        rows.collect()
    }

    /// Exit code and JSON document of the program.
    async fn call(&self, arguments: &[&str]) -> (i32, Value) {
        let output = self.pipeline.program(&[arguments, &["--json"]].concat()).output().await.unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let document = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{text}\n{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap(), document)
    }
}
