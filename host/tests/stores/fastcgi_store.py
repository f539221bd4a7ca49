"""The FastCGI processor, end to end: guerrillad loads the .so, mail goes in by SMTP, scripts run by php-fpm check and store it.

What matters most is counted to the message: what was acknowledged is stored by the script, also when php-fpm is killed, reloaded or
busy in between.
"""

import json
import os
import signal
import sys
import threading
import time

import php_fpm
from php_fpm import PHP, PhpFpm
from private import wait_until
from sending import Load, mail_of
from serving import Serving, arguments_of, expect, play

CHAIN = "HeadersParser|Header|FastCGI"
SECRET = "s3cret-of-the-test"


def fcgi_config(php, script="php/save.php", validate=None, **keys):
    config = {
        "save_process": CHAIN,
        "fcgi_connection_type": php.kind,
        "fcgi_connection_address": php.address,
        "fcgi_script_filename_save": str(PHP / script),
        "fcgi_params": {"MAIL_DIRECTORY": str(php.mails), "MAIL_USERS": str(php.users)},
    }
    if validate:
        config |= {"validate_process": "FastCGI", "fcgi_script_filename_validate": str(PHP / validate)}
    return config | keys


def serve(arguments, directory, config, **more):
    return Serving(arguments, directory, config, ["fastcgi"], **more)


def subject(text):
    return f"Subject: {text}\r\n\r\nHello.\r\n".encode()


def unsaid(serving, text, since=0):
    """None when the log says this, which it does a little later than the client hears the reply."""
    try:
        wait_until(text, lambda: text in serving.log()[since:], seconds=5.0)
    except RuntimeError:
        return serving.log()[since:][-800:]
    return None


def no_fault_in(log):
    """The processor has kept its deadlines: the daemon never had to give it up."""
    return expect("fault" not in log and "no answer within" not in log, log[-800:])


def same_mails(load, php):
    """Acknowledged = stored. A mail may be stored twice when its script was killed behind its work and in front of its answer."""
    stored, acknowledged = php.stored(), set(load.acknowledged)
    twice = len(stored) - len(set(stored))
    text = f"acknowledged {len(acknowledged)} = stored {len(set(stored))}, {twice} twice, {len(load.deferred)} deferred"
    fault = f"{len(acknowledged - set(stored))} lost, {len(set(stored) - acknowledged)} not acknowledged, {load.other[:3]}"
    return text, expect(set(stored) == acknowledged and not load.other, fault)


def a_message_reaches_the_script(arguments, directory):
    mail = b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nX: a&b=c+d%41\r\n\r\nbytes: \xff\xe4 \x00\r\n--x\r\n" + b"0123456789" * 50 + b"\r\n"
    for number, (kind, tcp) in enumerate((kind, tcp) for kind in ("urlencoded", "multipart") for tcp in (False, True)):
        own = directory / str(number)
        with PhpFpm(own / "php", tcp=tcp) as php, serve(arguments, own, fcgi_config(php, fcgi_body_format=kind)) as serving:
            way = f"{kind} over {php.kind}"
            reply = serving.send(mail, ("a@example.test", '"b c"@example.test'))
            yield f"{way}: acknowledged", expect(reply.startswith("250 2.0.0 OK: queued as "), reply)
            [(envelope, stored)] = php.envelopes()
            told = {
                "to": ["a@example.test", '"b c"@example.test'], "mail_from": "me@example.com", "subject": "Grüße", "helo": "client.example",
                "remote_ip": "127.0.0.1", "tls_on": "false", "rcpt_to_0": "a@example.test", "rcpt_to_1": '"b c"@example.test',
            }
            yield f"{way}: the envelope is complete", expect(envelope == told, envelope)
            head, _, rest = stored.partition(b"Subject: ")
            yield f"{way}: the body is delivery header and mail, octet for octet", expect(
                head.startswith(b"Return-Path: <me@example.com>\r\n") and b"Subject: " + rest == mail, stored[:600]
            )
            big = mail_of(1, 8_000_000)
            reply = serving.send(big)
            yield f"{way}: 8 MB are stored octet for octet", expect(
                reply.startswith("250") and any(body.endswith(big) for _, body in php.envelopes()), reply
            )
            yield f"{way}: guerrillad ends well", expect(serving.stop() == 0, "exit status")


