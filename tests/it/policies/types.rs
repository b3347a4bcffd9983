//! Values that are too long, of every type that can be, from T-SQL through TDS, files and COPY to
//! production, under each policy.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use db_to_redshift::cli::connect;
use db_to_redshift::config;
use db_to_redshift::engine::Run;
use db_to_redshift::engine::event::Event;
use db_to_redshift::engine::inspect::verify::{Verdict, VerifyOptions};
use db_to_redshift::engine::prepare::PrepareOptions;
use db_to_redshift::model::{TableName, UnfitCount, hex};
use db_to_redshift::store::ChangeStore;
use tokio_util::sync::CancellationToken;

use crate::support::lab::{cells, redshift};
use crate::support::pipeline::Pipeline;
use crate::support::rig::done;

/// Bytes of a VARCHAR and of a VARBYTE at the most.
const TEXT: usize = 65_535;
const BINARY: usize = 1_024_000;

/// A column whose values can be too long.
pub(super) struct Kind {
    pub column: &'static str,
    pub declared: &'static str,
    /// As production shows them: text, or hex digits.
    pub fits: String,
    pub too_long: String,
    /// What is left of the latter.
    cut: String,
}

impl Kind {
    fn new(column: &'static str, declared: &'static str, fits: String, too_long: String, cut: usize) -> Self {
        let cut = too_long[..cut].to_owned();
        Self { column, declared, fits, too_long, cut }
    }

    pub fn is_binary(&self) -> bool {
        matches!(self.column, "B" | "I")
    }

    pub fn limit(&self) -> usize {
        if self.is_binary() { BINARY } else { TEXT }
    }

    pub fn literal(&self, shown: &str) -> String {
        match self.column {
            "G" => format!("geography::STGeomFromText('{shown}', 4326)"),
            "M" => format!("geometry::STGeomFromText('{shown}', 0)"),
            _ if self.is_binary() => format!("0x{shown}"),
            _ => format!("N'{shown}'"),
        }
    }
}

/// Well-known text over the limit.
fn line() -> String {
    let points = (0..9_000).fold(String::new(), |mut text, at| {
        let _ = write!(text, "{}{}.5 {}", if at == 0 { "" } else { ", " }, at % 170, at % 80);
        text
    });
    format!("LINESTRING ({points})")
}

pub(super) fn texts() -> Vec<Kind> {
    let x = |count| "x".repeat(count);
    let wide = "\u{1F600}";
    // Of a character of four bytes one, two and three would fit, and in `ntext` all of it.
    let (one, two) = (x(TEXT - 1) + wide + "y", x(TEXT - 2) + wide + "y");
    let three = format!("<a>{}{wide}</a>", x(TEXT - 6));
    let all = x(TEXT - 4) + wide + "y";
    let full = |count: usize| x(TEXT - count * 4) + &wide.repeat(count);
    let latin = x(TEXT - 1) + "é" + "y";
    let (spots, spot) = (line(), "POINT (13.5 52)".to_owned());
    vec![
        Kind::new("Vm", "varchar(max)", x(TEXT - 2) + "é", latin.clone(), TEXT - 1),
        Kind::new("Um", "varchar(max) COLLATE Latin1_General_100_CI_AS_SC_UTF8", full(1), two, TEXT - 2),
        Kind::new("Nm", "nvarchar(max)", full(9), one, TEXT - 1),
        Kind::new("T", "text", x(TEXT), latin, TEXT - 1),
        Kind::new("Nt", "ntext", full(3), all, TEXT),
        Kind::new("X", "xml", format!("<a>{}</a>", x(TEXT - 7)), three, TEXT - 3),
        Kind::new("G", "geography", spot.clone(), spots.clone(), TEXT),
        Kind::new("M", "geometry", spot, spots, TEXT),
    ]
}

pub(super) fn binaries() -> Vec<Kind> {
    // Each byte has its place.
    let bytes = |count| hex(&(0..count).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect::<Vec<_>>());
    let kind = |column, declared| Kind::new(column, declared, bytes(BINARY), bytes(BINARY + 1), 2 * BINARY);
    vec![kind("B", "varbinary(max)"), kind("I", "image")]
}

pub(super) const OPENING: [&str; 2] = ["ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON", "EXEC sys.sp_cdc_enable_db"];

pub(super) fn track(table: &str) -> String {
    format!("EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'{table}', @role_name = NULL, @supports_net_changes = 0")
}

/// `dbo.Scroll` with these columns, and a rule for each.
async fn pipeline(kinds: &[Kind], policy: &str) -> Pipeline {
    let columns: Vec<String> = kinds.iter().map(|kind| format!("{} {} NULL", kind.column, kind.declared)).collect();
    let create = format!("CREATE TABLE dbo.Scroll (Id int NOT NULL PRIMARY KEY, N int NULL, {})", columns.join(", "));
    let pipeline = Pipeline::start(OPENING.into_iter().chain([create.as_str(), track("Scroll").as_str()])).await;
    let rules: Vec<String> = kinds.iter().map(|kind| format!("{} = \"{policy}\"", kind.column)).collect();
    configure(&pipeline, "dbo.Scroll", &rules.join(", "));
    pipeline
}

