"""Header sections that try a header parser: folds, sizes, repeats, absences, odd addresses."""

from .parts import crlf, encoded_word, head

PEOPLE = "Ada Ben Cleo Dan Eve Finn Gus Hana Ivo June Kai Lea Max Nora Otto Pia Quin Rosa Sven Tara".split()


def references(count):
    """A folded References field that names `count` earlier mails."""
    return "References: " + "\n\t".join(f"<thread-{number:04d}.{number * 7919}@mail.example.com>" for number in range(count)) + "\n"


MAILS = {
    "headers-folded": (
        "long fields over many lines, folded with blanks and with tabs, one fold inside the subject",
        head("a subject that is\n long enough to be\n\tfolded twice", number=101, extra=references(40))
        + crlf("\nA long thread.\n"),
    ),
    "headers-over-4k": (
        "a header section of more than 4 KiB, where go-guerrilla's parser gave up; the subject is last",
        head("Behind four kilobytes", number=102, extra=references(120)) + crlf("\nSeen?\n"),
    ),
    "headers-thousand": (
        "a thousand header fields",
        head("A thousand fields", number=103)
        + b"".join(crlf(f"X-Field-{number:04d}: value {number}\n") for number in range(1000))
        + crlf("\nBelow a thousand fields.\n"),
    ),
    "headers-long-line": (
        "one header field of 8,000 octets that is not folded",
        head("Unfolded", number=104, extra="X-Token: " + "0123456789abcdef" * 500 + "\n") + crlf("\nText\n"),
    ),
    "headers-blank-fold": (
        "continuation lines of nothing but blanks, and a fold before the value",
        head("Folds", number=105, extra="X-Late:\n  value on the next line\nX-Blank: one\n \t \n two\n") + crlf("\nText\n"),
    ),
    "headers-leading-fold": (
        "the first line starts with a blank, so that it continues nothing",
        crlf(" a continuation of nothing\n") + head("Orphan fold", number=106) + crlf("\nText\n"),
    ),
    "headers-no-colon": (
        "a line without a colon between good ones, and an mbox `From ` line on top",
        crlf("From ada@example.com Tue Mar  3 09:15:00 2026\n")
        + head("Bad line", number=107, extra="this line is no header field\n")
        + crlf("\nText\n"),
    ),
    "headers-delivery-names": (
        "its own Return-Path, Delivered-To and Received on top: only the server's are put before them",
        crlf(
            "Return-Path: <eve@example.com>\n"
            "Delivered-To: somebody@elsewhere.test\n"
            "Received: from relay.example.com ([192.0.2.7])\n\tby mx.example.com with ESMTP id 4F2A;\n\tTue, 3 Mar 2026 09:15:00 +0100\n"
            "Received: from laptop.example.com ([198.51.100.9]) by relay.example.com; Tue, 3 Mar 2026 09:14:58 +0100\n"
        )
        + head("Relayed twice", number=108)
        + crlf("\nText\n"),
    ),
    "subject-duplicate": (
        "two Subject fields: the first one counts, both are kept",
        head("The first subject", number=109, extra="") + crlf("Subject: The second subject\n\nText\n"),
    ),
    "subject-none": (
        "no Subject field",
        head("x", number=110).replace(b"Subject: x\r\n", b"") + crlf("\nText\n"),
    ),
    "subject-encoded-adjacent": (
        "adjacent encoded words in Q and B, a fold between them: the blanks between are not part of the text",
        head(
            "Re: " + encoded_word("Grüße aus ", "utf-8", "Q") + " " + encoded_word("Köln und ", "UTF-8", "b")
            + "\n " + encoded_word("Malmö", "iso-8859-1", "q") + " today",
            number=111,
        )
        + crlf("\nText\n"),
    ),
    "subject-encoded-split": (
        "one multi-byte character split over two encoded words, which RFC 2047 forbids and mailers do",
        head(
            encoded_word("日本".encode()[:4], "utf-8", "B") + " " + encoded_word("日本".encode()[4:], "utf-8", "B"),
            number=112,
        )
        + crlf("\nText\n"),
    ),
    "subject-encoded-broken": (
        "encoded words that are none: unknown charset, missing padding, blanks inside, `=` behind a good one",
        head("=?x-unknown?Q?a=FFb?= =?utf-8?B?w7w?= =?utf-8?Q?a b?= =?utf-8?Q?x?= a=b c=", number=113) + crlf("\nText\n"),
    ),
    "subject-8bit": (
        "raw UTF-8 in header fields, without any encoding (RFC 6532)",
        head("Žluťoučký kůň – 日本語 ☕", sender='"Žofie Nováková" <zofie@example.com>', number=114) + crlf("\nText\n"),
    ),
    "from-odd": (
        "display names, comments, quoted pairs, a group, an address literal, a source route",
        head(
            "Addresses",
            sender='"Quill, Ada \\"the pen\\"" (head office (north)) <ada.quill+list@example.com> (work)',
            to="Undisclosed: ;,\n A Group: ben@example.test, Cleo Reed <cleo@example.test>;,\n"
            ' first.last@example.test, "odd @ local"@example.test, post@[192.0.2.1], <@a.example,@b.example:dan@example.test>',
            extra="Reply-To: a\nSender: \"q\"\nCc: A:B\n",
            number=115,
        )
        + crlf("\nText\n"),
    ),
    "to-many": (
        "four hundred addresses in To, folded",
        head(
            "To everybody",
            to=",\n\t".join(f"{PEOPLE[number % 20]} {number} <reader{number}@example.test>" for number in range(400)),
            number=116,
        )
        + crlf("\nText\n"),
    ),
}
