#!/usr/bin/env python3
"""Writes the first inputs of every fuzz target, from what the tests already hold.

    fuzz/seeds.py [TARGET...]      into fuzz/corpus/<target>/, all targets without an argument

An input is a head that chooses settings, answers and cuts (src/input.rs), then what a client sends. Run as often
as you like: a seed has its content's hash for a name. smtp_bdat and smtp_operations need no seeds: they build
their dialogue from phrases of their own.
"""

import hashlib
import json
import re
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CORPUS = ROOT / "fuzz" / "corpus"

# Four bytes of settings: the defaults, everything on, LMTP with everything, everything under TLS, tight limits.
SETTINGS = [b"\0\0\0\0", b"\xe8\x07\0\x40", b"\xe1\x07\0\x40", b"\xe0\x47\0\x40", b"\x02\0\0\xaa"]
# How the stream is cut: not at all, byte by byte, in odd pieces.
CUTS = [b"\0", b"\x01\0", b"\x03\x02\x06\x10"]

ESCAPE = re.compile(rb"\\(?:x([0-9a-fA-F]{2})|\{([^}]*)\*(\d+)\}|(.))", re.S)
PLAIN = {b"r": b"\r", b"n": b"\n", b"0": b"\0", b"\\": b"\\"}


def unescape(text):
    """The escapes of host/smtp/tests/transcripts/README.md."""

    def one(match):
        number, unit, count, letter = match.groups()
        if number:
            return bytes([int(number, 16)])
        return unit * int(count) if count else PLAIN[letter]

    return ESCAPE.sub(one, text)


def client_sides():
    """What the client says in each transcript, line by line."""
    for path in sorted((ROOT / "host/smtp/tests/transcripts").glob("*.txt")):
        said = []
        for line in path.read_bytes().split(b"\n"):
            if line[:2] in (b"C:", b"c:"):
                text = unescape(line[2:].removeprefix(b" "))
                said.append(text + b"\r\n" if line[:1] == b"C" else text)
        yield said


def smtp_session():
    for said in client_sides():
        for settings in SETTINGS:
            for cuts in CUTS:
                yield settings + b"\0" + cuts + b"".join(said)


def smtp_line():
    for said in client_sides():
        for line in said:
            yield from (settings + line for settings in SETTINGS)


def smtp_offers():
    return SETTINGS


def smtp_address():
    for said in client_sides():
        for line in b"".join(said).split(b"\r\n"):
            verb, colon, argument = line.partition(b":")
            if colon and verb.upper() in (b"MAIL FROM", b"RCPT TO"):
                yield argument


def smtp_xclient():
    for said in client_sides():
        for line in said:
            verb, blank, argument = line.partition(b" ")
            if blank and verb.upper() in (b"XCLIENT", b"XFORWARD"):
                yield argument


def proxy_header():
    """A cut, then a header and what comes behind it."""
    version_2 = b"\r\n\r\n\0\r\nQUIT\n"
    four, six = bytes([192, 0, 2, 1, 192, 0, 2, 2, 4, 210, 0, 25]), bytes(range(32)) + b"\x04\xd2\0\x19"
    authority = b"\x02\0\x0amx.example"
    # Verified, by a certificate: version, cipher and name inside the TLV.
    inner = b"\x21\0\x07TLSv1.3" + b"\x23\0\x06AES128" + b"\x22\0\x02mx"
    ssl = b"\x20" + (5 + len(inner)).to_bytes(2) + b"\x07\0\0\0\0" + inner
    headers = [
        b"PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n",
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1234 25\r\n",
        b"PROXY UNKNOWN\r\n",
        version_2 + b"\x20\0\0\0",
        *(version_2 + kind + len(rest).to_bytes(2) + rest for kind, rest in [
            (b"\x21\x11", four), (b"\x21\x11", four + authority), (b"\x21\x21", six + authority + ssl),
        ]),
    ]  # fmt: skip
    for header in headers:
        yield from (cut + header + b"EHLO client.example\r\n" for cut in (b"\0", b"\x0c", b"\x3c"))


def smtp_data():
    for said in client_sides():
        _, data, message = b"".join(said).partition(b"DATA\r\n")
        if data:
            yield from (cuts + message for cuts in CUTS)


def configs():
    yield from sorted((ROOT / "host/tests/configs").glob("*.json"))
    yield ROOT / "contrib/demo.conf.json"
    yield ROOT / "goguerrilla.conf.sample"


def config_json():
    return (path.read_bytes() for path in configs())


def config_words():
    def words(value):
        if isinstance(value, str):
            yield value
        elif isinstance(value, (list, dict)):
            for item in value if isinstance(value, list) else value.values():
                yield from words(item)

    for path in configs():
        try:
            value = json.loads(path.read_text())
        except ValueError:
            continue  # some show what is wrong
        yield from (f"{word}\nmail.example.com".encode() for word in words(value))


def header_index():
    mails = sorted((ROOT / "host/tests/mails").glob("*.eml"))
    return (path.read_bytes()[:8192] for path in mails)


MANIFEST = {
    "schema": 1, "name": "p", "version": "1.0.0", "authors": "a", "license": "MIT", "description": "d", "api": "1.0", "panic": "unwind",
    "rustc": "1.95.0", "target": "x86_64-unknown-linux-gnu",
    "processors": [{
        "name": "P", "aliases": ["q"], "description": "d", "phases": ["save", "rcpt"], "events": ["settled"], "blocking": "short",
        "awaits_settled": True, "honours": ["dsn"], "never_blocks_in": ["rcpt"], "config_schema": {"type": "object"},
    }],
}  # fmt: skip


def plugin_manifest():
    yield json.dumps(MANIFEST).encode()
    yield json.dumps(MANIFEST | {"panic": "abort"}).encode()
    yield json.dumps(MANIFEST | {"api": "2.0"}).encode()


def plugin_elf():
    """The smallest file that passes: a header, three segments, and a note with a manifest."""
    note = json.dumps(MANIFEST).encode()
    for owner in (b"Guerrilla\0", b"GNU\0"):
        text = struct.pack("<III", len(owner), len(note), 1) + owner.ljust(-(-len(owner) // 4) * 4, b"\0") + note.ljust(-(-len(note) // 4) * 4, b"\0")
        at = 64 + 3 * 56
        segments = [(1, 0, at + len(text)), (2, at, 0), (4, at, len(text))]
        header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0)
        table = b"".join(struct.pack("<IIQQQQQQ", kind, 4, offset, offset, offset, size, size, 4) for kind, offset, size in segments)
        yield header + table + text


TARGETS = [
    config_json,
    config_words,
    header_index,
    plugin_elf,
    plugin_manifest,
    proxy_header,
    smtp_address,
    smtp_data,
    smtp_line,
    smtp_offers,
    smtp_session,
    smtp_xclient,
]


def main(wanted):
    for target in TARGETS:
        if wanted and target.__name__ not in wanted:
            continue
        directory = CORPUS / target.__name__
        directory.mkdir(parents=True, exist_ok=True)
        seeds = {hashlib.sha1(seed).hexdigest(): seed for seed in target()}
        if not seeds:
            sys.exit(f"fuzz/seeds.py: nothing found for {target.__name__}: have the tests moved?")
        for name, seed in seeds.items():
            (directory / name).write_bytes(seed)


if __name__ == "__main__":
    main(sys.argv[1:])
