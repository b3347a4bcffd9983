//! One connection and the statements on it.

/// Sent once after login, as a batch: inside `sp_executesql` a SET would end with the call.
///
/// What a value looks like and how it compares must not hang on the login's or the server's
/// defaults; nobody waits for us, and in a deadlock we are the one to go.
pub const SESSION: &str = "\
SET NOCOUNT ON;
SET QUOTED_IDENTIFIER ON;
SET ANSI_NULLS ON;
SET ANSI_PADDING ON;
SET ANSI_WARNINGS ON;
SET ARITHABORT ON;
SET CONCAT_NULL_YIELDS_NULL ON;
SET IMPLICIT_TRANSACTIONS OFF;
SET DATEFORMAT ymd;
SET TEXTSIZE 2147483647;
SET LOCK_TIMEOUT 10000;
SET DEADLOCK_PRIORITY LOW;
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;";
