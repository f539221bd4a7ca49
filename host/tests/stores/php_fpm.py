"""Private php-fpm instances: own configuration, own socket or port, own directory, as whoever runs the test."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess

from private import SECONDS, free_port, wait_until

PHP = pathlib.Path(__file__).resolve().parents[3] / "plugins" / "fastcgi"


def program():
    """php-fpm has its version in its name."""
    found = sorted(pathlib.Path("/usr/sbin").glob("php-fpm*"))
    return str(found[-1]) if found else shutil.which("php-fpm")


class PhpFpm:
    """One php-fpm with its processes, which are one process group. Started at once; ended on the way out."""

    def __init__(self, directory, tcp=False, processes=8, settings="", start=True):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.mails = self.directory / "mails"
        self.mails.mkdir()
        self.users = self.directory / "users"
        self.users.write_text("you@example.test\nOther@example.test\n")
        self._log = self.directory / "fpm.log"
        self.kind = "tcp" if tcp else "unix"
        self.address = f"127.0.0.1:{free_port()}" if tcp else str(self.directory / "fpm.sock")
        owner = "user = root\ngroup = root\n" if os.geteuid() == 0 else ""
        self._config = self.directory / "fpm.conf"
        self._config.write_text(
            f"[global]\npid = {self.directory}/fpm.pid\nerror_log = {self._log}\ndaemonize = no\n"
            f"[mail]\n{owner}listen = {self.address}\npm = static\npm.max_children = {processes}\n"
            f"{settings}\nphp_flag[display_errors] = off\nphp_flag[log_errors] = on\nphp_value[post_max_size] = 64M\nphp_value[memory_limit] = 256M\n"
        )
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        # -n: whatever php.ini says here is not the test's.
        command = [program(), "-n", "-F", "-R", "-y", str(self._config)]
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        wait_until("php-fpm starts", self._answers)

    def _answers(self):
        if self.process.poll() is not None:
            said = (self.directory / "output").read_text()[-800:]
            raise RuntimeError(f"php-fpm ended: {said}")
        return self._is_listened()

    def _is_listened(self):
        family = socket.AF_INET if self.kind == "tcp" else socket.AF_UNIX
        host, _, port = self.address.rpartition(":")
        with socket.socket(family) as probe:
            return probe.connect_ex((host, int(port)) if self.kind == "tcp" else self.address) == 0

    def kill(self):
        """SIGKILL to master and processes, in the middle of whatever they do."""
        if self.process and self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(SECONDS)
            # Its processes have the socket until they are gone, too: the next one would find it taken, and give up.
            wait_until("php-fpm is gone", lambda: not self._is_listened())
        self.process = None

    def reload(self):
        """All processes are replaced; those at work are ended."""
        self.process.send_signal(signal.SIGUSR2)

    def stored(self):
        """Subjects of the messages that save.php has stored, sorted."""
        subjects = []
        for path in self.mails.glob("*.eml"):
            head = path.read_bytes().partition(b"\r\n\r\n")[0]
            subjects += [line[9:].decode() for line in head.split(b"\r\n") if line.startswith(b"Subject: ")]
        return sorted(subjects)

    def envelopes(self):
        """The envelopes that save.php has stored and their messages."""
        paths = sorted(self.mails.glob("*.json"))
        return [(json.loads(path.read_text()), path.with_suffix(".eml").read_bytes()) for path in paths]
