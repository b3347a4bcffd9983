//! Bounds of what can be read: low and high water marks, the time mapping, probes, windows.

use super::quote;

/// Low-water marks first, then the newest LSN, each a statement of its own: a bound that rises
/// between the two never hides a gap, and a probe that runs afterwards sees all up to the maximum.
/// `@P1` .. `@Pn` are the names of the instances.
#[must_use]
pub fn watermarks(instances: usize) -> String {
    let parts: Vec<_> = (0..instances).map(|n| format!("SELECT {n} AS n, sys.fn_cdc_get_min_lsn(@P{}) AS min_lsn", n + 1)).collect();
    if parts.is_empty() { MAX_LSN.to_owned() } else { format!("{};\n{MAX_LSN}", parts.join("\nUNION ALL\n")) }
}

/// The function fails where CDC is off, so it is only called where it is on.
pub const MAX_LSN: &str = "\
SELECT d.is_cdc_enabled,
       CASE WHEN d.is_cdc_enabled = 1 THEN sys.fn_cdc_get_max_lsn() END AS max_lsn
  FROM sys.databases AS d
 WHERE d.database_id = DB_ID();";

/// The first commit LSN of every range that holds a change row. Range n has its ends in
/// `@P{2n+1}` and `@P{2n+2}`.
#[must_use]
pub fn first_changes<'a>(instances: impl IntoIterator<Item = &'a str>) -> String {
    let parts: Vec<_> = instances
        .into_iter()
        .enumerate()
        .map(|(n, instance)| {
            let (table, from, to) = (quote::change_table(instance), 2 * n + 1, 2 * n + 2);
            format!(
                "SELECT {n} AS n, MIN(ct.__$start_lsn) AS first_lsn FROM {table} AS ct \
                 WHERE ct.__$start_lsn >= @P{from} AND ct.__$start_lsn <= @P{to}"
            )
        })
        .collect();
    format!("{};", parts.join("\nUNION ALL\n"))
}

/// `@P1` from, `@P2` max, `@P3` how many. Rows of an idle log (`tran_id` 0x00) are no
/// transactions.
pub const WINDOW_END: &str = "\
SELECT COUNT(*) AS transactions, MAX(w.start_lsn) AS last_lsn
  FROM (SELECT TOP (@P3) m.start_lsn
          FROM cdc.lsn_time_mapping AS m
         WHERE m.start_lsn >= @P1 AND m.start_lsn <= @P2 AND m.tran_id <> 0x00
         ORDER BY m.start_lsn) AS w;";

/// `@P1`: the LSN at or below which the newest row is wanted.
pub const MAPPING_AT: &str = "\
SELECT TOP (1) m.start_lsn, ISNULL(m.tran_end_time, m.tran_begin_time) AS end_time, m.tran_id
  FROM cdc.lsn_time_mapping AS m
 WHERE m.start_lsn <= @P1
 ORDER BY m.start_lsn DESC;
SELECT MIN(m.start_lsn) AS oldest_lsn
  FROM cdc.lsn_time_mapping AS m;";

/// `@P1`: the limit.
pub const CLEAN_UP_MARK: &str = "\
SELECT MAX(m.start_lsn) AS mark
  FROM cdc.lsn_time_mapping AS m
 WHERE m.start_lsn <= @P1;";

/// The server's clock in its local zone, the zone of the time mapping.
pub const CLOCK: &str = "SELECT SYSDATETIME() AS now;";
