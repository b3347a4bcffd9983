//! The command line as a user or a scheduler meets it: the program in a process of its own.

mod advice;
mod beginning;
mod bundle;
pub mod documents;
mod every;
mod explain;
mod init;
mod named;
mod pages;
mod untracked;
mod upkeep;
mod usage;
