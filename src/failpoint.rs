//! Points at which a crash test stops the process to kill it.
//!
//! Built only with the feature `failpoints`; otherwise a point is nothing at all. The variable
//! `D2R_FAILPOINT` names one point, as in `record.put.before`, or its n-th passing, as in
//! `record.put.before:3`. The point prints its name on a line of its own and then waits for
//! ever, so that the test which reads the line can send SIGKILL at exactly this place; or until
//! the file that `D2R_FAILPOINT_UNTIL` names is there, as a worker that stalls and wakes up late.

/// Marks a point: `fail_point!("record.put.before")`. Takes part in an async function.
#[macro_export]
macro_rules! fail_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::pass($name).await;
    };
}

/// Panics here where the variable `D2R_PANIC` names this point: `panic_point!("console.key")`.
#[macro_export]
macro_rules! panic_point {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        $crate::failpoint::panic_at($name);
    };
}

#[cfg(feature = "failpoints")]
pub use armed::{panic_at, pass};

#[cfg(feature = "failpoints")]
mod armed {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    struct Armed {
        name: String,
        left: AtomicU32,
    }

    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

    fn from_environment() -> Option<Armed> {
        let text = std::env::var("D2R_FAILPOINT").ok()?;
        let (name, nth) = match text.rsplit_once(':') {
            Some((name, nth)) => (name.to_owned(), nth.parse().unwrap_or(1)),
            None => (text, 1),
        };
        Some(Armed { name, left: AtomicU32::new(nth) })
    }

    /// Panics when this point is the named one.
    ///
    /// # Panics
    /// That is what it is for.
    pub fn panic_at(name: &str) {
        assert!(std::env::var_os("D2R_PANIC").is_none_or(|named| named != name), "panic point {name}");
    }

    /// Blocks for ever when this passing is the armed one.
    pub async fn pass(name: &'static str) {
        let Some(armed) = ARMED.get_or_init(from_environment) else { return };
        if armed.name == name && armed.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            println!("failpoint {name}");
            let Some(until) = std::env::var_os("D2R_FAILPOINT_UNTIL") else { return std::future::pending().await };
            while !std::path::Path::new(&until).exists() {
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }
    }
}
