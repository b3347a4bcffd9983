//! Traces of the protocol's section 8 that break weaker rules. Each test names its number.

mod extract;
mod load;
mod moved_keys;
mod safety;