def parameters_and_secrets(arguments, directory):
    token = directory / "token"
    token.write_text(f"{SECRET}-of-a-file\n")
    with PhpFpm(directory / "php") as php:
        places = {"TOKEN": {"file": str(token)}, "KEY": {"env": "SCRIPT_KEY"}, "WORD": SECRET, "MAIL_DIRECTORY": str(php.mails)}
        config = fcgi_config(php, "tests/php/given.php", fcgi_params=places)
        environment = {**os.environ, "SCRIPT_KEY": f"{SECRET}-of-the-environment"}
        with serve(arguments, directory, config, environment=environment) as serving:
            reply = serving.send(mail_of(0))
            given = json.loads((php.mails / "given").read_text())
            ours = {name: given["server"].get(name) for name in ("TOKEN", "KEY", "WORD", "REMOTE_ADDR", "SERVER_SOFTWARE", "REQUEST_METHOD")}
            yield "the script is given what it needs", expect(
                reply.startswith("250") and ours == {
                    "TOKEN": f"{SECRET}-of-a-file", "KEY": f"{SECRET}-of-the-environment", "WORD": SECRET, "REMOTE_ADDR": "127.0.0.1",
                    "SERVER_SOFTWARE": "Go-guerrilla fastcgi", "REQUEST_METHOD": "POST",
                }, f"{reply} {ours}",
            )
            fields = sorted(given["post"])
            yield "and the fields that go-guerrilla has", expect(
                fields == ["body", "helo", "mail_from", "rcpt_to_0", "remote_ip", "subject", "tls_on"], fields
            )
            php.kill()
            log = serving.log() + serving.output.read_text()
            yield "no secret is in the log", expect(SECRET not in log, "it is")
        own = directory / "wrong"
        own.mkdir()
        config["fcgi_connection_type"] = SECRET
        with serve(arguments, own, config, start=False) as serving:
            wait_until("the end", lambda: serving.process.poll() is not None)
            said = serving.output.read_text() + serving.log()
            yield "nor in the error about a configuration", expect("fcgi_connection_type" in said and SECRET not in said, said)


def recipients_are_checked(arguments, directory):
    with PhpFpm(directory / "php") as php:
        with serve(arguments, directory, fcgi_config(php, validate="php/validate.php")) as serving:
            reply = serving.send(mail_of(0), ("you@example.test", "OTHER@example.test"))
            yield "PASSED: known recipients are taken", expect(reply.startswith("250"), reply)
            reply = serving.send(mail_of(1), ("nobody@example.test",))
            yield "unknown ones are refused", expect(reply == "550 5.1.1 No such user here", reply)
            php.users.unlink()
            reply = serving.send(mail_of(2))
            yield "nobody is refused when the list is gone", expect(reply.startswith("451 4.3.0"), reply)
            yield "and the log says why", unsaid(serving, "STDERR: PHP message: PHP Warning:  file(")
        own = directory / "other"
        own.mkdir()
        with serve(arguments, own, fcgi_config(php, validate="tests/php/pass.php")) as serving:
            replies = [serving.send(mail_of(3), (f"{name}@example.test",))[:9] for name in ("a", "b", "c")]
            yield "PASS, nothing, and a script that dies", expect(replies == ["250 2.0.0", "550 5.1.1", "451 4.3.0"], replies)
        yield "only mail for known recipients is stored", expect(php.stored() == ["mail-0", "mail-3"], php.stored())


def scripts_that_go_wrong(arguments, directory):
    cases = {
        "status 500": ("451 4.3.0", "ends with status 500"),
        "status 404": ("451 4.3.0", "ends with status 404"),
        "status 422": ("554 5.7.1", "message rejected"),
        "dies": ("451 4.3.0", "STDERR: PHP message: PHP Fatal error:  Uncaught Error: Call to undefined function"),
        "memory": ("451 4.3.0", "Allowed memory size"),
        "nothing": ("451 4.3.0", "prints nothing instead of SAVED"),
        "garbage": ("451 4.3.0", "\"... instead of SAVED"),
        "not saved": ("451 4.3.0", 'prints "NOT SAVED" instead of SAVED'),
        "endless": ("451 4.3.0", 'prints "noxxx'),
        "complains": ("250 2.0.0", "STDERR: PHP message: all is well"),
    }
    with PhpFpm(directory / "php") as php, serve(arguments, directory, fcgi_config(php, "tests/php/wrong.php")) as serving:
        for name, (code, said) in cases.items():
            before = len(serving.log())
            reply = serving.send(subject(name))
            yield f"{name}: {code}", expect(reply.startswith(code), reply)
            yield f"{name}: the log says {said!r}", unsaid(serving, said, before)
        yield "only the one that is acknowledged is stored", expect(php.stored() == ["complains"], php.stored())
        for file in php.mails.iterdir():
            file.unlink()
        php.mails.rmdir()
        reply = serving.send(subject("no directory"))
        yield "a directory that is gone defers", expect(reply.startswith("451 4.3.0"), reply)
        yield "and the log says why", unsaid(serving, "cannot be written")
        php.mails.mkdir()
        reply = serving.send(subject("fine"))
        yield "the next mail is stored", expect(reply.startswith("250") and php.stored() == ["fine"], reply)
        yield "no fault is counted against the processor", no_fault_in(serving.log())


