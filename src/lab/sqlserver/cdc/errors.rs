//! The native messages of CDC: numbers and texts as `sys.messages` has them.

use crate::lab::sqlserver::session::Message;

/// What went wrong, or was noted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Trouble {
    DatabaseNotEnabled { database: String },
    DatabaseAlreadyEnabled { database: String },
    CdcNamesTaken { database: String },
    SystemDatabase { database: String },
    EmptyRole,
    InstanceExists { instance: String },
    InstanceNameTooLong { instance: String },
    NoSuchIndex { index: String, schema: String, table: String },
    IndexNotUnique { index: String, schema: String, table: String },
    IndexNullable { index: String },
    NoSuchTable { schema: String, table: String },
    NoKey,
    ColumnList { schema: String, table: String },
    KeyNotCaptured,
    LsnOutsideTimeline { lsn: String, instance: String, low: String, high: String },
    NoSuchInstance { instance: String, schema: String, table: String },
    InstanceUnknown { instance: String, database: String },
    TwoInstances { schema: String, table: String },
    ParameterNull { parameter: String },
    MarkNotMapped { lsn: String },
    BothOrNone,
    CdcSchemaTable,
    ReservedColumn { table: String },
    AccessDenied,
    KeyIndexUsed { index: String, table: String },
    TableNotEnabled { schema: String, table: String },
    BadThreshold,
    CleanupFailed { database: String, command: String },
    BadPollingInterval,
    BadMaxTrans,
    BadMaxScans,
    BadJobType { job_type: String },
    BadRetention,
    RetentionForCapture,
    CaptureValuesForCleanup,
    NoJob { job_type: String },
    JobExists { job: String },
    JobAlreadyRunning { job: String },
    JobNotRunning { job: String },
    AnotherLogReader,
    SysadminRequired,
    OwnerRequired,
}

