"""What the process and the machine use, sampled now and kept for the last minutes."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import psutil

from etl.facts import Resources

KEPT = 120  # samples; one every 5 s makes ten minutes


class ResourceWatch:
    """Samples on request; thread-safe. The first CPU figures need two samples."""

    def __init__(self, folder: Path, clock: Callable[[], datetime]) -> None:
        self._folder = folder
        self._clock = clock
        self._process = psutil.Process()
        self._samples: deque[Resources] = deque(maxlen=KEPT)
        self._lock = threading.Lock()
        psutil.cpu_percent()
        self._process.cpu_percent()

    def sample(self) -> Resources:
        """Measure now and keep it."""
        memory, network = psutil.virtual_memory(), psutil.net_io_counters()
        disk = psutil.disk_usage(str(self._folder if self._folder.exists() else Path.cwd()))
        with self._lock, self._process.oneshot():
            taken = Resources(
                at=self._clock(),
                cpu_percent=psutil.cpu_percent(),
                process_cpu_percent=self._process.cpu_percent(),
                memory_used_bytes=memory.total - memory.available,
                memory_total_bytes=memory.total,
                process_memory_bytes=self._process.memory_info().rss,
                disk_used_bytes=disk.total - disk.free,  # what is reserved cannot be used either
                disk_total_bytes=disk.total,
                network_sent_bytes=network.bytes_sent,
                network_received_bytes=network.bytes_recv,
                threads=self._process.num_threads(),
            )
            self._samples.append(taken)
        return taken

    def history(self) -> tuple[Resources, ...]:
        """The samples kept, oldest first."""
        with self._lock:
            return tuple(self._samples)
