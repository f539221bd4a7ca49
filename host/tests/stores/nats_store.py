"""The NATS processor, end to end: guerrillad loads the .so, mail goes in by SMTP, the stream's own API says what is stored.

What matters most is counted to the message: what was acknowledged is in the stream, once, also when servers are killed, stopped or
full in between.
"""

import hashlib
import os
import re
import signal
import ssl
import sys
import time

import nats_server
from nats_identities import Identity, Operator
from nats_server import STREAM, NatsServer, ask, leader, make_stream, messages
from private import PrivateAuthority, wait_until
from sending import Load, mail_of
from serving import Refused, Serving, arguments_of, expect, fault_of_names, play, stopped_clock

CHAIN = "HeadersParser|Header|NATS"
SECRET = "s3cret-of-the-test"
SUBJECT = re.compile(rb"^Subject: (mail-\d+)\r$", re.MULTILINE)


def nats_config(*servers, **keys):
    return {"save_process": CHAIN, "nats_url": ", ".join(server.url for server in servers), **keys}


def serve(arguments, directory, config, **more):
    return Serving(arguments, directory, config, ["nats"], **more)


def of_subjects(stored):
    return sorted(SUBJECT.search(message.data)[1].decode() for message in stored)


def same_mails(load, stored):
    """Acknowledged = stored, each once: the stream knows by its id a mail that came again."""
    subjects, acknowledged = of_subjects(stored), set(load.acknowledged)
    twice = len(subjects) - len(set(subjects))
    text = f"acknowledged {len(acknowledged)} = stored {len(set(subjects))}, {twice} twice, {len(load.deferred)} deferred"
    fault = f"{len(acknowledged - set(subjects))} lost, {len(set(subjects) - acknowledged)} not acknowledged, {load.other[:3]}"
    return text, expect(set(subjects) == acknowledged and not twice and not load.other, fault)


def no_fault_in(log):
    """The processor has kept its deadlines: the daemon never had to give it up."""
    return expect("fault" not in log and "no answer within" not in log, log[-800:])


def a_message_and_its_envelope(arguments, directory):
    with NatsServer(directory) as nats:
        make_stream([nats])
        with serve(arguments, directory, nats_config(nats, nats_stream=STREAM)) as serving:
            mail = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.com>\r\n\r\nbytes: \xff\xe4 \x00\r\n"
            reply = serving.send(mail, ("a@example.test", '"b c"@example.test'))
            yield "acknowledged", expect(reply.startswith("250 2.0.0 OK: queued as "), reply)
            [stored] = messages([nats])
            yield "the data is delivery header and mail, octet for octet", expect(
                stored.data.startswith(b"Return-Path: <me@example.com>\r\n") and stored.data.endswith(mail), stored.data[:300]
            )
            told = {
                "Mail-From": ["me@example.com"], "Mail-To": ["a@example.test", '"b c"@example.test'], "Mail-Subject": ["Grüße"],
                "Mail-Helo": ["client.example"], "Mail-Remote-Ip": ["127.0.0.1"], "Mail-Tls": ["0"], "Mail-Size": [str(len(stored.data))],
                "Mail-Queued-Id": [reply.rpartition(" ")[2]],
            }
            yield "the envelope is in the headers", expect(told.items() <= stored.headers.items(), stored.headers)
            envelope = b"me@example.com\0a@example.test\0" + b'"b c"@example.test'
            name = hashlib.sha256(envelope + b"\0\0" + mail).hexdigest()
            yield "its id is made of envelope and mail", expect(stored.headers["Nats-Msg-Id"] == [name], stored.headers)
            again = serving.send(mail, ("a@example.test", '"b c"@example.test'))
            yield "a client that comes again is told yes", expect(again.startswith("250"), again)
            yield "and the stream has the mail once", expect(len(messages([nats])) == 1, len(messages([nats])))
            notice = b"Subject: mail-7\r\n\r\nAll is well.\r\n"
            replies = [serving.send(notice) for _ in range(2)]
            yield "equal mails without a Message-ID are two", expect(
                len(messages([nats])) == 3 and all(reply.startswith("250") for reply in replies), replies
            )
            yield "guerrillad ends well", expect(serving.stop() == 0, "exit status")


