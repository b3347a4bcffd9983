//! Names in T-SQL text. Values never stand in a text: they travel as parameters.

use crate::model::TableName;

/// Brackets around a name, `]` doubled.
#[must_use]
pub fn name(part: &str) -> String {
    format!("[{}]", part.replace(']', "]]"))
}

/// `[schema].[table]`.
#[must_use]
pub fn table(table: &TableName) -> String {
    format!("{}.{}", name(&table.schema), name(&table.name))
}

/// The change table of a capture instance, as in `[cdc].[dbo_Orders_CT]`.
#[must_use]
pub fn change_table(instance: &str) -> String {
    format!("[cdc].{}", name(&format!("{instance}_CT")))
}

/// The net function of a capture instance.
#[must_use]
pub fn net_function(instance: &str) -> String {
    format!("[cdc].{}", name(&format!("fn_cdc_get_net_changes_{instance}")))
}

/// The n-th LSN of a parameter that `session::lsns` made. The CAST keeps the type of the LSN
/// columns, so that an index on them is still sought.
#[must_use]
pub fn lsn_at(parameter: &str, n: impl std::fmt::Display) -> String {
    format!("CAST(SUBSTRING({parameter}, 10 * {n} + 1, 10) AS binary(10))")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closing_bracket_cannot_end_a_name() {
        assert_eq!(table(&TableName::new("odd]schema", "a b.c")), "[odd]]schema].[a b.c]");
        assert_eq!(change_table("x]; DROP TABLE t --"), "[cdc].[x]]; DROP TABLE t --_CT]");
        assert_eq!(net_function("dbo_Orders"), "[cdc].[fn_cdc_get_net_changes_dbo_Orders]");
    }
}