impl From<Trouble> for Message {
    fn from(trouble: Trouble) -> Self {
        use Trouble as T;
        let (number, text) = match trouble {
            T::DatabaseNotEnabled { database } => (22901, format!("The database '{database}' is not enabled for Change Data Capture. Ensure that the correct database context is set and retry the operation. To report on the databases enabled for Change Data Capture, query the is_cdc_enabled column in the sys.databases catalog view.")),
            T::DatabaseAlreadyEnabled { database } => (22905, format!("Database '{database}' is already enabled for Change Data Capture. Ensure that the correct database context is set, and retry the operation. To report on the databases enabled for Change Data Capture, query the is_cdc_enabled column in the sys.databases catalog view.")),
            T::CdcNamesTaken { database } => (22906, format!("The database '{database}' cannot be enabled for Change Data Capture because a database user named 'cdc' or a schema named 'cdc' already exists in the current database. These objects are required exclusively by Change Data Capture. Drop or rename the user or schema and retry the operation.")),
            T::SystemDatabase { database } => (22989, format!("Could not enable Change Data Capture for database '{database}'. Change data capture is not supported on system databases, or on a distribution database.")),
            T::EmptyRole => (22907, "Parameter @role_name cannot be empty. Specify a value for @role_name and retry the operation. Supply null as the value if no role is to be used to gate access to captured change data.".into()),
            T::InstanceExists { instance } => (22926, format!("Could not create a capture instance because the capture instance name '{instance}' already exists in the current database. Specify an explicit unique name for the parameter @capture_instance.")),
            T::InstanceNameTooLong { instance } => (22927, format!("Capture instance name '{instance}' exceeds the length limit of 100 characters. Specify a name that satisfies the length constraint.")),
            T::NoSuchIndex { index, schema, table } => (22928, format!("Index name '{index}' is not an index for table '{schema}.{table}'. Specify a valid index name for the table.")),
            T::IndexNotUnique { index, schema, table } => (22929, format!("Index '{index}' must be either a primary key or a unique index for table '{schema}.{table}'. Specify an index that meets at least one of these requirements.")),
            T::IndexNullable { index } => (22838, format!("All columns of a CDC unique index must be defined as NOT NULL. Index '{index}' selected as the CDC unique index does not meet this requirement. Define all columns of the selected index as NOT NULL or select another unique index as the CDC index and resubmit the request.")),
            T::NoSuchTable { schema, table } => (22931, format!("Source table '{schema}.{table}' does not exist in the current database. Ensure that the correct database context is set. Specify a valid schema and table name for the database.")),
            T::NoKey => (22939, "The parameter @supports_net_changes is set to 1, but the source table does not have a primary key defined and no alternate unique index has been specified.".into()),
            T::ColumnList { schema, table } => (22942, format!("Columns specified in the captured column list could not be mapped to columns in source table '{schema}.{table}'. Verify that the columns specified in the parameter @captured_column_list are delimited properly and match columns in the source table.")),
            T::KeyNotCaptured => (22943, "Columns used to uniquely identify a row for net change tracking must be included in the list of captured columns. Add either the primary key columns of the source table, or the columns defined for the index specified in the parameter @index_name to the list of captured columns and retry the operation.".into()),
            T::LsnOutsideTimeline { lsn, instance, low, high } => (22957, format!("LSN {lsn}, specified as the new low end point for the change table associated with capture instance '{instance}', is not within the Change Data Capture timeline [{low}, {high}].")),
            T::NoSuchInstance { instance, schema, table } => (22960, format!("Change data capture instance '{instance}' has not been enabled for the source table '{schema}.{table}'. Use sys.sp_cdc_help_change_data_capture to verify the capture instance name and retry the operation.")),
            T::InstanceUnknown { instance, database } => (22920, format!("The named capture instance {instance} does not exist for database {database}.")),
            T::TwoInstances { schema, table } => (22962, format!("Two capture instances already exist for source table '{schema}.{table}'. A table can have at most two capture instances. If the current tracking options are not appropriate, disable change tracking for the obsolete instance by using sys.sp_cdc_disable_table and retry the operation.")),
            T::ParameterNull { parameter } => (22963, format!("Parameter '{parameter}' cannot be null or empty. Specify a value for the named parameter and retry the operation.")),
            T::MarkNotMapped { lsn } => (22964, format!("LSN {lsn}, specified as the new low end point for change table cleanup must represent the start_lsn value of a current entry in the cdc.lsn_time_mapping table. Choose an LSN value that satisfies this requirement.")),
            T::BothOrNone => (22972, "When calling stored procedure [sys].sp_cdc_help_change_data capture, if either @source_schema or @source_name is non-null and non-empty, the other parameter must also be non-null and non-empty.".into()),
            T::CdcSchemaTable => (22974, "Tables contained in the cdc schema cannot be enabled for Change Data Capture.".into()),
            T::ReservedColumn { table } => (22975, format!("Source table '{table}' contains one of the following reserved column names: __$start_lsn, __$end_lsn, __$seqval, __$operation, and __$update_mask. To enable Change Data Capture for this table, specify a captured column list and ensure that these columns are excluded from the list.")),
            T::SysadminRequired => (22902, "Caller is not authorized to initiate the requested action. Sysadmin privileges are required.".into()),
            T::OwnerRequired => (22904, "Caller is not authorized to initiate the requested action. DBO privileges are required.".into()),
            T::AccessDenied => (22981, "Object does not exist or access is denied.".into()),
            T::KeyIndexUsed { index, table } => (22983, format!("The unique index '{index}' on source table '{table}' is used by Change Data Capture. To alter or drop the index, you must first disable Change Data Capture on the table.")),
            T::TableNotEnabled { schema, table } => (22985, format!("Change data capture has not been enabled for source table '{schema}.{table}'. Specify the name of a table enabled for Change Data Capture. To report on the tables enabled for Change Data Capture, query the is_tracked_by_cdc column in the sys.tables catalog view.")),
            T::BadThreshold => (22850, "The threshold value specified for the Change Data Capture cleanup process must be greater than 0. When creating or modifying the cleanup job, specify a positive threshold value. If this error is encountered when executing the sys.sp_cdc_cleanup_change_table stored procedure, reset the threshold value associated with the job to a non-negative value by using the sp_cdc_change_job stored procedure.".into()),
            T::CleanupFailed { database, command } => (22852, format!("Could not delete change table entries made obsolete by a change in one or more low water marks for capture instances of database {database}. The failure occurred when executing the command '{command}'. The error returned was 1205: 'Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.'. Use the action and error to determine the cause of the failure and resubmit the request.")),
            T::BadPollingInterval => (22990, "The value specified for the parameter @pollinginterval must be greater than or equal to 0 and less than 24 hours(Max: 86399 seconds). Specify a polling interval (in seconds) that is less than 24 hours (86,400 seconds).".into()),
            T::BadMaxTrans => (22991, "The value specified for the parameter @maxtrans must be greater than 0.".into()),
            T::BadMaxScans => (22970, "The value for parameter @maxscans specified for the Change Data Capture job must be greater than 0.".into()),
            T::BadJobType { job_type } => (22992, format!("The specified @job_type, {job_type}, is not supported. The value specified for the parameter @job_type must be N'capture' to indicate a capture job, or N'cleanup' to indicate a cleanup job.")),
            T::BadRetention => (22994, "The retention value specified for the Change Data Capture cleanup process must be greater than 0 and less than or equal to 52594800. When creating or modifying the cleanup job, specify a retention value (in minutes) that is within that range. If this error is encountered when executing the sys.sp_cdc_cleanup_change_table stored procedure, reset the retention value associated with the job to a non-negative value less than 52594800 by using the sp_cdc_change_job stored procedure.".into()),
            T::RetentionForCapture => (22995, "A value for the parameter @retention cannot be specified when the job type is 'capture'. Specify NULL for the parameter, or omit the parameter from the statement.".into()),
            T::CaptureValuesForCleanup => (22996, "When adding or modifying the CDC cleanup job, @pollinginterval, @maxtrans, @maxscans, and @continuous may not be assigned non-null values.".into()),
            T::NoJob { job_type } => (22997, format!("The Change Data Capture '{job_type}' job does not exist in the system table 'msdb.dbo.cdc_jobs'. Use the stored procedure 'sys.sp_cdc_add_job' to add the Change Data Capture job.")),
            T::JobExists { job } => (14261, format!("The specified @name ('{job}') already exists.")),
            T::JobAlreadyRunning { job } => (22022, format!("SQLServerAgent Error: Request to run job {job} refused because the job is already running from a request by User sa.")),
            T::JobNotRunning { job } => (22022, format!("SQLServerAgent Error: Request to stop job {job} refused because the job is not currently running.")),
            T::AnotherLogReader => (22903, "Another connection with session ID 21 is already running 'sp_replcmds' for Change Data Capture in the current database.".into()),
        };
        let class = if matches!(number, 22905 | 22852) { 10 } else { 16 };
        Self { class, ..Self::error(number, text) }
    }
}

/// An error of SQLite inside CDC. The lab itself is wrong then: it is said, not hidden.
pub fn internal(error: &rusqlite::Error) -> Message {
    match error {
        rusqlite::Error::SqliteFailure(failure, _)
            if matches!(failure.code, rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) =>
        {
            Message {
                class: 13,
                ..Message::error(
                    1205,
                    "Transaction was deadlocked on lock resources with another process and has been chosen as the deadlock victim. Rerun the transaction.",
                )
            }
        }
        other => Message::error(50_000, format!("the lab's change data capture failed inside: {other}")),
    }
}
