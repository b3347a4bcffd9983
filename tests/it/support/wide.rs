//! A batch of many rows of twelve columns, and what a process costs that reads it. Shared by the
//! memory test and the bench `streaming`.

use std::time::{Duration, Instant};

use db_to_redshift::lab::sqlserver::cdc::GeneratedRow;
use db_to_redshift::lab::sqlserver::types::Datum;
use tokio::process::Child;

/// Twelve columns of the usual kinds; CDC on.
pub const SCHEMA: [&str; 4] = [
    "CREATE TABLE dbo.wide (
    id bigint NOT NULL PRIMARY KEY, customer int NULL, product int NULL, pieces smallint NULL,
    price decimal(19,4) NULL, discount float NULL, paid bit NULL, name nvarchar(60) NULL,
    note varchar(100) NULL, ordered datetime2(3) NULL, shipped date NULL, token uniqueidentifier NULL)",
    "ALTER DATABASE CURRENT SET ALLOW_SNAPSHOT_ISOLATION ON",
    "EXEC sys.sp_cdc_enable_db",
    "EXEC sys.sp_cdc_enable_table @source_schema = N'dbo', @source_name = N'wide', @role_name = NULL, @supports_net_changes = 0",
];

pub const INSTANCE: &str = "dbo_wide";

/// Inserts of one transaction.
pub fn rows(count: i64) -> impl Iterator<Item = GeneratedRow> {
    (0..count).map(move |id| {
        let text = |text: String| Datum::Text(text.encode_utf16().collect());
        let mut token = [0; 16];
        token[..8].copy_from_slice(&id.to_be_bytes());
        let values = vec![
            Datum::Int(id),
            Datum::Int(id % 9_973),
            Datum::Int(id % 577),
            Datum::Int(id % 40),
            Datum::Decimal { unscaled: i128::from(id) * 125, scale: 4 },
            if id % 5 == 0 { Datum::Null } else { Datum::Float(0.01 * f64::from(u32::try_from(id % 1_000).unwrap_or(0))) },
            Datum::Bit(id % 3 == 0),
            text(format!("Röstung Nr. {} für Kontor {}", id % 300, id % 9_973)),
            if id % 7 == 0 { Datum::Null } else { text(format!("lot {id} dried on the roof, turned twice a day")) },
            Datum::DateTime2 {
                days: 739_000 + u32::try_from(id % 900).unwrap_or(0),
                ticks: 10_000 * u64::try_from(id % 86_400_000).unwrap_or(0),
            },
            Datum::Date(739_000 + u32::try_from(id % 900).unwrap_or(0)),
            Datum::Guid(token),
        ];
        GeneratedRow { operation: 2, values, commits: false }
    })
}

/// What a process cost.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Largest resident memory, in MB of 10^6 bytes.
    pub peak_mb: f64,
    pub cpu_seconds: f64,
    pub wall_seconds: f64,
}

/// Follows a child to its end by what Linux says of it. The figures of the last look count: looks
/// are 20 ms apart.
pub async fn measure(child: &mut Child) -> (bool, Cost) {
    let started = Instant::now();
    let mut cost = Cost::default();
    let pid = child.id();
    let status = loop {
        if let Some(pid) = pid {
            look(pid, &mut cost);
        }
        tokio::select! {
            status = child.wait() => break status,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    };
    cost.wall_seconds = started.elapsed().as_secs_f64();
    (status.is_ok_and(|status| status.success()), cost)
}

fn look(pid: u32, cost: &mut Cost) {
    let field = |text: &str| text.split_whitespace().nth(1).and_then(|number| number.parse::<f64>().ok());
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    if let Some(kib) = status.lines().find(|line| line.starts_with("VmHWM:")).and_then(field) {
        cost.peak_mb = kib * 1024.0 / 1e6;
    }
    // Fields 14 and 15 after the name in parentheses: user and system time in 1/100 s.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|ticks| ticks.parse::<f64>().ok());
    if let Some(ticks) = ticks(11).zip(ticks(12)).map(|(user, system)| user + system) {
        cost.cpu_seconds = ticks / 100.0;
    }
}
