//! Amazon Redshift as the target.
