"""Rounds: every contender in turn, every point on each, and what it cost."""

import json
import os
import pathlib
import platform
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

from . import processes, report

STRACED = {"syscalls": "-c 4 -k 100 -n 2000", "syscalls-pipe": "-c 4 -k 100 -n 2000 -p"}
# Counts of each, of which the median is reported.
COUNTS = 3


def campaign(given, contenders, limits, points, results, keep):
    """Adds to `results` what is measured, and calls `keep` after each round: whoever stops a long run has the rounds so far."""
    bench = Bench(given)
    try:
        rounds(given, bench, contenders, limits, points, results, keep)
        standing(given, bench, contenders, results)
        keep(results)
    finally:
        bench.close()


def rounds(given, bench, contenders, limits, points, results, keep):
    """The loads."""
    dice, runs, first = random.Random(given.seed), results["runs"], results["rounds"]
    for number in range(first, first + given.rounds):
        # In a fixed order each would always come behind the same neighbour, and share what drifts with it.
        order = dice.sample(contenders, len(contenders))
        print(f"round {number + 1}: {' '.join(entry.name for entry in order)}", file=sys.stderr)
        for kind in (None, "rsa", "p256"):
            for entry in order:
                loads = [point for point in points if point.certificate == kind and suits(entry, point)]
                if loads:
                    bench.visit(entry, kind, lambda server: bench.loads(server, entry, loads, runs.setdefault(entry.name, {}), number))
        for limit in dice.sample(limits, len(limits)):
            bench.limit(limit, results["limits"].setdefault(limit.name, {"about": limit.about, "of": limit.of, "runs": []}), number)
        results["rounds"] = number + 1
        keep(results)


def standing(given, bench, contenders, results):
    """What does not depend on time: memory of idle connections, system calls."""
    for entry in contenders:
        if given.idle and not entry.durable:
            for kind in (None, "p256") if entry.tls else (None,):
                name, found = "TLS" if kind else "plain", results["idle_kib"].setdefault(entry.name, {})
                bench.visit(entry, kind, lambda server: found.update({name: bench.idle(server, kind)}))
        if given.syscalls:
            bench.visit(entry, None, lambda server: results["syscalls"].update({entry.name: bench.syscalls(server)}))


def nothing_yet(given):
    """The results before the first round: {"runs": {contender: {point: [one each round]}}, "idle_kib": ..., "syscalls": ...}."""
    return {
        "machine": machine(), "seconds": given.seconds, "rounds": 0, "seeds": [], "idle_connections": given.idle,
        "about": {}, "points": {}, "runs": {}, "limits": {}, "idle_kib": {}, "syscalls": {}, "skipped": {},
    }  # fmt: skip


def suits(entry, point):
    asked = point.durable or not entry.durable
    return asked and (entry.tls or point.certificate is None) and (not point.only or entry.name in point.only)


