//! The lines about privileges: what a login lacks, and the statement that grants it.

use super::{Findings, Found};
use crate::model::privilege::Lacking;
use crate::model::{Fault, TableName};

/// One line for all when nothing is missing, else a fault each.
pub(super) fn lines(area: &str, asked: &str, tables: &[TableName], lacking: Result<Lacking, Fault>, found: &mut Findings) {
    let lacking = match lacking {
        Ok(lacking) => lacking,
        Err(fault) => return found.warn(area, "privileges", format!("they cannot be asked for: {fault}")),
    };
    if lacking.shared.is_empty() && lacking.tables.iter().all(Vec::is_empty) {
        return found.good(area, "privileges", format!("{asked}, {} tables", tables.len()));
    }
    for fault in lacking.shared {
        found.add(area, "privileges", Found::Fault(fault));
    }
    for (table, faults) in tables.iter().zip(lacking.tables) {
        for fault in faults {
            found.add(table.to_string(), &format!("{area} privileges"), Found::Fault(fault));
        }
    }
}
