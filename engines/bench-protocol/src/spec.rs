//! What one launch asks of an adapter: workflow/schemas/spec.schema.yaml as types.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;
use crate::load::{CaseLoad, check_level};
use crate::stage;

/// Version of the protocol in which requests come one after the other.
pub const PROTOCOL: u64 = 1;

/// Version in which each case has a load.
pub const LOAD_PROTOCOL: u64 = 2;

/// The file behind `--spec`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Version of the protocol.
    pub protocol: u64,
    /// Which launch this is; for the adapter's log only, it determines nothing.
    pub launch: Option<Launch>,
    /// Folder with config.json and the weights.
    pub model_dir: PathBuf,
    /// Weight file inside `model_dir`.
    pub weights: String,
    /// Type of weights and computation.
    pub dtype: Dtype,
    /// Device that computes.
    pub device: Device,
    /// CPU threads that may compute at once.
    pub threads: usize,
    /// Capacity of the KV cache in tokens.
    pub max_seq_len: usize,
    /// The test cases of the workload.
    pub cases: Vec<Case>,
    /// Rounds over all cases before the measured ones.
    #[serde(default)]
    pub warmup_iterations: u64,
    /// Measured rounds over all cases.
    #[serde(default)]
    pub iterations: u64,
    /// How requests arrive, in protocol 1.
    #[serde(default)]
    pub load: Load,
    /// The cases in the order in which they run, in protocol 2.
    #[serde(default)]
    pub stages: Vec<usize>,
    /// The engine's own options.
    pub options: serde_json::Map<String, serde_json::Value>,
    /// File to which the logits behind each token are appended; the times of such a launch mean
    /// nothing.
    pub logits_path: Option<PathBuf>,
}

impl Spec {
    /// Places for sequences that are decoded at once: 1 in protocol 1.
    #[must_use]
    pub fn places(&self) -> usize {
        let loads = self.cases.iter().filter_map(|case| case.load.as_ref());
        loads.map(stage::places).max().unwrap_or(1)
    }
}

/// Names of a launch.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Launch {
    /// Name of the engine in the configuration.
    pub engine: Option<String>,
    /// Name of the workload.
    pub workload: Option<String>,
    /// Number of the launch, from 1.
    pub block: Option<u64>,
}

/// One test case.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Prompt as token ids.
    pub prompt_ids: Vec<u32>,
    /// Tokens to generate.
    pub max_new_tokens: usize,
    /// Go on past an end-of-sequence id to exactly `max_new_tokens`.
    pub ignore_eos: bool,
    /// Ids that end a sequence.
    pub eos_ids: Vec<u32>,
    /// How a token is chosen.
    pub sampling: Sampling,
    /// Ids that are fed back in place of the chosen ones, one a token: teacher forcing.
    pub forced_ids: Option<Vec<u32>>,
    /// How the requests of this level arrive; none in protocol 1.
    pub load: Option<CaseLoad>,
    /// Prompt of each request of a level.
    #[serde(default)]
    pub prompts: Vec<Vec<u32>>,
    /// Tokens to generate for each of them; empty where all are asked for `max_new_tokens`.
    #[serde(default)]
    pub max_new_tokens_each: Vec<usize>,
}

impl Case {
    /// Tokens to generate for request `number` of a level.
    #[must_use]
    pub fn limit(&self, number: usize) -> usize {
        let each = self.max_new_tokens_each.get(number);
        each.copied().unwrap_or(self.max_new_tokens)
    }

    /// Whether the sequence ends with this id.
    #[must_use]
    pub fn ends_with(&self, id: u32) -> bool {
        !self.ignore_eos && self.eos_ids.contains(&id)
    }

    /// The id that is fed back at this step, where the engine chose `chosen`.
    #[must_use]
    pub fn fed(&self, step: usize, chosen: u32) -> u32 {
        self.forced_ids
            .as_ref()
            .and_then(|ids| ids.get(step).copied())
            .unwrap_or(chosen)
    }
}

/// How a token is chosen from the logits.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sampling {
    /// 0 is greedy.
    pub temperature: f64,
    /// 1 switches nucleus sampling off.
    pub top_p: f64,
    /// Round `n` of a case draws with `seed + n`.
    pub seed: u64,
}

impl Sampling {
    /// Whether the highest logit is taken, so that neither `top_p` nor `seed` has an effect.
    #[must_use]
    pub fn is_greedy(&self) -> bool {
        self.temperature == 0.0
    }
}

/// How requests arrive.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    /// `closed`: a request starts when one before it has ended.
    pub mode: String,
    /// Requests in flight.
    pub concurrency: u64,
}

impl Default for Load {
    fn default() -> Self {
        Self {
            mode: "closed".to_owned(),
            concurrency: 1,
        }
    }
}

/// Type of weights and computation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floating point.
    F32,
    /// 16-bit IEEE floating point.
    F16,
    /// 16-bit brain floating point.
    Bf16,
}

impl fmt::Display for Dtype {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::F32 => "f32",
            Self::F16 => "f16",
            Self::Bf16 => "bf16",
        })
    }
}

/// Device that computes: `cpu` or `cuda:N`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Device {
    /// The processor.
    Cpu,
    /// The GPU with this index.
    Cuda(usize),
}

impl Device {
    /// Name of the device without its index, as `capabilities.devices` has it.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Cuda(_) => "cuda",
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => formatter.write_str("cpu"),
            Self::Cuda(index) => write!(formatter, "cuda:{index}"),
        }
    }
}

