//! `lsn`: LSNs and commit times, each from the other.

use std::sync::Arc;

use jiff::civil::DateTime;

use super::args::{Global, LsnOrTime};
use super::connect::LiveEngine;
use super::{exit, output};
use crate::engine::event::EventReceiver;
use crate::model::fault::cfg;
use crate::model::{Fault, Lsn};

pub async fn run(global: &Global, what: &LsnOrTime, (engine, _events): (Arc<LiveEngine>, EventReceiver)) -> Result<u8, Fault> {
    let text = what.what.trim();
    let report = match (text.parse::<Lsn>(), text.parse::<DateTime>()) {
        (Ok(lsn), _) => engine.time_of_lsn(lsn).await?,
        (_, Ok(time)) => engine.lsn_at_time(time).await?,
        _ => {
            return Err(Fault::new(&cfg::BAD_ARGUMENT, format!("{text:?} is neither an LSN nor a time"))
                .next("an LSN has 20 hex digits; a time reads as '2026-03-02 09:30:00', in the clock of the database server"));
        }
    };
    if global.json {
        output::document(&report);
        return Ok(exit::DONE);
    }
    match (report.lsn, report.time, report.newest_before) {
        (Some(lsn), Some(time), _) => output::line(format_args!("{lsn}  committed at {time}, server's clock")),
        (Some(lsn), None, Some((before, time))) => {
            output::line(format_args!(
                "{lsn}  is no commit that the server still knows; the newest before it is {before}, committed at {time}"
            ));
        }
        (Some(lsn), None, None) => output::line(format_args!("{lsn}  lies before everything that the server still knows")),
        (None, _, _) => output::line(format_args!("nothing that the server still knows was committed by then")),
    }
    if let Some(oldest) = report.oldest {
        output::line(format_args!("the server's mapping begins at {oldest}"));
    }
    Ok(exit::DONE)
}
