"""Private redis-server instances: own port or socket, own directory, asked through redis-cli."""

import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from private import SECONDS, wait_until


def free_port():
    """A port that is free now, below the range that the kernel gives to clients; with its neighbour for the cluster's bus."""
    for port in range(free_port.next, 32000):
        try:
            for one in (port, port + 10000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", one))
        except OSError:
            continue
        free_port.next = port + 1
        return port
    raise RuntimeError("no free port")


# Each process looks from a place of its own, so that two runs side by side rarely meet.
free_port.next = 17000 + (int(time.time() * 1000) % 400) * 10

DURABLE = ["--appendonly", "yes", "--appendfsync", "always"]


class RedisServer:
    """One redis-server (or sentinel, with a config file). Ended by its own pid."""

    def __init__(self, directory, *options, port=None, tls=None, client_certificates="no", sentinel=None, socket_only=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = 0 if socket_only else (port or free_port())
        self.socket = self.directory / "redis.sock"
        self.tls = tls
        self.cli_options = []
        place = self._tls_options(client_certificates) if tls else ["--port", str(self.port)]
        place += ["--bind", "127.0.0.1", "--dir", str(self.directory)]
        if sentinel is not None:
            config = self.directory / "sentinel.conf"
            config.write_text(f"{sentinel}\n")
            self._command = ["redis-server", str(config), "--sentinel", *place]
        else:
            self._command = [
                "redis-server", *place, "--save", "", "--unixsocket", str(self.socket), "--unixsocketperm", "700",
                "--enable-protected-configs", "yes", *options,
            ]
        self.process = None
        self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def interface(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        """Starts it, and waits until it has loaded what is on disk."""
        with open(self.directory / "redis.log", "ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until("redis-server starts", self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"redis-server ended: {(self.directory / 'redis.log').read_text()[-800:]}")
        return self.try_cli("PING").strip() in ("PONG", "NOAUTH Authentication required.")

    def kill(self):
        """SIGKILL: nothing is written any more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def try_cli(self, *words):
        place = ["-s", str(self.socket)] if not self.port else ["-p", str(self.port)]
        command = ["redis-cli", *place, *self._cli_tls(), *self.cli_options, "--no-auth-warning", *words]
        return subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).stdout.decode("latin-1")

    def _tls_options(self, client_certificates):
        return [
            "--port", "0", "--tls-port", str(self.port), "--tls-replication", "yes", "--tls-auth-clients", client_certificates,
            "--tls-cert-file", str(self.tls.cert), "--tls-key-file", str(self.tls.key), "--tls-ca-cert-file", str(self.tls.ca),
        ]

    def _cli_tls(self):
        if not self.tls:
            return []
        return ["--tls", "--cacert", str(self.tls.ca), "--cert", str(self.tls.client_cert), "--key", str(self.tls.client_key)]

    def cli(self, *words):
        """What redis-cli prints, without the last line end."""
        said = self.try_cli("--raw", *words)
        if re.match(r"(ERR|NOAUTH|WRONGPASS|NOPERM|Could not connect)\b", said):
            raise RuntimeError(f"redis-cli {' '.join(words)}: {said.strip()}")
        return said.removesuffix("\n")

    def keys(self):
        return [key for key in self.cli("--scan").split("\n") if key]

    def value(self, key):
        """The value of a key, as bytes."""
        return self.cli("GET", key).encode("latin-1")

    def subjects(self):
        """Of all stored mails, by one redis-cli that reads its commands from a file."""
        commands = "".join(f"GET {key}\n" for key in self.keys() if key != "mails")
        place = ["-s", str(self.socket)] if not self.port else ["-p", str(self.port)]
        command = ["redis-cli", "--raw", *place, *self._cli_tls(), *self.cli_options]
        said = subprocess.run(command, input=commands.encode(), capture_output=True, timeout=SECONDS, check=True).stdout
        return sorted(re.findall(r"^Subject: (mail-\d+)\r?$", said.decode("latin-1"), re.MULTILINE))


def cluster(directory, count=3):
    """A cluster of masters on loopback that has agreed on its slots."""
    options = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000", *DURABLE]
    nodes = [RedisServer(pathlib.Path(directory) / f"node{n}", *options) for n in range(count)]
    places = [node.interface for node in nodes]
    command = ["redis-cli", "--cluster", "create", *places, "--cluster-yes"]
    subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
    for node in nodes:
        wait_until("the cluster is up", lambda node=node: "cluster_state:ok" in node.cli("CLUSTER", "INFO"))
    return nodes


def missing():
    """The Debian packages that are missing, if any."""
    return "" if shutil.which("redis-server") and shutil.which("redis-cli") else "redis-server redis-tools"
