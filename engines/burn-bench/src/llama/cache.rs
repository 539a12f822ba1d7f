//! Keys and values of the tokens so far.

use burn_tensor::backend::Backend;
use burn_tensor::{DType, Tensor};

/// One of the two halves of a layer's KV cache, [heads, capacity, head width], allocated once.
pub struct Cache<B: Backend> {
    /// None only while a step is written: burn writes in place where nothing else holds the tensor.
    tensor: Option<Tensor<B, 3>>,
}

impl<B: Backend> Cache<B> {
    /// Room for `shape[1]` tokens.
    pub fn new(shape: [usize; 3], device: &B::Device, dtype: DType) -> Self {
        Self {
            tensor: Some(Tensor::zeros(shape, (device, dtype))),
        }
    }

    /// Write [heads, tokens, head width] at `position`; gives a view of all tokens up to there.
    ///
    /// What lies behind it is of an earlier sequence and never read.
    pub fn extend(&mut self, position: usize, new: Tensor<B, 3>) -> Tensor<B, 3> {
        let [heads, count, width] = new.dims();
        let end = position + count;
        let held = self
            .tensor
            .take()
            .map(|held| held.slice_assign([0..heads, position..end, 0..width], new));
        let Some(held) = held else {
            unreachable!("the tensor is put back below");
        };
        let view = held.clone().slice([0..heads, 0..end, 0..width]);
        self.tensor = Some(held);
        view
    }
}
