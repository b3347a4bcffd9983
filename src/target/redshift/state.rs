//! The state row: its table, how it is read, and the statements that move it.
//!
//! Every statement that moves it names what it expects and must touch exactly one row.

use super::names::{Names, Relation};
use super::quote::{literal, optional};
use crate::model::state::{Diverged, StagedRange, StreamIdentity};
use crate::model::{CaptureIdentity, Epoch, Lsn, Seq, TableName};

pub use super::state_row::{StateRow, read};

/// Besides what [`TargetState`] carries, the row names the source table and production, so that
/// two of them can never share it unseen, and the figures of the last batch.
#[must_use]
pub fn create(state: &Relation) -> String {
    format!(
        r#"CREATE TABLE {} (
  "pipeline" VARCHAR(1024) NOT NULL,
  "source_server" VARCHAR(1024) NOT NULL,
  "source_database" VARCHAR(1024) NOT NULL,
  "database_guid" VARCHAR(64),
  "recovery_fork_guid" VARCHAR(64),
  "s3_root" VARCHAR(4096) NOT NULL,
  "source_table" VARCHAR(1024) NOT NULL,
  "production" VARCHAR(1024) NOT NULL,
  "epoch" INTEGER NOT NULL,
  "applied_seq" BIGINT NOT NULL,
  "applied_lsn" CHAR(20),
  "staged_epoch" INTEGER,
  "staged_from" BIGINT,
  "staged_to" BIGINT,
  "staged_rows" BIGINT,
  "staged_lsn" CHAR(20),
  "fence" BIGINT NOT NULL,
  "capture_instance" VARCHAR(1024),
  "capture_object_id" INTEGER,
  "capture_created" VARCHAR(64),
  "column_hash" VARCHAR(64),
  "production_oid" BIGINT NOT NULL,
  "staging_oid" BIGINT NOT NULL,
  "diverged_why" VARCHAR(4096),
  "diverged_since" TIMESTAMP,
  "applied_at" TIMESTAMP,
  "last_deleted" BIGINT,
  "last_inserted" BIGINT
) DISTSTYLE ALL"#,
        state.sql()
    )
}

/// The one row of a table that was never loaded.
#[must_use]
pub fn insert(names: &Names, table: &TableName, identity: &StreamIdentity, production_oid: u32, staging_oid: u32) -> String {
    let source = &identity.source;
    format!(
        r#"INSERT INTO {} (
  "pipeline", "source_server", "source_database", "database_guid", "recovery_fork_guid", "s3_root",
  "source_table", "production", "epoch", "applied_seq", "fence", "production_oid", "staging_oid"
) VALUES (
  {}, {}, {}, {}, {}, {},
  {}, {}, 0, -1, 0, {production_oid}, {staging_oid}
)"#,
        names.state.sql(),
        literal(&identity.pipeline),
        literal(&source.server),
        literal(&source.database),
        optional(source.database_guid.as_deref()),
        optional(source.recovery_fork_guid.as_deref()),
        literal(&identity.root),
        literal(&table.to_string()),
        literal(&names.production.sql()),
    )
}

#[must_use]
pub fn select(state: &Relation) -> String {
    format!(
        r#"SELECT "pipeline", "source_server", "source_database", "database_guid", "recovery_fork_guid", "s3_root",
       "source_table", "production", "epoch", "applied_seq", "applied_lsn",
       "staged_epoch", "staged_from", "staged_to", "staged_rows", "staged_lsn", "fence",
       "capture_instance", "capture_object_id", "capture_created", "column_hash",
       "production_oid", "staging_oid", "diverged_why", "diverged_since", "applied_at"
  FROM {}"#,
        state.sql()
    )
}

