"""examples/cluster, end to end: two daemons behind HAProxy, three nats-servers and a consumer, started from the files of the example.

Under load one daemon, one NATS server and the consumer are killed. What was acknowledged must be filed, each mail once.
"""

import collections
import contextlib
import pathlib
import re
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
import time

import nats_server
from nats_server import leader
from private import SECONDS, wait_until
from redis_server import free_port
from serving import arguments_of, expect, play

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "cluster"
PORTS = re.compile(r"127\.0\.0\.1:(2525|260[12]|422[123]|622[123])\b")
SUBJECT = re.compile(rb"^Subject: (mail-\d+)\r$", re.MULTILINE)
LARGE = 300_000


class Part:
    """One process of the example."""

    def __init__(self, directory, name, command):
        self.name, self._command, self._output = name, [str(word) for word in command], directory / f"{name}.output"
        self.process = None
        self.start()

    def start(self):
        with open(self._output, "ab") as output:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()


class Server:
    """A nats-server of the example, as the helpers of the NATS test want it."""

    login = authority = None

    def __init__(self, name, place):
        self.name, self.place = name, place


class Cluster:
    """All of the example in a directory, on ports of its own."""

    def __init__(self, arguments, directory):
        self.directory, self.ports = directory, collections.defaultdict(lambda: str(free_port()))
        for file in EXAMPLE.iterdir():
            if file.suffix in (".cfg", ".conf", ".json"):
                text = PORTS.sub(lambda found: f"127.0.0.1:{self.ports[found[1]]}", file.read_text())
                (directory / file.name).write_text(text.replace("/var/lib/guerrillad-cluster", str(directory)))
        plugins = directory / "plugins"
        plugins.mkdir(mode=0o755)
        shutil.copy(arguments.plugins / "nats.so", plugins)
        (plugins / "nats.so").chmod(0o755)
        self.mails = directory / "mails"
        self.servers = [Server(f"n{n}", f"127.0.0.1:{self.ports[f'422{n}']}") for n in (1, 2, 3)]
        daemon = [arguments.daemon, "serve", "--plugins-dir", plugins, "-c"]
        self.parts = {}
        commands = {
            **{f"n{n}": ["nats-server", "-c", directory / f"nats-{n}.conf"] for n in (1, 2, 3)},
            **{f"mx{n}": [*daemon, directory / f"mx{n}.conf.json"] for n in (1, 2)},
            "haproxy": ["haproxy", "-db", "-f", directory / "haproxy.cfg"],
            "consumer": [sys.executable, "-B", EXAMPLE / "consumer.py", self.mails, *(server.place for server in self.servers)],
        }
        for name, command in commands.items():
            self.parts[name] = Part(directory, name, command)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for part in reversed(self.parts.values()):
            part.kill()

    def filed(self):
        """The subjects of all mails that are filed for the one recipient."""
        return sorted(SUBJECT.search(path.read_bytes())[1].decode() for path in (self.mails / "you@example.test" / "new").glob("*"))

    def served(self, name):
        return (self.directory / f"{name}.log").read_text().count("message accepted")


class Clients:
    """Clients that send numbered mails through HAProxy, and each again until it is acknowledged, as mail servers do."""

    def __init__(self, port, connections, each):
        self.acknowledged, self.other = set(), []
        self._port, self._each = port, each
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True) for n in range(connections)]
        for thread in self._threads:
            thread.start()

    def wait_for(self, count):
        wait_until(f"{count} acknowledged mails", lambda: len(self.acknowledged) >= count, seconds=60.0)

    def finish(self):
        deadline = time.monotonic() + 90
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(f"{len(self.acknowledged)} mails after 90 s, {self.other[:3]}")

    def _run(self, number):
        waiting = [number * self._each + index for index in range(self._each)]
        while waiting:
            with contextlib.suppress(OSError, smtplib.SMTPException), self._client() as client:
                while waiting:
                    code, text = self._send(client, waiting[0])
                    if code == 250:
                        self.acknowledged.add(f"mail-{waiting.pop(0)}")
                    elif code // 100 != 4:
                        self.other.append(f"{code} {text}")
                        waiting.pop(0)

    def _client(self):
        return smtplib.SMTP("127.0.0.1", self._port, "client.example.com", SECONDS, source_address=("127.0.0.9", 0))

    def _send(self, client, name):
        client.ehlo_or_helo_if_needed()
        for code, text in (client.mail("me@example.com"), client.rcpt("you@example.test")):
            if code != 250:
                client.rset()
                return code, text
        size = LARGE if name % 20 == 0 else 500
        return client.data(f"Subject: mail-{name}\r\nMessage-ID: <{name}@load.test>\r\n\r\n" + "x" * 70 + "\r\n" + ("y" * 70 + "\r\n") * (size // 72))


def nothing_acknowledged_is_lost(arguments, directory):
    with Cluster(arguments, directory) as cluster:
        port = int(cluster.ports["2525"])
        Clients(port, 1, 1).finish()
        wait_until("a mail goes all the way", lambda: cluster.filed() == ["mail-0"])
        [path] = (cluster.mails / "you@example.test" / "new").glob("*")
        yield "a mail goes all the way", expect(path.stat().st_size > LARGE, path.stat().st_size)
        head = path.read_bytes()[:1000]
        yield "with the address of the client behind the proxy", expect(b"[127.0.0.9]" in head, head)

        begun = time.monotonic()
        clients = Clients(port, 12, 60)
        clients.wait_for(150)
        lost = leader(cluster.servers).name
        cluster.parts[lost].kill()
        clients.wait_for(300)
        cluster.parts["mx1"].kill()
        cluster.parts["consumer"].kill()
        clients.wait_for(450)
        cluster.parts[lost].start()
        cluster.parts["mx1"].start()
        cluster.parts["consumer"].start()
        clients.finish()
        took = time.monotonic() - begun
        count = len(clients.acknowledged)
        yield f"{lost}, mx1 and the consumer killed: all {count} mails are acknowledged in the end ({took:.1f} s)", expect(
            count == 720 and not clients.other, f"{count}, {clients.other[:3]}"
        )
        wait_until("all is filed", lambda: set(cluster.filed()) >= clients.acknowledged, seconds=60.0)
        filed = cluster.filed()
        yield f"acknowledged {count} = filed {len(filed)}, each once", expect(
            filed == sorted(clients.acknowledged), f"{len(clients.acknowledged - set(filed))} lost, {len(filed) - len(set(filed))} twice"
        )
        served = {name: cluster.served(name) for name in ("mx1", "mx2")}
        yield f"both daemons have served: {served}", expect(min(served.values()) > 100, served)


SCENES = [nothing_acknowledged_is_lost]

if __name__ == "__main__":
    if nats_server.missing() or not shutil.which("haproxy"):
        sys.exit("missing Debian packages: nats-server, haproxy")
    sys.exit(play(SCENES, arguments_of(__doc__)))
