//! Change data capture: log, capture job, clean-up, procedures and functions.
