"""Private nats-server instances with JetStream: own ports, own directory; one, or a cluster of three."""

import pathlib
import shutil
import signal
import subprocess
import sys

from private import wait_until
from redis_server import free_port

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "examples" / "cluster"))

from nats_client import Lost, Nats, Refused  # noqa: E402

STREAM = "MAIL"


class NatsServer:
    """One nats-server. `more` are lines of its configuration."""

    def __init__(self, directory, name="n0", routes=None, route_port=None, more="", start=True, login=None, authority=None):
        self.directory = pathlib.Path(directory) / name
        self.directory.mkdir(parents=True)
        self.name, self.port = name, free_port()
        self.login, self.authority = login, authority
        cluster = ""
        if routes:
            listed = ", ".join(f'"nats://127.0.0.1:{port}"' for port in routes)
            cluster = f"cluster {{ name: mail, listen: 127.0.0.1:{route_port}, routes: [{listed}] }}\n"
        self._config = self.directory / "nats.conf"
        self._usual = (
            f"server_name: {name}\nlisten: 127.0.0.1:{self.port}\n{cluster}"
            f'jetstream {{ store_dir: "{self.directory}/js", max_mem: 64MB, max_file: 1GB }}\n'
        )
        self._config.write_text(f"{self._usual}{more}\n")
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def place(self):
        return f"127.0.0.1:{self.port}"

    @property
    def url(self):
        return f"nats://{self.place}"

    def start_anew(self, more, login=None, authority=None):
        """Ends it and starts it with other lines of configuration, and other credentials for who asks it."""
        self.kill()
        self.login, self.authority = login, authority
        self._config.write_text(f"{self._usual}{more}\n")
        self.start()

    def start(self, wait=True):
        with open(self.directory / "log", "ab") as log:
            self.process = subprocess.Popen(
                ["nats-server", "-c", str(self._config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        if wait:
            wait_until("nats-server starts", self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"nats-server ended: {(self.directory / 'log').read_text()[-800:]}")
        try:
            client = self.client(seconds=1.0)
        except OSError:
            return False
        try:
            client.api("INFO")
        except (Lost, Refused):
            return False
        finally:
            client.close()
        return True

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
        if self.process:
            self.process.wait()

    def signal(self, number):
        self.process.send_signal(number)

    def client(self, seconds=5.0):
        return Nats([self.place], seconds, self.login, self.authority)


def cluster(directory, count=3, more=""):
    """Servers that have agreed on a leader."""
    routes = [free_port() for _ in range(count)]
    nodes = [
        NatsServer(directory, f"n{number}", routes, port, more=more, start=False) for number, port in enumerate(routes)
    ]
    for node in nodes:
        node.start(wait=False)
    for node in nodes:
        wait_until("the cluster is up", node._answers)
    return nodes


def ask(servers, call):
    """What `call` makes of a client of the first server that answers; asked again while a leader is being elected."""
    def attempt():
        try:
            client = Nats([server.place for server in servers], 2.0, servers[0].login, servers[0].authority)
        except OSError:
            return None
        try:
            return (call(client),)
        except (Lost, Refused):
            return None
        finally:
            client.close()

    return wait_until("an answer of JetStream", attempt)[0]


def make_stream(servers, **more):
    config = {"name": STREAM, "subjects": ["mail"], "storage": "file", "retention": "limits", "num_replicas": len(servers), **more}
    return ask(servers, lambda client: client.api(f"STREAM.CREATE.{STREAM}", **config))


def messages(servers):
    """All messages of the stream, in order."""
    def read(client):
        state = client.api(f"STREAM.INFO.{STREAM}")["state"]
        return [client.stored(STREAM, number) for number in range(state["first_seq"], state["last_seq"] + 1) if state["messages"]]

    return ask(servers, read)


def leader(servers):
    info = ask(servers, lambda client: client.api(f"STREAM.INFO.{STREAM}"))
    name = info.get("cluster", {}).get("leader")
    return next((server for server in servers if server.name == name), servers[0])


def wait_for_replicas(servers):
    """Waits until every server has all of the stream."""
    def current(client):
        cluster = client.api(f"STREAM.INFO.{STREAM}")["cluster"]
        replicas = cluster.get("replicas", [])
        return len(replicas) == len(servers) - 1 and all(one.get("current") and not one.get("lag") for one in replicas)

    wait_until("all servers have the stream", lambda: ask(servers, current), seconds=60.0)


def missing():
    """The Debian packages that are missing, if any."""
    return "" if shutil.which("nats-server") else "nats-server"


