#!/usr/bin/env python3
"""Sends every sample with swaks, and mails that swaks composes itself.

Samples go with `--no-data-fixup`, where swaks sends the octets it is given and one CRLF. So the file that it reads has
its dots doubled already and ends in `CRLF .`. (The mail of no octets is left out: swaks takes data of one line for a
file name.) The fix-up is no use for comparing octets: swaks then takes the header section apart, puts one together
again, replaces `\\n` and `%NEWLINE%`, and ends the mail with a line end more.

Mails that swaks composes (`--body`, `--attach`) carry a date and a message id of the moment, so what was sent is read
from swaks's own transcript of the dialogue.
"""

import pathlib
import subprocess
import sys
import tempfile

from target import Report, chosen_samples, nothing_unfinished, sample_parser, send_and_compare, target_of

TRANSCRIPT_SENT = b" -> "


def swaks(target, sender, *more):
    """Runs swaks; (what it said when the server did not take the mail, else None; its transcript)."""
    command = [
        "swaks", "--server", target.host, "--port", str(target.port), "--timeout", str(int(target.timeout)),
        "--ehlo", "client.example.com", "--from", sender, "--to", target.recipient, *more,
    ]  # fmt: skip
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    if done.returncode == 0:
        return None, done.stdout
    refused = [line for line in done.stdout.splitlines() if line.startswith((b"<**", b"***"))]
    return f"swaks exit {done.returncode}: {refused or done.stderr[-300:]}", done.stdout


def send_sample(target, sample, path):
    path.write_bytes(sample.stuffed().removesuffix(b"\r\n"))
    sender = "<>" if sample.from_nobody else target.sender
    return swaks(target, sender, "--no-data-fixup", "--suppress-data", "--data", f"@{path}")[0]


def sent_data(transcript):
    """The mail as swaks sent it, read from its transcript, dots halved again."""
    # The transcript shows the mail with the CRLF it was sent with, and swaks's own remarks with LF.
    lines = [line.removesuffix(b"\r") for line in transcript.split(b"\n")]
    start = next(at for at, line in enumerate(lines) if line.startswith(b"<-  354")) + 1
    data = []
    for line in lines[start:]:
        text = line.removeprefix(TRANSCRIPT_SENT)
        if text == b".":
            return b"".join(data)
        data.append(text.removeprefix(b".") + b"\r\n")
    raise ValueError("swaks's transcript has no final dot")


def check_composed(target, options):
    """Lets swaks compose a mail; the fault or None."""
    before = target.maildir.names()
    refusal, transcript = swaks(target, target.sender, *options)
    arrived = sorted(target.maildir.names() - before)
    if refusal is not None or len(arrived) != 1:
        return refusal or f"{len(arrived)} files arrived instead of one"
    return target.maildir.fault_of_file(arrived[0], sent_data(transcript))


def main():
    arguments = sample_parser("send the sample mails with swaks and compare what is delivered").parse_args()
    target, report = target_of(arguments), Report()
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory, "mail.eml")
        for sample in chosen_samples(arguments):
            if sample.data:
                report.note(sample.name, send_and_compare(target, lambda: send_sample(target, sample, path), sample.lines_ended()))

        attachment = pathlib.Path(directory, "figures.bin")
        attachment.write_bytes(bytes(range(256)) * 200)
        composed = {
            "composed": [],
            "composed with dots": ["--body", "text\n.\n..two\n.three\nend"],
            "composed with attachment": ["--attach-type", "application/octet-stream", "--attach", f"@{attachment}"],
            "composed with own header": ["--h-Subject", "=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "--add-header", "X-Test: yes"],
            "pipelined": ["--pipeline"],
        }
        for name, options in composed.items():
            report.note(name, check_composed(target, options))
    report.note("tmp is empty", nothing_unfinished(target))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
