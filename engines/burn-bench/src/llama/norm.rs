//! Root mean square normalisation.

use bench_protocol::Failure;
use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor};

use super::Parts;

/// transformers' `LlamaRMSNorm`: normed in float32, scaled in the type of the weights.
pub struct RmsNorm<B: Backend> {
    weight: Tensor<B, 2>,
    epsilon: f64,
    dtype: DType,
}

impl<B: Backend> RmsNorm<B> {
    /// Load `<name>.weight`.
    pub fn load(parts: &Parts<'_, B>, name: &str) -> Result<Self, Failure> {
        let name = format!("{name}.weight");
        let width = parts.config.hidden_size;
        let weight: Tensor<B, 1> =
            parts
                .weights
                .tensor(&name, [width], parts.device, parts.dtype)?;
        Ok(Self {
            weight: weight.reshape([1, width]),
            epsilon: parts.config.rms_norm_eps,
            dtype: parts.dtype,
        })
    }

    /// Norm each token's row of [tokens, width].
    pub fn forward(&self, hidden: Tensor<B, 2>) -> Tensor<B, 2> {
        let hidden = hidden.cast(DType::F32);
        let mean_square = hidden.clone().square().mean_dim(1);
        let root = mean_square.add_scalar(self.epsilon).sqrt();
        hidden.div(root).cast(self.dtype) * self.weight.clone()
    }
}