/// What a statement that moves the state expects to find.
fn expected(fence: i64, epoch: Epoch) -> String {
    format!(r#"WHERE "fence" = {fence} AND "epoch" = {epoch}"#)
}

const STAGED_NONE: &str = r#""staged_epoch" = NULL, "staged_from" = NULL, "staged_to" = NULL, "staged_rows" = NULL, "staged_lsn" = NULL"#;

/// L1.
#[must_use]
pub fn raise_fence(state: &Relation, from: i64) -> String {
    format!(r#"UPDATE {} SET "fence" = {} WHERE "fence" = {from}"#, state.sql(), from + 1)
}

/// L3: staging holds the range.
#[must_use]
pub fn set_staged(state: &Relation, fence: i64, staged: &StagedRange) -> String {
    let StagedRange { epoch, from, to, rows, lsn_to } = staged;
    format!(
        r#"UPDATE {}
   SET "staged_epoch" = {epoch}, "staged_from" = {from}, "staged_to" = {to}, "staged_rows" = {rows},
       "staged_lsn" = '{lsn_to}'
 {} AND "applied_seq" = {} AND "staged_from" IS NULL"#,
        state.sql(),
        expected(fence, *epoch),
        before(*from),
    )
}

/// L4: staging was emptied, nothing was applied.
#[must_use]
pub fn set_unstaged(state: &Relation, fence: i64, epoch: Epoch) -> String {
    format!("UPDATE {}\n   SET {STAGED_NONE}\n {}", state.sql(), expected(fence, epoch))
}

/// Figures of an apply for the state row.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    pub epoch: Epoch,
    pub from: Seq,
    pub to: Seq,
    pub lsn_to: Lsn,
    pub deleted: u64,
    pub inserted: u64,
    /// Why production differs from now on; an older reason stays.
    pub diverged: Option<&'a str>,
}

/// L4: production holds the range.
#[must_use]
pub fn set_applied(state: &Relation, fence: i64, moved: &Moved<'_>) -> String {
    let Moved { epoch, from, to, lsn_to, deleted, inserted, diverged } = moved;
    let diverged = diverged.map_or_else(String::new, |why| {
        format!(
            ",\n       \"diverged_why\" = COALESCE(\"diverged_why\", {}), \"diverged_since\" = COALESCE(\"diverged_since\", GETDATE())",
            literal(why)
        )
    });
    format!(
        r#"UPDATE {}
   SET "applied_seq" = {to}, "applied_lsn" = '{lsn_to}', "applied_at" = GETDATE(), "last_deleted" = {deleted}, "last_inserted" = {inserted},
       {STAGED_NONE}{diverged}
 {} AND "applied_seq" = {} AND "staged_from" = {from} AND "staged_to" = {to} AND "staged_lsn" = '{lsn_to}'"#,
        state.sql(),
        expected(fence, *epoch),
        before(*from),
    )
}

/// L9: state passes over a batch, with nothing staged any more. `why` holds the older reasons too.
#[must_use]
pub fn set_skipped(state: &Relation, fence: i64, epoch: Epoch, seq: Seq, lsn_to: Lsn, why: &str) -> String {
    format!(
        r#"UPDATE {}
   SET "applied_seq" = {seq}, "applied_lsn" = '{lsn_to}',
       {STAGED_NONE},
       "diverged_why" = {}, "diverged_since" = COALESCE("diverged_since", GETDATE())
 {} AND "applied_seq" = {}"#,
        state.sql(),
        literal(why),
        expected(fence, epoch),
        before(seq),
    )
}

/// Section 1: another identity, staged none, the fence raised.
#[must_use]
pub fn set_identity(state: &Relation, from_fence: i64, identity: &StreamIdentity, diverged: Option<&str>) -> String {
    let source = &identity.source;
    let diverged = diverged.map_or_else(String::new, |why| {
        format!(",\n       \"diverged_why\" = {}, \"diverged_since\" = COALESCE(\"diverged_since\", GETDATE())", literal(why))
    });
    format!(
        r#"UPDATE {}
   SET "pipeline" = {}, "source_server" = {}, "source_database" = {}, "database_guid" = {}, "recovery_fork_guid" = {}, "s3_root" = {},
       "fence" = {},
       {STAGED_NONE}{diverged}
 WHERE "fence" = {from_fence}"#,
        state.sql(),
        literal(&identity.pipeline),
        literal(&source.server),
        literal(&source.database),
        optional(source.database_guid.as_deref()),
        optional(source.recovery_fork_guid.as_deref()),
        literal(&identity.root),
        from_fence + 1,
    )
}

/// How the reason of a verify begins.
const FINDING: &str = "verify found";

/// Bytes of `diverged_why`.
const WHY_BYTES: usize = 4096;

/// One more reason behind those that stand already, cut where the column ends.
#[must_use]
pub fn with_reason(diverged: Option<&Diverged>, why: &str) -> String {
    let mut text = diverged.map_or_else(String::new, |older| format!("{}; ", older.why));
    text.push_str(why);
    text.truncate(text.floor_char_boundary(WHY_BYTES));
    text
}

/// The same for what a verify found, in the place of what an earlier one found.
#[must_use]
pub fn with_finding(diverged: Option<&Diverged>, why: &str) -> String {
    let older = diverged.iter().flat_map(|older| older.why.split("; ")).filter(|reason| !reason.starts_with(FINDING));
    let older = older.collect::<Vec<_>>().join("; ");
    let older = (!older.is_empty()).then(|| Diverged { why: older, since: String::new() });
    with_reason(older.as_ref(), why)
}

/// R7: the record moves the position and sets the hash, with nothing staged.
#[must_use]
pub fn set_schema(state: &Relation, fence: i64, epoch: Epoch, seq: Seq, lsn_to: Lsn, column_hash: &str) -> String {
    format!(
        r#"UPDATE {}
   SET "applied_seq" = {seq}, "applied_lsn" = '{lsn_to}', "applied_at" = GETDATE(), "column_hash" = {}
 {} AND "applied_seq" = {} AND "staged_from" IS NULL"#,
        state.sql(),
        literal(column_hash),
        expected(fence, epoch),
        before(seq),
    )
}

/// L5.
#[derive(Clone, Copy, Debug)]
pub struct Opened<'a> {
    /// The epoch that the state held.
    pub old_epoch: Epoch,
    pub epoch: Epoch,
    pub lsn_to: Lsn,
    pub capture: &'a CaptureIdentity,
    pub column_hash: &'a str,
    pub production_oid: u32,
    pub staging_oid: u32,
    pub deleted: u64,
    pub inserted: u64,
    /// `None` clears the mark: the snapshot has replaced production.
    pub diverged: Option<&'a str>,
}