fn configure(pipeline: &Pipeline, table: &str, columns: &str) {
    let text = std::fs::read_to_string(&pipeline.config).unwrap();
    std::fs::write(&pipeline.config, format!("{text}\n[[table]]\nname = \"{table}\"\ncolumns = {{ {columns} }}\n")).unwrap();
}

fn insert<'k>(pipeline: &mut Pipeline, id: i32, cells: impl IntoIterator<Item = (&'k Kind, &'k str)>) {
    let (names, values): (Vec<_>, Vec<_>) = cells.into_iter().map(|(kind, shown)| (kind.column, kind.literal(shown))).unzip();
    pipeline.sql.run(&format!("INSERT INTO dbo.Scroll (Id, {}) VALUES ({id}, {})", names.join(", "), values.join(", "))).unwrap();
}

fn scroll() -> TableName {
    TableName::new("dbo", "Scroll")
}

/// Captures, runs a prepare or an extract, and returns what it warned of.
async fn warned(pipeline: &Pipeline, prepare: bool) -> Vec<String> {
    pipeline.capture();
    let settings = config::load(Some(&pipeline.config), None).unwrap();
    let (engine, mut events) = connect::engine(settings, Run::new("test", false), CancellationToken::new()).await.unwrap();
    let ran = tokio::spawn(async move {
        let table = [scroll()];
        done(if prepare { engine.prepare(&table, PrepareOptions::default()).await } else { engine.extract(&table).await });
    });
    let mut texts = Vec::new();
    while let Some(event) = events.events.recv().await {
        if let Event::Warning { text, .. } = event {
            texts.push(text);
        }
    }
    ran.await.unwrap();
    texts
}

/// The record of a batch counts these values, and its warnings say so.
async fn assert_told(pipeline: &Pipeline, seq: u64, expected: &[(&Kind, UnfitCount)], warnings: &[String]) {
    let record = pipeline.engine().await.store.record(&scroll(), 1, seq).await.unwrap().unwrap();
    assert_eq!(record.counts.unfit, expected.iter().map(|(kind, count)| (kind.column.to_owned(), *count)).collect());
    let which = if seq == 0 { "snapshot: ".to_owned() } else { format!("batch {seq}: ") };
    let text = |(kind, count): &(&Kind, UnfitCount)| {
        let (values, what) = match count {
            UnfitCount { truncated: 0, nulled } => (nulled, "became NULL (policy \"null\")"),
            UnfitCount { truncated, .. } => (truncated, "were cut (policy \"truncate\")"),
        };
        format!("{which}column {}: {values} values over {} bytes {what}", kind.column, kind.limit())
    };
    // A prepare also tells what may not fit.
    let told: BTreeSet<_> = warnings.iter().filter(|text| text.starts_with(&which)).cloned().collect();
    assert_eq!(told, expected.iter().map(text).collect());
}

/// Loads, and compares a column of production in the order of the key.
async fn assert_loaded(pipeline: &Pipeline, expected: &[(&Kind, &[&str])]) {
    done(pipeline.engine().await.load(&[scroll()]).await);
    let client = redshift(&pipeline.lab).await;
    for (kind, values) in expected {
        let found = cells(&client.simple_query(&format!("SELECT {} FROM public.scroll ORDER BY id", kind.column)).await.unwrap());
        // Without the values, which are long.
        assert!(found == *values, "{}: {:?}", kind.declared, found.iter().map(String::len).collect::<Vec<_>>());
    }
}

