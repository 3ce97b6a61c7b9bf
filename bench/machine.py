"""The machine that the figures come from."""
import os
import pathlib
import platform
import statistics
import time

from cluster import PROGRAMS, run


def describe(bench):
    cpu = next((line.split(":", 1)[1].strip() for line in
                pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    memory = int(pathlib.Path("/proc/meminfo").read_text().split()[1]) / 2**20
    return {"cpu": cpu, "cores": len(os.sched_getaffinity(0)), "memory_gib": round(memory, 1),
            "kernel": platform.release(), "postgresql": run([PROGRAMS / "postgres", "-V"]).strip(),
            "fsync_ms": fsync_ms(bench.options.data_dir),
            "load_average": round(os.getloadavg()[0], 2)}


def fsync_ms(folder, times=50):
    """How long the disk takes to keep 8 KiB, at the median: what each COMMIT waits for."""
    path = pathlib.Path(folder) / f"regroup-bench-fsync-{os.getpid()}"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(descriptor, bytes(16 * 2**20))
        os.fsync(descriptor)
        spans = []
        for _ in range(times):
            began = time.perf_counter()
            os.pwrite(descriptor, bytes(8192), 0)
            os.fdatasync(descriptor)
            spans.append(time.perf_counter() - began)
        return round(statistics.median(spans) * 1000, 3)
    finally:
        os.close(descriptor)
        path.unlink()
