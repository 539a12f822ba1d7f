//! A product with a weight matrix, without a bias.

use bench_protocol::Failure;
use burn_tensor::Tensor;
use burn_tensor::backend::Backend;

use super::Parts;

/// A matrix of shape [out, in] in the file, held as a transposed view of it: what the product reads
/// lies in memory as it does in the file.
pub struct Linear<B: Backend> {
    weight: Tensor<B, 2>,
}

impl<B: Backend> Linear<B> {
    /// Load `<name>.weight` of shape [out, in].
    pub fn load(parts: &Parts<'_, B>, name: &str, shape: [usize; 2]) -> Result<Self, Failure> {
        let name = format!("{name}.weight");
        let weight = parts
            .weights
            .tensor(&name, shape, parts.device, parts.dtype)?;
        Ok(Self::of(weight))
    }

    /// Use a matrix of shape [out, in].
    pub fn of(weight: Tensor<B, 2>) -> Self {
        Self {
            weight: weight.transpose(),
        }
    }

    /// From [tokens, in] to [tokens, out].
    pub fn forward(&self, input: Tensor<B, 2>) -> Tensor<B, 2> {
        input.matmul(self.weight.clone())
    }
}
