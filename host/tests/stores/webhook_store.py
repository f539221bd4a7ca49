"""The Webhook processor, end to end: guerrillad loads the .so, mail goes in by SMTP, an HTTP endpoint keeps a record of what comes.

What matters most is counted to the message: what was acknowledged is stored by the endpoint, also when it is killed, slow or
fails on purpose in between.
"""

import base64
import hashlib
import hmac
import json
import re
import subprocess
import sys
import time

from http_endpoint import HttpEndpoint, fields_of
from private import SECONDS, PrivateAuthority, wait_until
from redis_server import free_port
from sending import Load, mail_of
from serving import Serving, arguments_of, expect, play

CHAIN = "HeadersParser|Header|Webhook"
SECRET = "s3cret-of-the-test-24-octets"
SUBJECT = re.compile(rb"^Subject: (mail-\d+)\r$", re.MULTILINE)


def hook_config(endpoint, **keys):
    return {"save_process": CHAIN, "webhook_url": endpoint.url, **keys}


def serve(arguments, directory, config, **more):
    return Serving(arguments, directory, config, ["webhook"], **more)


def of_subjects(endpoint):
    return sorted(SUBJECT.search(body)[1].decode() for body in endpoint.mails().values())


def same_mails(load, endpoint):
    """Acknowledged = stored, each once: the endpoint knows by its id a mail that came again."""
    subjects, acknowledged = of_subjects(endpoint), set(load.acknowledged)
    twice = len(subjects) - len(set(subjects))
    text = f"acknowledged {len(acknowledged)} = stored {len(set(subjects))}, {twice} twice, {len(load.deferred)} deferred"
    fault = f"{len(acknowledged - set(subjects))} lost, {len(set(subjects) - acknowledged)} not acknowledged, {load.other[:3]}"
    return text, expect(set(subjects) == acknowledged and not twice and not load.other, fault)


def no_fault_in(log):
    """The processor has kept its deadlines: the daemon never had to give it up."""
    return expect("fault" not in log and "no answer within" not in log, log[-800:])


def signed(fields, body):
    [name], [when], [signature] = (fields[f"webhook-{word}"] for word in ("id", "timestamp", "signature"))
    digest = hmac.new(SECRET.encode(), f"{name}.{when}.".encode() + body, hashlib.sha256).digest()
    return signature == "v1," + base64.b64encode(digest).decode() and abs(int(when) - time.time()) < 60


def a_message_raw_and_as_json(arguments, directory):
    mail = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nMessage-ID: <1@example.com>\r\n\r\nbytes: \xff\xe4 \x00\r\n"
    recipients = ("a@example.test", '"b c"@example.test')
    name = hashlib.sha256(b"me@example.com\0a@example.test\0" + b'"b c"@example.test' + b"\0\0" + mail).hexdigest()
    for form in ("raw", "json"):
        own = directory / form
        secret = directory / "secret"
        secret.write_text(SECRET + "\n")
        with HttpEndpoint(own / "endpoint") as endpoint:
            keys = {"webhook_format": form, "webhook_secret": {"file": str(secret)}, "webhook_authorization": f"Bearer {SECRET}"}
            with serve(arguments, own, hook_config(endpoint, **keys)) as serving:
                replies = [serving.send(mail, recipients) for _ in range(2)]
                yield f"{form}: acknowledged", expect(all(reply.startswith("250 2.0.0") for reply in replies), replies)
                first, second = (fields_of(request) for request in endpoint.requests())
                yield f"{form}: a mail that comes again has the same id, and is stored once", expect(
                    list(endpoint.mails()) == [name] == first["webhook-id"] == second["idempotency-key"], first
                )
                body = endpoint.mails()[name]
                yield f"{form}: id, time and body are signed", expect(signed(first, body), first)
                yield f"{form}: authorized", expect(first["authorization"] == [f"Bearer {SECRET}"], first)
                if form == "raw":
                    told = {"mail-from": ["me@example.com"], "mail-to": list(recipients), "mail-helo": ["client.example"], "mail-tls": ["0"]}
                    yield "raw: the envelope is in the header", expect(told.items() <= first.items(), first)
                else:
                    told = json.loads(body)
                    body = base64.b64decode(told["message"])
                    envelope = [told[key] for key in ("id", "from", "to", "subject", "helo", "remote_ip", "tls")]
                    expected = [name, "me@example.com", list(recipients), "Grüße", "client.example", "127.0.0.1", False]
                    yield "json: the envelope is complete", expect(envelope == expected, envelope)
                head, _, rest = body.partition(b"Subject: ")
                yield f"{form}: delivery header and mail, octet for octet", expect(
                    head.startswith(b"Return-Path: <me@example.com>\r\n") and b"Subject: " + rest == mail, body[:400]
                )
                big = b"Message-ID: <2@example.com>\r\n" + mail_of(1, 8_000_000)
                reply = serving.send(big)
                yield f"{form}: 8 MB are stored", expect(reply.startswith("250") and max(map(len, endpoint.mails().values())) > 8_000_000, reply)
                yield f"{form}: one connection for all", expect(len({request["port"] for request in endpoint.requests()}) == 1, "more")
                yield f"{form}: no secret is in the log", expect(SECRET not in serving.whole_log(), "it is")


