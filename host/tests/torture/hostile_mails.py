"""Mails and commands made to be expensive: each is answered within a bound, and others do not wait for it.

Every parser of the daemon sees them: chains with HeadersParser, Header, Hasher and the stores that take fields apart.
"""

import time

from client import Client, Gone
from daemon import Daemon
from overload import MIB, P99, SLACK, Peak, recovered
from serving import expect
from stores import Sqlite
from witness import Witness

MOST = 64 * MIB
#: Seconds that any of these may take: the slowest reads 64 MiB.
EACH = 20.0


def scenes():
    return [expensive_mails, endless_lines]


def mails():
    """(name, mail)"""
    end = b"\r\n\r\ntext\r\n"
    yield "a million header fields", b"A: b\r\n" * 1_000_000 + b"\r\ntext\r\n"
    yield "a field of 50 MB, folded", b"Subject: x\r\n" + b" folded text that goes on and on\r\n" * 1_500_000 + b"\r\n"
    yield "a field of 50 MB in one line", b"Subject: " + b"x" * (50 * MIB) + end
    yield "MIME nested 100,000 deep", nested(100_000)
    yield "messages in messages, 100,000 deep", b"Content-Type: message/rfc822\r\n\r\n" * 100_000 + b"Subject: in\r\n\r\ntext\r\n"
    yield (
        "a million empty parts",
        b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n" * 1_000_000 + b"--b--\r\n",
    )
    yield "a comment nested a million deep", b"From: " + b"(" * 1_000_000 + b" a@example.com" + b")" * 1_000_000 + end
    yield "a group in a group, a million times", b"To: " + b"a:" * 1_000_000 + end
    yield "300,000 encoded words", b"Subject: " + b"=?utf-8?q?=C3=A4?= " * 300_000 + end
    yield "an encoded word without an end", b"Subject: " + b"=?utf-8?q?" * 1_000_000 + end
    yield "300,000 addresses", b"To: " + b"a@example.com, " * 300_000 + end
    yield "100,000 parameters", b"Content-Type: text/plain" + b"".join(b";\r\n a*%d*=utf-8''x" % n for n in range(100_000)) + end
    yield "quotes without an end", b'To: "' + b'\\"' * 1_000_000 + end
    yield "a million Received fields", b"Received: from a by b; Mon, 1 Jan 2024 00:00:00 +0000\r\n" * 500_000 + b"\r\n"
    yield "NULs and all other bytes", b"Subject: " + bytes(n for n in range(256) if n not in (10, 13)) * 10_000 + end
    yield "lines of nothing", b"\r\n" * 5_000_000
    yield "lines of dots", b"Subject: dots\r\n\r\n" + b"..\r\n" * 5_000_000


def nested(depth):
    opening = (b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(depth))
    return b"MIME-Version: 1.0\r\n" + b"".join(opening) + b"\r\ntext\r\n" + b"".join(b"--b%d--\r\n" % n for n in reversed(range(depth)))


def daemon_with_parsers(arguments, directory):
    with_all = {**Sqlite(directory).config, "save_process": "HeadersParser|Header|Hasher|Compressor|sql", "gw_save_timeout": "20s"}
    top = {"spool_threshold": MIB, "spool_dir": str(directory)}
    return Daemon(arguments, directory, with_all, ["sql"], {"max_size": MOST, "timeout": 30}, top=top)


def expensive_mails(arguments, directory):
    with daemon_with_parsers(arguments, directory) as daemon:
        with Witness(daemon.port) as witness, Peak(daemon) as peak:
            for name, mail in mails():
                begun = time.monotonic()
                try:
                    reply = Client(daemon.port).mail(mail, ["you@example.test"])
                except Gone as gone:
                    reply = f"--- {gone}"
                took = time.monotonic() - begun
                yield (
                    f"{name}, {len(mail) / 1e6:.0f} MB: {reply[:9]} within {took:.1f} s",
                    expect(reply[:2] in ("25", "55") and took < EACH, reply),
                )
        yield witness.told(), witness.fault(P99)
        # Most of it lies in files; what is made of it in memory is less than the largest mail.
        yield f"memory at most {peak.most // MIB} MiB", expect(peak.most < SLACK + MOST, peak.most)
        yield "then it is as before", recovered(daemon)


ENDLESS = (
    ("a command of 100 MB", b""), ("an address of 100 MB", b"MAIL FROM:<"),
    ("a line of text of 100 MB", b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n"),
    ("a chunk of 4 GB", b"MAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\nBDAT 4294967296 LAST\r\n"),
)  # fmt: skip


def endless_lines(arguments, directory):
    """Lines that never end, as commands and as text: each costs no memory."""
    with daemon_with_parsers(arguments, directory) as daemon:
        with Witness(daemon.port) as witness, Peak(daemon) as peak:
            end = time.monotonic() + arguments.seconds
            for name, words in ENDLESS:
                begun = time.monotonic()
                how, sent = endless(daemon.port, words)
                took = time.monotonic() - begun
                yield f"{name}: {how}, {sent / 1e6:.0f} MB within {took:.1f} s", expect(took < EACH, took)
            # A fast daemon is done with that before anybody else has noticed.
            again = 0
            while time.monotonic() < end:
                endless(daemon.port, ENDLESS[again % len(ENDLESS)][1])
                again += 1
        yield f"and {again} more of them", None
        yield witness.told(), witness.fault(P99)
        yield f"memory at most {peak.most // MIB} MiB", expect(peak.most < SLACK, peak.most)
        yield "then it is as before", recovered(daemon)


def endless(port, words):
    """Sends 100 MB without a line's end behind these words: what became of it, and how much was sent."""
    sent = 0
    try:
        client = Client(port)
        client.send(words)
        while sent < 100_000_000:
            client.send(b"x" * 100_000)
            sent += 100_000
        client.close()
    except Gone as gone:
        return f"ended by the daemon ({gone})", sent
    return "taken and thrown away", sent
