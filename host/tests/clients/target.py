"""The server under test as the command line names it, and the lines that report what was seen."""

import argparse
import dataclasses
import pathlib

import samples
from maildir import Maildir

MAILS = pathlib.Path(__file__).resolve().parent.parent / "mails"


@dataclasses.dataclass(frozen=True)
class Target:
    host: str
    port: int
    maildir: Maildir
    sender: str
    recipient: str
    timeout: float


def parser(description):
    """The options that all clients share."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--host", default="127.0.0.1", help="address of the server (default: %(default)s)")
    options.add_argument("--port", type=int, required=True, help="port of the server")
    options.add_argument("--maildir", required=True, help="the recipient's Maildir, which nobody else delivers to meanwhile")
    options.add_argument("--line-ending", choices=("lf", "crlf"), default="lf", help="maildir_line_ending of the server")
    options.add_argument("--sender", default="ada@example.com", help="reverse-path (default: %(default)s)")
    options.add_argument("--rcpt", default="test@example.test", help="forward-path of that Maildir (default: %(default)s)")
    options.add_argument("--timeout", type=float, default=30.0, help="seconds that any one step may take (default: %(default)s)")
    return options


def sample_parser(description):
    """The options of clients that send the sample mails."""
    options = parser(description)
    options.add_argument("--mails", default=MAILS, help="directory of the sample mails (default: %(default)s)")
    options.add_argument("--only", default="", help="only mails whose name contains this")
    options.add_argument("--no-large", action="store_true", help="leave out the mails made while running (up to 28 MB)")
    return options


def target_of(arguments):
    maildir = Maildir(arguments.maildir, arguments.line_ending)
    return Target(arguments.host, arguments.port, maildir, arguments.sender, arguments.rcpt, arguments.timeout)


def chosen_samples(arguments):
    """The samples that the command line asks for, one at a time: large ones are not kept."""
    for sample in samples.committed(arguments.mails):
        if arguments.only in sample.name:
            yield sample
    if not arguments.no_large:
        yield from (sample for sample in samples.large() if arguments.only in sample.name)


class Report:
    """One line for each check and a count at the end."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def note(self, name, fault):
        """Reports the check `name`: `fault` says why it failed, None that it passed."""
        if fault is None:
            self.passed += 1
            print(f"ok {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAIL {name}: {fault}", flush=True)

    def finish(self):
        """Prints the count; the exit status of the script. A run that checked nothing has proved nothing."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def send_and_compare(target, send, wire):
    """Calls `send()`, which returns None when the mail was acknowledged and a text when not, and looks for `wire`.

    There is no waiting: once the client has its 250 the file has to be there already. Returns the fault or None.
    """
    before = target.maildir.names()
    refusal = send()
    arrived = sorted(target.maildir.names() - before)
    if refusal is not None:
        kept = f", yet {len(arrived)} file(s) arrived" if arrived else ""
        return f"not acknowledged: {refusal}{kept}"
    if len(arrived) != 1:
        return f"acknowledged, and {len(arrived)} files arrived in {target.maildir.path} instead of one: {arrived}"
    return target.maildir.fault_of_file(arrived[0], wire)


def nothing_unfinished(target):
    """The fault of a Maildir whose `tmp/` does not become empty; None when it does."""
    if target.maildir.wait(lambda: not target.maildir.unfinished(), target.timeout):
        return None
    return f"left behind in tmp/: {sorted(target.maildir.unfinished())[:5]}"
