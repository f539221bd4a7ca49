#!/usr/bin/env python3
"""Sends from many threads at once; every mail that got its 250 must be there exactly once, whole.

Each mail carries an `X-Parallel-Id` of its own, and a body whose length differs from its neighbours', so that mails of
different connections which got mixed cannot pass. Every other thread opens a connection for each mail.
"""

import collections
import re
import smtplib
import sys
import threading
import uuid

from target import Report, nothing_unfinished, parser, target_of

ID_FIELD = re.compile(rb"^X-Parallel-Id: ([0-9a-f-]+)\r?$", re.MULTILINE)


def mail(identity, thread, number):
    body = b"".join(b".%d thread %d mail %d line\r\n" % (line % 3, thread, number) for line in range(thread * 37 + number * 11))
    return b"Subject: parallel\r\nX-Parallel-Id: " + identity.encode() + b"\r\n\r\n" + body


class Sender(threading.Thread):
    """One thread's mails: what was acknowledged and what was not."""

    def __init__(self, target, thread, count, start_line):
        super().__init__(name=f"sender-{thread}")
        self.target, self.thread, self.count, self.start_line = target, thread, count, start_line
        self.acknowledged = {}
        self.refused = []

    def run(self):
        self.start_line.wait()
        keep = self.thread % 2 == 0
        smtp = None
        for number in range(self.count):
            identity = str(uuid.uuid4())
            wire = mail(identity, self.thread, number)
            try:
                smtp = smtp or smtplib.SMTP(self.target.host, self.target.port, "client.example.com", self.target.timeout)
                smtp.sendmail(self.target.sender, [self.target.recipient], wire)
                self.acknowledged[identity] = wire
                if not keep:
                    smtp.quit()
                    smtp = None
            except (smtplib.SMTPException, OSError) as error:
                self.refused.append(f"thread {self.thread} mail {number}: {error!r}")
                smtp = None
        if smtp is not None:
            smtp.quit()


def faults(target, before, senders):
    """Yields (check, fault or None) for what lies in the Maildir after all senders have ended."""
    acknowledged = {identity: wire for sender in senders for identity, wire in sender.acknowledged.items()}
    refused = [text for sender in senders for text in sender.refused]
    yield f"{len(acknowledged)} acknowledged, none refused", "; ".join(refused[:3]) or None

    files = collections.defaultdict(list)
    for name in target.maildir.names() - before:
        found = ID_FIELD.search(target.maildir.read(name))
        files[found[1].decode() if found else None].append(name)
    lost = [identity for identity in acknowledged if identity not in files]
    yield "no acknowledged mail is lost", f"{len(lost)} lost, such as {lost[0]}" if lost else None
    twice = {identity: names for identity, names in files.items() if len(names) > 1}
    yield "no mail is there twice", f"{len(twice)} are, such as {next(iter(twice.items()))}" if twice else None
    strange = [identity for identity in files if identity not in acknowledged]
    yield "nothing arrived without a 250", f"{len(strange)} did, such as {files[strange[0]]}" if strange else None

    wrong = []
    for identity, wire in acknowledged.items():
        for name in files.get(identity, []):
            fault = target.maildir.fault_of_file(name, wire)
            if fault:
                wrong.append(fault)
    yield "every mail is whole", f"{len(wrong)} are not; the first one {wrong[0]}" if wrong else None


def main():
    options = parser("send mails from many threads and count what is delivered")
    options.add_argument("--threads", type=int, default=20)
    options.add_argument("--count", type=int, default=25, help="mails of each thread (default: %(default)s)")
    arguments = options.parse_args()
    target, report = target_of(arguments), Report()

    before = target.maildir.names()
    start_line = threading.Barrier(arguments.threads)
    senders = [Sender(target, thread, arguments.count, start_line) for thread in range(arguments.threads)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    for check, fault in faults(target, before, senders):
        report.note(check, fault)
    report.note("tmp is empty", nothing_unfinished(target))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
