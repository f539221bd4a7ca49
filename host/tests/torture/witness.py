"""A well-behaved client in a process of its own, so that attackers do not share its clock: how long it waits for an ordinary mail.

Run by itself it sends a mail every few hundredths of a second until its input ends, and at least a few, then prints what it
has seen as JSON.
"""

import argparse
import json
import pathlib
import select
import subprocess
import sys
import time

from client import Client, Gone

MAIL = b"Subject: from a well-behaved client\r\nFrom: <me@example.com>\r\n\r\n" + b"Nothing out of the ordinary.\r\n" * 20
EACH = 0.02
# So many tell something; a machine that is busy with other things may not get through more while a scene lasts.
FEWEST = 5


class Witness:
    """Watches one port while the `with` block lasts; `stay`: on one connection, instead of one for each mail."""

    def __init__(self, port, stay=False, host="127.0.0.1", sender="well@example.com"):
        command = [sys.executable, "-B", str(pathlib.Path(__file__).resolve()), str(port), "--host", host, "--sender", sender]
        self._process = subprocess.Popen(
            [*command, *(["--stay"] if stay else [])], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        # It says when its first mail is through.
        if self._process.stdout.readline() != "ready\n":
            raise RuntimeError("the well-behaved client cannot send")
        self.seconds, self.failures = [], []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._process.poll() is None:
            said, _ = self._process.communicate("end\n", timeout=120)
            self.seconds, self.failures = json.loads(said)

    def at(self, share):
        """The latency in seconds that so many mails stayed below."""
        return sorted(self.seconds)[min(len(self.seconds) - 1, int(len(self.seconds) * share))] if self.seconds else float("inf")

    def told(self):
        return (
            f"a well-behaved client: {len(self.seconds)} mails, p50 {self.at(0.5) * 1000:.0f} ms, p99 {self.at(0.99) * 1000:.0f} ms, "
            f"longest {self.at(1.0) * 1000:.0f} ms"
        )

    def fault(self, p99):
        """None when every mail was taken and nearly all within this."""
        if self.failures:
            return f"{len(self.failures)} of its mails failed: {self.failures[:3]}"
        if len(self.seconds) < FEWEST or self.at(0.99) > p99:
            return f"{len(self.seconds)} mails, p99 {self.at(0.99):.2f} s"
        return None


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("port", type=int)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--sender", default="well@example.com")
    options.add_argument("--stay", action="store_true")
    arguments = options.parse_args()
    seconds, failures, client = [], [], None
    said_ready = False
    while not select.select([sys.stdin], [], [], EACH)[0] or len(seconds) + len(failures) < FEWEST:
        begun = time.monotonic()
        try:
            client = client or Client(arguments.port, arguments.host)
            if not client.greeting.startswith("220"):
                raise Gone(client.greeting, False)
            reply = client.mail(MAIL, ["well@example.test"], arguments.sender)
            if reply.startswith("250"):
                seconds.append(time.monotonic() - begun)
            else:
                failures.append(reply)
        except Gone as gone:
            failures.append(str(gone))
            client = None
        if client and not arguments.stay:
            client.close()
            client = None
        if not said_ready:
            print("ready", flush=True)
            said_ready = True
    print(json.dumps([seconds, failures]))


if __name__ == "__main__":
    main()
