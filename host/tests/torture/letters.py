"""Mails that their number alone makes, so that what is stored can be compared to the last byte without keeping what was sent."""

import hashlib
import random

MARK = b"X-Torture: "
USERS = [f"user{number}@example.test" for number in range(5)]


class Letters:
    """The mails of one run; another seed makes others."""

    def __init__(self, seed):
        self._seed = seed

    def letter(self, number):
        """A mail from 300 bytes to 400 KB, CRLF at every line's end; many lines begin with dots."""
        choose = random.Random(f"{self._seed}/{number}")
        least, most = choose.choices([(300, 4_000), (4_000, 60_000), (100_000, 400_000)], [70, 26, 4])[0]
        text = hashlib.shake_128(f"{self._seed}/{number}".encode()).hexdigest(choose.randint(least, most) // 2)
        lines = [text[at : at + 74] for at in range(0, len(text), 74)]
        body = "\r\n".join("." * (int(line[0], 16) % 3) + line for line in lines)
        head = f"{MARK.decode()}{number}\r\nSubject: {number} of {self._seed}\r\nFrom: <me@example.com>\r\n\r\n"
        return f"{head}{body}\r\n".encode()

    def recipients(self, number):
        """One, and two for each third mail."""
        return [USERS[number % 5], *([USERS[(number + 1) % 5]] if number % 3 == 0 else [])]

    def number_of(self, stored):
        """The number of a stored mail; raises ValueError when it is not that mail, whole and unchanged behind a delivery header."""
        header, mark, rest = stored.partition(MARK)
        digits = rest.partition(b"\r\n")[0]
        if not mark or not digits.isdigit():
            raise ValueError(f"not a mail of this run: {stored[:200]!r}")
        number = int(digits)
        if mark + rest != self.letter(number):
            raise ValueError(f"mail {number} is stored with {len(mark + rest)} of {len(self.letter(number))} bytes, or changed")
        if not header.endswith(b"\r\n") or b"Received: from " not in header:
            raise ValueError(f"mail {number} has no delivery header: {header!r}")
        return number