def two_daemons_at_one_instant(arguments, directory):
    """Mails without a Message-ID: the stream tells them apart by what the daemons have called them."""
    with NatsServer(directory) as nats:
        make_stream([nats])
        environment, replies = stopped_clock(directory), []
        for number in range(2):
            own = directory / f"daemon{number}"
            with serve(arguments, own, nats_config(nats, nats_stream=STREAM), environment=environment) as serving:
                replies.append(serving.send(f"Subject: mail-{number}\r\n\r\nAll is well.\r\n".encode()))
        stored = of_subjects(messages([nats]))
        yield "two mails are acknowledged and stored", expect(stored == ["mail-0", "mail-1"], (replies, stored))
        yield "under different ids", expect(replies[0] != replies[1] and all(reply.startswith("250") for reply in replies), replies)


def large_messages(arguments, directory):
    with NatsServer(directory) as nats:
        keys = {"nats_stream": STREAM, "nats_bucket": "mails", "nats_create_replicas": 1, "nats_object_above": 100_000}
        with serve(arguments, directory, nats_config(nats, **keys)) as serving:
            big = b"Message-ID: <1@example.com>\r\n" + mail_of(1, 5_000_000)
            for attempt in ("the first", "the second"):
                reply = serving.send(big)
                yield f"{attempt} time 5 MB are acknowledged", expect(reply.startswith("250"), reply)
            reply = serving.send(mail_of(2))
            stored = messages([nats])
            yield "the stream, which was made, has one message for each mail", expect(len(stored) == 2, len(stored))
            place = [stored[0].headers.get(f"Mail-Object-{word}", [""])[0] for word in ("Bucket", "Name")]
            yield "the large one is empty and names its object", expect(stored[0].data == b"" and place[0] == "mails", stored[0].headers)
            data = ask([nats], lambda client: client.object(*place))
            yield "the object is delivery header and mail, octet for octet", expect(data and data.endswith(big), len(data or b""))
            info = ask([nats], lambda client: client.api("STREAM.INFO.OBJ_mails"))["state"]
            yield "the bucket has it once", expect(info["bytes"] < 6_000_000, info)
        own = directory / "without"
        own.mkdir()
        with serve(arguments, own, nats_config(nats)) as serving:
            reply = serving.send(mail_of(3, 2_000_000))
            yield "without a bucket, what the servers do not take is refused for its size", expect(reply.startswith("552 5.3.4"), reply)
            yield "and the log says what to do", expect(serving.logs("set nats_bucket"), serving.log()[-400:])


def filed_already(arguments, directory):
    with NatsServer(directory) as nats:
        make_stream([nats], duplicate_window=5_000_000_000)
        keys = {"nats_bucket": "mails", "nats_create_replicas": 1, "nats_stream": STREAM, "nats_object_above": 1000}
        with serve(arguments, directory, nats_config(nats, **keys)) as serving:
            big = mail_of(1, 1_000_000)

            def place():
                return [messages([nats])[-1].headers[f"Mail-Object-{word}"][0] for word in ("Bucket", "Name")]

            def used():
                return ask([nats], lambda client: client.api("STREAM.INFO.OBJ_mails"))["state"]["bytes"]

            first = serving.send(big)
            filed = place()
            ask([nats], lambda client: client.delete_object(*filed))
            again = serving.send(big)
            yield "a large mail that was filed comes again: acknowledged", expect(first.startswith("250") and again.startswith("250"), again)
            yield "the stream knows it", expect(len(messages([nats])) == 1, len(messages([nats])))
            yield "and its object does not stay", expect(wait_until("room", lambda: used() < 10_000), used())
            wait_until("the end of the window", lambda: serving.send(big) and len(messages([nats])) > 1, seconds=30)
            last = place()
            yield "beyond the window it is a message again, with an object that is there", expect(
                (ask([nats], lambda client: client.object(*last)) or b"").endswith(big), last
            )
            yield "of a name of its own", expect(last[1] != filed[1], last)


