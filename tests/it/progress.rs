//! Progress and events of a job, side by side.

use std::sync::Arc;

use db_to_redshift::engine::event::{Event, Events, Job};

use crate::support::rig::{Rig, TestEngine, done, row};

/// What an event tells is no longer under way: whoever adds both up counts no row twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_or_applied_is_under_way_no_more() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(1, "a", 1))));
    let (events, mut receiver) = Events::new();
    let heard = tokio::spawn(async move {
        let mut seen = Vec::new();
        while let Some(event) = receiver.events.recv().await {
            let under_way = receiver.progress.borrow().values().next().map(|progress| progress.job);
            match event {
                Event::Recorded { .. } => seen.push((Job::Extract, under_way)),
                Event::Applied { .. } => seen.push((Job::Load, under_way)),
                _ => {}
            }
        }
        seen
    });
    let mut engine = Arc::into_inner(rig.engine()).unwrap();
    engine.events = events;
    let engine: TestEngine = Arc::new(engine);
    done(engine.load(std::slice::from_ref(&table)).await);
    done(engine.sync(std::slice::from_ref(&table)).await);
    drop(engine);
    assert_eq!(heard.await.unwrap(), [(Job::Load, None), (Job::Extract, None), (Job::Load, None)]);
}
