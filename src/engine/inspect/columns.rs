//! Columns: what each source column becomes, and what production and staging have for it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::{Engine, policy};
use crate::model::fault::{FaultDocument, sync};
use crate::model::{CaptureIdentity, Column, Fault, TableName, Unfit};
use crate::source::{CaptureInstance, Source};
use crate::store::ChangeStore;
use crate::target::{Declared, DeclaredColumns, Target};

/// One column of the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own in the document")]
pub struct MappedColumn {
    /// As the source spells it.
    pub name: String,
    /// Its type, as in `nvarchar(60)`; null for a captured column that the source no longer has,
    /// and for a computed one.
    pub source_type: Option<String>,
    /// Collation of a text column.
    pub collation: Option<String>,
    /// It may be NULL in the source.
    pub nullable: Option<bool>,
    /// Position in the key, from 1; null outside it.
    pub key: Option<u8>,
    /// It is computed: SQL Server captures NULL for it, so it is not carried.
    pub computed: bool,
    /// The capture instance records its changes.
    pub captured: bool,
    /// It was captured, and no longer stands in the source under its id, name and type: drift.
    pub missing: bool,
    /// It reaches the target. Only captured columns that are not computed do.
    pub carried: bool,
    /// Name in the target, not quoted; null for one that is not carried.
    pub target_name: Option<String>,
    /// Type that holds it in the target; null for one that is not carried or cannot be.
    pub target_type: Option<String>,
    /// Bytes that a value may have in the target; null where every value fits.
    pub limit: Option<u32>,
    /// What becomes of longer values.
    pub policy: Unfit,
    /// Why values may not fit or not come back the same.
    pub warnings: Vec<String>,
    /// Why it cannot be carried.
    pub refused: Option<String>,
    /// Its type in production; null where production has no such column, or was not asked.
    pub production: Option<String>,
    /// Its type in staging, likewise.
    pub staging: Option<String>,
    /// Both can hold every value that the target type can; null where one of them has no such column.
    pub fits: Option<bool>,
}

/// The columns of one table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, JsonSchema)]
pub struct ColumnMap {
    pub table: TableName,
    /// The capture instance that is read: that of the open epoch, else the newest.
    pub instance: String,
    /// Name of production in the target, quoted.
    pub production: String,
    /// Name of staging in the target, quoted.
    pub staging: String,
    /// The key first, then the others as the source has them; columns that are not carried last.
    pub columns: Vec<MappedColumn>,
    /// Columns of production that the source does not have.
    pub only_in_production: Vec<String>,
    /// Why the table cannot be carried as it is.
    pub refusals: Vec<FaultDocument>,
    /// The store did not answer: the instance is the newest.
    pub store_fault: Option<FaultDocument>,
    /// The target did not answer: its actual types are unknown.
    pub target_fault: Option<FaultDocument>,
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What each column of a table becomes. Needs the source; S3 and the target say more.
    pub async fn columns(&self, table: &TableName) -> Result<ColumnMap, Fault> {
        let not_tracked = || {
            Fault::new(&sync::NOT_TRACKED, format!("{table} has no capture instance"))
                .next(format!("db-to-redshift enable --table {table:#}"))
        };
        let (described, capture) = tokio::join!(self.describe(std::slice::from_ref(table)), self.capture_of(table));
        let facts = described?.into_iter().next().ok_or_else(not_tracked)??;
        let (capture, store_fault) = match capture {
            Ok(capture) => (capture, None),
            Err(fault) => (None, Some(FaultDocument::from(&fault))),
        };
        let own = facts.instances.iter().find(|instance| Some(&instance.identity) == capture.as_ref());
        let instance = own.or(facts.instances.first()).ok_or_else(not_tracked)?;
        let carried = instance.shape.columns();
        let (declared, target_fault) = match self.target.declared(table, carried).await {
            Ok(declared) => (declared, None),
            Err(fault) => (DeclaredColumns::default(), Some(FaultDocument::from(&fault))),
        };
        let names = self.target.names(table);
        let refused = self.target.check_shapes(&[(table.clone(), instance.shape.clone())]);
        let mut refused: Vec<Fault> = refused.into_iter().map(|refused| refused.fault).collect();
        refused.extend(policy::unknown_column(&self.settings, table, &instance.shape));
        Ok(ColumnMap {
            table: table.clone(),
            instance: instance.identity.instance.clone(),
            production: names.production,
            staging: names.staging,
            columns: self.mapped(instance, &declared.columns),
            only_in_production: declared.more,
            refusals: refused.iter().map(FaultDocument::from).collect(),
            store_fault,
            target_fault,
        })
    }

    /// The capture instance of the open epoch; `None` without one.
    pub(in crate::engine) async fn capture_of(&self, table: &TableName) -> Result<Option<CaptureIdentity>, Fault> {
        let Some(epoch) = self.store.current_epoch(table).await? else { return Ok(None) };
        Ok(self.store.record(table, epoch, 0).await?.map(|record| record.capture))
    }

    /// `declared` is empty, or has an entry for each carried column.
    fn mapped(&self, instance: &CaptureInstance, declared: &[Declared]) -> Vec<MappedColumn> {
        let carried = instance.shape.columns().iter().enumerate().map(|(at, column)| {
            let plan = self.target.plan_column(column);
            let declared = declared.get(at).cloned().unwrap_or_default();
            MappedColumn {
                captured: true,
                carried: true,
                target_name: Some(plan.name),
                target_type: plan.target_type,
                limit: self.target.byte_limit(column),
                warnings: plan.lossy,
                refused: plan.refused,
                production: declared.production,
                staging: declared.staging,
                fits: declared.fits,
                ..source_side(column)
            }
        });
        let uncaptured = instance.uncaptured.iter().map(source_side);
        let computed = instance.computed.iter().map(|name| MappedColumn { computed: true, captured: true, ..bare(name) });
        let missing = instance.missing.iter().map(|name| MappedColumn { captured: true, missing: true, ..bare(name) });
        carried.chain(uncaptured).chain(computed).chain(missing).collect()
    }
}

fn source_side(column: &Column) -> MappedColumn {
    MappedColumn {
        source_type: Some(column.sql_type.to_string()),
        collation: column.collation.clone(),
        nullable: Some(column.nullable),
        key: column.key_ordinal,
        policy: column.unfit,
        ..bare(&column.name)
    }
}

fn bare(name: &str) -> MappedColumn {
    MappedColumn {
        name: name.to_owned(),
        source_type: None,
        collation: None,
        nullable: None,
        key: None,
        computed: false,
        captured: false,
        missing: false,
        carried: false,
        target_name: None,
        target_type: None,
        limit: None,
        policy: Unfit::Fail,
        warnings: Vec::new(),
        refused: None,
        production: None,
        staging: None,
        fits: None,
    }
}
