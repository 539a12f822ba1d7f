"""Hardware counters of the engine through perf_event_open(2)."""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from typing import Final

from benchmark_runner.monitor.probe import Sample

SYSTEM_CALL_NUMBER: Final = {"x86_64": 298, "aarch64": 241}
TYPE_HARDWARE: Final = 0
COUNTERS: Final = {"cycles": 0, "instructions": 1}  # PERF_COUNT_HW_*
ATTRIBUTE_BYTES: Final = 112  # PERF_ATTR_SIZE_VER5
# read_format: PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING
WITH_TIMES: Final = 0b11
# Bits of perf_event_attr: inherit (threads and children too), exclude_kernel, exclude_hv. Without the kernel's
# share the counters need no privilege at the usual perf_event_paranoid of 2.
INHERIT_USER_ONLY: Final = (1 << 1) | (1 << 5) | (1 << 6)
CLOSE_ON_EXEC: Final = 1 << 3
REASONS: Final = {
    errno.ENOENT: "this machine shows no such counter, as is usual in a virtual machine",
    errno.EOPNOTSUPP: "this processor or hypervisor has no such counter",
    errno.EACCES: "the kernel forbids it; `sudo sysctl kernel.perf_event_paranoid=2` allows it",
    errno.EPERM: "the kernel or the container forbids it; perf_event_paranoid 2 and the perf_event_open call allow it",
    errno.ENOSYS: "the kernel was built without perf events",
}


def attribute(kind: int, config: int) -> bytes:
    """A perf_event_attr that counts from now on, for the process and all that it starts."""
    head = struct.pack("=IIQQQQQ", kind, ATTRIBUTE_BYTES, config, 0, 0, WITH_TIMES, INHERIT_USER_ONLY)
    return head.ljust(ATTRIBUTE_BYTES, b"\0")


def open_counter(kind: int, config: int, pid: int) -> int:
    """File descriptor of a counter on pid (0: this process); raises OSError with the kernel's errno."""
    number = SYSTEM_CALL_NUMBER.get(os.uname().machine)
    if number is None:
        raise OSError(errno.ENOSYS, f"perf_event_open is not known for {os.uname().machine}")
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(attribute(kind, config), ATTRIBUTE_BYTES)
    descriptor: int = libc.syscall(number, buffer, pid, -1, -1, CLOSE_ON_EXEC)
    if descriptor < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return descriptor


def read_counter(descriptor: int) -> int | None:
    """Count so far, scaled up where the counter shared its register with others; None before it first ran."""
    value, enabled_ns, running_ns = struct.unpack("=QQQ", os.read(descriptor, 24))
    return round(value * enabled_ns / running_ns) if running_ns else None


class CounterProbe:
    """Instructions and cycles of the engine in user mode since attach()."""

    def __init__(self) -> None:
        self.absent: dict[str, str] = {}
        self._descriptors: dict[str, int] = {}
        for name, config in COUNTERS.items():
            try:
                os.close(open_counter(TYPE_HARDWARE, config, 0))
            except OSError as error:
                self.absent[name] = _reason(error)

    def attach(self, pid: int) -> str | None:
        """Count for pid and what it starts from now on; the reason where the kernel refuses after all."""
        for name, config in COUNTERS.items():
            if name in self.absent:
                continue
            try:
                self._descriptors[name] = open_counter(TYPE_HARDWARE, config, pid)
            except OSError as error:
                return _reason(error)
        return None

    def read(self, sample: Sample) -> None:
        """Adds instructions and cycles, cumulative."""
        for name, descriptor in self._descriptors.items():
            count = read_counter(descriptor)
            if count is not None:
                sample[name] = count


def _reason(error: OSError) -> str:
    code = errno.errorcode.get(error.errno or 0, str(error.errno))
    return f"perf_event_open: {code}: {REASONS.get(error.errno or 0, error.strerror)}"
