//! A made-up pipeline with tables in every trouble: what the fake answers, and what the bench draws.

use db_to_redshift::model::control::{Control, Holder, Paused, RunRecord, RunTable};
use db_to_redshift::model::fault::{Fault, FaultDocument, page};
use db_to_redshift::model::order::PrepareOptions;
use db_to_redshift::model::state::{Diverged, StagedRange};
use db_to_redshift::model::status::{
    Busy, Countdown, Hop, HopName, Hops, ReportKind, SourceStatus, StatusReport, StoreStatus, Stuck, Systems, TableStatus, TargetStatus,
    Verdict,
};
use db_to_redshift::model::{Lsn, TableName};
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// What a table of the world is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Its last job failed.
    Failed,
    Gap,
    Diverged,
    StuckExtract,
    StuckLoad,
    Lagging,
    /// Another process works on it.
    Busy,
    Unknown,
    Staged,
    Pending,
    Behind,
    NotPrepared,
    Paused,
    NotTracked,
    Ok,
}

/// Invented tables; the report wants them by name.
pub const TABLES: &[(&str, &str, Kind)] = &[
    ("crm", "Campaign", Kind::Ok),
    ("crm", "Contact", Kind::Failed),
    ("crm", "ContactAddress", Kind::Ok),
    ("crm", "ContactConsentHistoryForMarketingAutomation", Kind::Behind),
    ("crm", "Lead", Kind::Pending),
    ("crm", "Segment", Kind::Ok),
    ("dbo", "Account", Kind::Ok),
    ("dbo", "AccountBalance", Kind::StuckLoad),
    ("dbo", "Branch", Kind::Ok),
    ("dbo", "Country", Kind::Ok),
    ("dbo", "Currency", Kind::Ok),
    ("dbo", "Customer", Kind::Diverged),
    ("dbo", "CustomerNote", Kind::NotTracked),
    ("dbo", "Employee", Kind::Paused),
    ("dbo", "ExchangeRate", Kind::Ok),
    ("dbo", "Holiday", Kind::NotPrepared),
    ("dbo", "Letter", Kind::Failed),
    ("finance", "Invoice", Kind::Lagging),
    ("finance", "InvoiceLine", Kind::Busy),
    ("finance", "Ledger", Kind::Staged),
    ("finance", "Payment", Kind::Pending),
    ("finance", "PaymentBatch", Kind::Ok),
    ("finance", "Reminder", Kind::Unknown),
    ("finance", "TaxCode", Kind::Ok),
    ("odd.schema", "my table", Kind::Ok),
    ("sales", "Basket", Kind::Behind),
    ("sales", "Discount", Kind::Ok),
    ("sales", "Order", Kind::StuckExtract),
    ("sales", "OrderArchive", Kind::Ok),
    ("sales", "OrderLine", Kind::Failed),
    ("sales", "OrderStatus", Kind::Ok),
    ("sales", "Price", Kind::Ok),
    ("sales", "Product", Kind::Ok),
    ("sales", "ProductImage", Kind::Pending),
    ("sales", "Return", Kind::Gap),
    ("sales", "Voucher", Kind::Ok),
    ("stock", "Bin", Kind::Ok),
    ("stock", "Movement", Kind::Busy),
    ("stock", "Pallet", Kind::Ok),
    ("stock", "Warehouse", Kind::Ok),
];

/// When everything here happens.
pub fn start() -> Timestamp {
    "2026-03-14T09:26:53Z".parse().unwrap()
}

pub fn before(seconds: i64) -> Timestamp {
    start() - SignedDuration::from_secs(seconds)
}

pub fn table(name: &str) -> TableName {
    name.parse().unwrap()
}

/// The state of all tables.
pub fn report() -> StatusReport {
    of(TABLES.iter().enumerate().map(|(at, (schema, name, kind))| status(TableName::new(*schema, *name), *kind, at as u64)))
}

/// As many tables as a large installation has; every kind stands among them.
pub fn large(tables: usize) -> StatusReport {
    of((0..tables).map(|at| {
        let (schema, name, kind) = TABLES[at % TABLES.len()];
        status(TableName::new(format!("{schema}{:02}", at % 97), format!("{name}_{at:05}")), kind, at as u64)
    }))
}

fn of(tables: impl Iterator<Item = TableStatus>) -> StatusReport {
    let mut tables: Vec<TableStatus> = tables.collect();
    tables.sort_by(|one, other| one.table.cmp(&other.table));
    StatusReport {
        pipeline: "wholesale".into(),
        kind: ReportKind::Fleet,
        at: start(),
        systems: Systems::default(),
        tables,
        faults: Vec::new(),
    }
}

fn lsn(at: u64) -> Lsn {
    let mut bytes = [0; 10];
    bytes[2..].copy_from_slice(&(0x0001_0000_0000_0000 + at * 0x1_0001).to_be_bytes());
    Lsn::from_bytes(bytes)
}

