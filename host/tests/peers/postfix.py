#!/usr/bin/env python3
"""Postfix relays to guerrillad: PIPELINING, 8BITMIME, SMTPUTF8, SIZE, DSN, LMTP, and the troubles that mail has on its way.

A private Postfix and private guerrillad daemons are started, every mail goes in by Postfix's `sendmail`. At the end each
reply 250 that Postfix heard is held against the files on disk: nothing lost, nothing twice, every octet as it was sent.
Exit status 3: Postfix cannot be had here.
"""

import concurrent.futures
import pathlib
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import packages
import scene
from postfix_instance import Postfix
from receiver import HONOURING, Receiver
from scene import expect, fault_of_bounce
from target import Report

SERVERS = {
    "mx.example.test": {"max_size": 67108864, "max_clients": 200},
    "small.example.test": {"max_size": 65536},
    "few.example.test": {"max_rcpt": 3},
    "bare.example.test": {"extensions": {"smtputf8": False, "eight_bit_mime": False, "pipelining": False, "chunking": False}},
}
CRASH_SERVERS = {"crash.example.test": {}}
DSN_SERVERS = {"dsn.example.test": {}}
LMTP_SERVERS = {"lmtp.example.test": {"protocol": "lmtp"}}
LMTP_USERS = "alice=-1:-1,bob=-1:-1,carol=-1:-1"

TOO_LARGE = b"Subject: too large\r\n\r\n" + b"A line of text that is forty-two octets.\r\n" * 2000
SHORT = b"Subject: short\r\n\r\nOne line.\r\n.\r\n..\r\n.end\r\n"


class Bench:
    """Postfix with guerrillad behind it, and which domain goes to which server."""

    def __init__(self, arguments, smtp, lmtp, crashing, honouring, postfix):
        self.arguments, self.smtp, self.lmtp, self.crashing, self.postfix = arguments, smtp, lmtp, crashing, postfix
        self.honouring = honouring
        self.mx, self.small = smtp.recorders["mx.example.test"], smtp.recorders["small.example.test"]
        self.few, self.bare = smtp.recorders["few.example.test"], smtp.recorders["bare.example.test"]
        self.lmtp_server = lmtp.recorders["lmtp.example.test"]

    def recorders(self):
        others = [*self.crashing.recorders.values(), *self.honouring.recorders.values()]
        return [self.mx, self.small, self.few, self.bare, self.lmtp_server, *others]


def routes(*receivers):
    port = {name: recorder.port for receiver in receivers for name, recorder in receiver.recorders.items()}
    return {
        "*": f"smtp:[127.0.0.1]:{port['mx.example.test']}",
        "reuse.test": f"reuse:[127.0.0.1]:{port['mx.example.test']}",
        "small.test": f"smtp:[127.0.0.1]:{port['small.example.test']}",
        "blind.test": f"blind:[127.0.0.1]:{port['small.example.test']}",
        "few.test": f"smtp:[127.0.0.1]:{port['few.example.test']}",
        "bare.test": f"smtp:[127.0.0.1]:{port['bare.example.test']}",
        "honoured.test": f"smtp:[127.0.0.1]:{port['dsn.example.test']}",
        "crash.test": f"smtp:[127.0.0.1]:{port['crash.example.test']}",
        "later.test": f"lmtp:inet:[127.0.0.1]:{port['lmtp.example.test']}",
        "lmtp.test": f"lmtp:inet:[127.0.0.1]:{port['lmtp.example.test']}",
    }


def sample_mails(bench):
    sent = {}
    for sample in scene.all_samples(bench.arguments):
        sender = "<>" if sample.from_nobody else "ada@example.com"
        sent[f"{sample.name}@samples.test"] = scene.body_of(sample.lines_ended() if sample.data else b"")
        bench.postfix.submit(sender, [f"{sample.name}@samples.test"], sample.data, "-B8BITMIME")
    yield "all are relayed", bench.postfix.settle(lambda: bench.postfix.queued() == 0, 60)
    arrived = {kept.recipient: kept.mail for kept in bench.mx.deliveries()}
    for recipient, body in sent.items():
        mail = arrived.get(recipient)
        yield recipient, "never acknowledged" if mail is None else expect(mail.endswith(body), "Postfix sent another body")


