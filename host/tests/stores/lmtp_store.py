"""The LMTP processor, end to end: guerrillad loads the .so, mail goes in by SMTP and LMTP, doveadm says what Dovecot has.

What matters most is counted to the message: what was acknowledged is in the mailbox of each recipient, also when Dovecot is killed,
stopped or full in between.
"""

import signal
import sys
import time

import dovecot
from dovecot import Dovecot
from private import PrivateAuthority
from sending import Load, mail_of
from serving import Serving, arguments_of, expect, play

CHAIN = "HeadersParser|Header|LMTP"


def lmtp_config(store, **keys):
    return {"save_process": CHAIN, "lmtp_address": store.address, **keys}


def serve(arguments, directory, config, **more):
    return Serving(arguments, directory, config, ["lmtp"], **more)


def no_fault_in(log):
    """The processor has kept its deadlines: the daemon never had to give it up."""
    return expect("fault" not in log and "no answer within" not in log, log[-800:])


def same_mails(load, store, users=("you",)):
    """Acknowledged = stored for each. A mail may be there twice when Dovecot was killed behind its work and in front of its answer."""
    acknowledged = set(load.acknowledged)
    lost, more, twice = 0, 0, 0
    for user in users:
        subjects = store.subjects(user)
        lost += len(acknowledged - set(subjects))
        more += len(set(subjects) - acknowledged)
        twice += len(subjects) - len(set(subjects))
    text = f"acknowledged {len(acknowledged)}, {twice} twice, {len(load.deferred)} deferred"
    return text, expect(not lost and not more and not load.other, f"{lost} lost, {more} not acknowledged, {load.other[:3]}")


def with_prdr(client, mail, recipients):
    """Sends a mail on a connection where each recipient is answered for: those replies, and the last one."""
    client._ask("MAIL FROM:<me@example.com> PRDR")
    for recipient in recipients:
        client._ask(f"RCPT TO:<{recipient}>")
    client._ask("DATA")
    client._socket.sendall(mail + b".\r\n")
    first = client._reply()
    return [first, *(client._reply() for _ in recipients)] if first.startswith("353") else [first]


def a_message_reaches_the_mailbox(arguments, directory):
    mail = b"Subject: mail-0\r\nMessage-ID: <1@example.com>\r\n\r\n..two dots\r\n.one\r\nbytes: \xc3\xa4\r\n"
    for tcp in (False, True):
        own = directory / ("tcp" if tcp else "unix")
        with Dovecot(own / "dovecot", tcp=tcp) as store:
            with serve(arguments, own, lmtp_config(store, validate_process="LMTP")) as serving:
                reply = serving.send(mail, ("you@example.test", "other@example.test"))
                yield f"{own.name}: acknowledged", expect(reply.startswith("250 2.0.0 OK: queued as "), f"{reply} {serving.log()[-500:]}")
                texts = [store.mails(user)[0] for user in ("you", "other")]
                body = mail.decode().replace("\r\n", "\n").partition("\n\n")[2].rstrip("\n")
                yield f"{own.name}: both have it, dots and all", expect(all(text.rstrip("\n").endswith(body) for text in texts), texts)
                yield f"{own.name}: one Return-Path", expect(all(text.count("Return-Path:") == 1 for text in texts), texts[0])
                reply = serving.send(mail_of(1), ("nobody@example.test",))
                yield f"{own.name}: an unknown user is refused at RCPT, in Dovecot's words", expect(
                    reply.startswith("550 5.1.1") and "User doesn't exist" in reply, reply
                )
                reply = serving.send(mail_of(2, 5_000_000))
                yield f"{own.name}: 5 MB", expect(reply.startswith("250") and "mail-2" in store.subjects(), reply)
                yield f"{own.name}: guerrillad ends well", expect(serving.stop() == 0, "exit status")


