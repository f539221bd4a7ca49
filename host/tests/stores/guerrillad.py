"""guerrillad with a store behind it, and the clients that send to it."""

import contextlib
import json
import pathlib
import re
import smtplib
import subprocess
import threading
import time

from databases import wait

LISTENING = re.compile(r"listening on (\S+):(\d+) as ", re.MULTILINE)
SECONDS = 60.0


class Guerrillad:
    """One daemon with this `backend_config`, on 127.0.0.1 and ::1. `starter` are words before the command."""

    def __init__(self, arguments, directory, backend, starter=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755, exist_ok=True)
        self.log = self.directory / "log"
        config = {
            "log_file": str(self.log),
            "log_level": "debug",
            "allowed_hosts": ["."],
            "backend_config": {
                "save_process": "HeadersParser|Header|Hasher|sql",
                "validate_process": "sql",
                "primary_mail_host": "mx.example.test",
                **backend,
            },
            "servers": [
                {"is_enabled": True, "listen_interface": f"{host}:0", "host_name": "mx.example.test", "timeout": 60, "max_clients": 500}
                for host in ("127.0.0.1", "[::1]")
            ],
        }
        path = self.directory / "config.json"
        path.write_text(json.dumps(config, indent=4))
        self.command = [*starter, str(arguments.daemon), "serve", "-c", str(path), "--plugins-dir", str(arguments.plugins)]
        self.ports = {}

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end()

    def start(self):
        """Starts it; raises with what it says when it does not serve."""
        with open(self.directory / "output", "wb") as output:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory)
        wait(lambda: " ready" in self.said() or self.process.poll() is not None, "the daemon serves")
        if self.process.poll() is not None:
            raise Refused(self.process.returncode, (self.directory / "output").read_text() + self.said())
        self.ports = {host.strip("[]"): int(port) for host, port in LISTENING.findall(self.said())}

    def said(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def end(self):
        """Ends it; its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def crash(self):
        self.process.kill()
        self.process.wait()
        self.log.unlink()

    def client(self, host="127.0.0.1"):
        return smtplib.SMTP(host, self.ports[host], "client.example.com", SECONDS)

    def send(self, mail, recipients=("alice@example.test",), host="127.0.0.1", sender="ada@example.com"):
        """Sends one mail on a connection of its own; code and text of the reply to its data."""
        with self.client(host) as client:
            return send_on(client, mail, recipients, sender)


class Refused(Exception):
    """The daemon did not start."""

    def __init__(self, status, said):
        super().__init__(f"exit status {status}: {said.strip()}")
        self.status, self.said = status, said


def send_on(client, mail, recipients=("alice@example.test",), sender="ada@example.com"):
    client.ehlo_or_helo_if_needed()
    client.mail(sender)
    for recipient in recipients:
        client.rcpt(recipient)
    code, text = client.data(mail)
    return code, text.decode()


def mail(name, body="Hello.\r\n", subject=None):
    """A mail that is known by its message id."""
    return f"Message-ID: <{name}@load.test>\r\nSubject: {subject or name}\r\n\r\n{body}".encode()


class Load:
    """Clients that send one mail after the other until they are told to end; which mails were acknowledged and which not.

    Each mail has a name of its own, which begins with `name`; one that was deferred is not sent again.
    """

    def __init__(self, daemon, name, clients=8, body="x" * 70 + "\r\n"):
        self.daemon, self.name, self.body = daemon, name, body
        self.acknowledged, self.deferred, self.odd = set(), set(), {}
        self._ending = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def wait_for_more(self, count, seconds=SECONDS):
        """Waits until so many more are acknowledged."""
        goal = len(self.acknowledged) + count
        wait(lambda: len(self.acknowledged) >= goal, f"{count} more mails are acknowledged", seconds)

    def _run(self, number):
        sent = 0
        while not self._ending.is_set():
            # A daemon that was killed is back soon.
            with contextlib.suppress(OSError, smtplib.SMTPException), self.daemon.client() as client:
                while not self._ending.is_set():
                    sent += 1
                    self._send(client, f"{self.name}-{number}-{sent}")
            time.sleep(0.01)

    def _send(self, client, name):
        self.deferred.add(name)
        code, text = send_on(client, mail(name, self.body))
        if code == 250:
            self.deferred.discard(name)
            self.acknowledged.add(name)
        elif code not in (451, 452, 421):
            self.odd[name] = f"{code} {text}"
