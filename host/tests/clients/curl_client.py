#!/usr/bin/env python3
"""Sends every sample with curl, as a file (`-T FILE`) and from standard input (`-T -`, size unknown).

What curl does to an upload: doubles a dot behind CRLF and at the very start, and puts a CRLF before the final dot when
the file does not end in one. It rewrites no line endings (that is `--crlf`). An upload of no octets stays empty: curl
sends the final dot at once.
SIZE is sent when the server offers it and the size is known; BODY=8BITMIME never.
"""

import pathlib
import subprocess
import sys
import tempfile

from target import Report, chosen_samples, nothing_unfinished, sample_parser, send_and_compare, target_of


def curl(target, sample, upload, stdin=None):
    """None when curl says that the server took the mail, else its message."""
    command = [
        "curl", "--silent", "--show-error", "--max-time", str(target.timeout), "--noproxy", "*",
        f"smtp://{target.host}:{target.port}/client.example.com",
        "--mail-from", "" if sample.from_nobody else target.sender,
        "--mail-rcpt", target.recipient,
        "--upload-file", upload,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, stdin=stdin, check=False)
    if done.returncode == 0:
        return None
    return f"curl exit {done.returncode}: {done.stderr.decode(errors='replace').strip()}"


def main():
    arguments = sample_parser("send the sample mails with curl and compare what is delivered").parse_args()
    target, report = target_of(arguments), Report()
    with tempfile.TemporaryDirectory() as directory:
        for sample in chosen_samples(arguments):
            path = pathlib.Path(directory, "mail.eml")
            path.write_bytes(sample.data)
            wire = sample.lines_ended() if sample.data else b""
            report.note(f"{sample.name} (file)", send_and_compare(target, lambda: curl(target, sample, str(path)), wire))
            with path.open("rb") as stdin:
                report.note(f"{sample.name} (stdin)", send_and_compare(target, lambda: curl(target, sample, "-", stdin), wire))
    report.note("tmp is empty", nothing_unfinished(target))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