def logins_and_secrets(arguments, directory):
    password = directory / "password"
    password.write_text(f"{SECRET}\n")
    login = {"user": "mailer", "pass": SECRET}
    with NatsServer(directory, more=f"authorization {{ user: mailer, password: {SECRET} }}", login=login) as nats:
        make_stream([nats])
        environment = {**os.environ, "MAILER_PASSWORD": SECRET}
        of_user = {"nats_user": "mailer"}
        ways = {
            "a file": nats_config(nats, nats_password={"file": str(password)}, **of_user),
            "the environment": nats_config(nats, nats_password={"env": "MAILER_PASSWORD"}, **of_user),
            "the configuration": nats_config(nats, nats_password=SECRET, **of_user),
        }
        for number, (place, config) in enumerate(ways.items()):
            own = directory / str(number)
            own.mkdir()
            with serve(arguments, own, config, environment=environment) as serving:
                reply = serving.send(mail_of(0))
                yield f"a password from {place}", expect(reply.startswith("250"), f"{reply} {serving.log()[-400:]}")
                yield f"a password from {place} is not in the log", expect(SECRET not in serving.whole_log(), "it is")
        own = directory / "wrong"
        own.mkdir()
        config = nats_config(nats, nats_password=f"not-{SECRET}", **of_user)
        try:
            with serve(arguments, own, config):
                yield "a wrong password is an error at start", "the daemon starts"
        except Refused as refused:
            said = str(refused)
            yield "a wrong password is an error at start", expect(refused.status == 78 and "uthorization" in said, said)
            yield "and the error does not repeat it", expect(SECRET not in said, said)


def taken_and_refused(arguments, directory, keys, right, wrong):
    """A login that the server takes, refuses, and takes again; `right` and `wrong` are what `start_anew` wants."""
    with NatsServer(directory, start=False) as nats:
        nats.start_anew(*right)
        config = nats_config(nats, nats_stream=STREAM, nats_create_replicas=1, gw_save_timeout="2s", **keys)
        with serve(arguments, directory / "serving", config) as serving:
            reply = serving.send(mail_of(0))
            yield "the server takes it", expect(reply.startswith("250"), f"{reply} {serving.log()[-400:]}")
            nats.start_anew(*wrong)
            reply = serving.send(mail_of(1))
            yield "refused, mail is deferred", expect(reply.startswith("451 4.3.0"), reply)
            yield "and the log says so", expect(serving.logs("cannot connect: "), serving.log()[-400:])
            yield "once", expect(serving.log().count("cannot connect: ") <= 2, serving.log()[-800:])
            nats.start_anew(*right)
            wait_until("mail flows", lambda: serving.send(mail_of(1)).startswith("250"), seconds=5.0)
            yield "as soon as it is taken again, mail flows", expect(of_subjects(messages([nats])) == ["mail-0", "mail-1"], "it does not")
            log = serving.whole_log()
            secrets = [value for key, value in keys.items() if isinstance(value, str) and not key.endswith("_file")]
            yield "no secret is in the log", expect(not any(line in log for value in secrets for line in value.split("\n") if len(line) > 10), log[-400:])
            yield "no fault is counted against the processor", no_fault_in(log)


def a_token(arguments, directory):
    ways = [(f'authorization {{ token: "{token}" }}', {"auth_token": token}) for token in (SECRET, "another-secret-of-the-test")]
    yield from taken_and_refused(arguments, directory, {"nats_token": SECRET}, *ways)


def an_nkey(arguments, directory):
    ours, other = Identity("user", directory, "ours"), Identity("user", directory, "other")
    ask = {"user": "test", "pass": SECRET}
    ways = [(f"authorization {{ users = [ {{ nkey: {key} }}, {{ user: test, password: {SECRET} }} ] }}", ask) for key in (ours.public, other.public)]
    yield from taken_and_refused(arguments, directory, {"nats_nkey_seed": ours.seed}, *ways)


def a_client_certificate(arguments, directory):
    ours, other = PrivateAuthority(directory / "authority"), PrivateAuthority(directory / "other")
    ways = []
    for authority in (ours, other):
        context = ssl.create_default_context(cafile=ours.ca)
        context.load_cert_chain(authority.client_cert, authority.client_key)
        ways.append((f'tls {{ cert_file: "{ours.cert}", key_file: "{ours.key}", ca_file: "{authority.ca}", verify: true }}', None, context))
    keys = {"nats_tls_ca_file": str(ours.ca), "nats_tls_cert_file": str(ours.client_cert), "nats_tls_key_file": str(ours.client_key)}
    yield from taken_and_refused(arguments, directory, keys, *ways)


