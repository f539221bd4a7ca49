"""Mails as automatons send them: bounces, lists, reports."""

from .parts import crlf, head, mime, multipart, part

MAILS = {
    # The clients send a mail whose name starts with `dsn-` from the null reverse-path.
    "dsn-failed": (
        "a delivery status notification (RFC 3464), sent from the null reverse-path `<>`",
        head(
            "Undelivered Mail Returned to Sender",
            sender="Mail Delivery System <MAILER-DAEMON@mx.example.com>",
            to="ben@example.test",
            number=401,
            extra="Auto-Submitted: auto-replied\n" + mime("multipart/report; report-type=delivery-status;\n boundary=dsn"),
        )
        + b"\r\n"
        + multipart(
            "dsn",
            part("text/plain", crlf("Your mail could not be delivered.\n")),
            part(
                "message/delivery-status",
                crlf(
                    "Reporting-MTA: dns; mx.example.com\nArrival-Date: Tue, 3 Mar 2026 09:15:00 +0100\n\n"
                    "Final-Recipient: rfc822; nobody@example.com\nAction: failed\nStatus: 5.1.1\n"
                    "Diagnostic-Code: smtp; 550 5.1.1 no such user\n"
                ),
            ),
            part("text/rfc822-headers", head("Are you there?", number=400)),
        ),
    ),
    "dsn-plain": (
        "an old-style bounce in plain text, sent from `<>`",
        head("failure notice", sender="MAILER-DAEMON@example.com", to="ben@example.test", number=402)
        + crlf("\nHi. This is the mail program at example.com.\n\n<nobody@example.com>:\nno mailbox here by that name\n\n--- Below this line is a copy.\n\n")
        + head("Are you there?", number=400)
        + crlf("\nAre you?\n"),
    ),
    "mailing-list": (
        "a mailing list's mail: List fields, Precedence, a footer behind a signature mark",
        head(
            "[rust-mail] Re: line endings",
            to="rust-mail@lists.example.com",
            number=403,
            extra=(
                "List-Id: Mail in Rust <rust-mail.lists.example.com>\n"
                "List-Unsubscribe: <https://lists.example.com/u/42>,\n\t<mailto:rust-mail-request@lists.example.com?subject=unsubscribe>\n"
                "List-Post: <mailto:rust-mail@lists.example.com>\nPrecedence: list\nX-BeenThere: rust-mail@lists.example.com\n"
                "DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=lists.example.com;\n\ts=s1; h=from:to:subject;\n\tbh=MTIzNA==; b=QUJD\n"
            ),
        )
        + crlf("\nOn Monday Ben wrote:\n> From here on, CRLF only.\n>From there, too.\nFrom now on it is settled.\n\n-- \n_____\nrust-mail mailing list\n"),
    ),
}
