//! A value that cannot be loaded, as `sys_load_error_detail` tells it.

/// Redshift's load error codes, those that the lab can raise.
pub(super) mod code {
    pub const EXTRA_FIELDS: i32 = 1202;
    pub const FEWER_FIELDS: i32 = 1203;
    /// Also a string longer than its column.
    pub const OUT_OF_RANGE: i32 = 1204;
    pub const DATE: i32 = 1205;
    pub const TIMESTAMP: i32 = 1206;
    pub const INTEGER: i32 = 1207;
    pub const FLOAT: i32 = 1208;
    pub const DECIMAL: i32 = 1209;
    pub const BOOLEAN: i32 = 1210;
    pub const EMPTY_LINE: i32 = 1211;
    pub const NOT_NULL: i32 = 1213;
    pub const CHAR: i32 = 1215;
    pub const INVALID_LINE: i32 = 1216;
    pub const NUL: i32 = 1218;
    pub const UTF8: i32 = 1219;
    pub const CODE_POINT: i32 = 1220;
    pub const INTEGER_OVERFLOW: i32 = 1222;
    pub const DATA_TYPE: i32 = 1223;
    pub const SUPER: i32 = 1224;
}

/// What is wrong with one value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct ValueError {
    pub code: i32,
    pub reason: String,
    /// Byte in the field where the trouble begins.
    pub position: usize,
}

impl ValueError {
    pub fn new(code: i32, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into(), position: 0 }
    }

    pub fn at(mut self, position: usize) -> Self {
        self.position = position;
        self
    }
}

/// A row of the load-error views.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct LoadError {
    pub file: String,
    pub line: u64,
    pub column: String,
    pub kind: String,
    pub length: String,
    pub raw_line: String,
    pub raw_field: String,
    pub error: ValueError,
}
