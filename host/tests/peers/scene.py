"""What the peers' scripts share: the command line, and checks on what an MTA relayed."""

import argparse
import pathlib
import re
import signal
import subprocess
import sys

import packages
import samples

TESTS = pathlib.Path(__file__).resolve().parent.parent
DEBUG = TESTS.parents[1] / "target" / "debug"
MOST_SHOWN = 2


def arguments_of(description):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--daemon", type=pathlib.Path, default=DEBUG / "guerrillad", help="the binary (default: %(default)s)")
    options.add_argument("--plugins", type=pathlib.Path, default=DEBUG / "peer-plugins", help="its plugins, as scripts/test puts them together (default: %(default)s)")
    options.add_argument("--unpacked", type=pathlib.Path, default=packages.UNPACKED, help="where MTAs are kept (default: %(default)s)")
    options.add_argument("--mails", type=pathlib.Path, default=TESTS / "mails", help="directory of the sample mails")
    options.add_argument("--only", default="", help="only scenes whose name contains this")
    options.add_argument("--no-large", action="store_true", help="leave out the mails made while running (up to 28 MB)")
    options.add_argument("--transcript", action="store_true", help="print what the MTA and guerrillad said in each scene")
    arguments = options.parse_args()
    arguments.daemon, arguments.plugins = arguments.daemon.resolve(), arguments.plugins.resolve()
    # A test runner that loses patience is to leave no Postfix behind: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    return arguments


def play(report, arguments, scenes, bench):
    """Plays each (name, scene) that was chosen; a scene gets the bench and yields (check, fault or None)."""
    for name, scene in scenes.items():
        if arguments.only in name:
            before = {recorder: len(recorder.conversations) for recorder in bench.recorders()}
            note(report, name, scene(bench))
            for recorder, count in before.items() if arguments.transcript else ():
                for one in recorder.dialogues()[count:][:MOST_SHOWN]:
                    print(f"-- {name}, server {recorder.server}\n{one.text()}\n")


def note(report, name, checks):
    """Reports the checks of a scene; a scene that breaks off is a fault as well."""
    try:
        for check, fault in checks:
            report.note(f"{name}: {check}", fault)
    except (OSError, RuntimeError, LookupError, ValueError, subprocess.TimeoutExpired) as error:
        report.note(name, f"{type(error).__name__}: {error}")


def accounts(receivers):
    """The checks that end a run: the daemons' books, and that they end well."""
    for name, receiver in receivers.items():
        check = f"{len(receiver.deliveries())} acknowledged by {name} are on disk, once and octet for octet"
        yield check, receiver.fault_of_accounts()
        status = receiver.stop()
        yield f"the {name} daemon ends well", expect(status == 0, f"exit status {status}")


def dsn_honoured(receiver, recipient, of_mail, of_recipient):
    """Checks that what the MTA asked for is what `of_mail` and `of_recipient` say, and that a processor was given all of it."""
    seen = receiver.recorders["dsn.example.test"].about(recipient)[-1]
    sent = words(seen.transactions[-1].parameters), words(seen.transactions[-1].rcpt_parameters[-1])
    yield "DSN was offered", expect(seen.offers("DSN"), seen.text())
    wanted = {**of_mail, **of_recipient}
    found = {keyword: value for one in sent for keyword, value in one.items() if keyword in ("RET", "ENVID", "NOTIFY", "ORCPT")}
    yield f"sent: {found}", expect(flags(found) == flags(wanted), f"expected {wanted}")
    given = receiver.asked(recipient)
    yield "the processor was given all parameters", expect(given == sent, f"{given} instead of {sent}")


def words(parameters):
    """The parameters of MAIL or RCPT, by keyword."""
    parts = (word.partition("=") for word in parameters.split())
    return {keyword: value for keyword, _, value in parts}


def flags(parameters):
    """The order of the words behind NOTIFY means nothing."""
    return {keyword: sorted(value.split(",")) for keyword, value in parameters.items()}


def all_samples(arguments):
    yield from samples.committed(arguments.mails)
    if not arguments.no_large:
        yield from samples.large()


def body_of(mail):
    """What an MTA must not touch: all behind the header section, or everything when there is none."""
    head, blank, body = mail.partition(b"\r\n\r\n")
    return body if blank else (b"" if re.match(rb"[!-9;-~]+:", head) else mail)


def fault_of_bounce(files, recipient, status):
    """Why `files` are not the one bounce, from the null reverse-path, that says `status` of `recipient` alone."""
    if len(files) != 1:
        return f"{len(files)} bounces instead of one"
    bounce = files[0]
    if not bounce.startswith(b"Return-Path: <>\n"):
        return f"the bounce does not come from <>: {bounce[:80]!r}"
    failed = re.findall(rb"^(?:Final-Recipient: [\w-]+;|Failed address:) ?<?([^\s>]+)", bounce, re.MULTILINE | re.IGNORECASE)
    if {address.decode() for address in failed} != {recipient}:
        return f"it names {failed} instead of {recipient}"
    return None if status.encode() in bounce else f"it does not say {status}: {bounce[-1500:]!r}"


def expect(condition, otherwise):
    """None when the condition holds, else what was seen."""
    return None if condition else str(otherwise)
