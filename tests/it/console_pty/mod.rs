//! The console as an operator meets it: the real program on a pseudo-terminal, the real lab behind it.

mod access;
mod export;
mod leave;
mod looks;
mod lost;
mod operate;
mod orders;
pub mod place;
mod sheets;
mod start;

use place::Place;
