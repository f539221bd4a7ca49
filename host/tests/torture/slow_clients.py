"""Slowloris: thousands of connections that are never silent and never done, in every phase of a conversation.

Each one is to be cut when its time is over, and a client that behaves is not to notice them.
"""

import contextlib
import pathlib
import select
import socket
import subprocess
import time

from overload import MIB, P99, SLACK, Peak, maildir_daemon, recovered
from serving import expect
from witness import Witness

TIMEOUT = 3
#: Seconds after which a body that drips is cut: its grace, and the step at which the daemon looks.
BODY_GRACE = 30 + 10
#: How a ClientHello of 512 bytes begins.
HELLO = bytes.fromhex("1603010200010001fc0303")
PHASES = {
    "without a word": [],
    "in the midst of EHLO": [b"EH"],
    "in the midst of MAIL": [b"EHLO c.example\r\n", b"MAIL FROM:<"],
    "in the midst of RCPT": [b"EHLO c.example\r\nMAIL FROM:<a@example.com>\r\n", b"RCPT TO:<"],
    "before DATA": [b"EHLO c.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\n", b"D"],
    "in the midst of STARTTLS": [b"EHLO c.example\r\n", b"STARTTLS\r\n", HELLO],
    "in a body": [b"EHLO c.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\nDATA\r\n", b"Subject: slow"],
    "in a chunk": [b"EHLO c.example\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.test>\r\nBDAT 100000\r\n", b"Subject: slow"],
}


def scenes():
    return [slow_in_every_phase]


def certificate(directory):
    key, cert = directory / "key.pem", directory / "cert.pem"
    words = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
             "-subj", "/CN=mx.example.test", "-keyout", key, "-out", cert]  # fmt: skip
    subprocess.run([str(word) for word in words], check=True, capture_output=True)
    return {"public_key_file": str(cert), "private_key_file": str(key)}


def open_in(port, host, words):
    """A connection that has said these words and heard the replies to whole lines."""
    connection = socket.create_connection((host, port), 30)
    if words[:1] != [HELLO]:
        connection.recv(4096)
    for word in words:
        connection.sendall(word)
        if word.endswith(b"\r\n"):
            connection.recv(4096)
    connection.setblocking(False)
    return connection


def drip(crowds):
    """Sends each client's next byte every few tenths of a second until all are cut: how many were, and when the last one was."""
    poll, opened, phase_of = select.epoll(), {}, {}
    for phase, crowd in crowds.items():
        for connection in crowd:
            opened[connection.fileno()], phase_of[connection.fileno()] = connection, phase
            poll.register(connection, select.EPOLLIN | select.EPOLLRDHUP)
    begun, cut = time.monotonic(), {phase: (0, 0.0) for phase in crowds}

    def gone(number):
        poll.unregister(number)
        del opened[number]
        count, _ = cut[phase_of[number]]
        cut[phase_of[number]] = (count + 1, time.monotonic() - begun)

    next_drip = begun
    while opened and time.monotonic() - begun < BODY_GRACE + 20:
        if time.monotonic() >= next_drip:
            next_drip = time.monotonic() + 0.5
            for number, connection in opened.items():
                if phase_of[number] != "without a word":
                    with contextlib.suppress(OSError):
                        connection.send(b"x")
        for number, _ in poll.poll(0.1):
            with contextlib.suppress(BlockingIOError):
                try:
                    ended = not opened[number].recv(65536)
                except ConnectionError:
                    ended = True
                if ended:
                    gone(number)
    return cut


def slow_in_every_phase(arguments, directory):
    directory = pathlib.Path(directory)
    files = certificate(directory)
    many = {"max_clients": arguments.connections + 100, "timeout": TIMEOUT}
    server = {**many, "tls": {"start_tls_on": True, **files}}
    encrypted = {**many, "listen_interface": "127.0.0.2:0", "tls": {"tls_always_on": True, **files}}
    # A place of its own for the client that behaves: whoever is behind a crowd waits its turn at any door.
    with maildir_daemon(arguments, directory, server, more_servers=[encrypted]) as daemon:
        each = arguments.connections // (len(PHASES) + 1)
        with Witness(daemon.port) as witness, Peak(daemon) as peak:
            begun = time.monotonic()
            crowds = {phase: [open_in(daemon.port, "127.0.0.1", words) for _ in range(each)] for phase, words in PHASES.items()}
            crowds["in the midst of a handshake"] = [open_in(daemon.ports["127.0.0.2"], "127.0.0.2", [HELLO]) for _ in range(each)]
            took = time.monotonic() - begun
            cut = drip(crowds)
        yield f"{each} clients in each of {len(crowds)} phases (opened within {took:.1f} s)", None
        for phase, (gone, last) in cut.items():
            yield f"{phase}: all {gone} were cut, the last after {last:.1f} s", expect(gone == each, f"only {gone} of {each}")
        yield witness.told(), witness.fault(P99)
        yield f"memory at most {peak.most // MIB} MiB", expect(peak.most < SLACK + arguments.connections * 40_000, peak.most)
        for connection in (connection for crowd in crowds.values() for connection in crowd):
            connection.close()
        yield "then it is as before", recovered(daemon)
        yield "nothing of theirs was stored", expect(not list(directory.glob("mail/b/*/*")), "half a mail")
