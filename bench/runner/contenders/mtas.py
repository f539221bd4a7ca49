"""Mail servers from Debian packages, unpacked below the target directory as the tests of peers do."""

import os
import pathlib
import sys

from .. import processes
from .contender import Contender, Unavailable

PEERS = pathlib.Path(__file__).resolve().parents[3] / "host/tests/peers"


class Packaged(Contender):
    """One that is in a Debian package."""

    package = "postfix"

    def __init__(self, target, name, about):
        super().__init__(name, about)
        self.unpacked, self.root = target / "peers", None

    def prepare(self):
        sys.path.insert(0, str(PEERS))
        import packages

        try:
            self.root = packages.unpacked(self.package, self.unpacked)
        except packages.Unavailable as why:
            raise Unavailable(str(why)) from None

    def environment(self, directory, users=(), groups=()):
        """Without the wrappers of the tests, which pretend users: they would cost time here."""
        found = self.root.environment(pathlib.Path(directory), users, groups)
        return {name: value for name, value in found.items() if "WRAPPER" not in name and name != "LD_PRELOAD"}


class SmtpSink(Packaged):
    """Postfix's."""

    def start(self, directory, certificate):
        port = processes.free_port()
        # It does not serve as root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [self.root / "usr/sbin/smtp-sink", *user, f"127.0.0.1:{port}", "4096"]
        return processes.Server(command, port, directory, self.environment(directory))


def entries(target):
    return (SmtpSink(target, "smtp-sink", "Postfix's: answers only, parses little, stores nothing"),)
