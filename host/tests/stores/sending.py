"""Clients that send mail, one at a time or many, and what they were told."""

import itertools
import socket
import threading
import time

from private import SECONDS, wait_until


class Client:
    """One connection that has said EHLO."""

    def __init__(self, host, port):
        self._socket = socket.create_connection((host, port), SECONDS)
        self._replies = self._socket.makefile("rb")
        self._reply()
        self._ask("EHLO client.example")

    def mail(self, mail, recipients=("you@example.test",), sender="me@example.com"):
        """Sends one mail (bytes, its last line whole); the last reply to it."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
        self._socket.sendall("".join(f"{command}\r\n" for command in commands).encode())
        replies = [self._reply() for _ in commands]
        if not replies[-1].startswith("354"):
            # What was accepted of it would be in the way of the next one.
            self._ask("RSET")
            return next(reply for reply in replies if reply[0] in "45")
        self._socket.sendall(mail.replace(b"\r\n.", b"\r\n..") + b".\r\n")
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


def mail(name, body="Hello.\r\n", subject=None):
    """A mail that its message id and its subject tell from all others."""
    head = f"Message-ID: <{name}@load.test>\r\nSubject: {subject or name}\r\nFrom: <me@example.com>\r\n\r\n"
    return head.encode() + (body if isinstance(body, bytes) else body.encode())


def mail_of(number, size=400):
    """A mail of about that size, called mail-NUMBER."""
    return mail(f"mail-{number}", LINE * (size // len(LINE) + 1))


LINE = b"All work and no play makes Jack a dull boy.\r\n"


class Load:
    """Many clients that send numbered mails, each one mail after the other, and again what is deferred.

    Each client sends `each` mails, or goes on until it is told to end. A mail whose reply did not come is not sent again.
    """

    def __init__(self, serving, connections, each=None, again=True, recipients=("you@example.test",), name="mail"):
        self.acknowledged, self.deferred, self.other = {}, [], []
        self._serving, self._again, self._recipients, self._name = serving, again, recipients, name
        self._numbers, self._lock, self._ending = itertools.count(), threading.Lock(), threading.Event()
        self._threads = [threading.Thread(target=self._client, args=(each,), daemon=True) for _ in range(connections)]
        self._begun = time.monotonic()
        for thread in self._threads:
            thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._ending.set()
        for thread in self._threads:
            thread.join()

    def count(self):
        with self._lock:
            return len(self.acknowledged)

    def wait_for(self, count):
        wait_until(f"{count} acknowledged mails", lambda: self.count() >= count)

    def wait_for_more(self, count):
        self.wait_for(self.count() + count)

    def finish(self, seconds=90.0):
        """Waits for all clients; how long they took."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(f"{self.count()} mails after {seconds} s, {len(self.deferred)} deferred, {self.other[:3]}")
        return time.monotonic() - self._begun

    def _client(self, each):
        client = None
        for _ in itertools.count() if each is None else range(each):
            if self._ending.is_set():
                break
            name = f"{self._name}-{next(self._numbers)}"
            client = self._send(client, name)
        if client:
            client.close()

    def _send(self, client, name):
        """Sends a mail until it is decided; the connection, if it is still good."""
        while True:
            try:
                client = client or self._serving.client()
                reply = client.mail(mail(name, LINE * 10), self._recipients)
            except OSError as error:
                client, reply = None, f"--- {error}"
                # The daemon may be on its way back.
                time.sleep(0.01)
            with self._lock:
                if reply.startswith("250"):
                    self.acknowledged[name] = reply
                elif reply.startswith("4"):
                    self.deferred.append(f"{name}: {reply}")
                else:
                    self.other.append(f"{name}: {reply}")
            if not reply.startswith("4") or not self._again or self._ending.is_set():
                return client
