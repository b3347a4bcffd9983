//! Widen: the repair of a column that is too narrow for its values.
//!
//! Redshift refuses `ALTER COLUMN … TYPE` inside a transaction block, so no lock on state can be
//! held across it. Instead: one transaction locks state, empties staging, raises the fence (every
//! worker of before is stale from here on) and commits; the ALTERs run alone, production first;
//! another transaction locks state, finds its own fence, nothing staged and the same tables, and
//! looks at the widths. A crash anywhere leaves columns that are wide enough or as they were, and
//! records that the next load takes: nothing has to be undone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::event::Job;
use crate::engine::{Engine, lease};
use crate::model::control::LeaseKind;
use crate::model::fault::{rs, sync};
use crate::model::{Fault, TableName, TableShape};
use crate::source::Source;
use crate::store::ChangeStore;
use crate::target::{ColumnWidth, Loader, Target, Widening};

/// Longest VARCHAR of a stored column.
pub const MOST_BYTES: u32 = 65_535;
/// Encodings whose columns cannot be altered.
const FIXED: [&str; 4] = ["bytedict", "runlength", "text255", "text32k"];

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct WidenOptions {
    /// Name in the source or in the target; `None`: the column of the last load error.
    pub column: Option<String>,
    /// `None`: what the source's type needs.
    pub to: Option<u32>,
    /// Do it; otherwise the statements are shown.
    pub confirm: bool,
}

/// The widening of one column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct WidenReport {
    pub table: TableName,
    /// As the source spells it; empty: none was named, and no pending value is too long.
    pub column: String,
    /// Type in production before, as in `VARCHAR(60)`; empty without a column.
    pub production: String,
    /// Type in staging before; empty without a column.
    pub staging: String,
    /// Width that was asked for, in bytes; 0 without a column.
    pub to: u32,
    /// What was or would be run; empty: both are wide enough.
    pub statements: Vec<String>,
    /// The statements were run.
    pub done: bool,
    /// The oids of the tables changed with the ALTER: the table counts as diverged until a verify.
    pub diverged: bool,
}

impl WidenReport {
    /// No column was named, and every pending value fits.
    fn nothing(table: &TableName) -> Self {
        let (column, production, staging) = (String::new(), String::new(), String::new());
        Self { table: table.clone(), column, production, staging, to: 0, statements: Vec::new(), done: false, diverged: false }
    }

    /// Says that nothing is to be widened, where that is so without a column being named.
    #[must_use]
    pub fn nothing_too_long(&self) -> Option<String> {
        self.column.is_empty().then(|| format!("{}: nothing is to be widened: no pending value is too long for its column", self.table))
    }
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// Widens one VARCHAR column of production and staging.
    pub async fn widen(&self, table: &TableName, options: &WidenOptions) -> Result<WidenReport, Fault> {
        if !options.confirm {
            return Ok(self.plan_widening(table, options).await?.map_or_else(|| WidenReport::nothing(table), |(report, ..)| report));
        }
        let lease = lease::take(&self.store, table, LeaseKind::Load, &self.run.holder, self.run.wait, &self.cancel).await?;
        let widened = self.widen_under_lease(table, options, &lease).await;
        lease.release().await;
        widened
    }

    /// `None`: no column was named, and every pending value fits.
    async fn plan_widening(&self, table: &TableName, options: &WidenOptions) -> Result<Option<(WidenReport, Widening, TableShape)>, Fault> {
        let (opening, _, records) = self.pending_records(table).await?;
        let shape = records.last().unwrap_or(&opening).columns.clone();
        let widths = self.target.widths(table, &shape).await?;
        let (name, least) = match &options.column {
            Some(column) => (column.clone(), 0),
            None => match self.first_offender(table, &records).await? {
                Some(offender) => (offender.width.name, offender.bytes),
                None => return Ok(None),
            },
        };
        let width = widths.into_iter().find(|width| width.column == name || width.name == name.to_lowercase()).ok_or_else(|| {
            let names: Vec<&str> = shape.columns().iter().map(|column| column.name.as_str()).collect();
            Fault::new(&sync::NO_COLUMN, format!("{table} has no column {name}")).evidence("columns", names.join(", "))
        })?;
        let to = target_width(table, &width, options.to, least)?;
        let narrower = |bytes: Option<u32>| bytes.is_some_and(|bytes| bytes < to);
        let widening = Widening {
            name: width.name.clone(),
            bytes: to,
            production: narrower(width.production_bytes),
            staging: narrower(width.staging_bytes),
        };
        if widening.production {
            require_alterable(table, &width)?;
        }
        let report = WidenReport {
            table: table.clone(),
            column: width.column,
            production: width.production,
            staging: width.staging,
            to,
            statements: self.target.widen_sql(table, &widening),
            done: false,
            diverged: false,
        };
        Ok(Some((report, widening, shape)))
    }