def over_tls(arguments, directory):
    ours = PrivateAuthority(directory / "authority")
    for way in ("starttls", "implicit"):
        own = directory / way
        other = PrivateAuthority(own / "other")
        with Dovecot(own / "dovecot", tcp=True, authority=other) as store:
            keys = {
                "lmtp_address": store.address if way == "starttls" else store.tls_address, "lmtp_tls": way, "lmtp_tls_ca_file": str(ours.ca),
                "validate_process": "LMTP", "gw_save_timeout": "2s", "gw_val_rcpt_timeout": "2s",
            }
            with serve(arguments, own, lmtp_config(store, **keys)) as serving:
                reply = serving.send(mail_of(1))
                yield f"{way}: a store that another authority has vouched for gets nothing", expect(reply.startswith("451 4.3.0"), reply)
                yield f"{way}: and the log says why", expect(serving.logs("certificate") and serving.logs("mail is deferred until"), serving.log()[-500:])
                other.cert.write_bytes(ours.cert.read_bytes())
                other.key.write_bytes(ours.key.read_bytes())
                store.kill()
                store.start()
                replies = [sent_in_the_end(serving, mail_of(2)), serving.send(mail_of(3, 3_000_000))]
                yield f"{way}: when ours has, mail flows", expect(all(reply.startswith("250") for reply in replies), f"{replies} {serving.log()[-500:]}")
                yield f"{way}: Dovecot has what was acknowledged", expect(store.subjects() == ["mail-2", "mail-3"], store.subjects())
                yield f"{way}: and by TLS", expect(all("with LMTPS" in text for text in store.mails()), store.mails()[0][:600])
                log = serving.whole_log()
                yield f"{way}: one line for what was wrong, one when it was put right", expect(
                    log.count("put right") == 1 and log.count("is back") == 1, log[-800:]
                )
                yield f"{way}: no fault is counted against the processor", no_fault_in(serving.whole_log())


def sent_in_the_end(serving, mail):
    """Sends a mail as a client does, again and again: a store that was not in order is not tried for each."""
    deadline = time.monotonic() + 20
    while True:
        reply = serving.send(mail)
        if not reply.startswith("4") or time.monotonic() > deadline:
            return reply
        time.sleep(0.1)


def never_in_the_clear(arguments, directory):
    authority, own = PrivateAuthority(directory / "authority"), directory / "serving"
    with Dovecot(directory / "dovecot", tcp=True) as store:
        keys = {"lmtp_tls": "starttls", "lmtp_tls_ca_file": str(authority.ca), "gw_save_timeout": "2s"}
        with serve(arguments, own, lmtp_config(store, **keys)) as serving:
            reply = serving.send(mail_of(1))
            yield "a store without STARTTLS gets nothing", expect(reply.startswith("451 4.3.0") and store.subjects() == [], reply)
            yield "and the log says why", expect(serving.logs("offers no STARTTLS"), serving.log()[-500:])


def an_answer_for_each(arguments, directory):
    recipients = ["you@example.test", "nobody@example.test", "full@example.test", "other@example.test"]
    with Dovecot(directory / "dovecot") as store, serve(arguments, directory, lmtp_config(store)) as serving:
        mail = b"Message-ID: <1@example.com>\r\n" + mail_of(1, 5000)
        client = serving.client()
        replies = with_prdr(client, mail, recipients)
        client.close()
        codes = [reply[:9] for reply in replies[1:5]]
        yield "PRDR: each hears the store's own answer", expect(codes == ["250 2.0.0", "550 5.1.1", "552 5.2.2", "250 2.0.0"], replies)
        have = [len(store.mails(user)) for user in ("you", "full", "other")]
        yield "and has it or not", expect(have == [1, 0, 1], have)
        reply = serving.send(mail_of(2), ("you@example.test", "nobody@example.test"))
        yield "one reply for all: the refusal", expect(reply.startswith("550 5.1.1"), reply)
        yield "and nobody has it", expect(store.subjects() == ["mail-1"], store.subjects())


