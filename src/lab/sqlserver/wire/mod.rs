//! TDS 7.4 on the wire.
