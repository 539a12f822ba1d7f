//! An adapter whose model computes nothing: what is left is the cost of the protocol.
//! `benchmarks/adapter_overhead` times it.

use std::process::ExitCode;

use bench_protocol::{
    Capabilities, Case, Description, Dtype, Engine, Failure, Loaded, Sampler, Spec, Timings,
    build_facts, decode,
};

fn main() -> ExitCode {
    bench_protocol::run::<Empty>()
}

/// Logits of a vocabulary of eight, always the same.
const LOGITS: [f32; 8] = [0.0, 1.0, 2.0, 3.0, 4.0, 3.0, 2.0, 1.0];

struct Empty {
    sampler: Sampler,
}

impl Engine for Empty {
    fn describe() -> Description {
        Description {
            engine: "empty",
            version: env!("CARGO_PKG_VERSION").to_owned(),
            build: build_facts(),
            capabilities: Capabilities::of_logits(vec!["cpu"], vec![Dtype::F32]),
            options: &["margins"],
        }
    }

    fn load(spec: &Spec) -> Result<(Self, Loaded), Failure> {
        let dtype = spec.dtype.to_string();
        let loaded = Loaded {
            weights_dtype: dtype.clone(),
            compute_dtype: dtype.clone(),
            kv_cache_dtype: dtype,
            device: spec.device.to_string(),
            threads: spec.threads,
            batch_size: 1,
            simd: None,
            compiled_graph: false,
        };
        let engine = Self {
            sampler: Sampler::default(),
        };
        Ok((engine, loaded))
    }

    fn reset(&mut self) -> Result<(), Failure> {
        Ok(())
    }

    fn generate(&mut self, case: &Case, seed: u64, timings: &mut Timings) -> Result<(), Failure> {
        decode(case, seed, &mut self.sampler, timings, |_, _| {
            Ok(LOGITS.to_vec())
        })
    }
}
