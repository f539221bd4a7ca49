"""The building blocks of the sample mails: line endings, transfer encodings, encoded words.

The standard library's `email` package is not used: it would normalise exactly the oddities the samples are for.
"""

import base64
import hashlib
import quopri


def crlf(text, charset="utf-8"):
    """`text` with LF line endings as the bytes of `charset` with CRLF line endings."""
    return text.replace("\n", "\r\n").encode(charset)


def head(subject, sender="Ada Quill <ada@example.com>", to="Ben Marsh <ben@example.test>", number=1, extra=""):
    """An ordinary header section, without the blank line that ends it. `extra` is whole lines."""
    return crlf(
        f"Date: Tue, 03 Mar 2026 09:15:{number % 60:02d} +0100\n"
        f"From: {sender}\n"
        f"To: {to}\n"
        f"Message-ID: <sample-{number}@mail.example.com>\n"
        f"{extra}"
        f"Subject: {subject}\n"
    )


def mime(content_type, encoding="7bit"):
    """The MIME header lines of a mail, for `head(extra=...)`."""
    return f"MIME-Version: 1.0\nContent-Type: {content_type}\nContent-Transfer-Encoding: {encoding}\n"


def part(content_type, body, encoding="7bit", extra=""):
    """One body part: its header section, the blank line and `body` (bytes that end in CRLF)."""
    return crlf(f"Content-Type: {content_type}\nContent-Transfer-Encoding: {encoding}\n{extra}\n") + body


def multipart(boundary, *parts):
    """The body of a multipart: each part between delimiters, and the closing one."""
    delimiter = f"--{boundary}\r\n".encode()
    # The CRLF before a delimiter belongs to the delimiter (RFC 2046 section 5.1.1).
    return b"".join(delimiter + body + b"\r\n" for body in parts) + f"--{boundary}--\r\n".encode()


def base64_lines(data, width=76):
    """`data` in base64 with lines of `width` characters."""
    text = base64.b64encode(data)
    return b"".join(text[at : at + width] + b"\r\n" for at in range(0, len(text), width))


def quoted_printable(text, charset="utf-8"):
    """`text` in quoted-printable."""
    return quopri.encodestring(text.encode(charset)).replace(b"\n", b"\r\n")


def encoded_word(text, charset, encoding):
    """One encoded word of RFC 2047; `text` is a string of `charset` or bytes as they are."""
    data = text if isinstance(text, bytes) else text.encode(charset)
    if encoding.upper() == "B":
        payload = base64.b64encode(data).decode()
    else:
        payload = "".join(chr(octet) if chr(octet).isalnum() and octet < 128 else f"={octet:02X}" for octet in data)
    return f"=?{charset}?{encoding}?{payload}?="


def noise(length, seed):
    """Bytes that look random and are the same on every machine."""
    blocks = (hashlib.sha256(f"{seed}/{block}".encode()).digest() for block in range(length // 32 + 1))
    return b"".join(blocks)[:length]
