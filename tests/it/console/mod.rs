//! The console: its pictures, its rules, its loop, its costs. No test here needs a terminal.

mod answers;
mod budget;
mod driver;
mod ends;
mod focus;
mod keys;
mod looped;
mod pictures;
mod properties;
mod rig;
mod snapshots;
mod told;
mod typed;
mod world;
