#!/usr/bin/env python3
"""Tells the server to stop while connections are open, and looks at what each of them hears.

An idle connection gets 421 and is closed. One in the middle of DATA may end its mail, gets the 250 for it, then 421. New
connections are not served meanwhile. Then the process ends with exit status 0 and the mail is there.
With `--idle-only` there is no mail under way, and the process has to be gone at once.

The process is not a child of this script, so its exit status is read from /proc while it waits to be reaped. Whoever
started it must therefore not reap it before this script has ended; if it is reaped earlier, that is said and not judged.
"""

import os
import pathlib
import signal
import sys
import time

from target import Report, nothing_unfinished, parser, target_of
from wire import Connection

AT_ONCE = 2.0
SUBJECT = b"Subject: mail under way\r\n\r\n"
FIRST_HALF = SUBJECT + b"first half\r\n" * 2000
SECOND_HALF = b"second half\r\n" * 2000
SIGNALS = {"TERM": signal.SIGTERM, "INT": signal.SIGINT, "QUIT": signal.SIGQUIT}


def ended(pid):
    """None while the process runs; its wait status once it has ended, -1 when that cannot be seen any more."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return -1
    # proc(5): field 3 is the state, field 52 the exit status; the split starts behind field 2.
    return int(fields[49]) if fields[0] in "ZX" else None


def fault_of_exit(pid, seconds, waited_since):
    """Waits for the end of the process and judges it."""
    deadline = waited_since + seconds
    while (status := ended(pid)) is None:
        if time.monotonic() > deadline:
            return f"still runs {seconds:g} s after the signal"
        time.sleep(0.005)
    if status == -1:
        print("note: the process was reaped by its parent, its exit status cannot be seen here")
        return None
    code = os.waitstatus_to_exitcode(status)
    return None if code == 0 else f"exit status {code} (negative: the signal that killed it)"


def fault_of_replies(replies, codes):
    seen = [reply[:3] for reply in replies]
    return None if seen == codes else f"heard {replies}, expected {codes} and then the end of the connection"


def fault_of_newcomer(target):
    """A connection made after the signal is refused, closed or told 421."""
    try:
        with Connection(target, greeting=False) as server:
            replies = server.replies_to_end()
    except ConnectionError:
        return None
    return None if all(reply.startswith("421") for reply in replies) else f"was greeted with {replies}"


def idle_only(target, report, stop, pid):
    with Connection(target) as idle, Connection(target) as between_mails:
        between_mails.ask("EHLO client.example.com")
        since = stop()
        report.note("idle connection hears 421", fault_of_replies(idle.replies_to_end(), ["421"]))
        report.note("connection behind EHLO hears 421", fault_of_replies(between_mails.replies_to_end(), ["421"]))
    report.note(f"process ends within {AT_ONCE:g} s", fault_of_exit(pid, AT_ONCE, since))


def with_mail_under_way(target, report, stop, pid):
    before = target.maildir.names()
    with Connection(target) as idle, Connection(target) as busy:
        busy.to_data()
        busy.write(FIRST_HALF)
        since = stop()
        report.note("idle connection hears 421", fault_of_replies(idle.replies_to_end(), ["421"]))
        report.note("a new connection is not served", fault_of_newcomer(target))
        report.note("process waits for the mail under way", None if ended(pid) is None else "it ended")
        busy.write(SECOND_HALF + b".\r\n")
        report.note("mail under way gets 250, then 421", fault_of_replies(busy.replies_to_end(), ["250", "421"]))
    report.note("process ends", fault_of_exit(pid, target.timeout, since))
    arrived = sorted(target.maildir.names() - before)
    if len(arrived) == 1:
        report.note("the mail is there", target.maildir.fault_of_file(arrived[0], FIRST_HALF + SECOND_HALF))
    else:
        report.note("the mail is there", f"{len(arrived)} files arrived instead of one")


def main():
    options = parser("stop the server and look at what its connections hear")
    options.add_argument("--pid", type=int, required=True, help="process id of the server")
    options.add_argument("--signal", choices=SIGNALS, default="TERM")
    options.add_argument("--idle-only", action="store_true", help="no mail under way: the process must end at once")
    arguments = options.parse_args()
    target, report = target_of(arguments), Report()

    def stop():
        os.kill(arguments.pid, SIGNALS[arguments.signal])
        return time.monotonic()

    scene = idle_only if arguments.idle_only else with_mail_under_way
    try:
        scene(target, report, stop, arguments.pid)
    except (OSError, EOFError, ValueError) as error:
        report.note("dialogue", f"{type(error).__name__}: {error}")
    report.note("tmp is empty", nothing_unfinished(target))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
