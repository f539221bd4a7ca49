"""One SMTP connection that knows whether it has sent the end of a mail."""

import socket

SECONDS = 60.0


class Gone(Exception):
    """The connection ended where a reply was awaited. `unanswered`: behind the end of a mail, which may be stored."""

    def __init__(self, why, unanswered):
        super().__init__(str(why))
        self.unanswered = unanswered


class Client:
    """A connection that has said EHLO."""

    def __init__(self, port, host="127.0.0.1", source=None, seconds=SECONDS):
        self._unanswered = False
        self._input = b""
        try:
            self.socket = socket.create_connection((host, port), seconds, (source, 0) if source else None)
        except OSError as error:
            raise Gone(error, False) from error
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            self.greeting = self.reply()
            if self.greeting.startswith("220"):
                self.ask("EHLO client.example")
        except Gone:
            self.close()
            raise

    def mail(self, mail, recipients, sender="me@example.com", pipelined=True):
        """Sends a mail; the reply to it, or the first refusal before it."""
        commands = [f"MAIL FROM:<{sender}>", *(f"RCPT TO:<{to}>" for to in recipients), "DATA"]
        if pipelined:
            self.send("".join(f"{command}\r\n" for command in commands).encode())
            replies = [self.reply() for _ in commands]
        else:
            replies = [self.ask(command) for command in commands]
        if not replies[-1].startswith("354"):
            self.ask("RSET")
            return next(reply for reply in replies if reply[0] in "45")
        stuffed = mail.replace(b"\r\n.", b"\r\n..")
        self.send(stuffed)
        # From here on the mail may be stored whatever we hear.
        self._unanswered = True
        self.send(b".\r\n")
        reply = self.reply()
        self._unanswered = False
        return reply

    def ask(self, command):
        self.send(f"{command}\r\n".encode())
        return self.reply()

    def send(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError as error:
            raise Gone(error, self._unanswered) from error

    def reply(self):
        """The next reply; of several lines the last."""
        while True:
            line = self._line()
            if line[3:4] != "-":
                return line

    def close(self):
        self.socket.close()

    def _line(self):
        while b"\n" not in self._input:
            try:
                octets = self.socket.recv(65536)
            except OSError as error:
                raise Gone(error, self._unanswered) from error
            if not octets:
                raise Gone("closed", self._unanswered)
            self._input += octets
        line, self._input = self._input.split(b"\n", 1)
        return line.decode("utf-8", "replace").rstrip("\r")
