"""The checks of `raw.py`. Each takes the target and returns the fault, or None."""

import functools
import hashlib
import socket
import time

from smuggling import NO_END_OF_DATA, mail_and_wire
from target import send_and_compare
from wire import Connection

# Marks mails that may be in the Maildir under no circumstances.
FORBIDDEN = b"X-Never: to be kept"
MAIL = b"Subject: plain\r\n\r\n..text\r\n"
KEPT = b"Subject: plain\r\n\r\n.text\r\n"
END = b".\r\n"


def checks():
    """(name, check) of everything there is."""
    for name, infix, bare in NO_END_OF_DATA:
        yield f"smuggling {name}", functools.partial(smuggling, infix=infix, bare=bare)
    for name, octets in garbage():
        yield f"garbage {name}", functools.partial(no_success, octets=octets)
    for name, octets in bad_lines():
        yield f"line {name}", functools.partial(refused_in_step, line=octets)
    for cut in range(1, 5):
        yield f"end of data split after {cut}", functools.partial(split_end, cut=cut)
    for way in ("close", "half-close", "reset"):
        yield f"abort in DATA by {way}", functools.partial(abort_in_data, way=way)
        yield f"abort before the last LF by {way}", functools.partial(abort_in_data, way=way, tail=b"\r\n.\r")
    yield "empty DATA", empty_data
    yield "bare LF command", bare_lf_command
    yield "one octet at a time", dribble
    yield "whole session in one write", one_write
    yield "five mails in one write", five_mails
    yield "never reading a reply", never_reading
    yield "gone before the replies", gone_at_once


def fault_of_a_plain_mail(target):
    """Delivers one ordinary mail: whether the server is still there and well."""
    return send_and_compare(target, lambda: plain_session(target), KEPT)


def plain_session(target):
    with Connection(target) as server:
        server.to_data()
        server.write(MAIL + END)
        reply = server.reply()
        return None if reply.startswith("250") and server.ask("QUIT").startswith("221") else reply


def forbidden_mail(target, before):
    """The name of a file that holds a mail which was never completed, or a forged one."""
    for name in target.maildir.names() - before:
        mail = target.maildir.read(name)
        if FORBIDDEN in mail:
            return f"{name} holds a mail that never ended"
    return None


def smuggling(target, infix, bare):
    kept, sent = mail_and_wire(infix, target.recipient.encode())
    replies = []

    def send():
        with Connection(target) as server:
            server.to_data()
            server.write(sent + b"NOOP\r\nQUIT\r\n")
            replies.extend(server.replies_to_end())
            return None if replies[:1] and replies[0].startswith("250") else f"{replies}"

    fault = send_and_compare(target, send, kept)
    codes = [reply[:3] for reply in replies]
    if codes[1:] != ["250", "221"]:
        return f"out of step: one mail, NOOP and QUIT were answered {replies}"
    if bare and not replies[0].startswith("550 5.5.2"):
        return f"bare CR or LF was answered {replies[0]!r} instead of 550 5.5.2"
    if codes[0] == "250":
        return fault
    if bare is False:
        return f"a mail without fault was answered {replies[0]!r}"
    return f"refused, yet kept: {fault}" if "arrived" in fault else None


def garbage():
    """Octets that hold no command."""
    yield "HTTP request", b"GET / HTTP/1.1\r\nHost: mail.example.test\r\nAccept: */*\r\n\r\n"
    yield "TLS ClientHello", bytes.fromhex("16030100c8010000c40303") + bytes(range(1, 190)) + b"\r\n"
    yield "NULs", b"\0" * 500 + b"\r\n"
    yield "8-bit", bytes(range(128, 256)) * 3 + b"\r\n"
    yield "empty lines", b"\r\n" * 5
    noise = b"".join(hashlib.sha256(b"%d" % block).digest() for block in range(200))
    # An `@` before each line so that chance cannot spell a command.
    yield "random", b"".join(b"@" + noise[at : at + 97].replace(b"\n", b"") + b"\r\n" for at in range(0, len(noise), 97))
    yield "SSH banner", b"SSH-2.0-OpenSSH_9.2p1\r\n"
    yield "megabyte without a line end", b"A" * (1 << 20) + b"\r\n"


def no_success(target, octets):
    """Garbage may be answered or hung up on, but nothing of it may succeed."""
    with Connection(target) as server:
        try:
            server.write(octets + b"QUIT\r\n")
        except (ConnectionResetError, BrokenPipeError):
            pass
        replies = server.replies_to_end()
    if not replies:
        return "hung up without a word"
    wrong = [reply for reply in replies[:-1] if reply[0] not in "45"]
    if wrong or (replies[-1][:3] not in ("221", "421") and replies[-1][0] != "5"):
        return f"answered {wrong or replies[-1]!r}"
    return None


def bad_lines():
    """Lines that are each one bad command."""
    yield "of 5,000 octets", b"NOOP " + b"x" * 5000
    yield "of 100,000 octets", b"MAIL FROM:<" + b"x" * 100_000 + b"@example.com>"
    yield "with a NUL", b"NOOP\0"
    yield "with a NUL in an address", b"RCPT TO:<te\0st@example.test>"
    yield "with a bare CR", b"NOOP\rRSET"
    yield "that glues a word to a verb", b"NOOPX"
    yield "that starts with a blank", b" NOOP"
    yield "of 8-bit octets", b"\xff\xfe\xfd"
    yield "of nothing", b""


