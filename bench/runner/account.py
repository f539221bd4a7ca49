"""CPU time of a contender and of all that it starts, also of what it leaves behind.

A control group counts to the nanosecond and keeps those that have ended. Where none can be made (no root, no writable
hierarchy) the figures come from /proc/PID/stat of the descendants: to a tick of 10 ms, and without orphans.
"""

import contextlib
import itertools
import os
import pathlib
import time

ROOTS = (("/sys/fs/cgroup/cpuacct", "cpuacct.usage"), ("/sys/fs/cgroup", "cpu.stat"), ("/sys/fs/cgroup/unified", "cpu.stat"))
NUMBERS = itertools.count()


class Account:
    """One control group below the first hierarchy that permits it; `path` is None without one."""

    def __init__(self):
        self.path = self.file = None
        for root, name in ROOTS:
            path = pathlib.Path(root, f"guerrilla-bench-{os.getpid()}-{next(NUMBERS)}")
            with contextlib.suppress(OSError):
                path.mkdir()
                if (path / name).exists() and (path / "cgroup.procs").exists():
                    self.path, self.file = path, path / name
                    return
                path.rmdir()

    def join(self):
        """Puts the calling process in; to be called between fork and exec."""
        if self.path:
            (self.path / "cgroup.procs").write_text("0")

    def seconds(self):
        """CPU seconds so far; None without a group."""
        if not self.path:
            return None
        text = self.file.read_text()
        if self.file.name == "cpu.stat":
            return int(text.split()[1]) / 1e6
        return int(text) / 1e9

    def pids(self):
        """Who is in it now."""
        return {int(pid) for pid in (self.path / "cgroup.procs").read_text().split()} if self.path else set()

    def close(self):
        """Removes the group, as soon as those in it that were killed have ended."""
        deadline = time.monotonic() + 5
        while self.path and self.path.exists() and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.01)