/// One table, plausible for its kind.
pub fn status(table: TableName, kind: Kind, at: u64) -> TableStatus {
    let verdict = verdict(kind);
    let ours = |command: &str| vec![format!("db-to-redshift {command} --table '{table}'")];
    let hop = |lag: i64, waiting: Option<i64>| Hop { lag_seconds: Some(lag), waiting_seconds: waiting };
    let small = i64::try_from(at % 7).unwrap();
    let mut hops = Hops { capture: hop(4, None), extract: hop(0, None), load: hop(0, None), stuck: None };
    let head = 400 + at * 13;
    let mut store = StoreStatus {
        epoch: Some(u32::try_from(1 + at % 3).unwrap()),
        head: Some(head),
        head_lsn: Some(lsn(at)),
        pending: Some(0),
        pending_files: Some(0),
        pending_bytes: Some(0),
        ..StoreStatus::default()
    };
    let mut target = TargetStatus {
        epoch: u32::try_from(1 + at % 3).unwrap(),
        applied_seq: Some(head),
        applied_lsn: Some(lsn(at)),
        applied_at: Some("2026-03-14 09:21:07".into()),
        ..TargetStatus::default()
    };
    let mut source = SourceStatus {
        tracked: true,
        instance: Some(format!("{}_{}", table.schema, table.name)),
        min_lsn: Some(lsn(0)),
        max_lsn: Some(lsn(at + 9)),
        waiting: Some(false),
        ..SourceStatus::default()
    };
    let mut used = 300 + small * 60;
    let mut next = Vec::new();
    let mut wait = |hops: &mut Hops, records: u64, files: u64, size: u64, since: i64| {
        hops.load = hop(since - 20, Some(since));
        store.pending = Some(records);
        store.pending_files = Some(files);
        store.pending_bytes = Some(size);
        store.pending_since = Some(before(since));
        target.applied_seq = Some(head - records);
    };
    match kind {
        Kind::Ok | Kind::Unknown => {}
        Kind::Failed => {
            wait(&mut hops, 3, 11, 48_231_004, 1_310 + small);
            next = ours("load");
        }
        Kind::Gap => {
            hops.extract = hop(273_000, Some(273_000));
            used = 273_000;
            source.waiting = Some(true);
            next = ours("prepare --new-epoch");
        }
        Kind::Diverged => {
            target.diverged = Some(Diverged {
                why: "batch 552 was skipped by rmeier: the supplier sends the rows again".into(),
                since: "2026-03-13 17:02:44".into(),
            });
            next = ours("prepare --new-epoch");
        }
        Kind::StuckExtract => {
            hops.extract = hop(8_040, Some(8_040));
            hops.stuck = Some(Stuck {
                hop: HopName::Extract,
                since: before(8_040),
                why: "changes wait in the change table, and nobody extracts them".into(),
            });
            source.waiting = Some(true);
            used = 8_340;
            next = ours("sync");
        }
        Kind::StuckLoad => {
            wait(&mut hops, 17, 17, 9_120_000, 5_400);
            hops.stuck =
                Some(Stuck { hop: HopName::Load, since: before(5_400), why: "17 records wait in S3, and nobody loads them".into() });
            next = ours("load");
        }
        Kind::Lagging => {
            hops.extract = hop(151_200, Some(151_200));
            used = 151_200;
            source.waiting = Some(true);
            next = ours("sync");
            next.push("EXEC sys.sp_cdc_change_job @job_type = N'cleanup', @retention = 8640;".into());
        }
        Kind::Busy => {
            hops.extract = hop(42, Some(42));
            source.waiting = Some(true);
        }
        Kind::Staged => {
            wait(&mut hops, 2, 2, 1_204_511, 95);
            target.staged = Some(StagedRange { epoch: target.epoch, from: head - 1, to: head, rows: 18_202, lsn_to: lsn(1_204_511) });
            next = ours("load");
        }
        Kind::Pending => {
            wait(&mut hops, 1 + at % 4, 2 + at % 9, 640_000 + at * 77_000, 60 + small * 31);
            next = ours("load");
        }
        Kind::Behind => {
            hops.extract = hop(12 + small, Some(12 + small));
            source.waiting = Some(true);
            next = ours("sync");
        }
        Kind::NotPrepared | Kind::NotTracked => next = ours(if kind == Kind::NotPrepared { "prepare" } else { "enable" }),
        Kind::Paused => {
            store.paused = true;
            store.control = Some(Control {
                paused: Some(Paused { by: "jkowalska".into(), why: "month-end closing".into(), since: before(7_200) }),
                intent: None,
            });
        }
    }
    if kind == Kind::Busy {
        store.extracting = Some(Busy { renewed: before(6), silent: false, holder: None });
    }
    if kind == Kind::StuckExtract {
        store.extracting = Some(Busy { renewed: before(7_900), silent: true, holder: None });
    }
    let retention = Countdown { retention_seconds: 259_200, used_seconds: used, left_seconds: 259_200 - used, warn: used > 129_600 };
    let bare = matches!(kind, Kind::NotPrepared | Kind::NotTracked);
    if bare {
        hops = Hops { capture: hops.capture, ..Hops::default() };
        store = StoreStatus::default();
    }
    if kind == Kind::NotTracked {
        source = SourceStatus::default();
    }
    TableStatus {
        verdict,
        hops,
        retention: (!bare).then_some(retention),
        source: (kind != Kind::Unknown).then_some(source),
        store: Some(store),
        target: (!bare).then_some(target),
        next,
        table,
    }
}

