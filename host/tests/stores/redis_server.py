"""Private redis-server instances: own port or socket, own directory, asked through redis-cli."""

import pathlib
import re
import shutil
import signal
import socket
import subprocess
import time

from serving import SECONDS, wait_until


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

    def __init__(self, directory, *options, port=None, tls=None, sentinel=None, socket_only=False):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = 0 if socket_only else (port or free_port())
        self.socket = self.directory / "redis.sock"
        self.tls = tls
        self.cli_options = []
        if sentinel is not None:
            config = self.directory / "sentinel.conf"
            config.write_text(f"port {self.port}\nbind 127.0.0.1\ndir {self.directory}\n{sentinel}\n")
            self._command = ["redis-server", str(config), "--sentinel"]
        else:
            place = ["--tls-port", str(self.port), "--port", "0"] if tls else ["--port", str(self.port)]
            self._command = [
                "redis-server", *place, "--bind", "127.0.0.1", "--dir", str(self.directory), "--save", "",
                "--unixsocket", str(self.socket), "--unixsocketperm", "700", "--enable-protected-configs", "yes",
                *(tls.server_options() if tls else []), *options,
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
        tls = self.tls.client_options() if self.tls else []
        command = ["redis-cli", *place, *tls, *self.cli_options, "--no-auth-warning", *words]
        return subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).stdout.decode("latin-1")

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
        command = ["redis-cli", "--raw", *place, *self.cli_options]
        said = subprocess.run(command, input=commands.encode(), capture_output=True, timeout=SECONDS, check=True).stdout
        return sorted(re.findall(r"^Subject: (mail-\d+)\r?$", said.decode("latin-1"), re.MULTILINE))


class PrivateAuthority:
    """A certificate authority with one server's certificate, made by openssl."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.ca, self.cert, self.key = (self.directory / name for name in ("ca.pem", "server.pem", "server.key"))
        ca_key, request, extensions = (self.directory / name for name in ("ca.key", "server.csr", "extensions"))
        extensions.write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        self._openssl("req", "-x509", *new_key, "-keyout", ca_key, "-out", self.ca, "-days", "2", "-subj", "/CN=test authority")
        self._openssl("req", *new_key, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        self._openssl(
            "x509", "-req", "-in", request, "-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-days", "2",
            "-extfile", extensions, "-out", self.cert,
        )

    def server_options(self):
        return [
            "--tls-cert-file", str(self.cert), "--tls-key-file", str(self.key), "--tls-ca-cert-file", str(self.ca),
            "--tls-auth-clients", "no",
        ]

    def client_options(self):
        return ["--tls", "--cacert", str(self.ca)]

    def _openssl(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, timeout=SECONDS)


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
