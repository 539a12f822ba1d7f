//! When the requests of an open loop are due, and which of them are measured.

use serde::Serialize;

use crate::load::CaseLoad;

pub const NS_PER_S: f64 = 1e9;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Before what counts.
    Warmup,
    /// It counts.
    Measured,
    /// It keeps the load up until the last measured one has ended.
    Filler,
}

/// Due times, in nanoseconds from the start of the stage.
#[derive(Debug, PartialEq)]
pub struct Schedule {
    /// Each request's, in order.
    pub due: Vec<(u64, Phase)>,
    /// Where the measured arrivals end: the first that is measured no more where a duration ends
    /// them, else one mean gap behind the last.
    pub window_end_ns: u64,
}

impl Schedule {
    /// Schedule of a level that has so many prompts, with the first request that has none. Fillers
    /// arrive at most for as long again as the measured ones.
    pub fn of(load: &CaseLoad, prompts: usize) -> Self {
        let duration_ns = load.duration_seconds.map(nanoseconds);
        let (mut due, mut measured): (Vec<_>, Vec<u64>) = (Vec::new(), Vec::new());
        let mut beyond_ns = None;
        for &at_ns in &load.arrivals_ns {
            let since_first_ns = measured.first().map_or(0, |first| at_ns - first);
            let is_over = match duration_ns {
                Some(length_ns) => !measured.is_empty() && since_first_ns >= length_ns,
                None => Some(measured.len()) == load.requests,
            };
            if !is_over {
                let phase = if due.len() < load.warmup_requests {
                    Phase::Warmup
                } else {
                    Phase::Measured
                };
                due.push((at_ns, phase));
                if due.len() > prompts {
                    break;
                }
                if phase == Phase::Measured {
                    measured.push(at_ns);
                }
                continue;
            }
            beyond_ns = beyond_ns.or(duration_ns.map(|_| at_ns));
            let last_ns = measured.last().copied().unwrap_or(at_ns);
            let lasted_ns = last_ns - measured.first().unwrap_or(&last_ns);
            if at_ns > last_ns + duration_ns.unwrap_or(lasted_ns) {
                break;
            }
            due.push((at_ns, Phase::Filler));
        }
        let window_end_ns = beyond_ns.unwrap_or_else(|| end_of(&measured, load));
        Self { due, window_end_ns }
    }
}

/// One mean gap behind the last of the measured arrivals. What a plan tells of a trace is the mean of
/// all of it, which its measured part need not have.
fn end_of(measured: &[u64], load: &CaseLoad) -> u64 {
    let (Some(first), Some(last)) = (measured.first(), measured.last()) else {
        return 0;
    };
    let rate = load.requests_per_second;
    let is_trace = load.arrivals.as_deref() == Some("trace");
    let gap_ns = match rate.filter(|&rate| rate > 0.0 && !is_trace) {
        Some(rate) => NS_PER_S / rate,
        None => (last - first) as f64 / (measured.len() - 1).max(1) as f64,
    };
    last + gap_ns.round() as u64
}

/// Seconds as the clock counts them.
pub fn nanoseconds(seconds: f64) -> u64 {
    (seconds * NS_PER_S).round() as u64
}