def who_has_it_does_not_get_it_twice(arguments, directory):
    with Dovecot(directory / "dovecot", settings="quota_full_tempfail = yes") as store:
        with serve(arguments, directory, lmtp_config(store)) as serving:
            mail = b"Message-ID: <1@example.com>\r\n" + mail_of(1, 5000)
            for attempt in range(3):
                reply = serving.send(mail, ("you@example.test", "full@example.test"))
                yield f"attempt {attempt + 1}: a full mailbox defers the mail of both", expect(reply.startswith("4"), reply)
            yield "the other has it once", expect(store.subjects() == ["mail-1"], store.subjects())


def away_at_start(arguments, directory):
    with Dovecot(directory / "dovecot", start=False) as store:
        config = lmtp_config(store, validate_process="LMTP", gw_save_timeout="2s", gw_val_rcpt_timeout="2s")
        with serve(arguments, directory, config) as serving:
            begun = time.monotonic()
            reply = serving.send(mail_of(0))
            took = time.monotonic() - begun
            yield f"recipients are deferred while Dovecot is away ({took:.1f} s)", expect(reply.startswith("451 4.3.0") and took < 2.0, f"{reply} after {took}")
            store.start()
            reply = serving.send(mail_of(0))
            yield "the next mail is delivered", expect(reply.startswith("250") and store.subjects() == ["mail-0"], reply)
            log = serving.whole_log()
            yield "one line when it is away, one when it is back", expect(
                log.count("mail is deferred until it is there") == 1 and log.count("is back") == 1, log[-800:]
            )
            yield "no fault is counted against the processor", no_fault_in(log)


def killed_in_mid_load(arguments, directory):
    users = ("you", "other")
    recipients = tuple(f"{user}@example.test" for user in users)
    with Dovecot(directory / "dovecot") as store, serve(arguments, directory, lmtp_config(store)) as serving:
        load = Load(serving, connections=8, each=40, recipients=recipients)
        for count in (60, 150, 240):
            load.wait_for(count)
            store.kill()
            time.sleep(0.2)
            store.start()
        took = load.finish()
        text, fault = same_mails(load, store, users)
        yield f"{text} ({took:.1f} s)", fault
        yield "all mails are acknowledged in the end", expect(len(load.acknowledged) == 320, len(load.acknowledged))
        yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def stopped(arguments, directory):
    with Dovecot(directory / "dovecot") as store:
        with serve(arguments, directory, lmtp_config(store, gw_save_timeout="3s")) as serving:
            reply = serving.send(mail_of(0))
            yield "a mail before", expect(reply.startswith("250"), reply)
            store.signal(signal.SIGSTOP)
            begun = time.monotonic()
            load = Load(serving, connections=10, each=1, again=False)
            load.finish()
            took = time.monotonic() - begun
            yield f"who waits for a store that hangs is deferred in time ({took:.1f} s)", expect(
                len(load.deferred) == 10 and took < 3.2, f"{load.deferred[:2]} {load.other[:2]} after {took}"
            )
            store.signal(signal.SIGCONT)
            reply = serving.send(mail_of(100))
            yield "and the next mail is delivered", expect(reply.startswith("250") and "mail-100" in store.subjects(), reply)
            yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def the_end_of_the_daemon(arguments, directory):
    with Dovecot(directory / "dovecot") as store, serve(arguments, directory, lmtp_config(store)) as serving:
        load = Load(serving, connections=8, each=40, again=False)
        load.wait_for(100)
        status = serving.stop()
        load.finish()
        stored = store.subjects()
        yield "it ends well under load", expect(status == 0, f"exit status {status}")
        yield f"acknowledged {len(load.acknowledged)} = stored {len(stored)}", expect(
            stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
        )


SCENES = [
    a_message_reaches_the_mailbox, over_tls, never_in_the_clear, an_answer_for_each, who_has_it_does_not_get_it_twice, away_at_start, killed_in_mid_load, stopped,
    the_end_of_the_daemon,
]

if __name__ == "__main__":
    if dovecot.missing():
        sys.exit(f"missing Debian packages: {dovecot.missing()}")
    sys.exit(play(SCENES, arguments_of(__doc__)))
