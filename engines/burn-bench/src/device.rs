//! Devices and threads that this build can use on this machine.

use bench_protocol::Failure;

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

/// GPUs that the driver knows. Asking makes no context on any of them.
#[cfg(feature = "cuda")]
pub fn gpus() -> usize {
    use bench_protocol::count_gpus;
    use cudarc::driver::CudaContext;

    // Both libraries are opened at their first use, which panics where there is none.
    for (library, is_present) in [
        // SAFETY: the call only tries to open the library.
        ("the driver's libcuda", unsafe {
            cudarc::driver::sys::is_culib_present()
        }),
        // SAFETY: as above.
        ("the CUDA toolkit's libnvrtc", unsafe {
            cudarc::nvrtc::sys::is_culib_present()
        }),
    ] {
        if !is_present {
            eprintln!("no GPU can be used: {library} is not found");
            return 0;
        }
    }
    count_gpus(CudaContext::device_count())
}

/// Without the feature `cuda` there is none.
#[cfg(not(feature = "cuda"))]
pub fn gpus() -> usize {
    0
}
