//! A stream of pages, read ahead by one on a connection and a task of its own.
//!
//! The task owns the connection. Dropping the stream ends the task and with it the connection,
//! so a half-read answer never meets another statement.

use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use super::error::Place;
use crate::model::Fault;
use crate::model::fault::src;
use crate::source::Pages;

/// Rows and bytes at which a page is handed over. A page of wide rows is short, so that memory
/// does not depend on the width of a table.
const PAGE_ROWS: usize = 4_096;
const PAGE_BYTES: usize = 4 << 20;

/// `None` says that the stream is complete: a task that merely ends has not said so.
type Page<R> = Result<Option<Vec<R>>, Fault>;

/// The reading end.
pub struct Stream<R> {
    pages: mpsc::Receiver<Page<R>>,
    place: Place,
    complete: bool,
    _task: AbortOnDropHandle<()>,
}

impl<R: Send + 'static> Stream<R> {
    /// Starts `read` on a task. What it returns becomes the end of the stream.
    pub fn start<F, T>(place: Place, read: F) -> Self
    where
        F: FnOnce(Writer<R>) -> T,
        T: Future<Output = Result<Writer<R>, Fault>> + Send + 'static,
    {
        let (send, pages) = mpsc::channel(1);
        let reading = read(Writer { pages: send.clone(), rows: Vec::new(), bytes: 0 });
        let task = tokio::spawn(async move {
            let end = match reading.await {
                Ok(mut writer) => writer.flush().await.map(|()| None),
                Err(fault) => Err(fault),
            };
            // Nobody listens any more: then there is nobody to tell.
            let _ = send.send(end).await;
        });
        Self { pages, place, complete: false, _task: AbortOnDropHandle::new(task) }
    }
}

impl<R: Send + 'static> Pages for Stream<R> {
    type Row = R;

    async fn next_page(&mut self) -> Result<Option<Vec<R>>, Fault> {
        if self.complete {
            return Ok(None);
        }
        match self.pages.recv().await {
            Some(Ok(None)) => {
                self.complete = true;
                Ok(None)
            }
            Some(page) => page,
            None => Err(self.place.fault(&src::CONNECTION_LOST).evidence("stream", "ended without its end")),
        }
    }
}

/// The writing end: collects rows into pages.
pub struct Writer<R> {
    pages: mpsc::Sender<Page<R>>,
    rows: Vec<R>,
    bytes: usize,
}

impl<R> Writer<R> {
    /// Waits while the reader is a page behind. A fault means that the reader is gone.
    pub async fn push(&mut self, row: R, bytes: usize) -> Result<(), Fault> {
        self.rows.push(row);
        self.bytes += bytes;
        if self.rows.len() >= PAGE_ROWS || self.bytes >= PAGE_BYTES { self.flush().await } else { Ok(()) }
    }

    async fn flush(&mut self) -> Result<(), Fault> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.bytes = 0;
        let page = std::mem::take(&mut self.rows);
        self.pages.send(Ok(Some(page))).await.map_err(|_| Fault::new(&src::CONNECTION_LOST, "the reader of a stream is gone"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place {
        Place::new("x")
    }

    #[tokio::test]
    async fn rows_arrive_in_order_and_the_end_is_said() {
        let mut stream = Stream::start(place(), |mut writer| async move {
            for n in 0..10_000_u32 {
                writer.push(n, 4).await?;
            }
            Ok(writer)
        });
        let mut seen = Vec::new();
        while let Some(page) = stream.next_page().await.unwrap() {
            assert!(!page.is_empty() && page.len() <= PAGE_ROWS);
            seen.extend(page);
        }
        assert_eq!(seen, (0..10_000).collect::<Vec<_>>());
        assert!(stream.next_page().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn wide_rows_make_short_pages() {
        let mut stream = Stream::start(place(), |mut writer| async move {
            for n in 0..5_u32 {
                writer.push(n, PAGE_BYTES / 2).await?;
            }
            Ok(writer)
        });
        assert_eq!(stream.next_page().await.unwrap(), Some(vec![0, 1]));
        assert_eq!(stream.next_page().await.unwrap(), Some(vec![2, 3]));
        assert_eq!(stream.next_page().await.unwrap(), Some(vec![4]));
        assert_eq!(stream.next_page().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_failure_is_never_an_end() {
        let mut failing = Stream::<u32>::start(place(), |mut writer| async move {
            writer.push(1, 4).await?;
            Err(place().fault(&src::INTERRUPTED))
        });
        assert!(failing.next_page().await.unwrap_err().is(&src::INTERRUPTED));

        let mut panicking = Stream::<u32>::start(place(), |writer| async move {
            drop(writer);
            panic!("on purpose")
        });
        assert!(panicking.next_page().await.unwrap_err().is(&src::CONNECTION_LOST));
    }

    #[tokio::test]
    async fn dropping_the_stream_ends_the_task() {
        let (alive, gone) = tokio::sync::oneshot::channel::<()>();
        let stream = Stream::<u32>::start(place(), |writer| async move {
            let _alive = alive;
            std::future::pending::<()>().await;
            Ok(writer)
        });
        drop(stream);
        // The sender is dropped with the task.
        assert!(gone.await.is_err());
    }
}
