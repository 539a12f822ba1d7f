//! Adapter for mistral.rs by its crate: its scheduler and its Llama, with the protocol's sampler in
//! its logits processor.

mod folder;
mod tap;

#[cfg(test)]
mod engine_tests;

use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bench_protocol::checkpoint::{LlamaConfig, check_weights, weights_files};
use bench_protocol::{
    Case, Description, Dtype, Engine, Failure, Loaded, Sampler, Spec, Timings, decode,
    require_device,
};
use mistralrs::core::{
    MistralRsBuilder, NormalLoaderBuilder, NormalSpecificConfig, TERMINATE_ALL_NEXT_STEP,
};
use mistralrs::{
    DefaultSchedulerMethod, Device, DeviceMapSetting, MistralRs, ModelDType, NormalLoaderType,
    NormalRequest, Request, RequestMessage, Response, SamplingParams, SchedulerConfig, TokenSource,
};
use tokio::sync::mpsc::{Receiver, Sender, channel};

use crate::folder::ModelFolder;
use crate::tap::{Line, Tap};

/// Answers that may wait unread: a request gets one, or two after a failure.
const ANSWERS: usize = 8;

fn main() -> ExitCode {
    bench_protocol::run::<Mistral>()
}

/// A loaded model behind mistral.rs' own thread.
struct Mistral {
    /// Ends that thread when it is dropped.
    engine: Arc<MistralRs>,
    requests: Sender<Request>,
    /// Of the request before, which may still be ending.
    answers: Option<Receiver<Response>>,
    sampler: Sampler,
}

impl Engine for Mistral {
    fn describe() -> Description {
        let mut description = Description::of_logits(
            "mistral-rs-crate-bench",
            "mistralrs",
            env!("MISTRALRS_VERSION"),
            false,
            vec!["cpu"],
        );
        // Its candle has no product of bf16 on the CPU.
        description.capabilities.dtypes = vec![Dtype::F32, Dtype::F16];
        description
    }

    fn check(spec: &Spec) -> Result<(), Failure> {
        require_device(spec.device, &Ok(0))?;
        check_weights(&spec.weights)
    }

    fn load(spec: &Spec) -> Result<(Self, Loaded), Failure> {
        let threads = spec.threads.to_string();
        // A launch that fetches something would measure the network. One thread waits for tokio.
        for (variable, value) in [
            ("RAYON_NUM_THREADS", threads.as_str()),
            ("TOKIO_WORKER_THREADS", "1"),
            ("HF_HUB_OFFLINE", "1"),
        ] {
            // SAFETY: the engine has started no thread yet, and all that reads the environment at
            // this time is Rust's standard library, which locks it.
            unsafe { env::set_var(variable, value) };
        }
        let config = LlamaConfig::read(spec)?;
        config.require_derived_head_width("mistral.rs' Llama")?;
        let weights = weights_files(&spec.model_dir, &spec.weights)?;
        let folder = ModelFolder::lay_out(&config, &weights)?;
        let engine = start(&folder, spec.dtype)?;
        let requests = engine.get_sender(None).map_err(failure)?;

        let held = spec.dtype.to_string();
        let loaded = Loaded {
            weights_dtype: held.clone(),
            // gemm widens f16 as it packs it, mistral.rs' attention on the CPU as it reads it.
            compute_dtype: Dtype::F32.to_string(),
            kv_cache_dtype: held,
            device: spec.device.to_string(),
            threads: rayon::current_num_threads(),
            batch_size: 1,
            simd: None,
            compiled_graph: false,
        };
        let engine = Self {
            engine,
            requests,
            answers: None,
            sampler: Sampler::default(),
        };
        Ok((engine, loaded))
    }

    /// The cache belongs to the request and goes with it: mistral.rs closes the channel of the
    /// answers when it drops the sequence.
    fn reset(&mut self) -> Result<(), Failure> {
        if let Some(mut answers) = self.answers.take() {
            while let Some(answer) = answers.blocking_recv() {
                if let Some(why) = complaint(answer) {
                    return Err(why);
                }
            }
        }
        Ok(())
    }

