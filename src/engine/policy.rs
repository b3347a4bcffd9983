//! The operator's policies for values that are too long, laid over the columns of a table.

use crate::config::Settings;
use crate::engine::Engine;
use crate::engine::event::Job;
use crate::model::fault::{rs, src, sync};
use crate::model::{CommitRecord, Fault, TableName, TableShape, Unfit};
use crate::source::{Source, TableFacts};
use crate::store::ChangeStore;
use crate::target::Target;

/// The shape with its policies. Names are compared as the source compares most of them: without
/// letter case.
#[must_use]
pub fn lay_over(settings: &Settings, table: &TableName, shape: &TableShape) -> TableShape {
    let policies = settings.policies_of(table);
    shape.with_policies(|column| {
        let found = policies.iter().find(|(name, _)| name.to_lowercase() == column.name.to_lowercase());
        found.map_or(Unfit::Fail, |(_, policy)| *policy)
    })
}

/// A policy for a column that a table does not have, by a rule that names this very table.
#[must_use]
pub fn unknown_column(settings: &Settings, table: &TableName, shape: &TableShape) -> Option<Fault> {
    let rule = settings.rule_of(table).filter(|rule| !rule.name.contains('*'))?;
    let known = |name: &str| shape.columns().iter().any(|column| column.name.to_lowercase() == name.to_lowercase());
    let (missing, _) = rule.columns.iter().find(|(name, _)| !known(name))?;
    Some(
        Fault::new(&rs::COLUMN_POLICY, format!("{table} has no captured column {missing}"))
            .evidence("table", table)
            .evidence("column", missing)
            .next("correct the name in `columns` under [[table]]"),
    )
}

/// Part files of a SUPER column have another form than those of a VARCHAR: within an epoch a
/// column stays what it is.
pub fn same_epoch(head: &CommitRecord, shape: &TableShape) -> Result<(), Fault> {
    for column in shape.columns() {
        let then = head.columns.columns().iter().find(|other| other.column_id == column.column_id);
        if let Some(then) = then
            && (then.unfit == Unfit::Super) != (column.unfit == Unfit::Super)
        {
            let table = &head.table;
            return Err(Fault::new(
                &sync::POLICY,
                format!("{table}, column {}: the policy changed between `super` and another", column.name),
            )
            .evidence("column", &column.name)
            .evidence("policy of the epoch", then.unfit.as_str())
            .evidence("policy now", column.unfit.as_str())
            .next(format!("db-to-redshift prepare --new-epoch --table {table:#}")));
        }
    }
    Ok(())
}

impl<S: Source, C: ChangeStore, T: Target> Engine<S, C, T> {
    /// What the source says of the tables, with the policies of the configuration.
    pub(crate) async fn describe(&self, tables: &[TableName]) -> Result<Vec<Result<TableFacts, Fault>>, Fault> {
        let mut facts = self.source.describe(tables).await?;
        for table in facts.iter_mut().flatten() {
            if self.settings.sees_all_rows(&table.name) {
                table.withheld.retain(|fault| !fault.is(&src::ROWS_FILTERED));
            }
            for instance in &mut table.instances {
                instance.shape = lay_over(&self.settings, &table.name, &instance.shape);
            }
        }
        Ok(facts)
    }

    /// The columns of the epoch with the policies of today, checked.
    pub(crate) fn policed(&self, head: &CommitRecord) -> Result<TableShape, Fault> {
        let shape = lay_over(&self.settings, &head.table, &head.columns);
        same_epoch(head, &shape)?;
        let refused = self.target.check_shapes(&[(head.table.clone(), shape.clone())]).into_iter().next();
        match refused.map(|refused| refused.fault).or_else(|| unknown_column(&self.settings, &head.table, &shape)) {
            Some(fault) => Err(fault),
            None => Ok(shape),
        }
    }

    /// Says what the policies and the file format changed in a batch: columns and counts, never a
    /// value.
    pub(crate) async fn warn_of_changed_values(&self, job: Job, record: &CommitRecord) {
        let mut texts = Vec::new();
        for (column, count) in &record.counts.unfit {
            let limit =
                record.columns.columns().iter().find(|known| known.name == *column).and_then(|column| self.target.byte_limit(column));
            let limit = limit.map_or_else(String::new, |limit| format!(" over {limit} bytes"));
            if count.truncated > 0 {
                texts.push(format!("column {column}: {} values{limit} were cut (policy \"truncate\")", count.truncated));
            }
            if count.nulled > 0 {
                texts.push(format!("column {column}: {} values{limit} became NULL (policy \"null\")", count.nulled));
            }
        }
        if record.counts.replaced_nuls > 0 {
            texts.push(format!("{} NUL characters became U+FFFD", record.counts.replaced_nuls));
        }
        if record.counts.replacement_characters > 0 {
            let count = record.counts.replacement_characters;
            texts
                .push(format!("{count} characters U+FFFD: halves of characters in the source (lone surrogates), or that character itself"));
        }
        let which = if record.seq == 0 { "snapshot".to_owned() } else { format!("batch {}", record.seq) };
        for text in texts {
            self.events.warn(job, &record.table, format!("{which}: {text}")).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Changes, TableRule};
    use crate::model::{Column, SqlType};

    fn rules(rules: &[(&str, &[(&str, Unfit)])]) -> Vec<TableRule> {
        let columns = |columns: &[(&str, Unfit)]| columns.iter().map(|(name, policy)| ((*name).to_owned(), *policy)).collect();
        rules
            .iter()
            .map(|(name, policies)| TableRule {
                name: (*name).to_owned(),
                skip: false,
                changes: Changes::All,
                columns: columns(policies),
                sees_all_rows: false,
            })
            .collect()
    }

    fn policies(rules: &[TableRule]) -> Vec<Unfit> {
        let column = |name: &str, id, key_ordinal| Column {
            name: name.into(),
            column_id: id,
            ordinal: id,
            sql_type: SqlType::NVarCharMax,
            nullable: true,
            collation: None,
            key_ordinal,
            unfit: Unfit::Fail,
        };
        let shape = TableShape::new(vec![column("Id", 1, Some(1)), column("Notes", 2, None), column("Body", 3, None)]);
        let table = TableName::new("dbo", "Orders");
        let found = crate::config::last_match(rules, &table).map(|rule| rule.columns.as_slice()).unwrap_or_default();
        shape
            .with_policies(|column| {
                found.iter().find(|(name, _)| name.to_lowercase() == column.name.to_lowercase()).map_or(Unfit::Fail, |p| p.1)
            })
            .columns()
            .iter()
            .map(|column| column.unfit)
            .collect()
    }

    #[test]
    fn the_last_rule_that_matches_decides_for_all_columns() {
        let rules = rules(&[("dbo.*", &[("notes", Unfit::Truncate), ("Body", Unfit::Null)]), ("dbo.orders", &[("NOTES", Unfit::Super)])]);
        assert_eq!(policies(&rules), [Unfit::Fail, Unfit::Super, Unfit::Fail]);
        assert_eq!(policies(&rules[..1]), [Unfit::Fail, Unfit::Truncate, Unfit::Null]);
    }
}
