//! The console: the terminal UI of the person on call.
//!
//! ```text
//! key -> keymap -> action -> update(&mut State, Msg) -> effects -> engine -> replies -> update -> view(&State)
//! ```
//!
//! `update` is pure and `view` only reads; between them and the engine lies [`seam`], behind which
//! a fake is enough for a test. [`run`] joins them to a stream of input and a terminal.
//!
//! | module | what it is |
//! |---|---|
//! | [`action`], [`keymap`] | every action once, and its keys |
//! | [`state`], [`update`], [`view`] | the console itself |
//! | [`order`], [`page`], [`setup`], [`pages`], [`advice`] | its words |
//! | [`seam`] | what is asked of the engine; `cli/console` answers |
//! | [`run`], [`terminal`] | the loop, and the real terminal |

pub mod action;
pub mod advice;
pub mod export;
pub mod frames;
pub mod keymap;
pub mod msg;
pub mod order;
pub mod page;
pub mod pages;
pub mod run;
pub mod seam;
pub mod setup;
pub mod state;
pub mod terminal;
pub mod theme;
pub mod update;
pub mod view;
