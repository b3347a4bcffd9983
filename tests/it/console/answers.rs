//! What a backend over the made-up pipeline answers, question by question.

use db_to_redshift::console::order::Order;
use db_to_redshift::console::page::{Block, Choice, Fact, Grid, GridColumn, GridRow, Open, Page, Tone};
use db_to_redshift::console::seam::{Access, Answer, Ask, Kind, Look, Place, Plan, Tab};
use db_to_redshift::console::setup::{Checklist, Step, StepState};
use db_to_redshift::engine::operate::Runs;
use db_to_redshift::model::TableName;
use db_to_redshift::model::order::PrepareOptions;
use jiff::{SignedDuration, Timestamp};

use super::world;

/// Where the world stands now; a test turns what it needs.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct World {
    pub access: Access,
    pub source_lost: bool,
    pub target_lost: bool,
    pub tables: usize,
    pub runs: bool,
    /// The newest run is a prepare of stock.Pallet that failed, with this order.
    pub failed_prepare: Option<PrepareOptions>,
    /// Nothing is answered until a test says so.
    pub silent: bool,
}

impl Default for World {
    fn default() -> Self {
        Self {
            access: Access::Write,
            source_lost: false,
            target_lost: false,
            tables: usize::MAX,
            runs: true,
            failed_prepare: None,
            silent: false,
        }
    }
}

impl World {
    pub fn place(&self, profile: &str) -> Place {
        Place {
            profile: profile.to_owned(),
            pipeline: "wholesale".into(),
            kind: if self.access == Access::Write { Kind::Staging } else { Kind::Production },
            source: "sql01.example.invalid/Wholesale".into(),
            bucket: "example-changes/wholesale".into(),
            cluster: "example-cluster.invalid/dwh".into(),
            user: "d2r_sync".into(),
            insecure: None,
            config: None,
            profiles: vec!["stage".into(), "prod".into(), "lab".into()],
        }
    }

    /// What is said to a question; `None`: it is no question but an order.
    pub fn answer(&self, ask: &Ask, now: Timestamp) -> Option<Answer> {
        Some(match ask {
            Ask::Look(look) => self.look(look, now),
            Ask::Connect { profile } => Answer::Connected { place: Box::new(self.place(profile)), access: self.access },
            Ask::Unlock { typed } if *typed == "prod" => Answer::Access(Access::Until(now + SignedDuration::from_secs(900))),
            Ask::Unlock { .. } => {
                Answer::Failed(Box::new(world::fault("CFG-001", "what was typed is not the name of the profile", &[], &[])))
            }
            Ask::Lock => Answer::Access(Access::Locked),
            Ask::Run { .. } | Ask::Cancel { .. } => return None,
        })
    }

    fn look(&self, look: &Look, now: Timestamp) -> Answer {
        match look {
            Look::Fleet { target } => {
                let mut report = world::report();
                report.tables.truncate(self.tables);
                report.at = now;
                report.systems.source.fault = self.source_lost.then(world::server_down);
                report.systems.target.fault = (self.target_lost && *target).then(world::cluster_down);
                for status in &mut report.tables {
                    status.source = status.source.take().filter(|_| !self.source_lost);
                    status.target = status.target.take().filter(|_| !self.target_lost);
                }
                Answer::Fleet { report: Box::new(report), target_at: target.then_some(now) }
            }
            Look::Runs => {
                let runs = if self.runs { world::runs() } else { Vec::new() };
                Answer::Runs(Box::new(Runs::of(self.failed_prepare.map(world::failed_prepare).into_iter().chain(runs).collect())))
            }
            Look::Tab { table, tab, .. } => Answer::Page(tab_page(table, *tab)),
            Look::Preview { table, seq, show_values } => Answer::Page(preview(table, *seq, *show_values)),
            Look::Trace { table, key, .. } => Answer::Page(trace(table, key)),
            Look::DryRun { table } => Answer::Page(dry_run(table)),
            Look::Plan { order, tables } => Answer::Plan(Box::new(plan(order, tables))),
            Look::Setup => Answer::Setup(Box::new(checklist())),
            Look::Bundle { .. } => Answer::Written("incident-20260314T092653Z.tar".into()),
            Look::Row { table, .. } => Answer::Page(preview(table, 609, false)),
            Look::LoadErrors { table, show_values } => Answer::Page(preview(table, 609, *show_values)),
        }
    }
}

fn page(title: impl Into<String>, table: &TableName, blocks: Vec<Block>) -> Page {
    Page { title: title.into(), table: Some(table.clone()), blocks, fault: false, reveal: false }
}