fn verdict(kind: Kind) -> Verdict {
    match kind {
        Kind::Failed | Kind::Pending => Verdict::Pending,
        Kind::Gap => Verdict::Gap,
        Kind::Diverged => Verdict::Diverged,
        Kind::StuckExtract | Kind::StuckLoad => Verdict::Stuck,
        Kind::Lagging => Verdict::Lagging,
        Kind::Busy | Kind::Behind => Verdict::Behind,
        Kind::Unknown => Verdict::Unknown,
        Kind::Staged => Verdict::Staged,
        Kind::NotPrepared => Verdict::NotPrepared,
        Kind::Paused => Verdict::Paused,
        Kind::NotTracked => Verdict::NotTracked,
        Kind::Ok => Verdict::Current,
    }
}

/// A fault as the dictionary has it.
pub fn fault(code: &str, what: &str, evidence: &[(&str, &str)], next: &[&str]) -> FaultDocument {
    let fault = Fault::new(page(code).unwrap(), what);
    let fault = evidence.iter().fold(fault, |fault, (name, value)| fault.evidence(*name, value));
    FaultDocument::from(&next.iter().fold(fault, |fault, next| fault.next(*next)))
}

/// A value that production's column cannot hold.
pub fn too_long() -> FaultDocument {
    fault(
        "RS-010",
        "COPY of batch 609 into staging.letter was refused: String length exceeds DDL length",
        &[
            ("source table", "dbo.Letter"),
            ("column", "Subject"),
            ("bytes", "512"),
            ("limit", "256"),
            ("file", "s3://example-changes/wholesale/v1/wholesale/data/dbo.Letter/e2/609/part-0003.jsonl.zst"),
            ("line", "20481"),
            ("code", "1204"),
        ],
        &["db-to-redshift widen --table 'dbo.Letter' --column 'subject' --to 512"],
    )
}

pub fn cluster_down() -> FaultDocument {
    fault("RS-001", "example-cluster.invalid:5439 does not answer: connection refused", &[("user", "loader")], &[])
}

pub fn server_down() -> FaultDocument {
    fault("SRC-001", "sql01.example.invalid:1433 does not answer within 5 s", &[("waited", "5s")], &[])
}

fn holder(user: &str, host: &str, since: i64, number: u128) -> Holder {
    Holder { run: Uuid::from_u128(number), host: host.into(), user: user.into(), pid: 4_711, machine: None, since: before(since) }
}

fn line(table_name: &str, outcome: &str, rows: u64, fault: Option<FaultDocument>) -> RunTable {
    RunTable { table: table(table_name), outcome: outcome.into(), batches: u64::from(rows > 0), rows, fault, order: None }
}

/// A prepare of stock.Pallet that S3 broke off.
pub fn failed_prepare(order: PrepareOptions) -> RunRecord {
    let slow = fault("S3-003", "PutObject of part-0007.jsonl.zst did not answer within 30 s", &[("object", "part-0007.jsonl.zst")], &[]);
    RunRecord {
        run: Uuid::from_u128(0x22),
        command: "prepare".into(),
        by: holder("rmeier", "laptop-17", 700, 0x22),
        finished: Some(before(600)),
        tables: vec![RunTable { order: Some(order), ..line("stock.Pallet", "prepare S3-003", 0, Some(slow)) }],
    }
}

/// The newest runs, newest first.
pub fn runs() -> Vec<RunRecord> {
    let contact = fault("RS-022", "production.contact has no column preferred_language", &[("table", "production.contact")], &[]);
    let order_line =
        fault("S3-003", "PutObject of part-0001.jsonl.zst did not answer within 30 s", &[("object", "part-0007.jsonl.zst")], &[]);
    vec![
        RunRecord {
            run: Uuid::from_u128(0x21),
            command: "sync".into(),
            by: holder("airflow", "worker-2.example.invalid", 240, 0x21),
            finished: None,
            tables: Vec::new(),
        },
        RunRecord {
            run: Uuid::from_u128(0x20),
            command: "sync".into(),
            by: holder("airflow", "worker-1.example.invalid", 1_500, 0x20),
            finished: Some(before(1_180)),
            tables: vec![
                line("crm.Campaign", "extract done", 1_204, None),
                line("crm.Contact", "load RS-022", 0, Some(contact)),
                line("dbo.Letter", "extract done", 61_440, None),
                line("dbo.Letter", "load RS-010", 0, Some(too_long())),
                line("sales.OrderLine", "extract S3-003", 0, Some(order_line)),
                line("stock.Bin", "load nothing to do", 0, None),
            ],
        },
        RunRecord {
            run: Uuid::from_u128(0x1f),
            command: "prepare".into(),
            by: holder("rmeier", "laptop-17", 90_300, 0x1f),
            finished: Some(before(90_291)),
            tables: vec![line("stock.Pallet", "prepare done", 1, None)],
        },
    ]
}