def credentials(arguments, directory):
    operator = Operator(directory)
    ours, other = operator.account("ours"), operator.account("other")
    content, _ = operator.user(ours, "mailer")
    # Whoever bears the JWT of such a user is let in, which is enough for the test's own questions.
    ways = [(operator.settings(one), {"jwt": operator.user(one, f"test-{one.name}", bearer_token=True)[1]}) for one in (ours, other)]
    yield from taken_and_refused(arguments, directory, {"nats_credentials": content}, *ways)
    own, file = directory / "changed", directory / "mailer.creds"
    own.mkdir()
    file.write_text(content)
    with NatsServer(own, start=False) as nats:
        nats.start_anew(*ways[0])
        config = nats_config(nats, nats_stream=STREAM, nats_create_replicas=1, gw_save_timeout="2s", nats_credentials={"file": str(file)})
        with serve(arguments, own / "serving", config) as serving:
            reply = serving.send(mail_of(0))
            yield "from a file", expect(reply.startswith("250"), f"{reply} {serving.log()[-400:]}")
            nats.start_anew(*ways[1])
            reply = serving.send(mail_of(1))
            yield "an account that the server knows no more: deferred", expect(reply.startswith("451 4.3.0"), reply)
            file.write_text(operator.user(other, "new-mailer")[0])
            serving.reload()
            reply = serving.send(mail_of(1))
            yield "a changed file counts from SIGHUP on", expect(reply.startswith("250"), f"{reply} {serving.log()[-600:]}")
            yield "in the account that it names", expect(of_subjects(messages([nats])) == ["mail-1"], of_subjects(messages([nats])))


def tls_with_a_private_authority(arguments, directory):
    authority, other = PrivateAuthority(directory / "authority"), PrivateAuthority(directory / "other")
    more = f'tls {{ cert_file: "{authority.cert}", key_file: "{authority.key}" }}'
    with NatsServer(directory, more=more, authority=str(authority.ca)) as nats:
        make_stream([nats])
        with serve(arguments, directory, nats_config(nats, nats_tls_ca_file=str(authority.ca))) as serving:
            reply = serving.send(mail_of(0))
            yield "a mail over TLS", expect(reply.startswith("250"), f"{reply} {serving.log()[-400:]}")
        own = directory / "stranger"
        own.mkdir()
        with serve(arguments, own, nats_config(nats, nats_tls_ca_file=str(other.ca), gw_save_timeout="2s")) as serving:
            reply = serving.send(mail_of(1))
            yield "a server that another authority did not vouch for gets nothing", expect(reply.startswith("451"), reply)
        yield "it has one mail", expect(len(messages([nats])) == 1, "more")
    with NatsServer(directory, name="clear") as nats:
        make_stream([nats])
        own = directory / "downgrade"
        own.mkdir()
        with serve(arguments, own, nats_config(nats, nats_tls_ca_file=str(authority.ca), gw_save_timeout="2s")) as serving:
            reply = serving.send(mail_of(2))
            yield "nothing goes in the clear where an authority is named", expect(reply.startswith("451"), reply)


def away_at_start(arguments, directory):
    with NatsServer(directory, start=False) as nats:
        config = nats_config(nats, nats_stream=STREAM, nats_create_replicas=1, gw_save_timeout="2s")
        with serve(arguments, directory, config) as serving:
            begun = time.monotonic()
            reply = serving.send(mail_of(0))
            took = time.monotonic() - begun
            yield f"mail is deferred while NATS is away ({took:.1f} s)", expect(reply.startswith("451 4.3.0") and took < 2.0, f"{reply} after {took}")
            yield "the log says which message, and which servers", fault_of_names(serving, f"NATS {nats.url}")
            yield "and which are away", expect(f"NATS {nats.url}: " in serving.log(), serving.log()[-600:])
            nats.start()
            wait_until("mail flows", lambda: serving.send(mail_of(0)).startswith("250"), seconds=5.0)
            yield "the mail is stored", expect(of_subjects(messages([nats])) == ["mail-0"], of_subjects(messages([nats])))
            yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def killed_in_mid_load(arguments, directory):
    with NatsServer(directory) as nats:
        make_stream([nats])
        with serve(arguments, directory, nats_config(nats, nats_timeout_seconds=2)) as serving:
            load = Load(serving, connections=16, each=60)
            for count in (150, 400, 700):
                load.wait_for(count)
                nats.kill()
                time.sleep(0.2)
                nats.start()
            took = load.finish()
            text, fault = same_mails(load, messages([nats]))
            yield f"{text} ({took:.1f} s)", fault
            yield "all mails are acknowledged in the end", expect(len(load.acknowledged) == 960, len(load.acknowledged))
            yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def stopped_and_full(arguments, directory):
    with NatsServer(directory) as nats:
        make_stream([nats], max_bytes=20_000, discard="new")
        config = nats_config(nats, gw_save_timeout="3s", nats_timeout_seconds=1)
        with serve(arguments, directory, config) as serving:
            nats.signal(signal.SIGSTOP)
            begun = time.monotonic()
            load = Load(serving, connections=10, each=1, again=False)
            load.finish()
            took = time.monotonic() - begun
            yield f"who waits for a server that hangs is deferred in time ({took:.1f} s)", expect(
                len(load.deferred) == 10 and took < 3.2, f"{load.deferred[:2]} {load.other[:2]} after {took}"
            )
            nats.signal(signal.SIGCONT)
            reply = ""
            for number in range(100, 160):
                reply = serving.send(mail_of(number))
                if not reply.startswith("250"):
                    break
            yield "a full stream defers with 452", expect(reply.startswith("452 4.3.1"), reply)
            ask([nats], lambda client: client.api(f"STREAM.PURGE.{STREAM}"))
            reply = serving.send(mail_of(1))
            yield "and the next mail is stored when there is room", expect(reply.startswith("250"), reply)
            yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def not_the_stream_that_is_meant(arguments, directory):
    with NatsServer(directory) as nats:
        config = nats_config(nats, nats_stream="OTHER", gw_save_timeout="2s")
        with serve(arguments, directory, config) as serving:
            reply = serving.send(mail_of(0))
            yield "no stream at all: deferred", expect(reply.startswith("451 4.3.0"), reply)
            make_stream([nats])
            reply = serving.send(mail_of(0))
            yield "a stream of another name: deferred", expect(reply.startswith("451 4.3.0"), reply)
            yield "and the log says why", expect(serving.logs("stream does not match"), serving.log()[-400:])
            yield "it has got nothing", expect(messages([nats]) == [], "it has")