impl TryFrom<String> for Device {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name == "cpu" {
            return Ok(Self::Cpu);
        }
        name.strip_prefix("cuda:")
            .filter(|index| index.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|index| index.parse().ok())
            .map(Self::Cuda)
            .ok_or_else(|| format!("device {name:?} is neither cpu nor cuda:N"))
    }
}

/// The version and which keys of the two there are: read first, so that a newer spec is refused for
/// what it is and not for one of its new keys.
#[derive(Deserialize)]
struct Outline {
    protocol: Option<serde_json::Value>,
    warmup_iterations: Option<IgnoredAny>,
    iterations: Option<IgnoredAny>,
    load: Option<IgnoredAny>,
    stages: Option<IgnoredAny>,
}

impl Outline {
    /// Refuse a version that this crate does not speak, and keys of the other one.
    fn check(&self) -> Result<(), String> {
        let has_load = match &self.protocol {
            Some(number) if *number == PROTOCOL => false,
            Some(number) if *number == LOAD_PROTOCOL => true,
            Some(other) => {
                return Err(format!(
                    "protocol is {other}, this adapter speaks {PROTOCOL} and {LOAD_PROTOCOL}"
                ));
            }
            None => return Err("protocol is missing".to_owned()),
        };
        for (key, is_there, belongs) in [
            (
                "warmup_iterations",
                self.warmup_iterations.is_some(),
                !has_load,
            ),
            ("iterations", self.iterations.is_some(), !has_load),
            ("load", self.load.is_some(), !has_load),
            ("stages", self.stages.is_some(), has_load),
        ] {
            match (is_there, belongs) {
                (true, false) => return Err(format!("{key} is a key of the other protocol")),
                (false, true) => return Err(format!("{key} is missing")),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Read and check the file behind `--spec`.
///
/// # Errors
/// [`Failure::bad_spec`] that names the file and what is wrong in it.
pub fn read(path: &Path) -> Result<Spec, Failure> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::bad_spec(format!("{}: {error}", path.display())))?;
    parse(&text).map_err(|message| Failure::bad_spec(format!("{}: {message}", path.display())))
}

/// Read and check a spec's text.
fn parse(text: &str) -> Result<Spec, String> {
    let outline: Outline = serde_json::from_str(text).map_err(|error| error.to_string())?;
    outline.check()?;
    let spec: Spec = serde_json::from_str(text).map_err(|error| error.to_string())?;
    check(&spec)?;
    Ok(spec)
}

/// Bounds of the schema that the types do not express.
fn check(spec: &Spec) -> Result<(), String> {
    for (key, is_absent) in [
        ("model_dir", spec.model_dir.as_os_str().is_empty()),
        ("weights", spec.weights.is_empty()),
        ("threads", spec.threads == 0),
        ("cases", spec.cases.is_empty()),
        ("load.concurrency", spec.load.concurrency == 0),
        (
            "logits_path",
            spec.logits_path
                .as_ref()
                .is_some_and(|path| path.as_os_str().is_empty()),
        ),
    ] {
        if is_absent {
            return Err(format!("{key} is empty or 0"));
        }
    }
    for (index, case) in spec.cases.iter().enumerate() {
        check_case(case, spec.max_seq_len)
            .and_then(|()| check_level(case, spec.protocol == LOAD_PROTOCOL))
            .map_err(|why| format!("cases[{index}]: {why}"))?;
    }
    let mut stages = spec.stages.clone();
    stages.sort_unstable();
    if spec.protocol == LOAD_PROTOCOL && !stages.into_iter().eq(0..spec.cases.len()) {
        let (stages, cases) = (&spec.stages, spec.cases.len());
        return Err(format!(
            "stages is {stages:?}, it must name each of the {cases} cases once"
        ));
    }
    Ok(())
}

/// Bounds of one case; `max_seq_len` is the capacity that its prompt and its tokens share.
fn check_case(case: &Case, max_seq_len: usize) -> Result<(), String> {
    let Sampling {
        temperature, top_p, ..
    } = case.sampling;
    if case.prompt_ids.is_empty() || case.max_new_tokens == 0 {
        return Err("prompt_ids is empty or max_new_tokens is 0".to_owned());
    }
    if temperature < 0.0 {
        return Err(format!("sampling.temperature is {temperature}, below 0"));
    }
    if top_p <= 0.0 || top_p > 1.0 {
        return Err(format!("sampling.top_p is {top_p}, outside (0, 1]"));
    }
    if let Some(ids) = &case.forced_ids {
        if ids.len() != case.max_new_tokens {
            return Err(format!(
                "{} forced_ids for {} tokens",
                ids.len(),
                case.max_new_tokens
            ));
        }
        if !case.sampling.is_greedy() {
            return Err(format!(
                "forced_ids need sampling.temperature 0, it is {temperature}"
            ));
        }
    }
    let prompts = case.prompts.iter().map(Vec::len);
    let longest = prompts.fold(case.prompt_ids.len(), usize::max);
    let needed = longest.saturating_add(case.max_new_tokens);
    if needed > max_seq_len {
        return Err(format!(
            "{needed} tokens are asked for, max_seq_len is {max_seq_len}"
        ));
    }
    Ok(())
}

#[cfg(test)]
#[path = "spec_tests.rs"]
mod tests;
