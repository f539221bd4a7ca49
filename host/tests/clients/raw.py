#!/usr/bin/env python3
"""Speaks to the server in ways no mail client does: forged ends of data, garbage, dribble, aborts, one big write.

After each of them the session has to be in step: one reply for each command and none besides. What a mail that was
answered 250 holds has to be there; of a mail that was not, nothing.
"""

import sys

import hostile
from target import Report, nothing_unfinished, parser, target_of


def fault_of(check, target):
    """What the check found; a connection that breaks where none should is a fault as well."""
    try:
        return check(target)
    except (OSError, EOFError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def main():
    options = parser("send hostile octets and look at the replies and at what is kept")
    options.add_argument("--only", default="", help="only checks whose name contains this")
    arguments = options.parse_args()
    target, report = target_of(arguments), Report()
    before = target.maildir.names()
    for name, check in hostile.checks():
        if arguments.only not in name:
            continue
        report.note(name, fault_of(check, target))
        fault = fault_of(hostile.fault_of_a_plain_mail, target)
        if fault:
            report.note(f"a plain mail after {name}", fault)
    report.note("tmp is empty", nothing_unfinished(target))
    report.note("nothing forbidden was kept", hostile.forbidden_mail(target, before))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
