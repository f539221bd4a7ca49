"""Bodies that try the framing of DATA: dots, long lines, absent bodies, absent line ends, odd bytes."""

from .parts import base64_lines, crlf, head, mime

ALL_OCTETS = bytes(octet for octet in range(1, 256) if octet not in b"\r\n")

MAILS = {
    "plain": (
        "the ordinary case: a short text in US-ASCII",
        head("Lunch on Thursday", number=1)
        + crlf("\nHello Ben,\n\nshall we meet at noon? The usual place is closed.\n\nAda\n"),
    ),
    "empty": ("a file of no octets at all", b""),
    "blank-line-only": ("one CRLF: no header, no body", b"\r\n"),
    "no-body": ("header lines and nothing else, not even the blank line", head("No body", number=2)),
    "no-body-blank-line": ("header lines, the blank line, and then nothing", head("Empty body", number=3) + b"\r\n"),
    "no-headers": (
        "text from the first octet: no header section",
        crlf("this text was piped into a mailer by a shell script\nand has no header section\n"),
    ),
    "blank-line-first": (
        "starts with the blank line, so that the body is all there is",
        crlf("\nA body below an empty header section.\n"),
    ),
    "no-final-crlf": (
        "the last line is not ended: the client must end it",
        head("No line end", number=4) + crlf("\nThe last line has no end"),
    ),
    "many-final-crlf": (
        "ends in a dozen empty lines, none of which may be trimmed",
        head("Trailing empty lines", number=5) + crlf("\nText\n") + b"\r\n" * 12,
    ),
    "dots-alone": (
        "lines of `.`, `..`, `...` and longer between text",
        head("Dots", number=6) + crlf("\nbefore\n.\n..\n...\n....\n" + "." * 200 + "\nafter\n"),
    ),
    "dots-leading": (
        "every line of the body starts with a dot",
        head("Leading dots", number=7)
        + crlf("\n")
        + b"".join(crlf(f".line {number} of a roff page: .{'.' * (number % 5)}\n") for number in range(300)),
    ),
    "dot-first-octet": ("the very first octet of the mail is a dot", crlf(".profile: no such file\n.\n\nnever mind\n")),
    "dot-last-line": (
        "the last line is a lone dot, so that the end of data follows a stuffed dot",
        head("Dot at the end", number=8) + crlf("\nThat is all\n.\n"),
    ),
    "dot-no-final-crlf": (
        "the last octet is a dot on a line of its own that is not ended",
        head("Dot at the very end", number=9) + crlf("\nThat is all\n."),
    ),
    "dot-in-base64": (
        "a lone dot as the last line of a base64 part",
        head("Base64 and a dot", number=10, extra=mime("application/octet-stream", "base64"))
        + b"\r\n"
        + base64_lines(ALL_OCTETS)
        + b".\r\n",
    ),
    "dot-then-commands": (
        "text that reads like SMTP behind a lone dot: it is data and nothing else",
        head("How to talk to a mail server", number=11)
        + crlf("\nType this:\n.\nMAIL FROM:<eve@example.com>\nRCPT TO:<ben@example.test>\nDATA\n.\nQUIT\n"),
    ),
    "line-998": (
        "lines of 998 octets, the longest that RFC 5322 section 2.1.1 allows",
        head("998", number=12) + b"\r\n" + b"".join(bytes([letter]) * 998 + b"\r\n" for letter in b"abc"),
    ),
    "line-1000": (
        "a line of 1000 octets without its end: beyond RFC 5321 section 4.5.3.1.6, and common",
        head("1000", number=13) + b"\r\n" + b"x" * 999 + b"y\r\n" + b"z" * 1000 + b"\r\nshort\r\n",
    ),
    "line-10000": (
        "a line of 10,000 octets (HTML written by a program), one that starts with a dot",
        head("10000", number=14, extra=mime("text/html; charset=us-ascii"))
        + b"\r\n<html>"
        + b"0123456789" * 1000
        + b"</html>\r\n."
        + b"9876543210" * 1000
        + b"\r\n",
    ),
    "trailing-blanks": (
        "spaces and tabs at the ends of lines, which must survive; a dot and a blank is no end of data",
        head("Blanks  \t ", number=15) + crlf("\nsignature below \t \n-- \nAda\t\t\n   \n. \n.\t\n"),
    ),
    "binary-8bit": (
        "every octet but NUL, CR and LF, in lines",
        head("Octets", number=16, extra=mime("application/octet-stream", "8bit"))
        + b"\r\n"
        + ALL_OCTETS
        + b"\r\n"
        + ALL_OCTETS[::-1]
        + b"\r\n"
        + b"".join(b"." + bytes([octet]) + b"\r\n" for octet in ALL_OCTETS),
    ),
    "control-characters": (
        "escape sequences, form feed, vertical tab, backspace and DEL, none of which ends a line",
        head("Controls", number=17) + b"\r\npage\x0c.\x0bdown\x1b[31mred\x1b[0m\r\na\x08_b\x7f\x1a\x04\r\n\x0b.\x0b\r\n",
    ),
}
