//! The calls that change the source: clean-up and enabling.

/// `@P1` the instance, `@P2` the new low-water mark.
pub const CLEAN_UP: &str = "\
EXEC sys.sp_cdc_cleanup_change_table
     @capture_instance = @P1,
     @low_water_mark = @P2,
     @threshold = 5000;";

pub const ENABLE_DATABASE: &str = "EXEC sys.sp_cdc_enable_db;";

/// `@P1` the schema, `@P2` the table. Net changes cost capture an index more and are not needed.
pub const ENABLE_TABLE: &str = "\
EXEC sys.sp_cdc_enable_table
     @source_schema = @P1,
     @source_name = @P2,
     @role_name = NULL,
     @supports_net_changes = 0;";

/// As [`ENABLE_TABLE`], with the gating role in `@P3`.
pub const ENABLE_TABLE_WITH_ROLE: &str = "\
EXEC sys.sp_cdc_enable_table
     @source_schema = @P1,
     @source_name = @P2,
     @role_name = @P3,
     @supports_net_changes = 0;";

/// `@P1` the schema, `@P2` the table.
pub const IS_TRACKED: &str = "\
SELECT t.is_tracked_by_cdc
  FROM sys.tables AS t
 INNER JOIN sys.schemas AS s ON s.schema_id = t.schema_id
 WHERE s.name = @P1 AND t.name = @P2;";
