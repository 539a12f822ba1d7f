//! Devices that this build can use on this machine.

use bench_protocol::Failure;

/// Kinds of device for `hello`.
pub fn kinds() -> Vec<&'static str> {
    if gpus() == 0 {
        vec!["cpu"]
    } else {
        vec!["cpu", "cuda"]
    }
}

/// Refuse a GPU that is not there.
pub fn check(device: bench_protocol::Device) -> Result<(), Failure> {
    match device {
        bench_protocol::Device::Cuda(index) if index >= gpus() => {
            Err(Failure::unsupported(format!(
                "device: cuda:{index} is asked for, the driver has {}",
                gpus()
            )))
        }
        _ => Ok(()),
    }
}

/// Open the device that computes.
pub fn open(device: bench_protocol::Device) -> Result<candle_core::Device, Failure> {
    match device {
        bench_protocol::Device::Cpu => Ok(candle_core::Device::Cpu),
        bench_protocol::Device::Cuda(index) => {
            candle_core::Device::new_cuda(index).map_err(crate::failure)
        }
    }
}

/// Vector instructions by candle's own account. gemm, which does the products, looks for the same
/// ones: its kernels for AVX-512 need its feature `x86-v4`, which candle does not set.
pub fn simd(device: bench_protocol::Device) -> Option<&'static str> {
    match device {
        bench_protocol::Device::Cuda(_) => None,
        bench_protocol::Device::Cpu if candle_core::utils::with_avx() => Some("avx2"),
        bench_protocol::Device::Cpu => candle_core::utils::with_neon().then_some("neon"),
    }
}

/// GPUs that the driver knows. Asking makes no context on any of them.
#[cfg(feature = "cuda")]
fn gpus() -> usize {
    use candle_core::cuda_backend::cudarc::driver::CudaContext;

    match CudaContext::device_count() {
        Ok(count) => usize::try_from(count).unwrap_or(0),
        Err(error) => {
            eprintln!("no GPU can be used: {error}");
            0
        }
    }
}

/// Without the feature `cuda` there is none.
#[cfg(not(feature = "cuda"))]
fn gpus() -> usize {
    0
}
