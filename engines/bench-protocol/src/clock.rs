//! The one clock of all times in the protocol.

use std::thread;
use std::time::Duration;

const NS_PER_S: u64 = 1_000_000_000;

/// Before a time so long is waited without sleeping, since a sleep ends late (chosen).
const SPIN_NS: u64 = 200_000;

/// The clock of a level of load; one of tests goes as they say.
pub trait Clock {
    /// Time of all events.
    fn now_ns(&self) -> u64;

    /// Do nothing until then.
    fn wait_until(&self, time_ns: u64);
}

/// CLOCK_MONOTONIC.
pub struct Monotonic;

impl Clock for Monotonic {
    fn now_ns(&self) -> u64 {
        now_ns()
    }

    fn wait_until(&self, time_ns: u64) {
        while let Some(left_ns) = time_ns.checked_sub(now_ns()).filter(|&left_ns| left_ns > 0) {
            thread::sleep(Duration::from_nanos(left_ns.saturating_sub(SPIN_NS)));
        }
    }
}

/// CLOCK_MONOTONIC in nanoseconds: the clock behind Python's `time.monotonic_ns`, so that the
/// runner's times and the adapter's can be compared.
#[must_use]
pub fn now_ns() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is a valid, writable timespec. The call can fail only for an unknown clock,
    // and Linux always has this one, so its result needs no look.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    // Both fields are positive: the clock counts from the machine's start.
    time.tv_sec as u64 * NS_PER_S + time.tv_nsec as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_never_goes_back() {
        let mut last = now_ns();
        for _ in 0..1000 {
            let now = now_ns();
            assert!(now >= last);
            last = now;
        }
    }
}
