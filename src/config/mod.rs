//! Configuration: the file's model, where it is found, secrets, and validation.

pub mod secret;
pub mod settings;

pub use secret::Secret;
pub use settings::{
    Changes, CleanUpPolicy, ExtractSettings, LoadSettings, RedshiftSettings, S3Credentials, S3Settings, Settings, SourceSettings,
    StoreSettings, TableRule, Tls,
};
