"""A small client for NATS and JetStream in standard Python: one connection, one thread, blocking calls with a deadline.

It knows what a consumer of mail needs: requests, pulled messages and their acknowledgement, objects of an object store.
"""

import base64
import json
import os
import socket
import ssl
import time


class Lost(OSError):
    """The connection is gone, or nobody has answered in time."""


class Refused(RuntimeError):
    """JetStream has said no."""

    def __init__(self, error):
        super().__init__(f"{error.get('description')} ({error.get('err_code')})")
        self.code = error.get("err_code", 0)


class Message:
    """One message: subject, reply subject, headers (lists by name) and data; `status` of the server's own ones, or empty."""

    def __init__(self, subject, reply, head, data, number=0):
        self.subject, self.reply, self.data, self.headers, self.number = subject, reply, data, {}, number
        first, *lines = head.decode("utf-8", "surrogateescape").split("\r\n") if head else [""]
        self.status = first.removeprefix("NATS/1.0").strip()[:3]
        for line in lines:
            name, colon, value = line.partition(":")
            if colon:
                self.headers.setdefault(name, []).append(value.strip(" "))


class Nats:
    """A connection to the first of these servers ("host:port") that answers.

    `login` is what CONNECT says of it; `authority` is a PEM file that makes it TLS, or a context with more than that.
    """

    def __init__(self, servers, seconds=5.0, login=None, authority=None):
        self.seconds, self._input = seconds, b""
        self._inbox, self._count = f"_INBOX.{os.urandom(11).hex()}", 0
        faults = []
        for server in servers:
            try:
                self._connect(server, login or {}, authority)
                return
            except OSError as error:
                faults.append(f"{server}: {error}")
        raise Lost("; ".join(faults))

    def _connect(self, server, login, authority):
        host, _, port = server.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), self.seconds)
        # Requests are small and many: each would wait 40 ms for the acknowledgement of the one before.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._until = time.monotonic() + self.seconds
        self.info = json.loads(self._line().removeprefix(b"INFO "))
        if authority:
            context = authority if isinstance(authority, ssl.SSLContext) else ssl.create_default_context(cafile=authority)
            self._socket = context.wrap_socket(self._socket, server_hostname=host)
        options = {"verbose": False, "pedantic": False, "headers": True, "no_responders": True, "lang": "python", "version": "1", **login}
        self._send(f"CONNECT {json.dumps(options)}\r\nPING\r\n".encode())
        while (line := self._line()) != b"PONG":
            if line.startswith(b"-ERR"):
                raise Lost(line.decode())

    def close(self):
        self._socket.close()

    def publish(self, subject, data=b"", headers=None, reply=""):
        head = b""
        if headers:
            head = ("NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode()
        sizes = f"{len(head)} {len(head) + len(data)}" if headers else str(len(data))
        verb = "HPUB" if headers else "PUB"
        self._send(f"{verb} {subject} {reply} {sizes}\r\n".encode() + head + data + b"\r\n")

    def request(self, subject, data=b"", headers=None):
        """The one answer to a request."""
        number = self._ask(subject, data, headers, 1)
        message = self._answer(number, self.seconds)
        if message.status == "503":
            raise Lost(f"{subject}: nobody there")
        return message

    def api(self, call, **question):
        """Asks JetStream; the answer as a dict."""
        answer = json.loads(self.request(f"$JS.API.{call}", json.dumps(question).encode() if question else b"").data)
        if "error" in answer:
            raise Refused(answer["error"])
        return answer

    def stored(self, stream, sequence):
        """The message at a place of a stream."""
        return stored(self.api(f"STREAM.MSG.GET.{stream}", seq=sequence)["message"])

    def pull(self, stream, consumer, batch, seconds):
        """Up to so many messages for a consumer: those that are there, or else the next one, but not waited for for ever."""
        ask = {"batch": batch, "no_wait": True}
        messages = self._pull(stream, consumer, ask)
        return messages or self._pull(stream, consumer, {"batch": 1, "expires": int(seconds * 1e9)}, seconds)

    def _pull(self, stream, consumer, ask, seconds=0.0):
        number = self._ask(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}", json.dumps(ask).encode(), None, ask["batch"] + 1)
        messages = []
        while len(messages) < ask["batch"]:
            message = self._answer(number, seconds + self.seconds)
            if message.status:
                if message.status not in ("404", "408"):
                    raise Lost(f"status {message.status}")
                break
            messages.append(message)
        self._send(f"UNSUB {number}\r\n".encode())
        return messages

    def acknowledge(self, message):
        """Tells the stream that a message is dealt with; returns when it has taken note of that."""
        self.request(message.reply, b"+ACK")

    def object(self, bucket, name):
        """An object of an object store; None when there is none."""
        meta = f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
        try:
            info = json.loads(stored(self.api(f"STREAM.MSG.GET.OBJ_{bucket}", last_by_subj=meta)["message"]).data)
            if info.get("deleted"):
                return None
            chunks, sequence = [], 0
            for _ in range(info["chunks"]):
                found = self.api(f"STREAM.MSG.GET.OBJ_{bucket}", seq=sequence + 1, next_by_subj=f"$O.{bucket}.C.{info['nuid']}")["message"]
                chunks.append(base64.b64decode(found["data"]))
                sequence = found["seq"]
        except Refused as error:
            if error.code == NO_MESSAGE:
                return None
            raise
        data = b"".join(chunks)
        if len(data) != info["size"]:
            raise Lost(f"object {name}: {len(data)} of {info['size']} octets")
        return data

    def delete_object(self, bucket, name):
        """Removes an object; one that is gone already is no mistake. As with every client of NATS its name stays, marked as deleted:
        by that daemons know that the mail was filed."""
        meta = f"$O.{bucket}.M.{base64.urlsafe_b64encode(name.encode()).decode()}"
        try:
            info = json.loads(stored(self.api(f"STREAM.MSG.GET.OBJ_{bucket}", last_by_subj=meta)["message"]).data)
        except Refused as error:
            if error.code == NO_MESSAGE:
                return
            raise
        if not info.get("deleted"):
            gone = json.dumps({**info, "size": 0, "chunks": 0, "deleted": True}).encode()
            answer = json.loads(self.request(meta, gone, {"Nats-Rollup": "sub"}).data)
            if "error" in answer:
                raise Refused(answer["error"])
        # Also where somebody has died at this very place.
        self.api(f"STREAM.PURGE.OBJ_{bucket}", filter=f"$O.{bucket}.C.{info['nuid']}")

    def _ask(self, subject, data, headers, most):
        """Sends a request that has so many answers at most. Answers are known by the number of their subscription: what a stream
        delivers keeps the subject that it was published to."""
        self._count += 1
        inbox = f"{self._inbox}.{self._count}"
        self._send(f"SUB {inbox} {self._count}\r\nUNSUB {self._count} {most}\r\n".encode())
        self.publish(subject, data, headers, inbox)
        return self._count

    def _answer(self, number, seconds):
        self._until = time.monotonic() + seconds
        while True:
            message = self._message()
            if message.number == number:
                return message

    def _message(self):
        while True:
            verb, _, rest = self._line().partition(b" ")
            if verb == b"PING":
                self._send(b"PONG\r\n")
            elif verb in (b"MSG", b"HMSG"):
                words = rest.decode().split(" ")
                head_size = int(words[-2]) if verb == b"HMSG" else 0
                body = self._exactly(int(words[-1]) + 2)[:-2]
                reply = words[2] if len(words) == (5 if verb == b"HMSG" else 4) else ""
                return Message(words[0], reply, body[:head_size], body[head_size:], int(words[1]))
            elif verb == b"-ERR":
                raise Lost(rest.decode())

    def _line(self):
        while b"\r\n" not in self._input:
            self._receive()
        line, _, self._input = self._input.partition(b"\r\n")
        return line

    def _exactly(self, size):
        while len(self._input) < size:
            self._receive()
        data, self._input = self._input[:size], self._input[size:]
        return data

    def _receive(self):
        left = self._until - time.monotonic()
        if left <= 0:
            raise Lost("no answer in time")
        self._socket.settimeout(left)
        try:
            data = self._socket.recv(1 << 18)
        except TimeoutError as error:
            raise Lost("no answer in time") from error
        if not data:
            raise Lost("closed by the server")
        self._input += data

    def _send(self, data):
        self._socket.settimeout(self.seconds)
        self._socket.sendall(data)


def stored(message):
    """A message as STREAM.MSG.GET tells it."""
    head = base64.b64decode(message.get("hdrs", ""))
    return Message(message["subject"], "", head, base64.b64decode(message.get("data", "")))


NO_MESSAGE = 10037
