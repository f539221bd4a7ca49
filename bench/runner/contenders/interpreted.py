"""Servers in Python and JavaScript, from PyPI and npm, below the target directory."""

import os
import pathlib
import shutil
import subprocess
import sys

from .. import processes
from .contender import Contender, Unavailable


class Aiosmtpd(Contender):
    """From PyPI, in an environment of its own."""

    def __init__(self, target):
        super().__init__("aiosmtpd", "Python's, with the Sink handler")
        self.home = target / "bench/aiosmtpd"

    def prepare(self):
        python = self.home / "bin/python"
        if not python.exists():
            run(self.home, [sys.executable, "-m", "venv", self.home], [python, "-m", "pip", "install", "-q", "aiosmtpd==1.4.6"])

    def start(self, directory, certificate):
        port = processes.free_port()
        command = [self.home / "bin/python", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Sink"]
        return processes.Server(command, port, directory)


class Haraka(Contender):
    """From npm; it throws every message away, and asks for no DNS."""

    def __init__(self, target):
        super().__init__("haraka", "Node's, one process, queue/discard")
        self.home = target / "bench/haraka"
        self.program = self.home / "node_modules/Haraka/haraka.js"

    def prepare(self):
        if not shutil.which("node") or not shutil.which("npm"):
            raise Unavailable("no node and npm here")
        if not self.program.exists():
            # Its scripts build optional parts that are not used here.
            install = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", self.home, "Haraka@3.3.4"]
            run(self.home, install)

    def start(self, directory, certificate):
        port, directory = processes.free_port(), pathlib.Path(directory)
        config = directory / "config"
        config.mkdir()
        (config / "smtp.ini").write_text(f"listen=127.0.0.1:{port}\nnodes=0\n")
        (config / "plugins").write_text("named\nrcpt_to.in_host_list\nqueue/discard\n")
        # It would ask the DNS who each client is.
        (directory / "plugins").mkdir()
        (directory / "plugins/named.js").write_text("exports.hook_lookup_rdns = next => next(OK, 'localhost')\n")
        (config / "host_list").write_text("example.com\n")
        # Its own defaults count only where they are read from.
        shutil.copy(self.program.parent / "config/connection.ini", config)
        (config / "loglevel").write_text("ERROR\n")
        environment = {**os.environ, "HARAKA": str(directory), "YES_REALLY_DO_DISCARD": "1"}
        return processes.Server(["node", self.program], port, directory, environment)


def run(home, *commands):
    """Runs them one after the other; when one fails nothing is left of `home`."""
    for command in commands:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        if done.returncode:
            shutil.rmtree(home, ignore_errors=True)
            raise Unavailable(f"{command[-1]} cannot be had: {' '.join(done.stderr.split())[-200:]}")


def entries(target):
    return Aiosmtpd(target), Haraka(target)
