"""The sample mails as their author wrote them, one module for each concern of a mail.

Each module has a `MAILS` dict: file stem -> (what the mail is for, its bytes). Bytes are exact: CRLF line
endings throughout, because a bare CR or LF is refused on the wire and is the business of `clients/raw.py`.
"""

from . import charsets, envelopes, headers, lines, mime

MODULES = (lines, headers, charsets, mime, envelopes)


def all_mails():
    """Every mail of every module, sorted by name: {stem: (purpose, bytes)}."""
    mails = {}
    for module in MODULES:
        for stem, mail in module.MAILS.items():
            if stem in mails:
                raise ValueError(f"two sample mails are called {stem}")
            mails[stem] = mail
    return dict(sorted(mails.items()))
