//! Kept values: large columns that an update did not touch, so that its row carries none (rule
//! L4).
//!
//! A surviving row (the last of its key, an upsert) whose column is flagged `k` takes the value
//! of the latest earlier staged row of its key that has one, unless a staged delete of the key
//! stands between; with no staged delete before it at all it takes production's. What is filled
//! loses its flag. What then is still flagged is found nowhere.

use super::ddl::Layout;
use super::names::{self, Names};
use super::quote::{ident, ident_list};
use crate::model::change::{KEEP_GONE, KEEP_KEPT, OP_DELETE, OP_UPSERT};

/// Name of the position counted back from the last row of a key, which is 1.
const BACK: &str = "__d2r_back";

/// The number of rows flagged `k`, one figure for each large column. `None` without any.
#[must_use]
pub fn count_flagged(names: &Names, layout: &Layout) -> Option<String> {
    if layout.large.is_empty() {
        return None;
    }
    let figure = |number: usize| format!("       COUNT(CASE WHEN {} = '{KEEP_KEPT}' THEN 1 END)", ident(&names::keep(number)));
    let figures = (1..=layout.large.len()).map(figure).collect::<Vec<_>>().join(",\n");
    Some(format!("SELECT\n{figures}\n  FROM {}\n WHERE {} = '{OP_UPSERT}'", names.staging.sql(), ident(names::OP)))
}

/// A subquery, indented under the line that opens its parenthesis. A line break inside a quoted
/// name is part of the name and stays as it is.
fn nested(sql: &str, columns: usize) -> String {
    let indent = " ".repeat(columns);
    let mut out = format!("(\n{indent}");
    let mut quoted = false;
    for c in sql.chars() {
        out.push(c);
        quoted ^= c == '"';
        if c == '\n' && !quoted {
            out.push_str(&indent);
        }
    }
    format!("{out}\n{})", " ".repeat(columns - 1))
}

/// Staging with each row's position in its key.
fn ranked(names: &Names, layout: &Layout, flag: &str, value: Option<&str>) -> String {
    let key = ident_list(layout.key_names());
    let value = value.map_or_else(String::new, |value| format!(", {}", ident(value)));
    format!(
        r"SELECT {key}, {op}, {batch}, {order}, {flag}{value},
       ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {batch} DESC, {order} DESC) AS {back}
  FROM {staging}",
        op = ident(names::OP),
        batch = ident(names::BATCH),
        order = ident(names::ORDER),
        flag = ident(flag),
        back = ident(BACK),
        staging = names.staging.sql(),
    )
}

/// One row for each key: its surviving row if that wants the value, where the latest staged value
/// stands, and where the latest staged delete.
fn keys(names: &Names, layout: &Layout, flag: &str) -> String {
    let key = ident_list(layout.key_names());
    let quoted = ident(flag);
    let (op, back) = (ident(names::OP), ident(BACK));
    let survivor = format!("{back} = 1 AND {op} = '{OP_UPSERT}' AND {quoted} = '{KEEP_KEPT}'");
    format!(
        r#"SELECT {key},
       MAX(CASE WHEN {survivor} THEN {batch} END) AS "__d2r_wants_batch",
       MAX(CASE WHEN {survivor} THEN {order} END) AS "__d2r_wants_order",
       MIN(CASE WHEN {op} = '{OP_UPSERT}' AND COALESCE({quoted}, '') NOT IN ('{KEEP_KEPT}', '{KEEP_GONE}') THEN {back} END) AS "__d2r_value",
       MIN(CASE WHEN {op} = '{OP_DELETE}' THEN {back} END) AS "__d2r_delete"
  FROM {ranked} AS "r"
 GROUP BY {key}"#,
        batch = ident(names::BATCH),
        order = ident(names::ORDER),
        ranked = nested(&ranked(names, layout, flag, None), 8),
    )
}

/// Sets the value and drops the flag of exactly the surviving rows that `wanted` names.
fn fill(names: &Names, layout: &Layout, number: usize, wanted: &str) -> String {
    let staging = names.staging.sql();
    format!(
        r#"UPDATE {staging}
   SET {value} = "w".{value}, {flag} = NULL
  FROM {wanted} AS "w"
 WHERE {same}
   AND {staging}.{batch} = "w"."__d2r_wants_batch"
   AND {staging}.{order} = "w"."__d2r_wants_order""#,
        value = ident(value_name(layout, number)),
        flag = ident(&names::keep(number)),
        wanted = nested(wanted, 8),
        same = layout.same_key(&staging, "\"w\""),
        batch = ident(names::BATCH),
        order = ident(names::ORDER),
    )
}