/// Takes texts that fit and texts that do not through snapshot, insert and update; `left` is what
/// production holds of the latter.
async fn texts_are_carried(policy: &str, count: fn(u64) -> UnfitCount, left: fn(&Kind) -> &str) {
    let kinds = texts();
    let counts = |values| kinds.iter().map(|kind| (kind, count(values))).collect::<Vec<_>>();
    let mut pipeline = pipeline(&kinds, policy).await;
    insert(&mut pipeline, 1, kinds.iter().map(|kind| (kind, kind.fits.as_str())));
    insert(&mut pipeline, 2, kinds.iter().map(|kind| (kind, kind.too_long.as_str())));
    let warnings = warned(&pipeline, true).await;
    assert_told(&pipeline, 0, &counts(1), &warnings).await;
    let held: Vec<_> = kinds.iter().map(|kind| [kind.fits.as_str(), left(kind)]).collect();
    assert_loaded(&pipeline, &kinds.iter().zip(&held).map(|(kind, held)| (kind, held.as_slice())).collect::<Vec<_>>()).await;

    insert(&mut pipeline, 3, kinds.iter().map(|kind| (kind, kind.too_long.as_str())));
    let set: Vec<String> = kinds.iter().map(|kind| format!("{} = {}", kind.column, kind.literal(&kind.too_long))).collect();
    pipeline.sql.run(&format!("UPDATE dbo.Scroll SET {} WHERE Id = 1", set.join(", "))).unwrap();
    let warnings = warned(&pipeline, false).await;
    assert_told(&pipeline, 1, &counts(2), &warnings).await;
    let held: Vec<_> = kinds.iter().map(|kind| [left(kind); 3]).collect();
    let held: Vec<_> = kinds.iter().zip(&held).map(|(kind, held)| (kind, held.as_slice())).collect();
    assert_loaded(&pipeline, &held).await;

    // A value that an update leaves alone stays as it was cut, and a verify knows the policy.
    pipeline.sql.run("UPDATE dbo.Scroll SET N = 7 WHERE Id = 2").unwrap();
    warned(&pipeline, false).await;
    assert_loaded(&pipeline, &held).await;
    let client = redshift(&pipeline.lab).await;
    assert_eq!(cells(&client.simple_query("SELECT n FROM public.scroll ORDER BY id").await.unwrap()), ["NULL", "7", "NULL"]);
    let verified = pipeline.engine().await.verify(&scroll(), &VerifyOptions::default()).await.unwrap();
    assert_eq!((verified.verdict, verified.source_rows), (Verdict::Equal, 3), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_cuts_every_text_before_the_character_that_does_not_fit() {
    Box::pin(texts_are_carried("truncate", |truncated| UnfitCount { truncated, nulled: 0 }, |kind| &kind.cut)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_takes_the_place_of_every_text() {
    Box::pin(texts_are_carried("null", |nulled| UnfitCount { truncated: 0, nulled }, |_| "NULL")).await;
}

/// One of the two by the snapshot, the other by a change: a megabyte is slow in a debug build.
async fn binaries_are_carried(policy: &str, count: UnfitCount, left: fn(&Kind) -> &str) {
    let kinds = binaries();
    let [b, i] = kinds.as_slice() else { panic!() };
    let mut pipeline = pipeline(&kinds, policy).await;
    insert(&mut pipeline, 1, [(b, b.too_long.as_str()), (i, i.fits.as_str())]);
    let warnings = warned(&pipeline, true).await;
    assert_told(&pipeline, 0, &[(b, count)], &warnings).await;
    assert_loaded(&pipeline, &[(b, &[left(b)]), (i, &[&i.fits])]).await;
    insert(&mut pipeline, 2, [(b, b.fits.as_str()), (i, i.too_long.as_str())]);
    let warnings = warned(&pipeline, false).await;
    assert_told(&pipeline, 1, &[(i, count)], &warnings).await;
    assert_loaded(&pipeline, &[(b, &[left(b), &b.fits]), (i, &[&i.fits, left(i)])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn truncate_cuts_binaries_between_two_bytes() {
    binaries_are_carried("truncate", UnfitCount { truncated: 1, nulled: 0 }, |kind| &kind.cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_takes_the_place_of_binaries() {
    binaries_are_carried("null", UnfitCount { truncated: 0, nulled: 1 }, |_| "NULL").await;
}

/// Every text type keeps all of it, fitting or not, and nothing is counted.
#[tokio::test(flavor = "multi_thread")]
async fn super_holds_every_text_whole() {
    let kinds = texts();
    let mut pipeline = pipeline(&kinds, "super").await;
    insert(&mut pipeline, 1, kinds.iter().map(|kind| (kind, kind.too_long.as_str())));
    let warnings = warned(&pipeline, true).await;
    assert_told(&pipeline, 0, &[], &warnings).await;
    done(pipeline.engine().await.load(&[scroll()]).await);
    insert(&mut pipeline, 2, kinds.iter().map(|kind| (kind, kind.too_long.as_str())));
    insert(&mut pipeline, 3, kinds.iter().map(|kind| (kind, kind.fits.as_str())));
    pipeline.sql.run("UPDATE dbo.Scroll SET N = 7 WHERE Id = 1").unwrap();
    let warnings = warned(&pipeline, false).await;
    assert_told(&pipeline, 1, &[], &warnings).await;
    done(pipeline.engine().await.load(&[scroll()]).await);
    let client = redshift(&pipeline.lab).await;
    for kind in &kinds {
        let sql = format!("SELECT JSON_SERIALIZE({}) FROM public.scroll ORDER BY id", kind.column);
        let found: Vec<String> =
            cells(&client.simple_query(&sql).await.unwrap()).iter().map(|json| serde_json::from_str(json).unwrap()).collect();
        assert!(found == [&kind.too_long, &kind.too_long, &kind.fits].map(String::as_str), "{}", kind.declared);
    }
    let verified = pipeline.engine().await.verify(&scroll(), &VerifyOptions::default()).await.unwrap();
    assert_eq!((verified.verdict, verified.source_rows), (Verdict::Equal, 3), "{verified:?}");
}
