"""What is no end of data, and what must come of it.

An end of data is CR LF . CR LF and nothing else. A server that takes one of these for it reads the rest of the mail as
commands, and a mail with a forged origin comes into being (SMTP smuggling). RFC 5321 section 2.3.8 forbids bare CR and
bare LF, and a strict server answers such a mail with 550 5.5.2 and keeps nothing of it.
"""

# (name, the octets in the middle of a mail, whether they hold a bare CR or a bare LF)
NO_END_OF_DATA = [
    ("LF.LF", b"\n.\n", True),
    ("LF.CRLF", b"\n.\r\n", True),
    ("CRLF.LF", b"\r\n.\n", True),
    ("CR.CR", b"\r.\r", True),
    ("CR.CRLF", b"\r.\r\n", True),
    ("CR.LF", b"\r.\n", True),
    ("LF.CR", b"\n.\r", True),
    ("CRLF.CR", b"\r\n.\r", True),
    ("CRLF.CR-CRLF", b"\r\n.\r\r\n", True),
    ("CR-CRLF.CR-CRLF", b"\r\r\n.\r\r\n", True),
    ("LFCR.LFCR", b"\n\r.\n\r", True),
    ("LF-CRLF..CRLF", b"\n\r\n..\r\n", True),
    ("lone LF", b"a\nb", True),
    ("lone CR", b"a\rb", True),
    ("CRLF.blank-CRLF", b"\r\n. \r\n", False),
    ("CRLF.tab-CRLF", b"\r\n.\t\r\n", False),
    ("CRLF..CRLF", b"\r\n..\r\n", False),
    ("CRLF.VT-CRLF", b"\r\n.\x0b\r\n", False),
    ("NEL.NEL", b"\x85.\x85", False),
    ("U+2028.U+2028", "\u2028.\u2028".encode(), False),
    ("high-bit CRLF", b"\x8d\x8a.\x8d\x8a", False),
    # A server may refuse a NUL; it may not take it for nothing.
    ("NUL before the dot", b"\r\n\0.\r\n", None),
    ("NUL behind the dot", b"\r\n.\0\r\n", None),
]

FORGED = (
    b"MAIL FROM:<admin@example.com>\r\nRCPT TO:<%s>\r\nDATA\r\n"
    b"Subject: forged\r\nX-Forged: yes\r\n\r\nforged text\r\n.\r\n"
)


def mail_and_wire(infix, recipient):
    """A mail with `infix` before what would be a second mail: (the mail as it is to be kept, the octets to send).

    A mail without a second one behind it cannot show how the rest is read, so commands follow `infix` here, and their
    own final dot is the true end of data. `recipient` is bytes.
    """
    sent = b"Subject: outer\r\n\r\nbefore" + infix + FORGED % recipient
    kept = sent.removesuffix(b".\r\n")
    # Where the infix has a dot behind CR LF it is transparent: one dot less is kept.
    kept = kept.replace(b"\r\n.", b"\r\n")
    return kept, sent
