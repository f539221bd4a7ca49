"""Stands between an MTA and guerrillad, passes octets both ways and keeps them.

So the tests see what the MTA really said: which commands went in one write, which extensions it used, and the mail as it
was on the wire, with which the delivered file is compared.
"""

import contextlib
import socket
import threading

import dialogue

MOST_AT_ONCE = 65536


class Recorder:
    """Listens on a port of its own and connects each client to `upstream`, where the server of that name is."""

    def __init__(self, server, upstream, lmtp=False):
        self.server, self.upstream, self.lmtp = server, upstream, lmtp
        self.conversations = []
        self.peak = 0
        self._open = 0
        self._lock = threading.Lock()
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self):
        # close() alone does not wake a thread that is in accept().
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def dialogues(self):
        """Every connection so far, taken apart, in the order they were made."""
        with self._lock:
            conversations = list(self.conversations)
        return [conversation.dialogue(self.lmtp) for conversation in conversations]

    def transactions(self):
        return [transaction for one in self.dialogues() for transaction in one.transactions]

    def deliveries(self):
        return [kept for one in self.dialogues() for kept in one.deliveries()]

    def about(self, address):
        """The connections in which `address` was named as a recipient."""
        return [one for one in self.dialogues() if address in one.named_recipients()]

    def _accept(self):
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._pass, args=(client,), daemon=True).start()

    def _pass(self, client):
        conversation = Conversation()
        with self._lock:
            self.conversations.append(conversation)
            self._open += 1
            self.peak = max(self.peak, self._open)
        with client:
            try:
                with socket.create_connection(self.upstream) as server:
                    back = threading.Thread(target=copy, args=(server, client, conversation.from_server), daemon=True)
                    back.start()
                    copy(client, server, conversation.from_client)
                    back.join()
            except ConnectionRefusedError:
                pass
        with self._lock:
            self._open -= 1


class Conversation:
    """The writes of both sides of one connection, in order and as they came."""

    def __init__(self):
        self.client, self.server = [], []
        self._taken_apart, self._writes = None, None

    def from_client(self, octets):
        self.client.append(octets)

    def from_server(self, octets):
        self.server.append(octets)

    def dialogue(self, lmtp):
        """The connection taken apart; again only when something was added since, as large mails make it slow."""
        writes = len(self.client), len(self.server)
        if writes != self._writes:
            self._taken_apart, self._writes = dialogue.Dialogue(self, lmtp), writes
        return self._taken_apart


def copy(source, sink, keep):
    """Passes octets on until the source ends, then ends the sink. They are kept first: what was passed on is on record."""
    with contextlib.suppress(OSError):
        while octets := source.recv(MOST_AT_ONCE):
            keep(octets)
            sink.sendall(octets)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