    fn generate(&mut self, case: &Case, seed: u64, timings: &mut Timings) -> Result<(), Failure> {
        let (tap, line) = tap::pair();
        let (response, answers) = channel(ANSWERS);
        let answers = self.answers.insert(answers);
        let mut first = Some(request(case, tap, response, self.engine.next_request_id()));
        let requests = &self.requests;
        decode(case, seed, &mut self.sampler, timings, |ids, position| {
            match first.take() {
                Some(request) => requests.blocking_send(request).map_err(failure)?,
                None => ids.iter().for_each(|&id| line.give(id)),
            }
            line.logits(position + ids.len(), ids.last().copied())
                .unwrap_or_else(|| Err(last_word(answers)))
        })?;
        end(case, &line, timings.token_ids());
        Ok(())
    }
}

/// Have mistral.rs end the request. It does so by itself at the last of the tokens asked for; at an
/// end of a sequence it is told to before its next step, since ignoring such ids or not is a
/// setting of the whole engine.
fn end(case: &Case, line: &Line, token_ids: &[u32]) {
    if token_ids.len() < case.max_new_tokens {
        TERMINATE_ALL_NEXT_STEP.store(true, Ordering::SeqCst);
    }
    if let Some(&id) = token_ids.last() {
        line.give(id);
    }
}

/// mistral.rs' Llama on its own thread, one sequence at a time, without a cache that outlives it.
fn start(folder: &ModelFolder, dtype: Dtype) -> Result<Arc<MistralRs>, Failure> {
    let loader = NormalLoaderBuilder::new(
        NormalSpecificConfig::default(),
        None,
        None,
        Some(folder.path().to_string_lossy().into_owned()),
        false,
        None,
    )
    .build(Some(NormalLoaderType::Llama))
    .map_err(failure)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .map_err(failure)?;
    runtime.block_on(async {
        let pipeline = loader
            .load_model_from_hf(
                None,
                TokenSource::None,
                &mistral_dtype(dtype),
                &Device::Cpu,
                true,
                DeviceMapSetting::dummy(),
                None,
                None,
            )
            .map_err(failure)?;
        let method = DefaultSchedulerMethod::Fixed(std::num::NonZeroUsize::MIN);
        let scheduler = SchedulerConfig::DefaultScheduler { method };
        Ok(MistralRsBuilder::new(pipeline, scheduler, false, None)
            .with_no_prefix_cache(true)
            .with_prefix_cache_n(0)
            .with_disable_eos_stop(true)
            .build()
            .await)
    })
}

/// A request of bare ids whose choices come through `tap`.
fn request(case: &Case, tap: Tap, response: Sender<Response>, id: usize) -> Request {
    let sampling = SamplingParams {
        // None means 1 here.
        temperature: Some(0.0),
        max_len: Some(case.max_new_tokens),
        ..SamplingParams::neutral()
    };
    let message = RequestMessage::CompletionTokens(case.prompt_ids.clone());
    let mut request = NormalRequest::new_simple(message, sampling, response, id, None, None);
    request.logits_processors = Some(vec![Arc::new(tap)]);
    Request::Normal(Box::new(request))
}

/// Why mistral.rs dropped a request, by its own word.
fn last_word(answers: &mut Receiver<Response>) -> Failure {
    answers
        .blocking_recv()
        .and_then(complaint)
        .unwrap_or_else(|| Failure::internal("mistral.rs dropped the request and said nothing"))
}

/// What went wrong, if this answer says that something did.
fn complaint(answer: Response) -> Option<Failure> {
    match answer {
        Response::InternalError(error) | Response::ValidationError(error) => Some(failure(error)),
        Response::ModelError(message, _) | Response::CompletionModelError(message, _) => {
            Some(failure(message))
        }
        _ => None,
    }
}

fn mistral_dtype(dtype: Dtype) -> ModelDType {
    match dtype {
        Dtype::F32 => ModelDType::F32,
        Dtype::F16 => ModelDType::F16,
        Dtype::Bf16 => ModelDType::BF16,
    }
}

/// mistral.rs' error in the protocol's kinds.
fn failure(error: impl ToString) -> Failure {
    Failure::of_engine("mistral.rs", &error.to_string())
}