def pipelining(bench):
    recipients = [f"pipelined-{number}@pipelining.test" for number in range(30)]
    bench.postfix.submit("ada@example.com", recipients, SHORT)
    yield "one mail for 30 is relayed", bench.postfix.settle(lambda: bench.smtp.files(recipients[-1]))
    group = bench.mx.about(recipients[0])[0].pipelined()
    verbs = [line[:4] for line in group]
    yield "MAIL, 30 RCPT and DATA came in one write", expect(verbs == ["MAIL"] + ["RCPT"] * 30 + ["DATA"], group)
    missing = [recipient for recipient in recipients if len(bench.smtp.files(recipient)) != 1]
    yield "each recipient has it once", expect(not missing, missing)
    yield "Received says ESMTP", expect(b"mx.example.test with ESMTP id " in bench.smtp.files(recipients[0])[0], "it does not")


def eight_bit(bench):
    mail = "Subject: 8bit\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
           "Content-Transfer-Encoding: 8bit\r\n\r\nGrüße, 日本語\r\n".encode()  # fmt: skip
    bench.postfix.submit("ada@example.com", ["eight@mime.test", "eight@bare.test"], mail, "-B8BITMIME")
    both = ("eight@mime.test", "eight@bare.test")
    yield "relayed", bench.postfix.settle(lambda: all(bench.smtp.files(address) for address in both))
    offered, not_offered = bench.mx.about(both[0])[0], bench.bare.about(both[1])[0]
    yield "BODY=8BITMIME where it is offered", expect("BODY=8BITMIME" in offered.transactions[-1].parameters, offered.text())
    yield "kept in 8 bits", expect("Grüße, 日本語\n".encode() in bench.smtp.files(both[0])[0], "")
    fault = expect("BODY=" not in not_offered.transactions[-1].parameters and not not_offered.offers("8BITMIME"), not_offered.text())
    yield "no BODY where it is not", fault
    yield "Postfix encoded it there", expect(bench.smtp.files(both[1])[0].isascii(), bench.smtp.files(both[1]))
    yield "nor were commands pipelined there", expect(len(not_offered.pipelined()) == 1, not_offered.pipelined())


def refused_recipients(bench):
    good, bad, sender = "good@refused.test", "no/such/name@refused.test", "refused-sender@example.com"
    bench.postfix.submit(sender, [bad, good], SHORT)
    yield "one of two is returned", bench.postfix.settle(lambda: bench.smtp.files(sender))
    yield "the bounce says 5.1.3", fault_of_bounce(bench.smtp.files(sender), bad, "5.1.3")
    yield "the other has it", expect(len(bench.smtp.files(good)) == 1, bench.postfix.log()[-3:])
    bench.postfix.submit("all-refused@example.com", [bad], SHORT)
    yield "a mail for nobody else is returned", bench.postfix.settle(lambda: bench.smtp.files("all-refused@example.com"))
    seen = bench.mx.about(bad)[-1]
    data = [reply[:3] for command, reply in seen.exchanges if command == "DATA"]
    yield "its DATA, which came in the same write, was refused", expect(data in (["554"], ["503"]), seen.text())


def smtputf8(bench):
    sender, recipient, other = "dürst@exämple.com", "用户@例子.test", "ärger@bare.test"
    mail = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: Grüße\r\n\r\ntext\r\n".encode()
    bench.postfix.submit(sender, [recipient], mail)
    yield "relayed", bench.postfix.settle(lambda: bench.smtp.files(recipient))
    seen = bench.mx.about(recipient)[0]
    yield "MAIL had SMTPUTF8", expect("SMTPUTF8" in seen.transactions[-1].parameters.split(), seen.text())
    yield "Return-Path is in UTF-8", expect(f"Return-Path: <{sender}>\n".encode() in bench.smtp.files(recipient)[0], "it is not")
    yield "so is Delivered-To", expect(f"Delivered-To: {recipient}\n".encode() in bench.smtp.files(recipient)[0], "it is not")
    yield "Received says UTF8SMTP", expect(b" with UTF8SMTP id " in bench.smtp.files(recipient)[0], bench.smtp.files(recipient))

    bench.postfix.submit("utf8-sender@example.com", [other], f"To: <{other}>\r\nSubject: x\r\n\r\nx\r\n".encode())
    bounces = "utf8-sender@example.com"
    yield "returned where it is not offered", bench.postfix.settle(lambda: bench.smtp.files(bounces))
    yield "Postfix saw that before MAIL", expect(not bench.bare.about(other), "it tried")
    yield "the bounce says why", expect(b"5.6.7" in bench.smtp.files(bounces)[0], bench.smtp.files(bounces))