class Bench:
    """Where the programs and certificates are."""

    def __init__(self, given):
        self.given = given
        self.program = given.target.resolve() / "bench/release/guerrilla-bench"
        if not self.program.exists():
            sys.exit(f"bench/run: {self.program} is not built: make bench")
        # Never below a memory file system: durable contenders must meet a disk. Nothing is deleted before the end, as
        # ext4 makes new files dearer for minutes after old ones have gone; --keep leaves that to whoever runs this again.
        self.files = pathlib.Path(tempfile.mkdtemp(dir=given.target, prefix="bench-run-"))
        self.files.chmod(0o755)
        self.certificates = {kind: certificate(self.files, kind) for kind in ("rsa", "p256")}
        self.count, self.patience = 0, given.patience

    def close(self):
        if not self.given.keep:
            shutil.rmtree(self.files, ignore_errors=True)

    def directory(self, entry):
        self.count += 1
        directory = pathlib.Path(self.files, f"{self.count:03}-{entry.name}")
        directory.mkdir()
        return directory

    def limit(self, entry, found, number):
        rate = entry.rate(self.directory(entry), self.given.seconds)
        found["runs"].append({"round": number, "per_s": rate})
        print(f"  {entry.name:14} {'':12} {rate:9.0f}/s", file=sys.stderr)

    def visit(self, entry, kind, action):
        """Starts the contender, warm, for `action`; a contender that does not start is told of and left out."""
        directory = self.directory(entry)
        server = entry.start(directory, self.certificates.get(kind))
        try:
            fault = server.wait_until_it_greets()
            if fault:
                print(f"{entry.name} {fault}", file=sys.stderr)
                return
            self.load(server, "-c 10 -k 20 -n 400")
            action(server)
        finally:
            server.stop()

    def load(self, server, arguments, seconds=None):
        command = [self.program, f"127.0.0.1:{server.port}", "-q", "--json", *arguments.split()]
        command += ["-d", str(seconds or self.given.seconds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode == 2:
            raise RuntimeError(f"{' '.join(map(str, command))}: {done.stderr or done.stdout}")
        return json.loads(done.stdout)

    def loads(self, server, entry, points, runs, number):
        for point in points:
            begun = time.monotonic()
            result = self.measured(server, entry, point)
            while result["others_cores"] > report.CALM and self.patience > 0:
                self.patience -= time.monotonic() - begun
                begun = time.monotonic()
                result = self.measured(server, entry, point)
            runs.setdefault(point.name, []).append({"round": number, **result})
            print(
                f"  {entry.name:14} {point.name:12} {result['per_s']:9.0f}/s  "
                f"{result['cpu_s_per_10k'] or 0:7.3f} s/10k  (others: {result['others_cores']:.1f} cores)",
                file=sys.stderr,
            )

    def measured(self, server, entry, point):
        """One load, and what it cost."""
        before, begun = (server.cpu(), server.helpers_cpu(), processes.busy()), time.monotonic()
        result = self.load(server, point.arguments)
        entry.settle(server.directory)
        own, helpers, everybody = (now - then for now, then in zip((server.cpu(), server.helpers_cpu(), processes.busy()), before))
        count = result["connections"]["greeted"] if point.sessions else result["messages"]["accepted"]
        others = everybody - own - helpers - result["client_cpu_s"]
        return result | {
            "server_cpu_s": own, "helpers_cpu_s": helpers, "count": count, "cpu_s_per_10k": own * 1e4 / count if count else None,
            "per_s": result["sessions_per_s" if point.sessions else "messages_per_s"],
            "others_cores": max(0.0, others) / (time.monotonic() - begun), "peak_kib": server.memory("VmHWM"),
        }  # fmt: skip

    def idle(self, server, kind):
        """KiB of the server for each connection that has said EHLO and is silent."""
        count, before = self.given.idle, server.memory("Pss")
        tls = ["--tls", "starttls"] if kind else []
        command = [self.program, f"127.0.0.1:{server.port}", "-q", "-c", "0", "--idle", str(count), "-d", "600", *tls]
        said = pathlib.Path(self.files, f"{self.count:03}-idle")
        with open(said, "wb") as output:
            client = subprocess.Popen(command, stderr=output, stdout=subprocess.DEVNULL)
        try:
            # It says so when all are there; the limit is for servers that do not take so many.
            deadline = time.monotonic() + 60
            while b"are open" not in said.read_bytes():
                if time.monotonic() > deadline or client.poll() is not None:
                    return None
                time.sleep(0.05)
            return (server.memory("Pss") - before) / count
        finally:
            client.kill()
            client.wait()

    def syscalls(self, server):
        """System calls for each message, by strace; None where that cannot be had."""
        found = {}
        for name, arguments in STRACED.items():
            counts = [self.traced(server, f"{name}-{turn}", arguments) for turn in range(COUNTS)]
            counts = [count for count in counts if count is not None]
            found[name] = statistics.median(counts) if counts else None
        return found if any(found.values()) else None

    def traced(self, server, name, arguments):
        """The same for one load. How many reads find nothing hangs on which segment arrives when: no count is like the next."""
        file = pathlib.Path(self.files, f"{self.count:03}-{name}")
        pids = [word for pid in server.pids() for word in ("-p", str(pid))]
        try:
            tracer = subprocess.Popen(["strace", "-f", "-c", "-o", file, *pids], stderr=subprocess.DEVNULL)
        except OSError:
            return None
        time.sleep(1)
        accepted = self.load(server, arguments, 60)["messages"]["accepted"]
        tracer.send_signal(2)
        tracer.wait()
        total = re.search(r"^100\.00\s+\S+\s+\S*\s+(\d+)", file.read_text(), re.M)
        return int(total[1]) / accepted if total and accepted else None


def certificate(directory, kind):
    """A self-signed pair, made by openssl."""
    pair = f"{directory}/{kind}.pem", f"{directory}/{kind}.key"
    key = ["rsa:2048"] if kind == "rsa" else ["ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command = ["openssl", "req", "-x509", "-newkey", *key, "-nodes", "-days", "30", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=DNS:localhost", "-out", pair[0], "-keyout", pair[1]]
    subprocess.run(command, check=True, capture_output=True)
    return pair


def machine():
    model = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    return {
        "cpu": model[1] if model else platform.machine(), "cores": os.cpu_count(), "kernel": platform.release(),
        "when": time.strftime("%Y-%m-%d %H:%M"), "load": os.getloadavg()[0],
    }  # fmt: skip