/// `alias."k", …` over the key.
fn key_of(layout: &Layout, alias: &str) -> String {
    layout.key_names().map(|name| format!("{alias}.{}", ident(name))).collect::<Vec<_>>().join(", ")
}

/// Fills the n-th large column from staging.
#[must_use]
pub fn fill_from_staging(names: &Names, layout: &Layout, number: usize) -> String {
    let flag = names::keep(number);
    let value = value_name(layout, number);
    let wanted = format!(
        r#"SELECT {key}, "k"."__d2r_wants_batch", "k"."__d2r_wants_order", "v".{value}
  FROM {keys} AS "k"
  JOIN {ranked} AS "v"
    ON {same} AND "v".{back} = "k"."__d2r_value"
 WHERE "k"."__d2r_wants_batch" IS NOT NULL
   AND ("k"."__d2r_delete" IS NULL OR "k"."__d2r_value" < "k"."__d2r_delete")"#,
        key = key_of(layout, "\"v\""),
        value = ident(value),
        keys = nested(&keys(names, layout, &flag), 8),
        ranked = nested(&ranked(names, layout, &flag, Some(value)), 8),
        same = layout.same_key("\"v\"", "\"k\""),
        back = ident(BACK),
    );
    fill(names, layout, number, &wanted)
}

/// Fills the n-th large column from production, where no staged delete of the key precedes.
#[must_use]
pub fn fill_from_production(names: &Names, layout: &Layout, number: usize) -> String {
    let wanted = format!(
        r#"SELECT {key}, "k"."__d2r_wants_batch", "k"."__d2r_wants_order", "p".{value}
  FROM {keys} AS "k"
  JOIN {production} AS "p"
    ON {same}
 WHERE "k"."__d2r_wants_batch" IS NOT NULL
   AND "k"."__d2r_delete" IS NULL"#,
        key = key_of(layout, "\"p\""),
        value = ident(value_name(layout, number)),
        keys = nested(&keys(names, layout, &names::keep(number)), 8),
        production = names.production.sql(),
        same = layout.same_key("\"p\"", "\"k\""),
    );
    fill(names, layout, number, &wanted)
}

/// The number of surviving rows whose n-th large column was found nowhere.
#[must_use]
pub fn count_lost(names: &Names, layout: &Layout, number: usize) -> String {
    let flag = names::keep(number);
    format!(
        r#"SELECT COUNT(*)
  FROM {} AS "r"
 WHERE {} = 1 AND {} = '{OP_UPSERT}' AND {} = '{KEEP_KEPT}'"#,
        nested(&ranked(names, layout, &flag, None), 8),
        ident(BACK),
        ident(names::OP),
        ident(&flag),
    )
}

