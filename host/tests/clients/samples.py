"""The mails that the clients send: the committed samples and those made here because they are too large to commit."""

import base64
import dataclasses
import hashlib
import pathlib


@dataclasses.dataclass(frozen=True)
class Sample:
    """One mail; `data` has CRLF line endings."""

    name: str
    data: bytes

    @property
    def from_nobody(self):
        """Whether it is sent from the null reverse-path `<>`, as bounces are."""
        return self.name.startswith("dsn-")

    def lines_ended(self):
        """The mail with its last line ended, which every client does before it sends the final dot."""
        return self.data if self.data.endswith(b"\r\n") else self.data + b"\r\n"

    def stuffed(self):
        """What follows the reply 354: dots doubled (RFC 5321 section 4.5.2), end of data included."""
        data = self.lines_ended() if self.data else b""
        if data.startswith(b"."):
            data = b"." + data
        return data.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def committed(directory):
    """The samples of `directory`, sorted by name."""
    samples = [Sample(path.stem, path.read_bytes()) for path in sorted(pathlib.Path(directory).glob("*.eml"))]
    if not samples:
        raise SystemExit(f"no *.eml in {directory}: give the directory of the sample mails with --mails")
    return samples


def large():
    """The mails that are made while the tests run."""
    yield Sample("large-headers-64k", _head("A header section of over 64 KiB", _many_fields(80 * 1024)) + b"\r\nText\r\n")
    yield Sample("large-one-field-64k", _head("One folded field of over 64 KiB", _long_field(80 * 1024)) + b"\r\nText\r\n")
    yield Sample("large-dots-2mb", _head("A dot on every line") + b"\r\n" + b".\r\n..\r\n" * 300_000)
    yield Sample("large-line-1mb", _head("One line of a megabyte") + b"\r\n" + b"x" * (1 << 20) + b"\r\n")
    # Sizes round a power of two: where buffers end and where a body moves from memory to a file. None is a multiple of
    # 64 KiB plus one: curl 7.88 reads 64 KiB at a time and sends CR CR LF when the last read is the final LF alone.
    for size in ((1 << 16) - 1, 1 << 16, (1 << 20) - 1, 1 << 20, (1 << 20) + 2):
        yield Sample(f"large-exactly-{size}", _sized(size))
    yield Sample("large-attachment-20mb", _attachment(20 * 1024 * 1024))


def _head(subject, extra=b""):
    return (
        b"Date: Tue, 03 Mar 2026 09:15:00 +0100\r\nFrom: ada@example.com\r\nTo: ben@example.test\r\n"
        + extra
        + b"Subject: "
        + subject.encode()
        + b"\r\n"
    )


def _many_fields(size):
    return b"".join(b"X-Trace-%05d: hop %d of many\r\n" % (number, number) for number in range(size // 30))


def _long_field(size):
    return b"References:" + b"".join(b"\r\n\t<message-%06d@mail.example.com>" % number for number in range(size // 38)) + b"\r\n"


def _sized(size):
    """A mail of exactly `size` octets whose last line starts with a dot."""
    head, tail = _head("Size") + b"\r\n", b"\r\n.end\r\n"
    room = size - len(head) - len(tail)
    lines = (b"0123456789abcdef" * 4 + b"\r\n") * (room // 66 + 1)
    # The cut may fall behind a CR, which then must not stay alone.
    return head + lines[:room].removesuffix(b"\r").ljust(room, b"-") + tail


def _attachment(size):
    blocks = b"".join(hashlib.sha256(b"%d" % block).digest() for block in range(size // 32))
    body = base64.encodebytes(blocks).replace(b"\n", b"\r\n")
    kind = b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=large\r\n"
    part = b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n"
    named = b"Content-Disposition: attachment; filename=large.bin\r\n\r\n"
    return _head("20 MB", kind) + b"\r\n--large\r\n" + part + named + body + b"\r\n--large--\r\n"
