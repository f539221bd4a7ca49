"""A connection that sends exactly the octets it is told to and takes replies apart; smtplib would tidy both."""

import re
import socket
import struct

REPLY_LINE = re.compile(rb"(\d{3})([ -])?([^\r\n]*)\r\n")


class Connection:
    """One TCP connection to the server; the greeting is read unless `greeting=False`."""

    def __init__(self, target, greeting=True):
        self.socket = socket.create_connection((target.host, target.port), target.timeout)
        self.socket.settimeout(target.timeout)
        # Each write is to be a segment of its own, as small as it is.
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.pending = b""
        self.target = target
        self.greeting = self.reply() if greeting else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def write(self, octets):
        self.socket.sendall(octets)

    def reply(self):
        """The next reply, its lines joined by LF; raises EOFError when the server has closed."""
        lines = []
        while True:
            line = REPLY_LINE.match(self._line())
            if not line:
                raise ValueError(f"no reply line: {self.pending[:80]!r}")
            lines.append((line[1] + b" " + line[3]).decode("utf-8", "replace"))
            if line[2] != b"-":
                return "\n".join(lines)

    def ask(self, command):
        """Sends one command line and reads its reply."""
        self.write(command.encode() + b"\r\n")
        return self.reply()

    def replies_to_end(self):
        """Every reply until the server closes. A reset after replies counts as a close."""
        replies = []
        try:
            while True:
                replies.append(self.reply())
        except (EOFError, ConnectionResetError, BrokenPipeError):
            return replies

    def to_data(self, sender=None):
        """Brings the session to where a mail is expected."""
        commands = {
            "EHLO client.example.com": "250",
            f"MAIL FROM:<{sender or self.target.sender}>": "250",
            f"RCPT TO:<{self.target.recipient}>": "250",
            "DATA": "354",
        }
        for command, code in commands.items():
            reply = self.ask(command)
            if not reply.startswith(code):
                raise ValueError(f"{command} was answered {reply!r}")

    def abort(self):
        """Closes with a reset, as a host does that crashes."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _line(self):
        while b"\n" not in self.pending:
            octets = self.socket.recv(65536)
            if not octets:
                raise EOFError("the server closed the connection")
            self.pending += octets
        line, self.pending = self.pending.split(b"\n", 1)
        return line + b"\n"