fn row(cells: &[&str], tone: Tone, open: Option<Look>) -> GridRow {
    GridRow { cells: cells.iter().map(|cell| (*cell).to_owned()).collect(), tone, open: open.map(Open::Look) }
}

fn tab_page(table: &TableName, tab: Tab) -> Page {
    let blocks = match tab {
        Tab::Overview | Tab::Fault => vec![
            Block::Facts(vec![
                Fact::new("production", format!("production.{}", table.name.to_lowercase())),
                Fact::new("capture instance", format!("{}_{}", table.schema, table.name)),
                Fact::new("epoch", "2, opened 2026-02-27 03:10:00Z by a snapshot of 4,120,377 rows"),
                Fact::new("position", "0000002D:000A1F40:0003, committed 2026-03-14 09:20:51 (server-local)"),
                Fact::new("waiting", "3 batches, 11 files, 48.2 MB, the oldest 21m 50s ago").tone(Tone::Warn),
            ]),
            Block::Heading("What to do".into()),
            Block::Choices(vec![
                Choice { text: format!("db-to-redshift load --table '{table}'"), order: Some(Order::Load) },
                Choice { text: "ask the owner of the table".into(), order: None },
            ]),
        ],
        Tab::Columns => vec![Block::Grid(Grid {
            columns: ["#", "COLUMN", "SQL SERVER", "REDSHIFT", "KEY"].map(GridColumn::left).to_vec(),
            rows: vec![
                row(&["1", "Id", "bigint NOT NULL", "BIGINT NOT NULL", "1"], Tone::Plain, None),
                row(&["2", "Subject", "nvarchar(128)", "VARCHAR(256)", ""], Tone::Bad, None),
                row(&["3", "Sent", "datetime2(7)", "TIMESTAMP", ""], Tone::Plain, None),
                row(&["4", "Body", "nvarchar(max)", "VARCHAR(65535), truncated", ""], Tone::Warn, None),
            ],
            empty: "no columns".into(),
        })],
        Tab::Files => {
            let rows = (0..30_u64).map(|at| {
                let seq = 612 - at;
                let look = Look::Preview { table: table.clone(), seq, show_values: false };
                let (state, tone) = if at < 3 { ("waits", Tone::Busy) } else { ("applied", Tone::Dim) };
                let minutes = format!("{}m ago", 21 + at * 17);
                let cells = [&seq.to_string(), state, &(1 + at % 4).to_string(), &(180 + at * 31).to_string(), "4.4 MB", &minutes];
                row(&cells, tone, Some(look))
            });
            vec![Block::Grid(Grid {
                columns: vec![
                    GridColumn::right("BATCH"),
                    GridColumn::left("STATE"),
                    GridColumn::right("FILES"),
                    GridColumn::right("ROWS"),
                    GridColumn::right("SIZE"),
                    GridColumn::right("WRITTEN"),
                ],
                rows: rows.collect(),
                empty: "no batch in S3".into(),
            })]
        }
        Tab::Staging => vec![Block::Text(Tone::Dim, "Staging is empty.".into())],
        Tab::Log => vec![Block::Grid(Grid {
            columns: ["WHEN", "STEP", "EPOCH", "BATCHES", "ROWS"].map(GridColumn::left).to_vec(),
            rows: vec![
                row(&["2026-03-14 09:21:07", "apply", "2", "608 to 609", "-1,204 +1,311"], Tone::Plain, None),
                row(&["2026-03-14 09:06:02", "apply", "2", "607", "-88 +90"], Tone::Plain, None),
            ],
            empty: "nothing was loaded yet".into(),
        })],
        Tab::Sql => vec![
            Block::Heading("Into production".into()),
            Block::Code(format!(
                "DELETE FROM production.{0} USING staging.{0} s\n WHERE production.{0}.id = s.id;\nINSERT INTO production.{0} SELECT id, subject, sent, body FROM staging.{0} s WHERE s.__d2r_op <> 'D';",
                table.name.to_lowercase()
            )),
        ],
    };
    let mut made = page(table.to_string(), table, blocks);
    if tab == Tab::Staging {
        made.reveal = true;
    }
    made
}

fn preview(table: &TableName, seq: u64, show_values: bool) -> Page {
    let hidden = |value: &'static str, hidden: &'static str| if show_values { value } else { hidden };
    let grid = Grid {
        columns: vec![
            GridColumn::right("LINE"),
            GridColumn::left("OP"),
            GridColumn::left("Id"),
            GridColumn::left("Subject"),
            GridColumn::left("Sent"),
        ],
        rows: vec![
            row(
                &["1", "insert", hidden("90017", "5 bytes"), hidden("Your delivery", "13 bytes"), hidden("2026-03-14", "10 bytes")],
                Tone::Plain,
                None,
            ),
            row(&["2", "delete", hidden("90011", "5 bytes"), "NULL", "NULL"], Tone::Plain, None),
        ],
        empty: "the file holds no rows".into(),
    };
    let uri = format!("s3://example-changes/wholesale/v1/wholesale/data/{table}/e2/{seq}/part-0000.jsonl.zst");
    let facts = vec![Fact::new("file", uri), Fact::new("rows", "2 of 181 shown")];
    Page { reveal: true, ..page(format!("Batch {seq}"), table, vec![Block::Facts(facts), Block::Grid(grid)]) }
}

