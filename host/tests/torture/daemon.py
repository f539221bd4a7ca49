"""A guerrillad that is started again and again in one place, and what it takes of the machine."""

import json
import os
import pathlib
import re
import resource
import shutil
import signal
import subprocess
import time

from serving import wait_until

LISTENING = re.compile(r"listening on (\S+):(\d+) as ")
SECONDS = 60.0


class Daemon:
    """guerrillad with this `backend_config`; `server` are keys of its server, `top` keys beside them.

    `starter` are words before the command, `environment` is added to ours.
    """

    def __init__(self, arguments, directory, backend, plugins, server=None, more_servers=(), top=None, starter=(), environment=None):
        self.directory = pathlib.Path(directory)
        self.log_file, self._output = self.directory / "log", self.directory / "output"
        own = self.directory / "plugins"
        own.mkdir(mode=0o755)
        for plugin in plugins:
            shutil.copy(arguments.plugins / f"{plugin}.so", own)
            (own / f"{plugin}.so").chmod(0o644)
        first = {"listen_interface": "127.0.0.1:0", **(server or {})}
        usual = {"is_enabled": True, "host_name": "mx.example.test", "max_clients": 500}
        config = {
            "log_file": str(self.log_file),
            "log_level": "info",
            "allowed_hosts": ["."],
            "admin_listen": f"unix:{self.directory}/admin",
            "backend_config": {"primary_mail_host": "mx.example.test", **backend},
            "servers": [usual | keys for keys in (first, *more_servers)],
            **(top or {}),
        }
        path = self.directory / "config.json"
        path.write_text(json.dumps(config, indent=4))
        self._command = [*starter, str(arguments.daemon), "serve", "-c", str(path), "--plugins-dir", str(own)]
        self._environment = {**os.environ, **(environment or {})}
        self.process, self.ports = None, {}

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.kill()

    @property
    def port(self):
        return self.ports["127.0.0.1"]

    @property
    def pid(self):
        return self.process.pid

    def start(self):
        """Starts it and waits until it serves."""
        self.log_file.unlink(missing_ok=True)
        with open(self._output, "wb") as output:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory, env=self._environment
            )
        wait_until("guerrillad starts", lambda: " ready" in self.log() or not self.is_alive(), SECONDS)
        if not self.is_alive():
            raise RuntimeError(f"guerrillad did not start: {self._output.read_text()} {self.log()}")
        self.ports = {host: int(port) for host, port in LISTENING.findall(self.log())}
        return self

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        """SIGKILL, unless it has ended."""
        if self.is_alive():
            self.process.kill()
        if self.process:
            self.process.wait()

    def stop(self):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return "it had to be killed"

    def limit_memory(self, more):
        """Lets it have so many bytes of address space more than it has: allocations fail soon (`RLIMIT_AS`)."""
        pages = int(pathlib.Path(f"/proc/{self.pid}/statm").read_text().split()[0])
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_AS)
        resource.prlimit(self.pid, resource.RLIMIT_AS, (pages * resource.getpagesize() + more, hard))

    def limit_descriptors(self, more):
        """Lets it have so many descriptors more than it has; None: as many as it may."""
        _, hard = resource.prlimit(self.pid, resource.RLIMIT_NOFILE)
        soft = hard if more is None else len(os.listdir(f"/proc/{self.pid}/fd")) + more
        resource.prlimit(self.pid, resource.RLIMIT_NOFILE, (soft, hard))

    def memory(self):
        """Bytes of its own in memory (`RssAnon`)."""
        text = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"^RssAnon:\s+(\d+)", text, re.MULTILINE)[1]) * 1024

    def status(self):
        """What the admin interface tells."""
        command = ["curl", "--silent", "--max-time", "20", "--unix-socket", str(self.directory / "admin"), "http://localhost/status"]
        return json.loads(subprocess.run(command, capture_output=True, timeout=SECONDS, check=True).stdout)

    def connections(self):
        """Sockets of clients that it holds, by the kernel's count."""
        held, links = 0, pathlib.Path(f"/proc/{self.pid}/fd")
        ours = established(set(self.ports.values()))
        for entry in os.scandir(links):
            try:
                held += os.readlink(entry.path) in ours
            except OSError:
                continue
        return held

    def wait_for_no_connections(self, seconds):
        """How long it takes until all are gone."""
        begun = time.monotonic()
        wait_until("no connection is left", lambda: self.connections() == 0, seconds)
        return time.monotonic() - begun


def established(ports):
    """The names that `/proc/PID/fd` has for accepted sockets of these local ports."""
    names = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in pathlib.Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            # State 0A is the listener itself.
            if int(fields[1].rpartition(":")[2], 16) in ports and fields[3] != "0A":
                names.add(f"socket:[{fields[9]}]")
    return names
