//! Delete every staged key from production, insert the survivors (rule L4).

use super::ddl::Layout;
use super::names::{self, Names, Relation};
use super::quote::{ident, ident_list};
use crate::model::change::{KEEP_GONE, KEEP_KEPT, OP_UPSERT};

/// Rows of each batch in staging.
#[must_use]
pub fn count_batches(names: &Names) -> String {
    let batch = ident(names::BATCH);
    format!("SELECT {batch}, COUNT(*)\n  FROM {}\n GROUP BY {batch}", names.staging.sql())
}

#[must_use]
pub fn delete_all(relation: &Relation) -> String {
    format!("DELETE FROM {}", relation.sql())
}

/// Deletes every staged key, so that an apply may be made again over its own result.
#[must_use]
pub fn delete_staged_keys(names: &Names, layout: &Layout) -> String {
    let (production, staging) = (names.production.sql(), names.staging.sql());
    format!("DELETE FROM {production}\n USING {staging}\n WHERE {}", layout.same_key(&production, &staging))
}

/// The rows of production with a staged key: after [`insert_survivors`] all that it inserted, by the
/// comparison of [`delete_staged_keys`]. EXISTS counts a row once, however often its key is staged.
#[must_use]
pub fn count_staged_keys(names: &Names, layout: &Layout) -> String {
    format!(
        "SELECT COUNT(*)\n  FROM {} AS \"p\"\n WHERE EXISTS (SELECT 1 FROM {} AS \"s\" WHERE {})",
        names.production.sql(),
        names.staging.sql(),
        layout.same_key("\"p\"", "\"s\"")
    )
}

/// Inserts the last row of each key, unless it is a delete.
#[must_use]
pub fn insert_survivors(names: &Names, layout: &Layout) -> String {
    let mut values: Vec<String> = layout.column_names().map(ident).collect();
    for (at, large) in layout.large.iter().enumerate() {
        // Of a value that was found nowhere NULL is loaded, whatever the file holds.
        let flag = ident(&names::keep(at + 1));
        let value = ident(&layout.columns[*large].name);
        values[*large] = format!("CASE WHEN {flag} IN ('{KEEP_KEPT}', '{KEEP_GONE}') THEN NULL ELSE {value} END");
    }
    let mut inner: Vec<String> = vec![ident(names::OP)];
    inner.extend(layout.column_names().map(ident));
    inner.extend((1..=layout.large.len()).map(|number| ident(&names::keep(number))));
    format!(
        r#"INSERT INTO {production} ({columns})
SELECT {values}
  FROM (
        SELECT {inner},
               ROW_NUMBER() OVER (PARTITION BY {key} ORDER BY {batch} DESC, {order} DESC) AS "__d2r_back"
          FROM {staging}
       ) AS "r"
 WHERE "__d2r_back" = 1 AND {op} = '{OP_UPSERT}'"#,
        production = names.production.sql(),
        columns = ident_list(layout.column_names()),
        values = values.join(", "),
        inner = inner.join(", "),
        key = ident_list(layout.key_names()),
        batch = ident(names::BATCH),
        order = ident(names::ORDER),
        staging = names.staging.sql(),
        op = ident(names::OP),
    )
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::{lines, orders};
    use super::*;

    #[test]
    fn every_staged_key_is_deleted_by_all_its_columns() {
        let (names, layout) = lines();
        insta::assert_snapshot!(delete_staged_keys(&names, &layout), @r#"
        DELETE FROM "sales"."lines"
         USING "staging"."dbo__lines"
         WHERE "sales"."lines"."orderid" = "staging"."dbo__lines"."orderid" AND "sales"."lines"."line" = "staging"."dbo__lines"."line"
        "#);
    }

    #[test]
    fn what_was_inserted_is_counted_by_the_whole_key() {
        let (names, layout) = lines();
        insta::assert_snapshot!(count_staged_keys(&names, &layout), @r#"
        SELECT COUNT(*)
          FROM "sales"."lines" AS "p"
         WHERE EXISTS (SELECT 1 FROM "staging"."dbo__lines" AS "s" WHERE "p"."orderid" = "s"."orderid" AND "p"."line" = "s"."line")
        "#);
    }

    #[test]
    fn the_last_row_of_a_key_survives_unless_it_deletes() {
        let (names, layout) = orders();
        insta::assert_snapshot!(insert_survivors(&names, &layout), @r#"
        INSERT INTO "sales"."orders" ("id", "customer", "notes")
        SELECT "id", "customer", CASE WHEN "__d2r_keep_1" IN ('k', 'g') THEN NULL ELSE "notes" END
          FROM (
                SELECT "__d2r_op", "id", "customer", "notes", "__d2r_keep_1",
                       ROW_NUMBER() OVER (PARTITION BY "id" ORDER BY "__d2r_batch" DESC, "__d2r_order" DESC) AS "__d2r_back"
                  FROM "staging"."dbo__orders"
               ) AS "r"
         WHERE "__d2r_back" = 1 AND "__d2r_op" = 'U'
        "#);
    }
}