fn value_name(layout: &Layout, number: usize) -> &str {
    &layout.columns[layout.large[number - 1]].name
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::{lines, orders};
    use super::*;

    #[test]
    fn kept_values_come_from_staging_first() {
        let (names, layout) = orders();
        insta::assert_snapshot!(fill_from_staging(&names, &layout, 1), @r#"
        UPDATE "staging"."dbo__orders"
           SET "notes" = "w"."notes", "__d2r_keep_1" = NULL
          FROM (
                SELECT "v"."id", "k"."__d2r_wants_batch", "k"."__d2r_wants_order", "v"."notes"
                  FROM (
                        SELECT "id",
                               MAX(CASE WHEN "__d2r_back" = 1 AND "__d2r_op" = 'U' AND "__d2r_keep_1" = 'k' THEN "__d2r_batch" END) AS "__d2r_wants_batch",
                               MAX(CASE WHEN "__d2r_back" = 1 AND "__d2r_op" = 'U' AND "__d2r_keep_1" = 'k' THEN "__d2r_order" END) AS "__d2r_wants_order",
                               MIN(CASE WHEN "__d2r_op" = 'U' AND COALESCE("__d2r_keep_1", '') NOT IN ('k', 'g') THEN "__d2r_back" END) AS "__d2r_value",
                               MIN(CASE WHEN "__d2r_op" = 'D' THEN "__d2r_back" END) AS "__d2r_delete"
                          FROM (
                                SELECT "id", "__d2r_op", "__d2r_batch", "__d2r_order", "__d2r_keep_1",
                                       ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "__d2r_batch" DESC, "__d2r_order" DESC) AS "__d2r_back"
                                  FROM "staging"."dbo__orders"
                               ) AS "r"
                         GROUP BY "id"
                       ) AS "k"
                  JOIN (
                        SELECT "id", "__d2r_op", "__d2r_batch", "__d2r_order", "__d2r_keep_1", "notes",
                               ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "__d2r_batch" DESC, "__d2r_order" DESC) AS "__d2r_back"
                          FROM "staging"."dbo__orders"
                       ) AS "v"
                    ON "v"."id" = "k"."id" AND "v"."__d2r_back" = "k"."__d2r_value"
                 WHERE "k"."__d2r_wants_batch" IS NOT NULL
                   AND ("k"."__d2r_delete" IS NULL OR "k"."__d2r_value" < "k"."__d2r_delete")
               ) AS "w"
         WHERE "staging"."dbo__orders"."id" = "w"."id"
           AND "staging"."dbo__orders"."__d2r_batch" = "w"."__d2r_wants_batch"
           AND "staging"."dbo__orders"."__d2r_order" = "w"."__d2r_wants_order"
        "#);
    }

    #[test]
    fn then_from_production_unless_a_delete_precedes() {
        let (names, layout) = orders();
        insta::assert_snapshot!(fill_from_production(&names, &layout, 1), @r#"
        UPDATE "staging"."dbo__orders"
           SET "notes" = "w"."notes", "__d2r_keep_1" = NULL
          FROM (
                SELECT "p"."id", "k"."__d2r_wants_batch", "k"."__d2r_wants_order", "p"."notes"
                  FROM (
                        SELECT "id",
                               MAX(CASE WHEN "__d2r_back" = 1 AND "__d2r_op" = 'U' AND "__d2r_keep_1" = 'k' THEN "__d2r_batch" END) AS "__d2r_wants_batch",
                               MAX(CASE WHEN "__d2r_back" = 1 AND "__d2r_op" = 'U' AND "__d2r_keep_1" = 'k' THEN "__d2r_order" END) AS "__d2r_wants_order",
                               MIN(CASE WHEN "__d2r_op" = 'U' AND COALESCE("__d2r_keep_1", '') NOT IN ('k', 'g') THEN "__d2r_back" END) AS "__d2r_value",
                               MIN(CASE WHEN "__d2r_op" = 'D' THEN "__d2r_back" END) AS "__d2r_delete"
                          FROM (
                                SELECT "id", "__d2r_op", "__d2r_batch", "__d2r_order", "__d2r_keep_1",
                                       ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "__d2r_batch" DESC, "__d2r_order" DESC) AS "__d2r_back"
                                  FROM "staging"."dbo__orders"
                               ) AS "r"
                         GROUP BY "id"
                       ) AS "k"
                  JOIN "sales"."orders" AS "p"
                    ON "p"."id" = "k"."id"
                 WHERE "k"."__d2r_wants_batch" IS NOT NULL
                   AND "k"."__d2r_delete" IS NULL
               ) AS "w"
         WHERE "staging"."dbo__orders"."id" = "w"."id"
           AND "staging"."dbo__orders"."__d2r_batch" = "w"."__d2r_wants_batch"
           AND "staging"."dbo__orders"."__d2r_order" = "w"."__d2r_wants_order"
        "#);
    }

    #[test]
    fn flags_are_counted_first_and_last() {
        let (names, layout) = orders();
        insta::assert_snapshot!(count_flagged(&names, &layout).unwrap(), @r#"
        SELECT
               COUNT(CASE WHEN "__d2r_keep_1" = 'k' THEN 1 END)
          FROM "staging"."dbo__orders"
         WHERE "__d2r_op" = 'U'
        "#);
        insta::assert_snapshot!(count_lost(&names, &layout, 1), @r#"
        SELECT COUNT(*)
          FROM (
                SELECT "id", "__d2r_op", "__d2r_batch", "__d2r_order", "__d2r_keep_1",
                       ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "__d2r_batch" DESC, "__d2r_order" DESC) AS "__d2r_back"
                  FROM "staging"."dbo__orders"
               ) AS "r"
         WHERE "__d2r_back" = 1 AND "__d2r_op" = 'U' AND "__d2r_keep_1" = 'k'
        "#);
        assert_eq!(nested("SELECT \"a\nb\"\n  FROM t", 2), "(\n  SELECT \"a\nb\"\n    FROM t\n )");
        let (names, layout) = lines();
        assert_eq!(count_flagged(&names, &layout), None);
    }
}
