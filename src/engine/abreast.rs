//! Work on many tables at once.

use futures::{StreamExt, stream};

/// Runs `work` on the items, at most so many at a time, and gives the results in the order of the
/// items. An item that takes long holds back no other: `buffered` of `futures` would begin none
/// while the first in line is at work and the others have ended.
pub async fn abreast<I, F: Future>(items: impl IntoIterator<Item = I>, at_once: usize, work: impl Fn(I) -> F) -> Vec<F::Output> {
    let numbered = items.into_iter().enumerate().map(|(at, item)| {
        let work = work(item);
        async move { (at, work.await) }
    });
    let mut ended: Vec<_> = stream::iter(numbered).buffer_unordered(at_once.max(1)).collect().await;
    ended.sort_by_key(|(at, _)| *at);
    ended.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// The first item ends only after all others have.
    #[tokio::test]
    async fn one_that_takes_long_holds_back_no_other() {
        let (left, at_work, most) = (Cell::new(9), Cell::new(0), Cell::new(0));
        let results = abreast(0..10, 3, async |item: u32| {
            at_work.set(at_work.get() + 1);
            most.set(most.get().max(at_work.get()));
            tokio::task::yield_now().await;
            while item == 0 && left.get() > 0 {
                tokio::task::yield_now().await;
            }
            left.set(left.get() - 1);
            at_work.set(at_work.get() - 1);
            item * 2
        })
        .await;
        assert_eq!(results, (0..10).map(|item| item * 2).collect::<Vec<_>>());
        assert_eq!(most.get(), 3);
    }
}