def what_a_status_means(arguments, directory):
    own_replies = {"404": "550 5.1.1 No such user here", "400": "451 4.7.1 Not now"}
    cases = [
        ({"status": 201}, "250 2.0.0"), ({"status": 302, "fields": {"Location": "/other"}}, "451 4.3.0"), ({"status": 401}, "451 4.3.0"),
        ({"status": 404}, "550 5.1.1 No such user here"), ({"status": 400}, "451 4.7.1 Not now"), ({"status": 413}, "552 5.3.4"),
        ({"status": 422}, "554 5.7.1"), ({"status": 501}, "451 4.3.0"), ({"status": 422, "text": "x" * 100_000}, "554 5.7.1"),
    ]
    with HttpEndpoint(directory / "endpoint") as endpoint:
        with serve(arguments, directory, hook_config(endpoint, webhook_replies=own_replies, gw_save_timeout="3s")) as serving:
            for how, code in cases:
                endpoint.behave(**how)
                before, begun = len(endpoint.requests()), time.monotonic()
                reply = serving.send(mail_of(0))
                took, asked = time.monotonic() - begun, len(endpoint.requests()) - before
                yield f"{how['status']}: {code}, at once", expect(reply.startswith(code) and took < 1.0 and asked == 1, f"{reply} {took} {asked}")
            for how in ({"status": 503}, {"status": 429}, {"status": 408}, {"drop": True}):
                endpoint.behave(**how)
                before, begun = len(endpoint.requests()), time.monotonic()
                reply = serving.send(mail_of(0))
                took, asked = time.monotonic() - begun, len(endpoint.requests()) - before
                yield f"{how}: asked {asked} times, then deferred ({took:.1f} s)", expect(
                    reply.startswith("451 4.3.0") and took < 2.5 and asked > 3, f"{reply} {took} {asked}"
                )
            endpoint.behave(status=503, fields={"Retry-After": "60"})
            begun = time.monotonic()
            reply = serving.send(mail_of(0))
            took = time.monotonic() - begun
            yield "an endpoint that wants to be left alone is", expect(reply.startswith("451") and took < 1.0, f"{reply} {took}")
            endpoint.behave(status=422, text="the reason\r\nwhy")
            serving.send(mail_of(0))
            yield "the log has status and text", expect(serving.logs("status 422: the reason  why"), serving.log()[-400:])
            yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def certificates(arguments, directory):
    authority, other = PrivateAuthority(directory / "authority"), PrivateAuthority(directory / "other")
    with HttpEndpoint(directory / "endpoint", tls=authority, client_ca=authority.ca) as endpoint:
        ours = {"webhook_tls_cert_file": str(authority.client_cert), "webhook_tls_key_file": str(authority.client_key)}
        ways = {
            "both certificates": ({"webhook_tls_ca_file": str(authority.ca), **ours}, "250"),
            "none of ours": ({"webhook_tls_ca_file": str(authority.ca)}, "451 4.3.0"),
            "another authority": ({"webhook_tls_ca_file": str(other.ca), **ours}, "451 4.3.0"),
            "the system's authorities": (ours, "451 4.3.0"),
        }
        for name, (keys, code) in ways.items():
            own = directory / name.replace(" ", "-")
            own.mkdir()
            with serve(arguments, own, hook_config(endpoint, gw_save_timeout="2s", **keys)) as serving:
                reply = serving.send(mail_of(0))
                yield f"{name}: {code}", expect(reply.startswith(code), f"{reply} {serving.log()[-300:]}")
        [request] = endpoint.requests()
        yield "the endpoint knows the client", expect(request["client"] == [[["commonName", "client"]]], request)


