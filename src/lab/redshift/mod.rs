//! A stand-in for Amazon Redshift: a proxy that speaks Redshift before a private PostgreSQL.