    async fn widen_under_lease(&self, table: &TableName, options: &WidenOptions, lease: &lease::Held) -> Result<WidenReport, Fault> {
        let Some((mut report, widening, shape)) = self.plan_widening(table, options).await? else { return Ok(WidenReport::nothing(table)) };
        if report.statements.is_empty() {
            return Ok(report);
        }
        let identity = self.stream_identity(table).await?;
        let mut loader = self.target.loader(table).await?;
        let state = loader.clear_for_ddl(&identity).await?;
        lease.check(table)?;
        loader.widen(&widening).await?;
        report.diverged = !loader.accept_ddl(state.fence).await?;
        if report.diverged {
            self.log_mark(Job::Load, table, "diverged").await;
        }
        let widths = self.target.widths(table, &shape).await?;
        let wide = widths.iter().find(|width| width.name == widening.name).is_some_and(|width| {
            [width.production_bytes, width.staging_bytes].iter().all(|bytes| bytes.is_some_and(|bytes| bytes >= report.to))
        });
        if !wide {
            return Err(Fault::new(
                &rs::NOT_WIDENED,
                format!("{table}, column {}: the catalogue still shows the old width", report.column),
            ));
        }
        report.done = true;
        Ok(report)
    }

    /// What the state of a table must say: the source that its records came from.
    pub(super) async fn stream_identity(&self, table: &TableName) -> Result<crate::model::state::StreamIdentity, Fault> {
        let (opening, _, _) = self.pending_records(table).await?;
        Ok(self.identity(&opening.source))
    }
}

fn refused(table: &TableName, width: &ColumnWidth, why: &str) -> Fault {
    Fault::new(&rs::NOT_WIDENED, format!("{table}, column {}: {why}", width.column))
        .evidence("column", &width.column)
        .evidence("type", &width.production)
}

fn target_width(table: &TableName, width: &ColumnWidth, to: Option<u32>, least: u64) -> Result<u32, Fault> {
    let refuse = |why: String| refused(table, width, &why);
    if !width.production.starts_with("VARCHAR") {
        return Err(refuse(format!("{} is no VARCHAR, and Redshift widens no other type", width.production)));
    }
    let least = u32::try_from(least).unwrap_or(u32::MAX);
    let to = to.unwrap_or_else(|| width.needed_bytes.unwrap_or(0).max(least));
    if to > MOST_BYTES {
        return Err(refuse(format!("no VARCHAR holds more than {MOST_BYTES} bytes")).evidence("bytes", to));
    }
    Ok(to)
}

fn require_alterable(table: &TableName, width: &ColumnWidth) -> Result<(), Fault> {
    let refuse = |why: String| Err(refused(table, width, &why));
    if width.has_default {
        return refuse("it has a default".into());
    }
    match &width.encoding {
        Some(encoding) if FIXED.contains(&encoding.as_str()) => refuse(format!("it is encoded as {}", encoding.to_uppercase())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn width(production: &str, encoding: &str) -> ColumnWidth {
        ColumnWidth {
            column: "Name".into(),
            name: "name".into(),
            production: production.into(),
            staging: "VARCHAR(60)".into(),
            needed: "VARCHAR(60)".into(),
            production_bytes: Some(10),
            staging_bytes: Some(60),
            needed_bytes: Some(60),
            encoding: Some(encoding.into()),
            has_default: false,
        }
    }

    #[test]
    fn the_source_decides_unless_told_otherwise() {
        let table = TableName::new("dbo", "t");
        let to = |to, least| target_width(&table, &width("VARCHAR(10)", "lzo"), to, least);
        assert_eq!((to(None, 0).unwrap(), to(None, 70).unwrap(), to(Some(20), 0).unwrap()), (60, 70, 20));
        assert!(to(Some(70_000), 0).unwrap_err().is(&rs::NOT_WIDENED));
        assert!(target_width(&table, &width("VARBYTE(10)", "lzo"), None, 0).is_err());
    }

    #[test]
    fn encodings_that_redshift_cannot_alter_are_refused_before_anything_is_done() {
        let table = TableName::new("dbo", "t");
        assert!(require_alterable(&table, &width("VARCHAR(10)", "zstd")).is_ok());
        for encoding in FIXED {
            assert!(require_alterable(&table, &width("VARCHAR(10)", encoding)).unwrap_err().to_string().contains(&encoding.to_uppercase()));
        }
        assert!(require_alterable(&table, &ColumnWidth { has_default: true, ..width("VARCHAR(10)", "lzo") }).is_err());
    }
}
