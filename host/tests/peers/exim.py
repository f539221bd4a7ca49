#!/usr/bin/env python3
"""Exim relays to guerrillad: CHUNKING with PIPELINING, SMTPUTF8, SIZE, DSN, PRDR, LMTP, and the troubles that mail has on its way.

Exim speaks BDAT wherever CHUNKING is offered, which Postfix does not. Private guerrillad daemons are started, every mail
goes in by `exim`. At the end each reply 250 that Exim heard is held against the files on disk: nothing lost, nothing
twice, every octet as it was sent. Exit status 3: Exim cannot be had here.
"""

import concurrent.futures
import pathlib
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import packages
import scene
from exim_instance import Exim
from receiver import HONOURING, Receiver
from scene import expect, fault_of_bounce
from target import Report

SERVERS = {
    "mx.example.test": {"max_size": 67108864, "max_clients": 200},
    "small.example.test": {"max_size": 65536},
    "few.example.test": {"max_rcpt": 3},
    "bare.example.test": {"max_size": 67108864, "extensions": {"smtputf8": False, "chunking": False}},
}
DSN_SERVERS = {"dsn.example.test": {}}
LMTP_SERVERS = {"lmtp.example.test": {"protocol": "lmtp"}}
LMTP_USERS = "alice=-1:-1,bob=-1:-1,carol=-1:-1"

TOO_LARGE = b"Subject: too large\r\n\r\n" + b"A line of text that is forty-two octets.\r\n" * 2000
SHORT = b"Subject: short\r\n\r\nOne line.\r\n.\r\n..\r\n.end\r\n"


class Bench:
    """Exim with guerrillad behind it, and which domain goes to which server."""

    def __init__(self, arguments, directory, root, smtp, lmtp, honouring):
        self.arguments, self.smtp, self.lmtp, self.honouring = arguments, smtp, lmtp, honouring
        self.mx, self.small = smtp.recorders["mx.example.test"], smtp.recorders["small.example.test"]
        self.few, self.bare = smtp.recorders["few.example.test"], smtp.recorders["bare.example.test"]
        self.lmtp_server = lmtp.recorders["lmtp.example.test"]
        routes = [
            ("small.test", "esmtp", self.small.port),
            ("few.test", "esmtp", self.few.port),
            ("bare.test", "esmtp", self.bare.port),
            ("honoured.test", "esmtp", honouring.recorders["dsn.example.test"].port),
            ("lmtp.test", "lmtp", self.lmtp_server.port),
            ("*", "esmtp", self.mx.port),
        ]
        self.exim = Exim(root, directory, routes)

    def recorders(self):
        return [self.mx, self.small, self.few, self.bare, self.lmtp_server, *self.honouring.recorders.values()]


def sample_mails(bench):
    """By BDAT to one server and by DATA to the other: each mail in a queue of its own run, all of them in one go."""
    for domain, recorder in {"samples.test": bench.mx, "bare.test": bench.bare}.items():
        sent = {}
        for sample in scene.all_samples(bench.arguments):
            sender = "<>" if sample.from_nobody else "ada@example.com"
            sent[f"{sample.name}@{domain}"] = scene.body_of(sample.lines_ended() if sample.data else b"")
            bench.exim.submit(sender, [f"{sample.name}@{domain}"], sample.data)
        yield f"{domain}: all are relayed", expect(bench.exim.queued() == 0, bench.exim.log()[-3:])
        arrived = {kept.recipient: kept.mail for kept in recorder.deliveries()}
        for recipient, body in sent.items():
            mail = arrived.get(recipient)
            yield recipient, "never acknowledged" if mail is None else expect(mail.endswith(body), "Exim sent another body")
        chunked = {bool(one.chunks) for one in recorder.transactions() if one.recipients[0] in sent}
        yield f"{domain}: by {'BDAT' if recorder is bench.mx else 'DATA'}", expect(chunked == {recorder is bench.mx}, chunked)


def chunking(bench):
    recipients = [f"chunked-{number}@chunking.test" for number in range(30)]
    bench.exim.submit("ada@example.com", recipients, SHORT + b"A line of text that is forty-two octets.\r\n" * 10_000)
    seen = bench.mx.about(recipients[0])[0]
    sizes = seen.transactions[-1].chunks
    yield f"chunks of {sizes} octets", expect(len(sizes) > 1, seen.text())
    verbs = [line[:4] for line in seen.pipelined()]
    yield "MAIL, 30 RCPT and BDAT came in one write", expect(verbs == ["MAIL"] + ["RCPT"] * 30 + ["BDAT"], verbs)
    missing = [recipient for recipient in recipients if len(bench.smtp.files(recipient)) != 1]
    yield "each recipient has it once", expect(not missing, missing)
    bench.exim.submit("ada@example.com", ["dots@bare.test"], SHORT)
    unchunked = bench.bare.about("dots@bare.test")[0]
    yield "DATA where it is not offered", expect(not unchunked.offers("CHUNKING") and not unchunked.transactions[-1].chunks, "BDAT")


