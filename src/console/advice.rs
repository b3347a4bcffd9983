//! From the advice of a fault to an order that the console can carry out.
//!
//! Faults give their next actions as command lines. Those that the console has a key for become
//! orders; the others can be copied.

use super::order::Order;
use crate::model::order::Repeat;

/// The order that an action stands for, if the console can carry it out.
#[must_use]
pub fn order(action: &str) -> Option<Order> {
    let command = action.find("db-to-redshift ").map(|at| &action[at + "db-to-redshift ".len()..])?;
    let command = command.split(" # ").next().unwrap_or(command);
    let words = words(command);
    let flag = |name: &str| words.iter().any(|word| word == name);
    let value = |name: &str| words.iter().position(|word| word == name).and_then(|at| words.get(at + 1)).cloned();
    Some(match words.first()?.as_str() {
        "extract" => Order::Extract,
        "load" => Order::Load,
        "sync" => Order::Sync,
        // What of it may run, the console finds out when it is chosen.
        "retry" => Order::Retry { repeat: Repeat::Steps },
        "resume" => Order::Resume,
        "recover" => Order::Recover,
        "verify" => Order::Verify,
        "prepare" if !flag("--mode") && !flag("--replace") && !flag("--trusted") => Order::Prepare { new_epoch: flag("--new-epoch") },
        "skip" => Order::Skip { batch: None, why: String::new() },
        "accept-schema" => Order::AcceptSchema,
        "recapture" if !flag("--without") => Order::Recapture,
        "widen" => Order::Widen { column: value("--column"), to: value("--to").and_then(|to| to.parse().ok()) },
        "lease" if flag("--take-over") && !flag("--force") => Order::TakeOver,
        "lease" if flag("--release") => Order::Release,
        "maintain" if flag("truncate-staging") => Order::TruncateStaging,
        "maintain" if flag("analyze") => Order::Analyze,
        "maintain" if flag("vacuum") => Order::Vacuum,
        "enable" => Order::Enable { role: value("--role") },
        _ => return None,
    })
}

/// Words as a POSIX shell splits them, as far as our own command lines need it.
#[must_use]
pub fn words(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quoted, mut begun) = (Vec::new(), String::new(), false, false);
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => (quoted, begun) = (!quoted, true),
            '\\' if !quoted => word.extend(chars.next()),
            c if c.is_whitespace() && !quoted => {
                if begun || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                begun = false;
            }
            c => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        words.push(word);
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_becomes_an_order() {
        let widen = "widen it: db-to-redshift widen --table 'dbo.it'\\''s' --column 'Two Words' --to 600 --confirm";
        assert_eq!(order(widen), Some(Order::Widen { column: Some("Two Words".into()), to: Some(600) }));
        assert_eq!(order("db-to-redshift prepare --new-epoch --table 'a.b' # replaces it"), Some(Order::Prepare { new_epoch: true }));
        assert_eq!(order("db-to-redshift lease --take-over"), Some(Order::TakeOver));
    }

    #[test]
    fn advice_that_is_no_order_stays_text() {
        for text in ["ask your DBA", "GRANT SELECT ON x TO y", "db-to-redshift explain SYNC-002", "db-to-redshift prepare --mode start"] {
            assert_eq!(order(text), None, "{text}");
        }
    }
}
