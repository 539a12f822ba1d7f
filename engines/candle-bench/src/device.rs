//! Devices that this build can use on this machine.

use bench_protocol::{Device, Failure, Gpus};

/// Open the device that computes.
pub fn open(device: Device) -> Result<candle_core::Device, Failure> {
    match device {
        Device::Cpu => Ok(candle_core::Device::Cpu),
        Device::Cuda(index) => candle_core::Device::new_cuda(index).map_err(crate::failure),
    }
}

/// Vector instructions by candle's own account. gemm, which does the products, looks for the same
/// ones: its kernels for AVX-512 need its feature `x86-v4`, which candle does not set.
pub fn simd(device: Device) -> Option<&'static str> {
    match device {
        Device::Cuda(_) => None,
        Device::Cpu if candle_core::utils::with_avx() => Some("avx2"),
        Device::Cpu => candle_core::utils::with_neon().then_some("neon"),
    }
}

/// GPUs that the driver knows, or why none can be used. Asking makes no context on any of them.
#[cfg(feature = "cuda")]
pub fn gpus() -> Gpus {
    use bench_protocol::count_gpus;
    use candle_core::cuda_backend::cudarc::driver::CudaContext;

    count_gpus(CudaContext::device_count())
}

/// Without the feature `cuda` there is none.
#[cfg(not(feature = "cuda"))]
#[allow(clippy::unnecessary_wraps)] // the other one can fail
pub fn gpus() -> Gpus {
    Ok(0)
}