fn trace(table: &TableName, key: &[String]) -> Page {
    let facts = vec![
        Fact::new("change table", "update at 0000002D:000A1F40:0003").tone(Tone::Good),
        Fact::new("S3", "batch 610, part-0001, line 204").tone(Tone::Good),
        Fact::new("staging", "not there"),
        Fact::new("production", "as of batch 609: the change waits").tone(Tone::Warn),
    ];
    page(format!("Trace of key {}", key.join(", ")), table, vec![Block::Facts(facts)])
}

fn dry_run(table: &TableName) -> Page {
    let facts = vec![Fact::new("batches", "610 to 612"), Fact::new("deletes", "1,204"), Fact::new("inserts", "1,311")];
    let choices = vec![Choice { text: format!("db-to-redshift load --table '{table}'"), order: Some(Order::Load) }];
    page("What the next load would do", table, vec![Block::Facts(facts), Block::Choices(choices)])
}

/// What an order would do; for a width it finds out which.
pub fn plan(order: &Order, tables: &[TableName]) -> Plan {
    let fact = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    match order {
        Order::Widen { .. } => Plan {
            facts: vec![
                fact("column", "subject"),
                fact("now", "VARCHAR(256)"),
                fact("then", "VARCHAR(512)"),
                fact("widest", "512 bytes, batch 609"),
            ],
            sql: vec![
                "ALTER TABLE production.letter ALTER COLUMN subject TYPE VARCHAR(512);".into(),
                "ALTER TABLE staging.letter ALTER COLUMN subject TYPE VARCHAR(512);".into(),
            ],
            warnings: vec!["ALTER COLUMN runs outside a transaction block: it stays when the load after it fails.".into()],
            order: Some(Order::Widen { column: Some("subject".into()), to: Some(512) }),
        },
        Order::Skip { .. } => Plan {
            facts: vec![fact("batch", "610"), fact("rows", "2,204"), fact("LSN range", "0000002D:000A1F40:0003 to 0000002D:000B0010:0001")],
            sql: Vec::new(),
            warnings: vec!["Production will lack these rows and counts as diverged until a verify or a new snapshot.".into()],
            order: Some(Order::Skip { batch: Some(610), why: String::new() }),
        },
        Order::Enable { .. } => Plan {
            sql: vec!["EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'CustomerNote', @role_name = NULL;".into()],
            ..Plan::default()
        },
        _ => Plan {
            facts: vec![fact("batches", "610 to 612"), fact("rows", "6,612"), fact("tables", &tables.len().to_string())],
            sql: vec!["BEGIN; COPY staging...; DELETE FROM production...; INSERT INTO production...; COMMIT;".into()],
            warnings: Vec::new(),
            order: None,
        },
    }
}

/// CDC is on, one step can be done, others wait.
pub fn checklist() -> Checklist {
    let step = |title: &str, state, why: &str, sql: &str, order| Step {
        title: title.into(),
        state,
        why: why.into(),
        sql: sql.into(),
        permission: if sql.is_empty() { String::new() } else { "member of db_owner".into() },
        found: if state == StepState::Done { "sys.databases.is_cdc_enabled = 1".into() } else { String::new() },
        order,
    };
    Checklist {
        steps: vec![
            step("The edition supports CDC", StepState::Done, "Express and Web have no CDC.", "", None),
            step(
                "CDC is on for the database",
                StepState::Done,
                "Change tables and the capture job belong to the database.",
                "EXEC sys.sp_cdc_enable_db;",
                None,
            ),
            step("SQL Server Agent runs", StepState::Unknown, "Without it nothing is captured.", "", None),
            step(
                "CDC is on for the tables",
                StepState::Open,
                "Only tracked tables are carried. Each gets a change table and keeps its changes for the retention.",
                "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'CustomerNote', @role_name = NULL;",
                Some((Order::Enable { role: None }, vec![world::table("dbo.CustomerNote")])),
            ),
            step("The tables are prepared", StepState::Waits, "The first snapshot comes before the first change.", "", None),
        ],
        untracked: vec![world::table("dbo.CustomerNote"), world::table("dbo.Scratch")],
    }
}