def refused_recipients(bench):
    """A recipient is refused while the mail is already on its way behind BDAT; its octets must not be taken for commands."""
    good, bad, sender = "good@refused.test", "no/such/name@refused.test", "refused-sender@example.com"
    bench.exim.submit(sender, [bad], SHORT)
    yield "returned", bench.exim.settle(lambda: bench.smtp.files(sender))
    yield "the bounce says 553 5.1.3", fault_of_bounce(bench.smtp.files(sender), bad, "553 5.1.3")
    seen = bench.mx.about(bad)[0]
    verbs = [line[:4] for line in seen.pipelined()]
    yield "MAIL, RCPT and BDAT came in one write", expect(verbs[:3] == ["MAIL", "RCPT", "BDAT"], verbs)
    replies = {command[:4]: reply[:3] for command, reply in seen.exchanges}
    in_step = replies.get("BDAT", "").startswith("5") and replies.get("QUIT") == "221"
    yield "BDAT was refused and the session stayed in step", expect(in_step, seen.text())
    bench.exim.submit("one-of-two@example.com", [bad, good], SHORT)
    yield "one of two is returned", bench.exim.settle(lambda: bench.smtp.files("one-of-two@example.com"))
    yield "the other has it", expect(len(bench.smtp.files(good)) == 1, bench.exim.log()[-3:])


def smtputf8(bench):
    sender, recipient, other = "dürst@exämple.com", "用户@例子.test", "ärger@bare.test"
    mail = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: Grüße\r\n\r\ntext\r\n".encode()
    bench.exim.submit_by_smtp("SMTPUTF8", sender, [recipient], mail)
    yield "relayed", bench.exim.settle(lambda: bench.smtp.files(recipient))
    seen = bench.mx.about(recipient)[0]
    yield "MAIL had SMTPUTF8", expect("SMTPUTF8" in seen.transactions[-1].parameters.split(), seen.text())
    delivered = bench.smtp.files(recipient)[0]
    yield "Return-Path is in UTF-8", expect(f"Return-Path: <{sender}>\n".encode() in delivered, delivered)
    yield "so is Delivered-To", expect(f"Delivered-To: {recipient}\n".encode() in delivered, delivered)
    yield "Received says UTF8SMTP", expect(b"mx.example.test with UTF8SMTP id " in delivered, delivered)
    # Exim has a way of its own for servers without SMTPUTF8: it turns the local part into an A-label.
    bench.exim.submit_by_smtp("SMTPUTF8", "ada@example.com", [other], f"To: <{other}>\r\nSubject: x\r\n\r\nx\r\n".encode())
    plain = bench.bare.transactions()[-1]
    ascii_only = "SMTPUTF8" not in plain.parameters and plain.recipients == ["xn--rger-koa@bare.test"]
    yield "an address in ASCII where it is not offered", expect(ascii_only, plain.recipients)


def size(bench):
    recipient, sender, before = "large@small.test", "size-sender@example.com", len(bench.small.dialogues())
    bench.exim.submit(sender, [recipient], TOO_LARGE)
    yield "returned", bench.exim.settle(lambda: bench.smtp.files(sender))
    made = bench.small.dialogues()[before:]
    yield "one connection", expect(len(made) == 1, f"{len(made)} connections")
    replies = {command[:4]: reply for command, reply in made[0].exchanges}
    yield "MAIL was answered 552 5.3.4", expect(replies["MAIL"].startswith("552 5.3.4"), made[0].text())
    # The first chunk came in the same write as MAIL.
    yield "BDAT was refused and the session stayed in step", expect(
        replies["BDAT"].startswith("503") and replies["QUIT"].startswith("221"), made[0].text()
    )
    yield "the bounce says so", fault_of_bounce(bench.smtp.files(sender), recipient, "552 5.3.4")
    yield "it is not tried again", bench.exim.settle(lambda: bench.exim.queued() == 0)
    yield "nothing is kept", expect(not bench.smtp.files(recipient), "it is")
    bench.exim.submit("ada@example.com", ["short@small.test"], SHORT)
    yield "a short mail is taken", expect(len(bench.smtp.files("short@small.test")) == 1, bench.exim.log()[-3:])


