//! The feed-forward layer, SwiGLU.

use bench_protocol::Failure;
use burn_tensor::Tensor;
use burn_tensor::activation::silu;
use burn_tensor::backend::Backend;

use super::Parts;
use super::linear::Linear;

/// down(silu(gate(x)) * up(x)).
pub struct FeedForward<B: Backend> {
    gate: Linear<B>,
    up: Linear<B>,
    down: Linear<B>,
}

impl<B: Backend> FeedForward<B> {
    /// Load the three matrices under `prefix`.
    pub fn load(parts: &Parts<'_, B>, prefix: &str) -> Result<Self, Failure> {
        let (outer, inner) = (parts.config.hidden_size, parts.config.intermediate_size);
        let load = |name: &str, shape| Linear::load(parts, &format!("{prefix}.{name}"), shape);
        Ok(Self {
            gate: load("gate_proj", [inner, outer])?,
            up: load("up_proj", [inner, outer])?,
            down: load("down_proj", [outer, inner])?,
        })
    }

    /// From and to [tokens, width].
    pub fn forward(&self, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
        let gate = silu(self.gate.forward(hidden.clone()));
        self.down.forward(gate * self.up.forward(hidden))
    }
}
