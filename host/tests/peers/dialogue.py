"""Takes a recorded SMTP or LMTP connection apart: commands with their replies, transactions, mails as they were sent."""

import dataclasses
import re

PATH = re.compile(rb"(?:MAIL FROM|RCPT TO):<([^>]*)>(.*)", re.IGNORECASE)
CHUNK = re.compile(rb"BDAT (\d+)( LAST)?", re.IGNORECASE)


class Incomplete(Exception):
    """The connection is still open, or was cut."""


@dataclasses.dataclass
class Transaction:
    """One mail: from MAIL to the replies after the data (or to where it was given up)."""

    sender: str
    parameters: str
    recipients: list = dataclasses.field(default_factory=list)
    refused: dict = dataclasses.field(default_factory=dict)
    rcpt_parameters: list = dataclasses.field(default_factory=list)
    mail: bytes = b""
    chunks: list = dataclasses.field(default_factory=list)
    replies: list = dataclasses.field(default_factory=list)
    each: bool = False

    def answers(self):
        """LMTP and PRDR: each accepted recipient and the reply that it got after the data."""
        return dict(zip(self.recipients, self.replies, strict=False))


@dataclasses.dataclass(frozen=True)
class Delivery:
    """One recipient's copy that the peer was told is kept."""

    sender: str
    recipient: str
    alone: bool
    mail: bytes


class Dialogue:
    """One connection. What comes behind the last complete reply is left out."""

    def __init__(self, conversation, lmtp=False):
        self.lmtp = lmtp
        self.writes = list(conversation.client)
        self._client, self._server = Stream(self.writes), Stream(list(conversation.server))
        self.greeting, self.exchanges, self.transactions = "", [], []
        try:
            self.greeting = self._server.reply()
            while True:
                self._command()
        except Incomplete:
            pass

    def offers(self, keyword):
        """Whether the last EHLO or LHLO was answered with `keyword`."""
        hello = [reply for command, reply in self.exchanges if command[:4] in ("EHLO", "LHLO")]
        return bool(hello) and keyword in [line[4:].split(" ")[0] for line in hello[-1].split("\n")[1:]]

    def named_recipients(self):
        """Who was named in RCPT, taken or not."""
        paths = (PATH.match(command.encode()) for command, _ in self.exchanges if command.startswith("RCPT"))
        return [path[1].decode() for path in paths if path]

    def pipelined(self):
        """The largest group of commands that came in one write."""
        verbs = re.compile(rb"^(?:MAIL|RCPT|DATA|BDAT|RSET|QUIT|EHLO|LHLO)\b[^\n]*\r\n", re.MULTILINE)
        groups = [verbs.findall(write) for write in self.writes if write[:4] in (b"MAIL", b"RCPT", b"RSET")]
        return [line.strip().decode() for line in max(groups, key=len, default=[])]

    def deliveries(self):
        for one in self.transactions:
            # SMTP has one reply for all recipients, LMTP (RFC 2033 section 4.2) and PRDR one for each.
            answers = one.answers() if one.each else dict.fromkeys(one.recipients, (one.replies or [""])[-1])
            for recipient, reply in answers.items():
                if reply.startswith("2"):
                    yield Delivery(one.sender, recipient, len(one.recipients) == 1, one.mail)

    def text(self):
        """The dialogue to print; mails are left out."""
        lines = ["S: " + self.greeting]
        for command, reply in self.exchanges:
            lines += ["C: " + command, *("S: " + line for line in reply.split("\n"))]
        return "\n".join(lines)

    def _command(self):
        line = self._client.line()
        chunk = CHUNK.fullmatch(line)
        if chunk:
            # The octets of a chunk follow its command, whatever the reply will be (RFC 3030 section 2).
            octets = self._client.take(int(chunk[1]))
            return self._chunk(line, octets, last=chunk[2] is not None)
        reply = self._server.reply()
        self.exchanges.append((line.decode("utf-8", "replace"), reply))
        verb = line[:4].upper()
        if verb == b"MAIL" and reply.startswith("2"):
            path = PATH.match(line)
            self.transactions.append(Transaction(path[1].decode(), path[2].decode().strip()))
        elif verb == b"RCPT" and self.transactions:
            path, one = PATH.match(line), self.transactions[-1]
            one.rcpt_parameters.append(path[2].decode().strip())
            if reply.startswith("2"):
                one.recipients.append(path[1].decode())
            else:
                one.refused[path[1].decode()] = reply
        elif verb == b"DATA" and reply.startswith("354"):
            self._data()
        return None

    def _data(self):
        one = self.transactions[-1]
        one.mail = self._client.mail()
        self._verdicts(one, f"({len(one.mail)} octets of mail)")

    def _chunk(self, line, octets, last):
        one = self.transactions[-1] if self.transactions else None
        if one:
            one.chunks.append(len(octets))
            one.mail += octets
        if one and last:
            self._verdicts(one, line.decode())
        else:
            self._heard(line.decode())

    def _verdicts(self, one, command):
        """The replies after the data: one for all, or one for each recipient. With PRDR those stand between 353 and a last one."""
        one.each = self.lmtp
        if not self.lmtp:
            first = self._heard(command)
            one.each = first.startswith("353")
            if not one.each:
                one.replies.append(first)
                return
        for _ in one.recipients:
            one.replies.append(self._heard(command))
        if not self.lmtp:
            self._heard(command)

    def _heard(self, command):
        reply = self._server.reply()
        self.exchanges.append((command, reply))
        return reply


class Stream:
    """What one side wrote, read from the front."""

    def __init__(self, writes):
        self.octets, self.at = b"".join(writes), 0

    def line(self):
        end = self.octets.find(b"\r\n", self.at)
        if end < 0:
            raise Incomplete
        line, self.at = self.octets[self.at : end], end + 2
        return line

    def take(self, count):
        if self.at + count > len(self.octets):
            raise Incomplete
        self.at += count
        return self.octets[self.at - count : self.at]

    def reply(self):
        """The next reply, its lines joined by LF."""
        lines = [self.line()]
        while lines[-1][3:4] == b"-":
            lines.append(self.line())
        return "\n".join(line.decode("utf-8", "replace") for line in lines)

    def mail(self):
        """What stands before the end of data, dots halved (RFC 5321 section 4.5.2)."""
        # The CRLF behind DATA counts as the one before the dot of an empty mail.
        end = self.octets.find(b"\r\n.\r\n", self.at - 2)
        if end < 0:
            raise Incomplete
        stuffed, self.at = self.octets[self.at : end + 2], end + 5
        return re.sub(rb"(\A|\r\n)\.", rb"\1", stuffed)