def size(bench):
    for name, recipient in {"size": "large@small.test", "blind": "large@blind.test"}.items():
        sender, before = f"{name}-sender@example.com", len(bench.small.dialogues())
        bench.postfix.submit(sender, [recipient], TOO_LARGE)
        yield f"{name}: returned", bench.postfix.settle(lambda sender=sender: bench.smtp.files(sender))
        yield f"{name}: the bounce says 5.3.4", fault_of_bounce(bench.smtp.files(sender), recipient, "5.3.4")
        yield f"{name}: it is not tried again", expect(bench.postfix.queued() == 0, bench.postfix.log()[-3:])
        made = bench.small.dialogues()[before:]
        yield f"{name}: one connection", expect(len(made) == 1, f"{len(made)} connections")
        yield f"{name}: nothing is kept", expect(not bench.smtp.files(recipient), "it is")
    said = [reply for _, reply in bench.small.about("large@blind.test")[0].exchanges]
    yield "blind: guerrillad's 552 came after the data", expect(any(reply.startswith("552 5.3.4") for reply in said), said)
    bench.postfix.submit("ada@example.com", ["short@blind.test"], SHORT)
    yield "a short mail is taken", bench.postfix.settle(lambda: bench.smtp.files("short@blind.test"))


def dsn(bench):
    recipient, sender = "notified@dsn.test", "notify-me@example.com"
    bench.postfix.submit(sender, [recipient], SHORT, "-N", "success,delay,failure", "-R", "hdrs", "-V", "envelope+id")
    yield "relayed, and the sender is told", bench.postfix.settle(lambda: bench.smtp.files(recipient) and bench.smtp.files(sender))
    seen = bench.mx.about(recipient)[0]
    envelope = seen.transactions[-1].parameters.split() + seen.transactions[-1].rcpt_parameters[0].split()
    asked = [word.partition("=")[0] for word in envelope if word.partition("=")[0] in ("RET", "ENVID", "NOTIFY", "ORCPT")]
    wanted = ["RET", "ENVID", "NOTIFY", "ORCPT"] if seen.offers("DSN") else []
    yield f"parameters of DSN: {wanted or 'none, as it is not offered'}", expect(sorted(asked) == sorted(wanted), envelope)
    # RFC 3461 section 5.2.2: the last host that knows DSN tells that it relayed the mail to one that does not.
    action = b"Action: delivered" if seen.offers("DSN") else b"Action: relayed"
    yield f"the notification says {action.decode()!r}", expect(action in bench.smtp.files(sender)[0], bench.smtp.files(sender))


def dsn_honoured(bench):
    """Where a processor honours DSN, Postfix hands on what was asked and leaves the notifications to it."""
    sender = "honoured-sender@example.com"
    for recipient, notify in {"told@honoured.test": "SUCCESS,FAILURE,DELAY", "never@honoured.test": "NEVER"}.items():
        bench.postfix.submit(sender, [recipient], SHORT, "-N", notify.lower(), "-R", "hdrs", "-V", "envelope+id")
        yield f"{recipient}: relayed", bench.postfix.settle(lambda recipient=recipient: bench.honouring.files(recipient))
        of_recipient = {"NOTIFY": notify, "ORCPT": f"rfc822;{recipient}"}
        checks = scene.dsn_honoured(bench.honouring, recipient, {"RET": "HDRS", "ENVID": "envelope+2Bid"}, of_recipient)
        yield from ((f"{recipient}: {check}", fault) for check, fault in checks)
    yield "nothing is left in the queue", bench.postfix.settle(lambda: bench.postfix.queued() == 0)
    yield "Postfix has told the sender nothing", expect(not bench.smtp.files(sender), bench.smtp.files(sender))