def dsn(bench):
    recipient, sender = "notified@dsn.test", "notify-me@example.com"
    bench.exim.submit_by_smtp("RET=HDRS ENVID=envelope+2Bid", sender, [recipient], SHORT, "NOTIFY=SUCCESS,FAILURE,DELAY")
    yield "relayed, and the sender is told", bench.exim.settle(lambda: bench.smtp.files(recipient) and bench.smtp.files(sender))
    seen = bench.mx.about(recipient)[0]
    envelope = seen.transactions[-1].parameters.split() + seen.transactions[-1].rcpt_parameters[0].split()
    asked = [word for word in envelope if word.startswith(("RET=", "ENVID=", "NOTIFY=", "ORCPT="))]
    yield f"parameters of DSN: {asked}", expect(bool(asked) == seen.offers("DSN"), envelope)


def dsn_honoured(bench):
    """Where a processor honours DSN, Exim hands on what was asked and leaves the notifications to it."""
    sender = "honoured-sender@example.com"
    for recipient, notify in {"told@honoured.test": "SUCCESS,FAILURE,DELAY", "never@honoured.test": "NEVER"}.items():
        of_mail, of_recipient = {"RET": "HDRS", "ENVID": "envelope+2Bid"}, {"NOTIFY": notify, "ORCPT": "rfc822;first@example.net"}
        spoken = [" ".join(f"{keyword}={value}" for keyword, value in one.items()) for one in (of_mail, of_recipient)]
        bench.exim.submit_by_smtp(spoken[0], sender, [recipient], SHORT, spoken[1])
        yield f"{recipient}: relayed", bench.exim.settle(lambda recipient=recipient: bench.honouring.files(recipient))
        checks = scene.dsn_honoured(bench.honouring, recipient, of_mail, of_recipient)
        yield from ((f"{recipient}: {check}", fault) for check, fault in checks)
    yield "nothing is left in the queue", bench.exim.settle(lambda: bench.exim.queued() == 0)
    yield "Exim has told the sender nothing", expect(not bench.smtp.files(sender), bench.smtp.files(sender))


def prdr(bench):
    """Exim asks for PRDR when there are several recipients: one is refused after the data, the others have the mail."""
    sender, recipients = "prdr-sender@example.com", [f"prdr-{number}@honoured.test" for number in range(3)]
    bench.exim.submit(sender, recipients, b"X-Answer-Recipient: 1 reject 550 5.7.1 Not for you\r\n" + SHORT)
    yield "one of three is returned", bench.exim.settle(lambda: bench.smtp.files(sender))
    seen = bench.honouring.recorders["dsn.example.test"].about(recipients[0])[0]
    one = seen.transactions[-1]
    yield "MAIL had PRDR", expect("PRDR" in one.parameters.split(), seen.text())
    codes = [reply[:3] for reply in one.replies]
    yield "a reply for each recipient", expect(one.each and codes == ["250", "550", "250"], seen.text())
    kept = [len(bench.honouring.files(recipient)) for recipient in one.recipients]
    yield "who heard 250 has it, once", expect(kept == [1, 0, 1], kept)
    yield "only the refused one bounces", fault_of_bounce(bench.smtp.files(sender), one.recipients[1], "550 5.7.1")
    yield "nothing is left in the queue", bench.exim.settle(lambda: bench.exim.queued() == 0)


def lmtp(bench):
    recipients = [f"{name}@lmtp.test" for name in ("alice", "unknown", "bob", "carol")]
    sender = "lmtp-sender@example.com"
    bench.exim.submit(sender, recipients, SHORT)
    yield "one of four is returned", bench.exim.settle(lambda: bench.smtp.files(sender))
    seen = bench.lmtp_server.about(recipients[0])[0]
    yield "Exim said LHLO", expect(seen.exchanges[0][0].startswith("LHLO "), seen.text())
    codes = {one.partition("@")[0]: reply[:3] for one, reply in seen.transactions[-1].answers().items()}
    wanted = {"alice": "250", "unknown": "550", "bob": "250", "carol": "250"}
    yield "one reply for each recipient after the data", expect(codes == wanted, seen.text())
    kept = [len(bench.lmtp.files(recipient)) for recipient in recipients]
    yield "the three known have it", expect(kept == [1, 0, 1, 1], kept)
    yield "Received says LMTP", expect(b"lmtp.example.test with LMTP id " in bench.lmtp.files(recipients[0])[0], "it does not")
    yield "only the unknown one bounces", fault_of_bounce(bench.smtp.files(sender), recipients[1], "5.1.1")
    yield "nothing is left in the queue", bench.exim.settle(lambda: bench.exim.queued() == 0)


