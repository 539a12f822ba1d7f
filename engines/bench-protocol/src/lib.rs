//! The adapter protocol (docs/protocol.md) for engines written in Rust.
//!
//! An adapter implements [`Engine`] and calls [`run`] from its `main`:
//!
//! ```no_run
//! # use bench_protocol::{Capabilities, Case, Description, Engine, Failure, Loaded, Spec, Timings};
//! # struct MyEngine;
//! # impl Engine for MyEngine {
//! #     fn describe() -> Description { unimplemented!() }
//! #     fn load(_: &Spec) -> Result<(Self, Loaded), Failure> { unimplemented!() }
//! #     fn reset(&mut self) -> Result<(), Failure> { unimplemented!() }
//! #     fn generate(&mut self, _: &Case, _: u64, _: &mut Timings) -> Result<(), Failure> { unimplemented!() }
//! # }
//! fn main() -> std::process::ExitCode {
//!     bench_protocol::run::<MyEngine>()
//! }
//! ```
//!
//! The crate reads the spec, refuses what the engine's [`Capabilities`] exclude before anything is
//! loaded, runs the rounds, takes the times, and writes the events. While the tokens of a round are
//! timed it allocates, formats and writes nothing. An engine that decodes several sequences together
//! implements [`Batch`] too and is asked for levels of load.

mod args;
mod batch;
pub mod checkpoint;
mod clock;
mod decode;
mod engine;
mod events;
mod failure;
mod gpus;
mod load;
mod logits;
mod refusals;
mod request;
mod run;
mod sampler;
mod schedule;
mod spec;
mod stage;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod timings;
mod turns;
mod words;

pub use batch::Batch;
pub use clock::now_ns;
pub use decode::decode;
pub use engine::{Capabilities, Description, Engine, Loaded, build_facts};
pub use failure::{Failure, Kind};
pub use gpus::{Gpus, count_gpus, device_kinds, require_device};
pub use load::{CaseLoad, Mode};
pub use run::run;
pub use sampler::Sampler;
pub use spec::{Case, Device, Dtype, Launch, Load, Sampling, Spec};
pub use timings::Timings;
pub use words::tell;