def lmtp(bench):
    recipients = [f"{name}@lmtp.test" for name in ("alice", "unknown", "bob", "carol")]
    sender = "lmtp-sender@example.com"
    bench.postfix.submit(sender, recipients, SHORT)
    yield "one of four is returned", bench.postfix.settle(lambda: bench.smtp.files(sender))
    seen = bench.lmtp_server.about(recipients[0])[0]
    yield "Postfix said LHLO", expect(seen.exchanges[0][0].startswith("LHLO "), seen.text())
    # Postfix sorts the recipients.
    codes = {one.partition("@")[0]: reply[:3] for one, reply in seen.transactions[-1].answers().items()}
    wanted = {"alice": "250", "bob": "250", "carol": "250", "unknown": "550"}
    yield "one reply for each recipient after the data", expect(codes == wanted, seen.text())
    kept = {recipient: len(bench.lmtp.files(recipient)) for recipient in recipients}
    yield "the three known have it", expect(list(kept.values()) == [1, 0, 1, 1], kept)
    yield "Received says LMTP", expect(b"lmtp.example.test with LMTP id " in bench.lmtp.files(recipients[0])[0], "it does not")
    yield "only the unknown one bounces", fault_of_bounce(bench.smtp.files(sender), recipients[1], "5.1.1")
    yield "nothing is left in the queue", expect(bench.postfix.queued() == 0, bench.postfix.log()[-3:])


def lmtp_deferral(bench):
    recipients = [f"{name}@later.test" for name in ("alice", "bob")]
    # The maildir that is to be made for bob has a file in its place.
    blocked = bench.lmtp.box(recipients[1]).path
    blocked.parent.mkdir(mode=0o755)
    blocked.write_text("")
    bench.postfix.submit("ada@example.com", recipients, SHORT)
    yield "deferred while one maildir cannot be made", bench.postfix.settle(lambda: bench.postfix.queued("deferred") == 1)
    # MailDir delivers to all or to none here; the other recipient may hear either, if only it is true.
    codes = [reply[:3] for reply in bench.lmtp_server.about(recipients[0])[-1].transactions[-1].replies]
    yield "its recipient heard 451", expect(codes in (["451", "451"], ["250", "451"]), codes)
    yield "the reply to the other one is true", bench.lmtp.fault_of_accounts()
    blocked.unlink()
    bench.postfix.flush()
    yield "delivered when the maildir is whole again", bench.postfix.settle(lambda: bench.postfix.queued() == 0)
    kept = [len(bench.lmtp.files(recipient)) for recipient in recipients]
    yield "each has it once", expect(kept == [1, 1], kept)


def many_recipients(bench):
    recipients = [f"one-of-ten-{number}@few.test" for number in range(10)]
    bench.postfix.submit("ada@example.com", recipients, SHORT)
    yield "tried", bench.postfix.settle(lambda: bench.few.deliveries())
    fault, rounds = None, 0
    while bench.postfix.queued() and not fault and rounds < len(recipients):
        tried, rounds = len(bench.few.transactions()), rounds + 1
        bench.postfix.flush()
        fault = bench.postfix.settle(lambda tried=tried: len(bench.few.transactions()) > tried)
    yield "all are relayed in the end", fault or bench.postfix.settle(lambda: bench.postfix.queued() == 0)
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
        for number in range(200)
    ]
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda mail: bench.postfix.submit("ada@example.com", [mail[0]], mail[1]), mails))
    yield "200 mails are relayed", bench.postfix.settle(lambda: bench.postfix.queued() == 0, 60)
    # By recipient: a connection of an earlier scene may be used again, and its deliveries stand together.
    taken = [kept for kept in bench.mx.deliveries() if kept.recipient in recipients]
    yield "each is acknowledged once", expect(len(taken) == 200 and len({kept.mail for kept in taken}) == 200, len(taken))
    counts = {len(bench.smtp.files(recipient)) for recipient in recipients}
    yield "each of 20 users has ten", expect(counts == {10}, counts)
    yield f"{bench.mx.peak} connections at a time", expect(bench.mx.peak > 1, "one after another")


def connection_reuse(bench):
    recipients = [f"again-{number}@reuse.test" for number in range(12)]
    for recipient in recipients:
        bench.postfix.submit("ada@example.com", [recipient], SHORT)
    yield "12 mails are relayed", bench.postfix.settle(lambda: bench.postfix.queued() == 0)
    used = [sum(recipient in one.named_recipients() for recipient in recipients) for one in bench.mx.dialogues()]
    used = [count for count in used if count]
    yield f"mails on each connection: {used}", expect(sum(used) == 12 and max(used) >= 6, used)