def scripts_that_print_their_errors(arguments, directory):
    settings = "php_admin_flag[display_errors] = on\nphp_admin_flag[log_errors] = off\nphp_admin_value[post_max_size] = 100K"
    with PhpFpm(directory / "php", settings=settings) as php:
        config = fcgi_config(php, "tests/php/wrong.php", validate="tests/php/pass.php")
        with serve(arguments, directory, config) as serving:
            reply = serving.send(subject("dies"), ("a@example.test",))
            yield "a fatal error in print is not SAVED", expect(reply.startswith("451 4.3.0"), reply)
            yield "and is in the log", unsaid(serving, "Fatal error")
            reply = serving.send(mail_of(0, 500_000), ("a@example.test",))
            yield "a form that PHP drops is deferred", expect(reply.startswith("451 4.3.0"), reply)
            reply = serving.send(mail_of(0), ("c@example.test",))
            yield "nor is it the refusal of a recipient", expect(reply.startswith("451 4.3.0"), reply)
            yield "nothing is stored", expect(php.stored() == [], php.stored())
            config["fcgi_script_filename_save"] = str(PHP / "missing.php")
        own = directory / "missing"
        own.mkdir()
        with serve(arguments, own, config) as serving:
            reply = serving.send(mail_of(0), ("a@example.test",))
            yield "a script that is not there defers", expect(reply.startswith("451 4.3.0"), reply)
            yield "and the log names it", unsaid(serving, "missing.php: ends with status 404")


def slow_and_killed_scripts(arguments, directory):
    with PhpFpm(directory / "php", processes=4) as php:
        with serve(arguments, directory, fcgi_config(php, "tests/php/wrong.php", gw_save_timeout="3s")) as serving:
            begun = time.monotonic()
            reply = serving.send(subject("slow"))
            took = time.monotonic() - begun
            yield f"a slow script is given up in time ({took:.1f} s)", expect(reply.startswith("451 4.3.0") and took < 3.0, f"{reply} after {took}")
            reply = serving.send(subject("fine"))
            yield "the next mail finds another process", expect(reply.startswith("250"), reply)
            yield "no fault is counted against the processor", no_fault_in(serving.log())
        own = directory / "killed"
        own.mkdir()
        pid = php.mails / "pid"
        pid.unlink()
        with serve(arguments, own, fcgi_config(php, "tests/php/wrong.php")) as serving:
            sending = Sending(serving, "slow")
            wait_until("the script runs", lambda: pid.exists() and pid.read_text())
            os.kill(int(pid.read_text()), signal.SIGKILL)
            reply = sending.reply()
            yield "a process that is killed in the middle defers", expect(reply.startswith("451 4.3.0"), reply)
            reply = serving.send(subject("fine"))
            yield "the next mail works", expect(reply.startswith("250"), reply)
        yield "what was acknowledged is stored", expect(php.stored() == ["fine", "fine"], php.stored())


def away_at_start(arguments, directory):
    with PhpFpm(directory / "php", start=False) as php:
        config = fcgi_config(php, validate="php/validate.php", gw_save_timeout="2s", gw_val_rcpt_timeout="2s")
        with serve(arguments, directory, config) as serving:
            begun = time.monotonic()
            reply = serving.send(mail_of(0))
            took = time.monotonic() - begun
            yield f"recipients are deferred while php-fpm is away ({took:.1f} s)", expect(reply.startswith("451 4.3.0") and took < 2.0, f"{reply} after {took}")
            php.start()
            reply = serving.send(mail_of(0))
            yield "the next mail is stored", expect(reply.startswith("250") and php.stored() == ["mail-0"], reply)
            log = serving.log()
            yield "one line when it is away, one when it is back", expect(
                log.count("mail is deferred until it is there") == 1 and log.count("is back") == 1, log[-800:]
            )
            yield "no fault is counted against the processor", no_fault_in(log)


def killed_in_mid_load(arguments, directory):
    for tcp in (False, True):
        own = directory / ("tcp" if tcp else "unix")
        with PhpFpm(own / "php", tcp=tcp) as php, serve(arguments, own, fcgi_config(php, validate="php/validate.php")) as serving:
            load = Load(serving, connections=16, each=30)
            for count in (60, 180, 320):
                load.wait_for(count)
                before = len(load.deferred)
                php.kill()
                wait_until("a mail that is deferred", lambda before=before: len(load.deferred) > before)
                php.start()
            took = load.finish()
            text, fault = same_mails(load, php)
            yield f"{php.kind}: {text} ({took:.1f} s)", fault
            yield f"{php.kind}: all mails are acknowledged in the end", expect(len(load.acknowledged) == 480, len(load.acknowledged))
            yield f"{php.kind}: no fault is counted against the processor", no_fault_in(serving.log())