def http_2_behind_nginx(arguments, directory):
    authority, port = PrivateAuthority(directory / "authority"), free_port()
    with HttpEndpoint(directory / "endpoint") as endpoint:
        log = directory / "access"
        config = directory / "nginx.conf"
        config.write_text(
            f"daemon off; master_process off; pid {directory}/nginx.pid; error_log {directory}/error; events {{ }}\n"
            f"http {{ log_format short '$server_protocol $connection $status'; access_log {log} short; client_max_body_size 20m;\n"
            f"client_body_temp_path {directory}/body; proxy_temp_path {directory}/proxy; fastcgi_temp_path {directory}/f;\n"
            f"uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;\n"
            f"server {{ listen 127.0.0.1:{port} ssl http2; ssl_certificate {authority.cert}; ssl_certificate_key {authority.key};\n"
            f"location / {{ proxy_pass {endpoint.url.removesuffix('/mail')}; proxy_pass_request_headers on; }} }} }}\n"
        )
        nginx = subprocess.Popen(["nginx", "-c", str(config), "-e", str(directory / "error")], stdin=subprocess.DEVNULL)
        try:
            wait_until("nginx starts", lambda: (directory / "nginx.pid").exists())
            keys = {"webhook_url": f"https://127.0.0.1:{port}/mail", "webhook_tls_ca_file": str(authority.ca)}
            with serve(arguments, directory, hook_config(endpoint, **keys)) as serving:
                load = Load(serving, connections=8, each=25, again=False)
                load.finish()
                lines = wait_until("200 lines", lambda: len(lines) >= 200 and lines if (lines := log.read_text().split("\n")[:-1]) else None)
                connections = len({line.split()[1] for line in lines})
                yield f"200 mails over HTTP/2 on {connections} connection(s)", expect(
                    all(line.startswith("HTTP/2.0") for line in lines) and connections <= 2 and len(load.acknowledged) == 200,
                    f"{lines[:2]} {connections} {load.deferred[:1]}",
                )
                yield "what was acknowledged is stored", expect(of_subjects(endpoint) == sorted(load.acknowledged), "it is not")
        finally:
            nginx.terminate()
            nginx.wait(SECONDS)


def away_at_start(arguments, directory):
    with HttpEndpoint(directory / "endpoint", start=False) as endpoint:
        with serve(arguments, directory, hook_config(endpoint, gw_save_timeout="2s")) as serving:
            begun = time.monotonic()
            reply = serving.send(mail_of(0))
            took = time.monotonic() - begun
            yield f"mail is deferred while the endpoint is away ({took:.1f} s)", expect(reply.startswith("451 4.3.0") and took < 2.0, f"{reply} after {took}")
            endpoint.start()
            reply = serving.send(mail_of(0))
            yield "the next mail is stored", expect(reply.startswith("250") and of_subjects(endpoint) == ["mail-0"], reply)
            log = serving.whole_log()
            yield "one line when it is away, one when it is back", expect(
                log.count("mail is deferred until it is there") == 1 and log.count("is back") == 1, log[-800:]
            )
            yield "no fault is counted against the processor", no_fault_in(log)


def killed_in_mid_load(arguments, directory):
    with HttpEndpoint(directory / "endpoint") as endpoint, serve(arguments, directory, hook_config(endpoint)) as serving:
        load = Load(serving, connections=16, each=40)
        for count in (100, 300, 500):
            load.wait_for(count)
            endpoint.kill()
            time.sleep(0.2)
            endpoint.start()
        took = load.finish()
        text, fault = same_mails(load, endpoint)
        yield f"{text} ({took:.1f} s)", fault
        yield "all mails are acknowledged in the end", expect(len(load.acknowledged) == 640, len(load.acknowledged))
        yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def failing_and_slow(arguments, directory):
    with HttpEndpoint(directory / "endpoint") as endpoint:
        config = hook_config(endpoint, webhook_timeout_seconds=1, gw_save_timeout="8s", webhook_in_flight=32)
        with serve(arguments, directory, config) as serving:
            endpoint.behave(share=0.3, status=500)
            load = Load(serving, connections=16, each=15)
            load.wait_for(80)
            endpoint.behave(share=0.3, drop=True)
            load.wait_for(160)
            endpoint.behave(share=0.05, sleep=1.5)
            took = load.finish()
            text, fault = same_mails(load, endpoint)
            yield f"{text} ({took:.1f} s)", fault
            yield "most failures are not noticed by clients", expect(len(load.deferred) <= 5, len(load.deferred))
            endpoint.behave(sleep=20)
            begun = time.monotonic()
            reply = serving.send(mail_of(9000))
            took = time.monotonic() - begun
            yield f"an endpoint that hangs is given up in time ({took:.1f} s)", expect(reply.startswith("451 4.3.0") and took < 8.0, f"{reply} after {took}")
            yield "no fault is counted against the processor", no_fault_in(serving.whole_log())


def the_end_of_the_daemon(arguments, directory):
    with HttpEndpoint(directory / "endpoint") as endpoint, serve(arguments, directory, hook_config(endpoint)) as serving:
        load = Load(serving, connections=16, each=40, again=False)
        load.wait_for(150)
        status = serving.stop()
        load.finish()
        stored = of_subjects(endpoint)
        yield "it ends well under load", expect(status == 0, f"exit status {status}")
        yield f"acknowledged {len(load.acknowledged)} = stored {len(stored)}", expect(
            stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
        )


SCENES = [
    a_message_raw_and_as_json, what_a_status_means, certificates, http_2_behind_nginx, away_at_start, killed_in_mid_load, failing_and_slow,
    the_end_of_the_daemon,
]

if __name__ == "__main__":
    sys.exit(play(SCENES, arguments_of(__doc__)))
