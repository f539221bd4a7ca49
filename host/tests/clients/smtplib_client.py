#!/usr/bin/env python3
"""Sends every sample with Python's smtplib: all over one connection, then each over its own.

What smtplib does to a mail given as bytes: doubles leading dots, ends the last line, and nothing else. (Text would get
its line endings rewritten.) It makes one CRLF of a mail of no octets. SIZE and BODY=8BITMIME are sent when offered.
"""

import contextlib
import smtplib
import sys

from target import Report, chosen_samples, nothing_unfinished, sample_parser, send_and_compare, target_of


class Client:
    """smtplib with the connection opened when it is needed and kept until `quit`."""

    def __init__(self, target):
        self.target = target
        self.smtp = None

    def send(self, sample):
        """None when the server acknowledged the mail, else what happened."""
        try:
            self._submit(sample)
        except (smtplib.SMTPException, OSError) as error:
            # smtplib resets the session after a refusal, but a broken one is of no further use.
            self.quit()
            return repr(error)
        return None

    def quit(self):
        smtp, self.smtp = self.smtp, None
        if smtp is not None:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                smtp.quit()

    def _submit(self, sample):
        target = self.target
        if self.smtp is None:
            self.smtp = smtplib.SMTP(target.host, target.port, "client.example.com", target.timeout)
        self.smtp.ehlo_or_helo_if_needed()
        options = ["BODY=8BITMIME"] if self.smtp.has_extn("8bitmime") else []
        sender = "" if sample.from_nobody else target.sender
        self.smtp.sendmail(sender, [target.recipient], sample.data, mail_options=options)


def main():
    arguments = sample_parser("send the sample mails with smtplib and compare what is delivered").parse_args()
    target, report = target_of(arguments), Report()
    client = Client(target)
    for way in ("one connection", "own connection"):
        for sample in chosen_samples(arguments):
            fault = send_and_compare(target, lambda: client.send(sample), sample.lines_ended())
            report.note(f"{sample.name} ({way})", fault)
            if way == "own connection":
                client.quit()
        client.quit()
    report.note("tmp is empty", nothing_unfinished(target))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
