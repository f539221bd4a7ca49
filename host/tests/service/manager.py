"""A service manager that speaks systemd's protocols: it hands sockets over, is notified, and keeps descriptors."""

import array
import json
import os
import pathlib
import re
import select
import socket
import subprocess
import sys
import time

SECONDS = 60.0

# Puts descriptors where they are expected, and says for whom they are.
STARTER = """
import fcntl, os, sys
count = int(sys.argv[1])
high = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 100) for number in sys.argv[2:2 + count]]
for place, number in enumerate(high):
    os.dup2(number, 3 + place)
    os.close(number)
if count:
    os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(count))
os.execv(sys.argv[2 + count], sys.argv[2 + count:])
"""


class Manager:
    """Starts one daemon after the other, with one configuration, in one directory."""

    def __init__(self, arguments, directory, config, sure=True):
        self.daemon, self.directory = arguments.daemon, pathlib.Path(directory)
        self.config = config
        self.sure = sure
        # In order: (name, descriptor).
        self.store = []
        self.messages = []
        self.process = None
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.directory / "notify"))
        (self.directory / "plugins").mkdir(mode=0o755)

    def write(self, config):
        self.config = config
        path = self.directory / "config.json"
        path.write_text(json.dumps(config))
        return str(path)

    def begin(self, sockets=(), names=None, environment=()):
        """Starts a daemon with these (name, socket) beside what is in the store."""
        handed = [(name, own.fileno()) for name, own in sockets] + self.store
        command = [str(self.daemon), "serve", "-c", self.write(self.config), "--plugins-dir", str(self.directory / "plugins")]
        starter = [sys.executable, "-c", STARTER, str(len(handed)), *(str(number) for _, number in handed)]
        variables = {**os.environ, "NOTIFY_SOCKET": str(self.directory / "notify"), **dict(environment)}
        if self.sure:
            variables["FDSTORE"] = "1024"
        if handed and names is None:
            variables["LISTEN_FDNAMES"] = ":".join(name for name, _ in handed)
        elif names is not None:
            variables["LISTEN_FDNAMES"] = names
        with open(self.directory / "output", "wb") as output:
            self.process = subprocess.Popen(
                starter + command, env=variables, pass_fds=[number for _, number in handed],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory,
            )

    def start(self, *sockets, **more):
        """The same, until it is ready; what it has said."""
        self.begin(sockets, **more)
        self.wait_for("READY=1")
        return self.has_said(" ready\n")

    def refused(self, *sockets, **more):
        """Starts one that does not start; its exit status and what it has said."""
        self.begin(sockets, **more)
        return self.process.wait(SECONDS), self.said()

    def said(self):
        return (self.directory / "output").read_text()

    def has_said(self, text):
        """What it has said, once this is in it: its log is written a moment later than what it does."""
        deadline = time.monotonic() + SECONDS
        while text not in self.said():
            if time.monotonic() > deadline:
                raise RuntimeError(f"never said {text!r}: {self.said()}")
            select.select([], [], [], 0.01)
        return self.said()

    def ports(self):
        """Where it listens, by its own words, in order."""
        return [int(port) for port in re.findall(r"(?<!longer )listening on \S+:(\d+) as", self.said())]

    def wait_for(self, word):
        """Does what the daemon asks for until it says this."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the daemon has ended ({self.process.returncode}): {self.said()}")
            if select.select([self.notify], [], [], 0.1)[0] and word in self.obey():
                return
        raise RuntimeError(f"not told {word}: {self.messages}")

    def obey(self):
        """Does what one message asks for; its lines."""
        text, ancillary, _, _ = self.notify.recvmsg(4096, socket.CMSG_SPACE(253 * 4))
        lines = text.decode().splitlines()
        descriptors = array.array("i")
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
        name = next((line.removeprefix("FDNAME=") for line in lines if line.startswith("FDNAME=")), "stored")
        if "FDSTORE=1" in lines:
            known = {identity(number) for _, number in self.store}
            for number in descriptors:
                if identity(number) in known:
                    os.close(number)
                else:
                    self.store.append((name, number))
        elif "FDSTOREREMOVE=1" in lines:
            for own, number in self.store:
                if own == name:
                    os.close(number)
            self.store = [entry for entry in self.store if entry[0] != name]
        else:
            # BARRIER=1: its end of the pipe is closed when everything before was done.
            for number in descriptors:
                os.close(number)
        self.messages.append(lines)
        return lines

    def reload(self, config):
        """Has it read another configuration, and keeps obeying until that is done."""
        self.write(config)
        self.process.send_signal(1)
        self.wait_for("RELOADING=1")
        self.wait_for("READY=1")

    def stop(self):
        """Ends it, as `systemctl restart` does first; its exit status."""
        self.process.terminate()
        while True:
            try:
                return self.process.wait(0.05)
            except subprocess.TimeoutExpired:
                self.drain()

    def crash(self):
        self.process.kill()
        self.process.wait()

    def drain(self):
        while select.select([self.notify], [], [], 0)[0]:
            self.obey()

    def end(self):
        """Nothing is left behind."""
        if self.process is not None and self.process.poll() is None:
            self.crash()
        for _, number in self.store:
            os.close(number)
        self.store = []
        self.notify.close()


def identity(number):
    """What is behind a descriptor."""
    found = os.fstat(number)
    return found.st_dev, found.st_ino