def reloaded_and_recycled_in_mid_load(arguments, directory):
    with PhpFpm(directory / "php", settings="pm.max_requests = 20") as php:
        with serve(arguments, directory, fcgi_config(php)) as serving:
            load = Load(serving, connections=16, each=30)
            for count in (100, 250):
                load.wait_for(count)
                php.reload()
            took = load.finish()
            text, fault = same_mails(load, php)
            yield f"{text} ({took:.1f} s)", fault
            yield "all mails are acknowledged in the end", expect(len(load.acknowledged) == 480, len(load.acknowledged))


def more_connections_than_processes(arguments, directory):
    with PhpFpm(directory / "php", processes=2) as php:
        config = fcgi_config(php, fcgi_connections=16, fcgi_keep_alive_seconds=60, gw_save_timeout="10s")
        with serve(arguments, directory, config) as serving:
            load = Load(serving, connections=16, each=20, again=False)
            took = load.finish()
            text, fault = same_mails(load, php)
            yield f"{text} ({took:.1f} s)", fault
            yield "nobody waits in vain for a process that others keep", expect(len(load.acknowledged) == 320, load.deferred[:2])


def kept_connections_and_one_for_each(arguments, directory):
    for seconds in (5, 0):
        own = directory / str(seconds)
        with PhpFpm(own / "php") as php:
            config = fcgi_config(php, "tests/php/given.php", validate="php/validate.php", fcgi_keep_alive_seconds=seconds)
            with serve(arguments, own, config) as serving:
                load = Load(serving, connections=8, each=60, again=False)
                took = load.finish()
                yield f"kept for {seconds} s: {480 / took:.0f} mails a second, each checked and stored", expect(
                    len(load.acknowledged) == 480, f"{load.deferred[:2]} {load.other[:2]}"
                )


def full_queue(arguments, directory):
    with PhpFpm(directory / "php", processes=1, settings="listen.backlog = 1") as php:
        config = fcgi_config(php, "tests/php/wrong.php", fcgi_connections=20, gw_save_timeout="2s")
        with serve(arguments, directory, config) as serving:
            mails = [Sending(serving, "time") for _ in range(20)]
            begun = time.monotonic()
            replies = [mail.reply() for mail in mails]
            took = time.monotonic() - begun
            taken = [reply for reply in replies if reply.startswith("250")]
            deferred = [reply for reply in replies if reply.startswith("451 4.3.0")]
            yield f"of 20 mails {len(taken)} are taken and {len(deferred)} deferred, in time ({took:.1f} s)", expect(
                2 <= len(taken) < 20 and len(taken) + len(deferred) == 20 and took < 2.5, replies
            )
            yield "no fault is counted against the processor", no_fault_in(serving.log())
            stored = len(php.stored())
            yield f"{stored} are stored by then: those at least that were taken", expect(stored >= len(taken), stored)
            wait_until("the queue is worked off", lambda: serving.send(subject("fine")).startswith("250"))
            yield "and mail flows again", expect("fine" in php.stored(), php.stored())


def the_end_of_the_daemon(arguments, directory):
    with PhpFpm(directory / "php") as php, serve(arguments, directory, fcgi_config(php)) as serving:
        load = Load(serving, connections=16, each=40, again=False)
        load.wait_for(150)
        status = serving.stop()
        load.finish()
        stored = php.stored()
        yield "it ends well under load", expect(status == 0, f"exit status {status}")
        yield f"acknowledged {len(load.acknowledged)} = stored {len(stored)}", expect(
            stored == sorted(load.acknowledged), f"{len(set(load.acknowledged) - set(stored))} missing"
        )


class Sending(threading.Thread):
    """A mail that is under way while the test does something else."""

    def __init__(self, serving, text):
        super().__init__(daemon=True)
        self._serving, self._mail, self._reply = serving, subject(text), None
        self.start()

    def run(self):
        self._reply = self._serving.send(self._mail)

    def reply(self):
        self.join()
        return self._reply


SCENES = [
    a_message_reaches_the_script, parameters_and_secrets, recipients_are_checked, scripts_that_go_wrong, scripts_that_print_their_errors,
    slow_and_killed_scripts, away_at_start, killed_in_mid_load, reloaded_and_recycled_in_mid_load, more_connections_than_processes,
    kept_connections_and_one_for_each, full_queue, the_end_of_the_daemon,
]

if __name__ == "__main__":
    if not php_fpm.program():
        sys.exit("missing Debian package: php-fpm")
    sys.exit(play(SCENES, arguments_of(__doc__)))
