//! Devices and threads that this build can use on this machine.

use bench_protocol::{Failure, Gpus};

/// Give rayon's pool, on which burn-flex and gemm compute, `threads` threads; returns how many it
/// has. It is made once a process.
pub fn set_threads(threads: usize) -> Result<usize, Failure> {
    let made = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global();
    let found = rayon::current_num_threads();
    match made {
        Err(error) if found != threads => Err(Failure::internal(format!(
            "rayon's pool has {found} threads, {threads} are asked for: {error}"
        ))),
        _ => Ok(found),
    }
}

/// Let burn find the headers that its kernels include: those of the toolkit that this program was
/// built with, unless the environment names another. To be called before any thread is started.
#[cfg(feature = "cuda")]
pub fn find_toolkit() {
    if std::env::var_os(TOOLKIT_VARIABLE).is_none()
        && let Some(toolkit) = option_env!("BUILT_WITH_CUDA_PATH")
    {
        // SAFETY: no thread has been started that could read the environment.
        unsafe { std::env::set_var(TOOLKIT_VARIABLE, toolkit) };
    }
}

/// Without the feature `cuda` no kernel is compiled.
#[cfg(not(feature = "cuda"))]
pub fn find_toolkit() {}

#[cfg(feature = "cuda")]
const TOOLKIT_VARIABLE: &str = "CUDA_PATH";

/// Whether the toolkit's headers are where burn looks for them (`cubecl_cuda::install`).
#[cfg(feature = "cuda")]
fn has_headers() -> bool {
    let installed = ["/usr/local/cuda", "/opt/cuda", "/usr"];
    std::env::var_os(TOOLKIT_VARIABLE)
        .map(std::path::PathBuf::from)
        .or_else(|| {
            let mut folders = installed.iter().map(std::path::PathBuf::from);
            folders.find(|folder| folder.exists())
        })
        .is_some_and(|folder| folder.join("include").join("cuda_runtime.h").is_file())
}

/// GPUs that the driver knows, or why none can be used. Asking makes no context on any of them.
#[cfg(feature = "cuda")]
pub fn gpus() -> Gpus {
    use bench_protocol::count_gpus;
    use cudarc::driver::CudaContext;

    // Both libraries are opened at their first use, which panics where there is none; so does the
    // first kernel without headers.
    let toolkit =
        "build again (snakemake engines --config device=cuda), which brings the CUDA toolkit";
    for (what, is_present, remedy) in [
        // SAFETY: the call only tries to open the library.
        (
            "the driver's libcuda is",
            unsafe { cudarc::driver::sys::is_culib_present() },
            "install the NVIDIA driver",
        ),
        // SAFETY: as above.
        (
            "the CUDA toolkit's libnvrtc is",
            unsafe { cudarc::nvrtc::sys::is_culib_present() },
            toolkit,
        ),
        ("the CUDA toolkit's headers are", has_headers(), toolkit),
    ] {
        if !is_present {
            return Err(format!("{what} not found; {remedy}"));
        }
    }
    count_gpus(CudaContext::device_count())
}

/// Without the feature `cuda` there is none.
#[cfg(not(feature = "cuda"))]
#[allow(clippy::unnecessary_wraps)] // the other one can fail
pub fn gpus() -> Gpus {
    Ok(0)
}
