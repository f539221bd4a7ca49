"""What may happen to a connection to MariaDB on its way."""

import contextlib
import socket
import threading

from private import SECONDS


class Between:
    """Stands between guerrillad and MariaDB, and passes on what they say. `look` sees what goes to the server, and may end it."""

    def __init__(self, port):
        self.cuts, self._port = 0, port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            connection = Connection(client, socket.create_connection(("127.0.0.1", self._port)))
            for way in (self._to_server, self._to_client):
                threading.Thread(target=way, args=(connection,), daemon=True).start()

    def _to_server(self, connection):
        with connection.until_it_ends():
            while octets := connection.client.recv(65536):
                connection.unanswered += len(octets)
                self.look(connection, octets)
                connection.server.sendall(octets)

    def _to_client(self, connection):
        with connection.until_it_ends():
            while (octets := connection.server.recv(65536)) and not connection.is_cut:
                connection.unanswered = 0
                connection.client.sendall(octets)


class Connection:
    """A client's connection and the one that was made for it."""

    def __init__(self, client, server):
        self.client, self.server, self.is_cut, self.unanswered = client, server, False, 0

    @contextlib.contextmanager
    def until_it_ends(self):
        with contextlib.suppress(OSError):
            yield
        for end in (self.client, self.server):
            with contextlib.suppress(OSError):
                # A close alone would leave the other thread's read, and so the connection, as they are.
                end.shutdown(socket.SHUT_RDWR)
            end.close()


class AnswerEater(Between):
    """Keeps the answers to the first few COMMITs to itself: it closes instead."""

    def __init__(self, port, commits):
        super().__init__(port)
        self._commits = commits

    def look(self, connection, octets):
        # A command of its own: five octets of header and kind, and the word.
        if octets[5:] == b"COMMIT" and self.cuts < self._commits:
            self.cuts += 1
            connection.is_cut = True


class Gate(Between):
    """Keeps each COMMIT back until it is let through."""

    def __init__(self, port):
        self._come, self._let = threading.Semaphore(0), threading.Semaphore(0)
        super().__init__(port)

    def look(self, connection, octets):
        if octets[5:] == b"COMMIT":
            self._come.release()
            self._let.acquire()

    def wait(self):
        """Until another COMMIT stands before it."""
        if not self._come.acquire(timeout=SECONDS):
            raise RuntimeError(f"no COMMIT within {SECONDS} s")

    def let_through(self):
        self._let.release()


class Choosy(Between):
    """Ends the connection when a statement has more than 200,000 octets."""

    def look(self, connection, octets):
        if connection.unanswered > 200_000:
            self.cuts += 1
            raise ConnectionError("too much")
