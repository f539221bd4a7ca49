"""What the tests of storing processors share: guerrillad with a chain of the test's own, clients that load it, and the report."""

import argparse
import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECONDS = 30.0
RELEASE = pathlib.Path(__file__).resolve().parents[3] / "target" / "release"


def arguments_of(description):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--daemon", type=pathlib.Path, default=RELEASE / "guerrillad", help="the binary (default: %(default)s)")
    options.add_argument("--plugins", type=pathlib.Path, default=RELEASE / "plugins", help="its plugins (default: %(default)s)")
    options.add_argument("--only", default="", help="only scenes whose name contains this")
    arguments = options.parse_args()
    arguments.daemon, arguments.plugins = arguments.daemon.resolve(), arguments.plugins.resolve()
    if not arguments.daemon.is_file():
        raise SystemExit(f"no daemon at {arguments.daemon}: build it (make build) or name it with --daemon")
    # A test runner that loses patience is to leave no server behind: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    return arguments


def play(scenes, arguments):
    """Plays each scene in a directory of its own; a scene yields (check, fault or None). The exit status."""
    passed, failed = 0, 0
    for scene in scenes:
        name = scene.__name__.replace("_", " ")
        if arguments.only not in name:
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="guerrillad-store-"))
        begun = time.monotonic()
        try:
            for check, fault in scene(arguments, directory):
                passed, failed = passed + (fault is None), failed + (fault is not None)
                print(f"ok {name}: {check}" if fault is None else f"FAIL {name}: {check}: {fault}", flush=True)
        except (OSError, RuntimeError, LookupError, ValueError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        print(f"-- {name}: {time.monotonic() - begun:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def expect(condition, otherwise):
    """None when the condition holds, else what was seen."""
    return None if condition else str(otherwise)


def wait_until(what, condition, seconds=SECONDS):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise RuntimeError(f"{what}: not within {seconds} s")


class Serving:
    """One guerrillad that takes all mail at a port of 127.0.0.1 and hands it to the chain of `backend_config`."""

    def __init__(self, arguments, directory, backend_config, plugins, environment=None, start=True):
        self.directory = pathlib.Path(directory)
        self.log_file = self.directory / "log"
        self.output = self.directory / "output"
        plugins_dir = self.directory / "plugins"
        plugins_dir.mkdir(mode=0o755)
        for plugin in plugins:
            shutil.copy(arguments.plugins / f"{plugin}.so", plugins_dir)
            (plugins_dir / f"{plugin}.so").chmod(0o755)
        config = {
            "log_file": str(self.log_file),
            "log_level": "debug",
            "allowed_hosts": ["."],
            "backend_config": {"primary_mail_host": "mx.example.test", **backend_config},
            "servers": [
                {"is_enabled": True, "listen_interface": "127.0.0.1:0", "host_name": "mx.example.test", "max_clients": 500}
            ],
        }
        path = self.directory / "config.json"
        path.write_text(json.dumps(config, indent=4))
        command = [arguments.daemon, "serve", "-c", path, "--plugins-dir", plugins_dir]
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory, env=environment
            )
        if start:
            wait_until("guerrillad starts", lambda: " ready" in self.log() or self.process.poll() is not None)
            if self.process.poll() is not None:
                raise RuntimeError(f"guerrillad did not start: {self.output.read_text()} {self.log()}")
            self.port = int(re.search(r"listening on 127\.0\.0\.1:(\d+) as", self.log())[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def log(self):
        return self.log_file.read_text() if self.log_file.exists() else ""

    def logs(self, text):
        """Whether the log says so; it is written behind the daemon's back."""
        deadline = time.monotonic() + 5
        while text not in self.log() and time.monotonic() < deadline:
            time.sleep(0.01)
        return text in self.log()

    def whole_log(self):
        """Ends the daemon; all that it has written."""
        self.stop()
        return self.log() + self.output.read_text()

    def stop(self):
        """Ends it; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def client(self):
        return Client(self.port)

    def send(self, mail, recipients=("you@example.test",), sender="me@example.com"):
        """The reply to one mail of a client of its own."""
        client = self.client()
        try:
            return client.mail(mail, recipients, sender)
        finally:
            client.close()


class Client:
    """One connection that has said EHLO."""

    def __init__(self, port):
        self._socket = socket.create_connection(("127.0.0.1", port), SECONDS)
        self._replies = self._socket.makefile("rb")
        self._reply()
        self._ask("EHLO client.example")

    def mail(self, mail, recipients=("you@example.test",), sender="me@example.com"):
        """Sends one mail (bytes, no line of it begins with a dot); the last reply to it."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
        self._socket.sendall("".join(f"{command}\r\n" for command in commands).encode())
        replies = [self._reply() for _ in commands]
        if not replies[-1].startswith("354"):
            return next(reply for reply in replies if reply[0] in "45")
        self._socket.sendall(mail + b".\r\n")
        return self._reply()

    def close(self):
        self._socket.close()

    def _ask(self, command):
        self._socket.sendall(f"{command}\r\n".encode())
        return self._reply()

    def _reply(self):
        lines = []
        while not lines or lines[-1][3:4] == "-":
            line = self._replies.readline().decode()
            if not line.endswith("\n"):
                raise ConnectionError(f"closed instead of a reply, behind {lines}")
            lines.append(line.rstrip("\r\n"))
        return "\n".join(lines)


def mail_of(number, size=400):
    """A mail that its subject tells from all others."""
    line = b"All work and no play makes Jack a dull boy.\r\n"
    head = f"Subject: mail-{number}\r\nFrom: <me@example.com>\r\nTo: <you@example.test>\r\n\r\n"
    return head.encode() + line * (size // len(line) + 1)


class Load:
    """Many clients that send numbered mails, each one mail after the other, and again what is deferred."""

    def __init__(self, port, connections, each, again=True, recipients=("you@example.test",)):
        self.acknowledged, self.deferred, self.other = {}, [], []
        self._port, self._each, self._again, self._recipients = port, each, again, recipients
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._client, args=(n,), daemon=True) for n in range(connections)]
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def count(self):
        with self._lock:
            return len(self.acknowledged)

    def wait_for(self, count):
        wait_until(f"{count} acknowledged mails", lambda: self.count() >= count)

    def finish(self, seconds=90.0):
        """Waits for all clients; how long they took."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(f"{self.count()} mails after {seconds} s, {len(self.deferred)} deferred, {self.other[:3]}")
        return time.monotonic() - self._begun

    def _client(self, number):
        client = None
        for index in range(self._each):
            name = number * self._each + index
            while True:
                try:
                    client = client or Client(self._port)
                    reply = client.mail(mail_of(name), self._recipients)
                except OSError as error:
                    client, reply = None, f"--- {error}"
                with self._lock:
                    if reply.startswith("250"):
                        self.acknowledged[f"mail-{name}"] = reply
                    elif reply.startswith("4"):
                        self.deferred.append(reply)
                    else:
                        self.other.append(reply)
                if reply.startswith("250") or not self._again or reply[0] not in "4":
                    break
        if client:
            client.close()
