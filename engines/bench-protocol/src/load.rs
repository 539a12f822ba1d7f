//! How the requests of a level arrive: what a case of protocol 2 has.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::spec::Case;

/// Whether a request waits for one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It starts when one before it has ended.
    Closed,
    /// It comes at its own time.
    Open,
}

impl Mode {
    /// The word for it in `capabilities.load_modes`.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Closed => "closed",
            Self::Open => "open",
        }
    }
}

/// How the requests of a level arrive.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseLoad {
    /// Closed or open loop.
    pub mode: Mode,
    /// Requests in flight of a closed loop; none in an open one, where nothing bounds them.
    pub concurrency: Option<usize>,
    /// Places of an open loop, where the spec sets them.
    pub slots: Option<usize>,
    /// Requests of a conversation, of which each place of a closed loop holds one.
    pub turns: Option<usize>,
    /// Between an answer and the next turn.
    pub think_seconds: Option<f64>,
    /// Measured requests; none where a duration says how many.
    pub requests: Option<usize>,
    /// How long requests are measured, in seconds.
    pub duration_seconds: Option<f64>,
    /// Requests before the measured ones.
    pub warmup_requests: usize,
    /// When a request is given up, in seconds.
    pub timeout_seconds: f64,
    /// When each request of an open loop is due, and where arrivals go on the one behind them, in
    /// nanoseconds from the start.
    #[serde(default)]
    pub arrivals_ns: Vec<u64>,
    /// Mean rate of an open loop.
    pub requests_per_second: Option<f64>,
    /// How they were drawn; `trace` has no mean gap.
    pub arrivals: Option<String>,
    // Where arrivals_ns come from, which an adapter need not know.
    burstiness: Option<IgnoredAny>,
    seed: Option<IgnoredAny>,
    trace_file: Option<IgnoredAny>,
    trace_sha256: Option<IgnoredAny>,
    trace_start_seconds: Option<IgnoredAny>,
    trace_speed: Option<IgnoredAny>,
}

impl CaseLoad {
    fn check(&self) -> Result<(), String> {
        let is_positive = |seconds: f64| seconds > 0.0 && seconds < MOST_SECONDS;
        if !is_positive(self.timeout_seconds) || !self.duration_seconds.is_none_or(is_positive) {
            return Err(format!(
                "a time must lie between 0 and {MOST_SECONDS} seconds"
            ));
        }
        if self.requests.is_some() == self.duration_seconds.is_some() || self.requests == Some(0) {
            return Err("either requests or duration_seconds is needed, above 0".to_owned());
        }
        if self.turns.is_some_and(|turns| turns < 2) {
            return Err("turns is below 2".to_owned());
        }
        if !self
            .think_seconds
            .is_none_or(|seconds| seconds == 0.0 || is_positive(seconds))
        {
            return Err("think_seconds is no pause".to_owned());
        }
        match (self.mode, self.concurrency) {
            (Mode::Closed, None | Some(0)) => Err("concurrency is missing or 0".to_owned()),
            (Mode::Closed, _) if self.slots.is_some() => {
                Err("a closed loop has concurrency, not slots".to_owned())
            }
            (Mode::Open, Some(_)) => Err("an open loop has no concurrency".to_owned()),
            (Mode::Open, None) if self.slots == Some(0) || self.turns.is_some() => {
                Err("slots is 0, or an open loop has turns".to_owned())
            }
            (Mode::Open, None) if self.arrivals_ns.is_empty() || !self.arrivals_ns.is_sorted() => {
                Err("arrivals_ns is empty or goes back".to_owned())
            }
            _ => Ok(()),
        }
    }
}

/// Beyond any launch; nanoseconds of it and of a clock together fit 64 bits.
const MOST_SECONDS: f64 = 1e9;

/// Bounds of what a case has in protocol 2 alone.
pub(crate) fn check_level(case: &Case, is_wanted: bool) -> Result<(), String> {
    let Some(load) = case.load.as_ref().filter(|_| is_wanted) else {
        return if is_wanted {
            Err("load is missing".to_owned())
        } else if case.load.is_some()
            || !case.prompts.is_empty()
            || !case.max_new_tokens_each.is_empty()
        {
            Err("load, prompts and max_new_tokens_each are keys of protocol 2".to_owned())
        } else {
            Ok(())
        };
    };
    load.check().map_err(|why| format!("load: {why}"))?;
    if case.prompts.is_empty() || case.prompts.iter().any(Vec::is_empty) {
        return Err("prompts is empty, or one of them is".to_owned());
    }
    let due = load.arrivals_ns.len();
    if load.mode == Mode::Open && !(case.prompts.len()..=case.prompts.len() + 1).contains(&due) {
        return Err(
            "load: arrivals_ns must have a time for each prompt, and at most one more".to_owned(),
        );
    }
    let each = &case.max_new_tokens_each;
    if each.is_empty() {
        return Ok(());
    }
    let fits = |&limit: &usize| (1..=case.max_new_tokens).contains(&limit);
    if each.len() != case.prompts.len() || !each.iter().all(fits) {
        return Err(
            "max_new_tokens_each must have a number for each prompt, from 1 to max_new_tokens"
                .to_owned(),
        );
    }
    Ok(())
}