/// L5: the epoch is open.
#[must_use]
pub fn set_opened(state: &Relation, fence: i64, opened: &Opened<'_>) -> String {
    let Opened { old_epoch, epoch, lsn_to, capture, column_hash, production_oid, staging_oid, deleted, inserted, diverged } = opened;
    format!(
        r#"UPDATE {}
   SET "epoch" = {epoch}, "applied_seq" = 0, "applied_lsn" = '{lsn_to}', "applied_at" = GETDATE(),
       "last_deleted" = {deleted}, "last_inserted" = {inserted},
       {STAGED_NONE},
       "capture_instance" = {}, "capture_object_id" = {}, "capture_created" = {}, "column_hash" = {},
       "production_oid" = {production_oid}, "staging_oid" = {staging_oid},
       "diverged_why" = {}, "diverged_since" = {}
 {}"#,
        state.sql(),
        literal(&capture.instance),
        capture.object_id,
        literal(&capture.create_date.to_string()),
        literal(column_hash),
        optional(*diverged),
        if diverged.is_some() { "GETDATE()" } else { "NULL" },
        expected(fence, *old_epoch),
    )
}

/// After our own DDL under the lock.
#[must_use]
pub fn set_oids(state: &Relation, fence: i64, production_oid: u32, staging_oid: u32) -> String {
    format!(
        r#"UPDATE {}
   SET "production_oid" = {production_oid}, "staging_oid" = {staging_oid}
 WHERE "fence" = {fence} AND "staged_from" IS NULL"#,
        state.sql()
    )
}