def refused_in_step(target, line):
    """One bad line: one 5xx, and the next command is answered as ever."""
    with Connection(target) as server:
        server.write(b"EHLO client.example.com\r\n" + line + b"\r\nNOOP\r\nQUIT\r\n")
        replies = server.replies_to_end()
    codes = [reply[:3] for reply in replies]
    if len(codes) != 4 or codes[0] != "250" or codes[1][0] != "5" or codes[2:] != ["250", "221"]:
        return f"EHLO, the line, NOOP and QUIT were answered {replies}"
    return None


def bare_lf_command(target):
    """A command that ends in a bare LF is no command; refused alone or together with the line that it runs into."""
    with Connection(target) as server:
        server.write(b"NOOP\nNOOP\r\nNOOP\r\nQUIT\r\n")
        codes = [reply[:3] for reply in server.replies_to_end()]
    if codes and codes[0][0] == "5" and codes[1:] in (["250", "221"], ["250", "250", "221"]):
        return None
    return f"answered {codes}"


def split_end(target, cut):
    """The five octets of the end of data in two segments, with time between for the server to read the first."""

    def send():
        with Connection(target) as server:
            server.to_data()
            end = b"\r\n.\r\n"
            server.write(MAIL.removesuffix(b"\r\n") + end[:cut])
            pace(0.02)
            server.write(end[cut:])
            reply = server.reply()
            return None if reply.startswith("250") else reply

    return send_and_compare(target, send, KEPT)


def abort_in_data(target, way, tail=b"\r\nhalf a li"):
    """A client that vanishes before the end of data: nothing is kept and nothing is acknowledged."""
    before = target.maildir.names()
    with Connection(target) as server:
        server.to_data()
        server.write(FORBIDDEN + b"\r\nSubject: cut off\r\n\r\n" + b"text\r\n" * 5000 + b"text" + tail)
        if way == "half-close":
            server.socket.shutdown(socket.SHUT_WR)
            acknowledged = [reply for reply in server.replies_to_end() if reply[0] not in "45"]
            if acknowledged:
                return f"acknowledged half a mail: {acknowledged}"
        elif way == "reset":
            server.abort()
    # A file would appear only now and then if it did; the last check of the run looks for it once more.
    if not target.maildir.wait(lambda: not target.maildir.unfinished(), target.timeout):
        return f"left in tmp/: {sorted(target.maildir.unfinished())}"
    arrived = target.maildir.names() - before
    return f"kept half a mail: {sorted(arrived)}" if arrived else None


def empty_data(target):
    """The final dot right behind 354: a mail of no octets."""

    def send():
        with Connection(target) as server:
            server.to_data()
            server.write(END)
            reply = server.reply()
            return None if reply.startswith("250") else reply

    return send_and_compare(target, send, b"")


def session(target, mails=1):
    """A whole session as one string of octets, and the reply codes it is to get."""
    mail = b"MAIL FROM:<%s>\r\nRCPT TO:<%s>\r\nDATA\r\n" % (target.sender.encode(), target.recipient.encode()) + MAIL + END
    codes = ["250", *["250", "250", "354", "250"] * mails, "221"]
    return b"EHLO client.example.com\r\n" + mail * mails + b"QUIT\r\n", codes


def dribble(target):
    """A whole session, one octet in each segment."""
    octets, codes = session(target)

    def send():
        with Connection(target) as server:
            for octet in octets:
                server.write(bytes([octet]))
                pace(0.001)
            seen = [reply[:3] for reply in server.replies_to_end()]
            return None if seen == codes else f"answered {seen} instead of {codes}"

    return send_and_compare(target, send, KEPT)


def one_write(target):
    """A whole session in one write, behind the greeting."""
    octets, codes = session(target)

    def send():
        with Connection(target) as server:
            server.write(octets)
            seen = [reply[:3] for reply in server.replies_to_end()]
            return None if seen == codes else f"answered {seen} instead of {codes}"

    return send_and_compare(target, send, KEPT)


def five_mails(target):
    octets, codes = session(target, mails=5)
    before = target.maildir.names()
    with Connection(target) as server:
        server.write(octets)
        seen = [reply[:3] for reply in server.replies_to_end()]
    arrived = target.maildir.names() - before
    if seen != codes or len(arrived) != 5:
        return f"{len(arrived)} mails arrived, answered {seen}"
    return next((fault for name in arrived if (fault := target.maildir.fault_of_file(name, KEPT))), None)


def never_reading(target):
    """A client that sends all, QUIT included, and reads nothing: its mail is complete, so it is kept, once."""
    octets, _ = session(target)
    before = target.maildir.names()
    with Connection(target, greeting=False) as server:
        server.write(octets)
        target.maildir.wait(lambda: target.maildir.names() - before, target.timeout)
        arrived = target.maildir.names() - before
    if len(arrived) != 1:
        return f"{len(arrived)} mails arrived instead of one"
    return target.maildir.fault_of_file(arrived.pop(), KEPT)


def gone_at_once(target):
    """A client that sends all and is gone: the mail may be kept or not, but whole and once."""
    octets, _ = session(target)
    before = target.maildir.names()
    with Connection(target) as server:
        server.write(octets)
        server.abort()
    fault = plain_session(target)
    # Nothing tells a mail that is not kept from one that is still being written, so this wait is short.
    target.maildir.wait(lambda: len(target.maildir.names() - before) > 1, min(2.0, target.timeout))
    arrived = target.maildir.names() - before
    if fault or len(arrived) not in (1, 2):
        return fault or f"{len(arrived)} mails arrived of two"
    return next((fault for name in arrived if (fault := target.maildir.fault_of_file(name, KEPT))), None)


def pace(seconds):
    """How slowly a client sends. Nothing is awaited by it."""
    time.sleep(seconds)