def deferral(bench):
    recipients, blocked = ["open@open.test", "closed@closed.test"], bench.smtp.mail / "closed.test"
    blocked.write_text("")
    bench.postfix.submit("ada@example.com", recipients, SHORT)
    yield "deferred while the maildir cannot be made", bench.postfix.settle(lambda: bench.postfix.queued("deferred") == 1)
    heard = {reply[:3] for one in bench.mx.about(recipients[1]) for _, reply in one.exchanges if reply[0] in "45"}
    yield "the reply was 451", expect(heard == {"451"}, heard)
    yield "Postfix logs why", expect(bench.postfix.log("status=deferred", "451 4."), bench.postfix.log()[-3:])
    yield "nobody has a copy", expect(not bench.smtp.files(recipients[0]), "the other recipient has")
    blocked.unlink()
    bench.postfix.flush()
    yield "delivered when it can", bench.postfix.settle(lambda: bench.postfix.queued() == 0)
    kept = [len(bench.smtp.files(recipient)) for recipient in recipients]
    yield "each recipient has it once", expect(kept == [1, 1], kept)


def crash(bench):
    """The daemon is killed in the middle of it all: no acknowledged mail may be gone, and Postfix sends the others again."""
    receiver, server = bench.crashing, bench.crashing.recorders["crash.example.test"]
    mails = {f"crash-{number}@crash.test": b"Subject: crash\r\n\r\n" + b"line %d\r\n" % number * 3000 for number in range(60)}
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        submitted = [threads.submit(bench.postfix.submit, "ada@example.com", [one], mail) for one, mail in mails.items()]
        yield "mail flows", bench.postfix.wait(lambda: len(server.deliveries()) >= 15)
        receiver.crash_and_restart()
    for one in submitted:
        one.result()
    yield "the rest is deferred or relayed", bench.postfix.settle()
    bench.postfix.flush()
    yield "all are relayed in the end", bench.postfix.settle(lambda: bench.postfix.queued() == 0)
    kept = receiver.deliveries()
    lost = [one.recipient for one in kept if not receiver.holds(one)]
    yield f"{len(kept)} acknowledged are there, whole", expect(not lost, f"lost: {lost}")
    yield "each of 60 was acknowledged", expect(sorted(one.recipient for one in kept) == sorted(mails), "some twice, or not at all")
    # A crash between the rename and the reply leaves a copy that is sent again: at most one for each transaction cut off.
    cut = [one for one in server.transactions() if not one.replies]
    extra = sum(len(receiver.files(recipient)) for recipient in mails) - len(mails)
    yield f"{extra} twice, {len(cut)} cut off", expect(0 <= extra <= len(cut), "more twice than were cut off")


SCENES = {
    "samples": sample_mails,
    "pipelining": pipelining,
    "8bitmime": eight_bit,
    "refused recipients": refused_recipients,
    "smtputf8": smtputf8,
    "size": size,
    "dsn": dsn,
    "dsn honoured": dsn_honoured,
    "lmtp": lmtp,
    "lmtp deferral": lmtp_deferral,
    "many recipients": many_recipients,
    "concurrency": concurrency,
    "connection reuse": connection_reuse,
    "deferral": deferral,
    "crash": crash,
}


def main():
    arguments = scene.arguments_of("let Postfix relay to guerrillad and compare what is delivered")
    root = packages.or_exit(lambda: packages.unpacked("postfix", arguments.unpacked))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="guerrillad-postfix-") as directory:
        home = pathlib.Path(directory)
        home.chmod(0o755)
        with (
            Receiver(arguments, home / "smtp", SERVERS) as smtp,
            Receiver(arguments, home / "lmtp", LMTP_SERVERS, LMTP_USERS, validate="") as lmtp_receiver,
            Receiver(arguments, home / "crash", CRASH_SERVERS) as crashing,
            Receiver(arguments, home / "dsn", DSN_SERVERS, save=HONOURING) as honouring,
            Postfix(root, home / "postfix", routes(smtp, lmtp_receiver, crashing, honouring)) as postfix,
        ):
            print(f"Postfix {postfix.version()}", flush=True)
            bench = Bench(arguments, smtp, lmtp_receiver, crashing, honouring, postfix)
            scene.play(report, arguments, SCENES, bench)
            postfix.stop()
            scene.note(report, "accounts", scene.accounts({"SMTP": smtp, "LMTP": lmtp_receiver, "DSN": honouring}))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