/// L9: production may differ from now on; an older date stays. `None`: it was found equal.
#[must_use]
pub fn set_diverged(state: &Relation, fence: i64, epoch: Epoch, diverged: Option<&str>) -> String {
    let since = if diverged.is_some() { r#"COALESCE("diverged_since", GETDATE())"# } else { "NULL" };
    format!(
        "UPDATE {}\n   SET \"diverged_why\" = {}, \"diverged_since\" = {since}\n {}",
        state.sql(),
        optional(diverged),
        expected(fence, epoch)
    )
}

/// `applied_seq` before `seq`: -1 before record 0.
fn before(seq: Seq) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX) - 1
}

#[cfg(test)]
mod tests {
    use super::super::ddl::tests::orders;
    use super::*;

    #[test]
    fn an_older_reason_stays_and_a_long_one_is_cut_at_a_character() {
        let older = Diverged { why: "older".into(), since: String::new() };
        assert_eq!(with_reason(Some(&older), "newer"), "older; newer");
        let found = format!("{FINDING} 1 missing row");
        assert_eq!(with_finding(Some(&older), &found), format!("older; {found}"));
        let twice = Diverged { why: format!("older; {FINDING} 9 missing rows"), since: String::new() };
        assert_eq!(with_finding(Some(&twice), &found), format!("older; {found}"));
        assert_eq!(with_finding(None, &found), found);
        let long = with_reason(None, &format!("a{}", "ä".repeat(WHY_BYTES)));
        assert_eq!(long.len(), WHY_BYTES - 1);
    }

    #[test]
    fn moves_name_what_they_expect() {
        let (names, _) = orders();
        let lsn_to: Lsn = "0000002a000000ffffff".parse().unwrap();
        let staged = StagedRange { epoch: 2, from: 42, to: 43, rows: 7, lsn_to };
        insta::assert_snapshot!(set_staged(&names.state, 5, &staged), @r#"
        UPDATE "d2r"."sales__orders__state"
           SET "staged_epoch" = 2, "staged_from" = 42, "staged_to" = 43, "staged_rows" = 7,
               "staged_lsn" = '0000002a000000ffffff'
         WHERE "fence" = 5 AND "epoch" = 2 AND "applied_seq" = 41 AND "staged_from" IS NULL
        "#);
        let moved = Moved { epoch: 2, from: 42, to: 43, lsn_to, deleted: 3, inserted: 2, diverged: Some("it's so") };
        insta::assert_snapshot!(set_applied(&names.state, 5, &moved), @r#"
        UPDATE "d2r"."sales__orders__state"
           SET "applied_seq" = 43, "applied_lsn" = '0000002a000000ffffff', "applied_at" = GETDATE(), "last_deleted" = 3, "last_inserted" = 2,
               "staged_epoch" = NULL, "staged_from" = NULL, "staged_to" = NULL, "staged_rows" = NULL, "staged_lsn" = NULL,
               "diverged_why" = COALESCE("diverged_why", 'it''s so'), "diverged_since" = COALESCE("diverged_since", GETDATE())
         WHERE "fence" = 5 AND "epoch" = 2 AND "applied_seq" = 41 AND "staged_from" = 42 AND "staged_to" = 43 AND "staged_lsn" = '0000002a000000ffffff'
        "#);
        insta::assert_snapshot!(set_skipped(&names.state, 5, 2, 42, lsn_to, "it's so"), @r#"
        UPDATE "d2r"."sales__orders__state"
           SET "applied_seq" = 42, "applied_lsn" = '0000002a000000ffffff',
               "staged_epoch" = NULL, "staged_from" = NULL, "staged_to" = NULL, "staged_rows" = NULL, "staged_lsn" = NULL,
               "diverged_why" = 'it''s so', "diverged_since" = COALESCE("diverged_since", GETDATE())
         WHERE "fence" = 5 AND "epoch" = 2 AND "applied_seq" = 41
        "#);
        insta::assert_snapshot!(set_schema(&names.state, 5, 2, 1, lsn_to, "ab"), @r#"
        UPDATE "d2r"."sales__orders__state"
           SET "applied_seq" = 1, "applied_lsn" = '0000002a000000ffffff', "applied_at" = GETDATE(), "column_hash" = 'ab'
         WHERE "fence" = 5 AND "epoch" = 2 AND "applied_seq" = 0 AND "staged_from" IS NULL
        "#);
    }
}
