"""What landed in a Maildir, and whether it is what was sent.

A delivered file is the delivery headers that the server puts on top, followed by the mail as it was sent, with the line
endings of the store. Nothing in between and nothing behind: the mail must be the end of the file to the last octet.
"""

import pathlib
import re
import time

# What a server may put on top. A continuation line starts with a blank.
DELIVERY_HEADERS = (b"return-path", b"delivered-to", b"received")
HEADER_FIELD = re.compile(rb"([!-9;-~]+):[^\n]*\n(?:[ \t][^\n]*\n)*")
CONTEXT = 24


class Maildir:
    def __init__(self, path, line_ending="lf"):
        self.path = pathlib.Path(path)
        self.line_ending = b"\n" if line_ending == "lf" else b"\r\n"

    def names(self):
        """The delivered files: names in `new/`. (`cur/` is a mail reader's and stays out of it.)"""
        return self._listing("new")

    def unfinished(self):
        """Names in `tmp/`: deliveries under way, or left behind."""
        return self._listing("tmp")

    def read(self, name):
        return (self.path / "new" / name).read_bytes()

    def stored(self, wire):
        """The bytes that a mail with CRLF line endings has in this Maildir."""
        return wire.replace(b"\r\n", self.line_ending)

    def wait(self, condition, seconds):
        """Watches the directory until `condition()` holds; False when it does not within `seconds`."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.005)
        return True

    def fault_of_file(self, name, wire):
        """Why the file `name` is not the delivery of the mail `wire`; None when it is."""
        path = self.path / "new" / name
        delivered = path.read_bytes()
        size = re.search(r",S=(\d+)", name)
        if size and int(size[1]) != len(delivered):
            return f"the name {name} says S={size[1]}, the file has {len(delivered)} octets"
        if path.stat().st_mode & 0o077:
            return f"the file's mode is {path.stat().st_mode & 0o777:o}, others can read the mail"
        return self.fault(delivered, wire)

    def fault(self, delivered, wire):
        """Why `delivered` is not the delivery of the mail `wire`; None when it is."""
        expected = self.stored(wire)
        if not delivered.endswith(expected):
            return first_difference(delivered, expected)
        return self._fault_of_top(delivered[: len(delivered) - len(expected)])

    def _fault_of_top(self, top):
        """Why the bytes before the mail are more than one block of delivery headers."""
        if self.line_ending == b"\r\n":
            if top.count(b"\n") != top.count(b"\r\n") or top.count(b"\r") != top.count(b"\r\n"):
                return f"line endings are mixed in the delivery headers: {top[:200]!r}"
            top = top.replace(b"\r\n", b"\n")
        seen, at = set(), 0
        while at < len(top):
            field = HEADER_FIELD.match(top, at)
            if not field or field[1].lower() not in DELIVERY_HEADERS or b"\r" in field[0]:
                return f"stands before the mail and is no delivery header: {top[at : at + 60]!r}"
            if field[1].lower() in seen:
                return f"delivery header {field[1].decode()} is there twice"
            seen.add(field[1].lower())
            at = field.end()
        return None

    def _listing(self, folder):
        # The box of a catch-all recipient comes into being with its first mail.
        folder = self.path / folder
        return {entry.name for entry in folder.iterdir()} if folder.exists() else set()


def first_difference(delivered, expected):
    """Offset and both contexts of the first octet that differs, given the likeliest start of the mail in the file."""
    start, same = 0, -1
    for candidate in possible_starts(delivered):
        length = common_prefix(delivered, candidate, expected)
        if length > same:
            start, same = candidate, length
    seen = delivered[start + max(0, same - CONTEXT) : start + same + CONTEXT]
    sent = expected[max(0, same - CONTEXT) : same + CONTEXT]
    lengths = f"{len(delivered) - start} octets delivered, {len(expected)} expected"
    return f"differs at offset {same} of the mail ({lengths}): delivered {seen!r}, expected {sent!r}"


def possible_starts(delivered):
    """Offsets where the mail may start: the top, and after each of the first few header fields."""
    offsets, at = [0], 0
    while len(offsets) <= len(DELIVERY_HEADERS) and (field := HEADER_FIELD.match(delivered, at)):
        at = field.end()
        offsets.append(at)
    return offsets


def common_prefix(delivered, start, expected):
    """How many octets of `delivered` from `start` equal those of `expected`; halving keeps 20 MB quick."""
    low, high = 0, min(len(expected), len(delivered) - start)
    while low < high:
        middle = (low + high + 1) // 2
        if delivered[start + low : start + middle] == expected[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
