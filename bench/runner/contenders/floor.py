"""The floor: what everything is compared with."""

from .. import processes
from .contender import Contender, Unavailable


class Floor(Contender):
    """bench's own: answers and keeps nothing."""

    tls = True

    def __init__(self, target):
        super().__init__("floor", "answers only, one thread of epoll; under TLS: bare rustls")
        self.program = target / "bench/release/floor-sink"

    def prepare(self):
        if not self.program.exists():
            raise Unavailable(f"{self.program} is not built: make bench")

    def start(self, directory, certificate):
        port = processes.free_port()
        tls = ["--certificate", certificate[0], "--key", certificate[1]] if certificate else []
        return processes.Server([self.program, f"127.0.0.1:{port}", *tls], port, directory)
