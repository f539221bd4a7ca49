"""A server and all that it has started: CPU time, memory, its end. From the kernel; nothing of the server's own is believed."""

import os
import pathlib
import signal
import socket
import subprocess
import time

from .account import Account

TICKS = os.sysconf("SC_CLK_TCK")


class Server:
    """A running contender. `helpers` are processes that work for it, such as a database: their CPU time is not in its own."""

    def __init__(self, command, port, directory, environment=None, helpers=()):
        self.port, self.helpers, self.account = port, helpers, Account()
        self.directory = pathlib.Path(directory)
        self.output = self.directory / "output"
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=directory,
                env=environment, start_new_session=True, preexec_fn=self.account.join,
            )  # fmt: skip

    def wait_until_it_greets(self, seconds=20):
        """None when it does; otherwise why not."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                said = self.output.read_text(errors="replace").split("\n")
                return f"ended with {self.process.returncode}: {' '.join(said)[-300:]}"
            try:
                with socket.create_connection(("127.0.0.1", self.port), 1) as client:
                    client.settimeout(5)
                    if client.recv(100):
                        client.sendall(b"QUIT\r\n")
                        client.recv(100)
                        return None
            except OSError:
                time.sleep(0.02)
        return f"no greeting within {seconds} s"

    def pids(self):
        """The server and its descendants, and what they have left behind."""
        found, parents = {self.process.pid} | self.account.pids(), {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                fields = stat(entry.name)
                if fields:
                    parents[int(entry.name)] = int(fields[1])
        grown = True
        while grown:
            more = {pid for pid, parent in parents.items() if parent in found} - found
            found |= more
            grown = bool(more)
        return found

    def cpu(self):
        """User and system seconds of the server and its descendants, those that have ended included."""
        counted = self.account.seconds()
        if counted is not None:
            return counted
        return ticks(self.pids())

    def helpers_cpu(self):
        """The same of what works for it."""
        return ticks(helper.pid for helper in self.helpers)

    def memory(self, name):
        """KiB: "VmHWM" (peak) of all processes, or "Pss"."""
        file = "smaps_rollup" if name == "Pss" else "status"
        return sum(field(f"/proc/{pid}/{file}", name) for pid in self.pids())

    def stop(self):
        """Asks it to end, then makes it."""
        pids = self.pids()
        for each in (self.process, *self.helpers):
            each.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for pid in pids - {self.process.pid}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        for helper in self.helpers:
            helper.wait()
        self.account.close()


def ticks(pids):
    """CPU seconds of processes and of those children of theirs that have ended and were waited for, to the tick."""
    fields = filter(None, map(stat, pids))
    return sum(sum(map(int, each[11:15])) for each in fields) / TICKS


def stat(pid):
    """The fields of /proc/PID/stat behind the name; None when it is gone."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def field(path, name):
    """A number of KiB in a file of /proc; 0 when it is gone."""
    try:
        lines = pathlib.Path(path).read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith(name + ":"))


def busy():
    """CPU seconds that the whole machine has worked, to see what others took."""
    fields = pathlib.Path("/proc/stat").read_text().split("\n")[0].split()[1:]
    user, nice, system, _, _, irq, softirq = map(int, fields[:7])
    return (user + nice + system + irq + softirq) / TICKS


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