def a_node_of_three_is_lost(arguments, directory):
    nodes = nats_server.cluster(directory)
    try:
        make_stream(nodes)
        config = nats_config(*nodes, nats_timeout_seconds=2, nats_stream=STREAM, gw_save_timeout="10s")
        with serve(arguments, directory, config) as serving:
            load = Load(serving, connections=16, each=80)
            load.wait_for(200)
            first = leader(nodes)
            first.kill()
            load.wait_for(500)
            first.start(wait=False)
            wait_until("the node is back", first._answers)
            load.wait_for(600)
            second = leader(nodes)
            second.kill()
            took = load.finish()
            rest = [node for node in nodes if node is not second]
            text, fault = same_mails(load, messages(rest))
            yield f"the leader killed twice: {text} ({took:.1f} s)", fault
            yield "all mails are acknowledged in the end", expect(len(load.acknowledged) == 1280, len(load.acknowledged))
            second.start(wait=False)
            nats_server.wait_for_replicas(nodes)
            for node in rest:
                node.kill()
            reply = serving.send(mail_of(5000))
            yield "one node of three is no majority: deferred", expect(reply.startswith("451 4.3.0"), reply)
            for node in rest:
                node.start(wait=False)
            wait_until("mail flows again", lambda: serving.send(mail_of(5001)).startswith("250"))
            nats_server.wait_for_replicas(nodes)
            stored = of_subjects(messages(nodes))
            yield "and is stored when there is one", expect("mail-5001" in stored, stored[-3:])
            yield "nothing is lost by then", expect(set(load.acknowledged) <= set(stored), len(set(load.acknowledged) - set(stored)))
    finally:
        for node in nodes:
            node.kill()


def the_end_of_the_daemon(arguments, directory):
    with NatsServer(directory) as nats:
        make_stream([nats])
        with serve(arguments, directory, nats_config(nats)) as serving:
            load = Load(serving, connections=16, each=40, again=False)
            load.wait_for(150)
            status = serving.stop()
            load.finish()
            stored = of_subjects(messages([nats]))
            yield "it ends well under load", expect(status == 0, f"exit status {status}")
            yield f"acknowledged {len(load.acknowledged)} = stored {len(stored)}", expect(
                stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
            )


SCENES = [
    a_message_and_its_envelope, two_daemons_at_one_instant, large_messages, filed_already, logins_and_secrets, a_token, an_nkey,
    a_client_certificate, credentials, tls_with_a_private_authority, away_at_start, killed_in_mid_load,
    stopped_and_full, not_the_stream_that_is_meant, a_node_of_three_is_lost, the_end_of_the_daemon,
]

if __name__ == "__main__":
    if nats_server.missing():
        sys.exit(f"missing Debian package: {nats_server.missing()}")
    sys.exit(play(SCENES, arguments_of(__doc__)))
