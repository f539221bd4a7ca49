#!/usr/bin/env python3
"""Sends every sample with Python's smtplib over TLS, verifying the server as `mail.example.test`.

As smtplib_client.py, over one connection: STARTTLS behind EHLO, or TLS from the first byte.
"""

import smtplib
import socket
import ssl
import sys

import smtplib_client
from target import Report, chosen_samples, nothing_unfinished, sample_parser, send_and_compare, target_of

NAME = "mail.example.test"


class Implicit(smtplib.SMTP_SSL):
    """SMTP_SSL that verifies another name than the address it connects to."""

    def _get_socket(self, host, port, timeout):
        plain = socket.create_connection((host, port), timeout)
        return self.context.wrap_socket(plain, server_hostname=NAME)


class Client(smtplib_client.Client):
    def __init__(self, target, context, implicit):
        super().__init__(target)
        self.context, self.implicit = context, implicit

    def connect(self):
        target, name = self.target, "client.example.com"
        if self.implicit:
            return Implicit(target.host, target.port, name, timeout=target.timeout, context=self.context)
        smtp = smtplib.SMTP(target.host, target.port, name, target.timeout)
        # What starttls verifies.
        smtp._host = NAME
        smtp.starttls(context=self.context)
        return smtp

    def _submit(self, sample):
        if self.smtp is None:
            self.smtp = self.connect()
        super()._submit(sample)


def main():
    parser = sample_parser("send the sample mails with smtplib over TLS and compare what is delivered")
    parser.add_argument("--tls", choices=("starttls", "always"), required=True)
    parser.add_argument("--ca", required=True, help="PEM file with the certificate of the server's authority")
    arguments = parser.parse_args()
    target, report = target_of(arguments), Report()
    context = ssl.create_default_context(cafile=arguments.ca)
    client = Client(target, context, arguments.tls == "always")
    for sample in chosen_samples(arguments):
        fault = send_and_compare(target, lambda: client.send(sample), sample.lines_ended())
        report.note(sample.name, fault)
    client.quit()
    report.note("tmp is empty", nothing_unfinished(target))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
