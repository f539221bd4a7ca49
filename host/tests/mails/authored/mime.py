"""Structure: alternatives, nests, attachments, mail inside mail."""

from .lines import ALL_OCTETS
from .parts import base64_lines, crlf, head, multipart, noise, part, quoted_printable
from .parts import mime as mime_head

TEXT = part("text/plain; charset=us-ascii", crlf("The figures are attached.\n.\n"))
HTML = part("text/html; charset=utf-8", quoted_printable("<p>Die Zahlen für <b>März</b> sind angehängt.</p>\n"), "quoted-printable")


def attachment(name, content_type, body, encoding="base64"):
    """A body part with a file name."""
    return part(content_type, body, encoding, f'Content-Disposition: attachment; filename="{name}"\n')


INNER = head("The inner mail", sender="Cleo Reed <cleo@example.com>", number=320) + crlf("\nInner text\n.\nwith a dot line\n")

MAILS = {
    "multipart-alternative": (
        "text and HTML of the same content, with preamble and epilogue",
        head("Figures", number=301, extra=mime_head('multipart/alternative; boundary="alt-1"'))
        + crlf("\nThis is a multi-part message in MIME format.\n")
        + multipart("alt-1", TEXT, HTML)
        + crlf("\nAn epilogue that no reader shows.\n"),
    ),
    "multipart-nested": (
        "mixed around related around alternative, with an inline picture; boundaries that are prefixes of each other",
        head("Nested", number=302, extra=mime_head('multipart/mixed; boundary="b"'))
        + b"\r\n"
        + multipart(
            "b",
            part(
                'multipart/related; boundary="bb"',
                multipart(
                    "bb",
                    part('multipart/alternative; boundary="bbb"', multipart("bbb", TEXT, HTML)),
                    part("image/png", base64_lines(b"\x89PNG\r\n\x1a\n" + noise(3000, "png")), "base64", "Content-ID: <logo@example.com>\n"),
                ),
            ),
            attachment("figures.csv", "text/csv", crlf("month,sum\nMarch,1200\n"), "7bit"),
        ),
    ),
    "attachment-base64": (
        "a binary attachment of 30,000 octets in base64",
        head("Report", number=303, extra=mime_head("multipart/mixed; boundary=mixed-303"))
        + b"\r\n"
        + multipart("mixed-303", TEXT, attachment("report.bin", "application/octet-stream", base64_lines(noise(30000, "report")))),
    ),
    "attachment-quoted-printable": (
        "a text attachment in quoted-printable, its name in RFC 2231 form",
        head("Notes", number=304, extra=mime_head("multipart/mixed; boundary=mixed-304"))
        + b"\r\n"
        + multipart(
            "mixed-304",
            TEXT,
            part(
                "text/plain; charset=utf-8",
                quoted_printable("Ärger mit Öl und Übermut\n" * 40),
                "quoted-printable",
                "Content-Disposition: attachment;\n filename*0*=utf-8''%C3%84rger%20mit;\n filename*1*=%20%C3%96l.txt\n",
            ),
        ),
    ),
    "attachment-8bit": (
        "a raw 8bit attachment: a boundary search meets every octet",
        head("Raw", number=305, extra=mime_head("multipart/mixed; boundary=mixed-305", "8bit"))
        + b"\r\n"
        + multipart("mixed-305", TEXT, attachment("octets.bin", "application/octet-stream", ALL_OCTETS * 20 + b"\r\n", "8bit")),
    ),
    "multipart-unclosed": (
        "a multipart cut off in transit: no closing delimiter",
        head("Cut off", number=306, extra=mime_head("multipart/mixed; boundary=cut"))
        + b"\r\n"
        + multipart("cut", TEXT, HTML)[: -len("--cut--\r\n")],
    ),
    "multipart-deep": (
        "forty multiparts inside each other",
        head("Deep", number=307, extra=mime_head("multipart/mixed; boundary=d0"))
        + b"\r\n"
        + b"".join(crlf(f"--d{level}\nContent-Type: multipart/mixed; boundary=d{level + 1}\n\n") for level in range(40))
        + crlf("--d40\nContent-Type: text/plain\n\nAt the bottom.\n")
        + b"".join(crlf(f"--d{level}--\n") for level in range(40, -1, -1)),
    ),
    "rfc822-nested": (
        "a forwarded mail as message/rfc822, which holds another",
        head("Fwd: The inner mail", number=308, extra=mime_head("multipart/mixed; boundary=fwd"))
        + b"\r\n"
        + multipart(
            "fwd",
            TEXT,
            part(
                "message/rfc822",
                head("Fwd: Fwd", number=321, extra=mime_head("message/rfc822")) + b"\r\n" + INNER,
                extra="Content-Disposition: inline\n",
            ),
        ),
    ),
    "calendar-invite": (
        "an invitation as text/calendar; its own folding starts lines with a blank",
        head("Invitation: Planning", number=309, extra=mime_head('multipart/alternative; boundary="cal"'))
        + b"\r\n"
        + multipart(
            "cal",
            TEXT,
            part(
                "text/calendar; charset=utf-8; method=REQUEST",
                crlf(
                    "BEGIN:VCALENDAR\nPRODID:-//Example//Planner//EN\nVERSION:2.0\nMETHOD:REQUEST\nBEGIN:VEVENT\n"
                    "UID:planning-309@example.com\nDTSTAMP:20260303T081500Z\nDTSTART:20260305T110000Z\nDTEND:20260305T120000Z\n"
                    "ORGANIZER;CN=Ada Quill:mailto:ada@example.com\nATTENDEE;ROLE=REQ-PARTICIPANT;PARTSTAT=NEEDS-ACTION;RSVP=TRUE;CN=B\n"
                    " en Marsh:mailto:ben@example.test\nSUMMARY:Planning – März\nEND:VEVENT\nEND:VCALENDAR\n"
                ),
                "8bit",
            ),
        ),
    ),
    "smime-signed": (
        "the shape of an S/MIME signed mail: one changed octet of the text would break its signature",
        head(
            "Signed",
            number=310,
            extra=mime_head('multipart/signed; protocol="application/pkcs7-signature";\n micalg=sha-256; boundary="smime"'),
        )
        + b"\r\n"
        + multipart("smime", TEXT, attachment("smime.p7s", "application/pkcs7-signature", base64_lines(noise(1800, "p7s"), 64))),
    ),
    "pgp-signed": (
        "the shape of clear-signed PGP text, whose dash-escaped lines end in blanks",
        head("Signed text", number=311)
        + crlf("\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n- -- \nThe deal stands.   \n.\n-----BEGIN PGP SIGNATURE-----\n\n")
        + base64_lines(noise(300, "pgp"), 64)
        + crlf("=Ab3d\n-----END PGP SIGNATURE-----\n"),
    ),
}