def many_recipients(bench):
    recipients = [f"one-of-ten-{number}@few.test" for number in range(10)]
    bench.exim.submit("ada@example.com", recipients, SHORT)
    rounds = 0
    while bench.exim.queued() and rounds < len(recipients):
        rounds += 1
        bench.exim.flush()
    yield "all are relayed in the end", expect(bench.exim.queued() == 0, bench.exim.log()[-3:])
    refused = {reply for one in bench.few.transactions() for reply in one.refused.values()}
    yield "recipients beyond max_rcpt heard 452 4.5.3", expect(refused and all(r.startswith("452 4.5.3") for r in refused), refused)
    sizes = [len(one.recipients) for one in bench.few.transactions()]
    yield f"no more than three at a time: {sizes}", expect(max(sizes) == 3, sizes)
    kept = [len(bench.smtp.files(recipient)) for recipient in recipients]
    yield "each recipient has it once", expect(kept == [1] * 10, kept)


def concurrency(bench):
    recipients = [f"busy-{number}@busy.test" for number in range(20)]
    bench.mx.peak = 0
    mails = [
        (recipients[number % 20], b"Subject: busy\r\nX-Number: %d\r\n\r\n" % number + b".line %d\r\n" % number * (number * 7))
        for number in range(100)
    ]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda mail: bench.exim.submit("ada@example.com", [mail[0]], mail[1]), mails))
    yield "100 mails are relayed", expect(bench.exim.queued() == 0, bench.exim.log()[-3:])
    # By recipient: a connection of an earlier scene may be used again, and its deliveries stand together.
    taken = [kept for kept in bench.mx.deliveries() if kept.recipient in recipients]
    yield "each is acknowledged once", expect(len(taken) == 100 and len({kept.mail for kept in taken}) == 100, len(taken))
    counts = {len(bench.smtp.files(recipient)) for recipient in recipients}
    yield "each of 20 users has five", expect(counts == {5}, counts)
    yield f"{bench.mx.peak} connections at a time", expect(bench.mx.peak > 1, "one after another")


def connection_reuse(bench):
    recipients = [f"again-{number}@reuse.test" for number in range(12)]
    for recipient in recipients:
        bench.exim.submit("ada@example.com", [recipient], SHORT, "-odq")
    # The first run of two notes which mails wait for which host, and the second one sends them.
    bench.exim.flush("-qqff")
    yield "12 mails are relayed", bench.exim.settle(lambda: bench.exim.queued() == 0)
    used = [sum(recipient in one.named_recipients() for recipient in recipients) for one in bench.mx.dialogues()]
    used = [count for count in used if count]
    yield f"mails on each connection: {used}", expect(sum(used) == 12 and max(used) >= 6, used)


def deferral(bench):
    recipients, blocked = ["open@open.test", "closed@closed.test"], bench.smtp.mail / "closed.test"
    blocked.write_text("")
    for recipient in recipients:
        bench.exim.submit("ada@example.com", [recipient], SHORT)
    yield "one is deferred while its maildir cannot be made", expect(bench.exim.queued() == 1, bench.exim.log()[-3:])
    heard = {reply[:3] for one in bench.mx.about(recipients[1]) for _, reply in one.exchanges if reply[0] in "45"}
    yield "the reply was 451", expect(heard == {"451"}, heard)
    blocked.unlink()
    bench.exim.flush()
    yield "delivered when it can", expect(bench.exim.queued() == 0, bench.exim.log()[-3:])
    kept = [len(bench.smtp.files(recipient)) for recipient in recipients]
    yield "each recipient has it once", expect(kept == [1, 1], kept)


SCENES = {
    "samples": sample_mails,
    "chunking": chunking,
    "refused recipients": refused_recipients,
    "smtputf8": smtputf8,
    "size": size,
    "dsn": dsn,
    "dsn honoured": dsn_honoured,
    "prdr": prdr,
    "lmtp": lmtp,
    "many recipients": many_recipients,
    "concurrency": concurrency,
    "connection reuse": connection_reuse,
    "deferral": deferral,
}


def main():
    arguments = scene.arguments_of("let Exim relay to guerrillad and compare what is delivered")
    root = packages.or_exit(lambda: packages.unpacked("exim4-daemon-light", arguments.unpacked))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="guerrillad-exim-") as directory:
        home = pathlib.Path(directory)
        with (
            Receiver(arguments, home / "smtp", SERVERS) as smtp,
            Receiver(arguments, home / "lmtp", LMTP_SERVERS, LMTP_USERS, validate="") as lmtp_receiver,
            Receiver(arguments, home / "dsn", DSN_SERVERS, save=HONOURING) as honouring,
        ):
            bench = packages.or_exit(lambda: Bench(arguments, home / "exim", root, smtp, lmtp_receiver, honouring))
            print(f"Exim {bench.exim.version()}", flush=True)
            scene.play(report, arguments, SCENES, bench)
            scene.note(report, "accounts", scene.accounts({"SMTP": smtp, "LMTP": lmtp_receiver, "DSN": honouring}))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
