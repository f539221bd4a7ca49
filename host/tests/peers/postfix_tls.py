#!/usr/bin/env python3
"""Postfix delivers to guerrillad over STARTTLS, and only where the certificate is what it was told to expect.

A private Postfix and a private guerrillad are started, with certificates of an authority of our own. Each way to deliver is a
transport with its own `smtp_tls_security_level`. Exit status 3: Postfix cannot be had here.
"""

import pathlib
import subprocess
import sys
import tempfile

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "clients"))

import packages
import scene
from postfix_instance import Postfix
from receiver import Receiver
from scene import expect
from target import Report

NAME = "mail.example.test"
MAIL = b"Subject: over TLS\r\n\r\nOne line.\r\n.\r\n..\r\n"
# What Postfix leaves as it is, as it is on disk.
BODY = b"\n\nOne line.\n.\n..\n"

# Transports: what Postfix is to insist on.
TRANSPORTS = {
    "may": ["smtp_tls_security_level=may"],
    "encrypt": ["smtp_tls_security_level=encrypt"],
    "old": ["smtp_tls_security_level=encrypt", "smtp_tls_mandatory_protocols=TLSv1.2"],
    "verify": ["smtp_tls_security_level=verify", f"smtp_tls_verify_cert_match={NAME}"],
    "secure": ["smtp_tls_security_level=secure", f"smtp_tls_secure_cert_match={NAME}"],
    "misnamed": ["smtp_tls_security_level=verify", "smtp_tls_verify_cert_match=other.example.test"],
    "stranger": ["smtp_tls_security_level=verify", f"smtp_tls_verify_cert_match={NAME}", "smtp_tls_CAfile={other}"],
    "plain": ["smtp_tls_security_level=none"],
}
# What Postfix logs of a connection that it is content with, and the version.
CONTENT = {
    "may": ("Trusted", "TLSv1.3"),
    "encrypt": ("Trusted", "TLSv1.3"),
    "old": ("Trusted", "TLSv1.2"),
    "verify": ("Verified", "TLSv1.3"),
    "secure": ("Verified", "TLSv1.3"),
}


class Bench:
    def __init__(self, arguments, receiver, postfix):
        self.arguments, self.receiver, self.postfix = arguments, receiver, postfix

    def recorders(self):
        return []


def authority(directory, name):
    """A root certificate and its key."""
    return signed(directory, name, "basicConstraints=critical,CA:TRUE")


def signed(directory, name, extensions, issuer=None):
    """A certificate and its key, signed by `issuer` or by itself."""
    certificate, key, request = (directory / f"{name}.{end}" for end in ("crt", "key", "cnf"))
    request.write_text(f"[req]\ndistinguished_name=name\nprompt=no\nx509_extensions=more\n[name]\nCN={name}\n[more]\n{extensions}\n")
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30"]
    command += ["-config", request, "-keyout", key, "-out", certificate]
    if issuer:
        command += ["-CA", issuer[0], "-CAkey", issuer[1]]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


def services(ca, other):
    lines = ["tlsmgr unix - - n 1000? 1 tlsmgr"]
    for name, settings in TRANSPORTS.items():
        chosen = [f"syslog_name=postfix/{name}", f"smtp_tls_CAfile={ca}", "smtp_tls_loglevel=1", *(one.format(other=other) for one in settings)]
        lines.append(f"{name} unix - - n - - smtp " + " ".join(f"-o {one}" for one in chosen))
    return "\n".join(lines) + "\n"


def delivered(bench):
    for name, (trust, version) in CONTENT.items():
        recipient = f"user@{name}.test"
        bench.postfix.submit("ada@example.com", [recipient], MAIL)
        yield f"{name}: relayed", bench.postfix.settle(lambda to=recipient: bench.receiver.files(to))
        lines = bench.postfix.log(f"postfix/{name}/smtp", f"{trust} TLS connection established", f": {version} with cipher ")
        yield f"{name}: Postfix calls it {trust.lower()}, {version}", expect(lines, bench.postfix.log(f"postfix/{name}/smtp"))
        kept = bench.receiver.files(recipient)
        yield f"{name}: whole, and once", expect([mail.endswith(BODY) for mail in kept] == [True], kept)
        received = [line for line in kept[0].split(b"\n") if version.encode() in line]
        yield f"{name}: Received says {version}", expect(received and b" with ESMTPS id " in kept[0], kept[0])
        # The log has a thread of its own: on a busy machine the mail is there before the line.
        said = f" tls version={version} cipher="
        yield f"{name}: our log says {version}", bench.postfix.wait(lambda said=said: said in bench.receiver.log.read_text())


def not_delivered(bench):
    for name in ("misnamed", "stranger"):
        recipient = f"user@{name}.test"
        bench.postfix.submit("ada@example.com", [recipient], MAIL)
        yield f"{name}: deferred", bench.postfix.settle(lambda to=recipient: bench.postfix.log(f"to=<{to}>", "status=deferred"))
        why = bench.postfix.log(f"to=<{recipient}>", "Server certificate not ")
        yield f"{name}: for its certificate", expect(why, bench.postfix.log(f"to=<{recipient}>"))
        yield f"{name}: nothing is kept", expect(not bench.receiver.files(recipient), "it is")


def required(bench):
    recipient, sender = "user@plain.test", "plain-sender@encrypt.test"
    bench.postfix.submit(sender, [recipient], MAIL)
    yield "returned when it comes without TLS", bench.postfix.settle(lambda: bench.receiver.files(sender))
    yield "the bounce says 5.7.0", scene.fault_of_bounce(bench.receiver.files(sender), recipient, "5.7.0")
    yield "nothing is kept", expect(not bench.receiver.files(recipient), "it is")


SCENES = {"delivered": delivered, "not delivered": not_delivered, "required": required}


def main():
    arguments = scene.arguments_of("let Postfix deliver to guerrillad over STARTTLS")
    root = packages.or_exit(lambda: packages.unpacked("postfix", arguments.unpacked))
    report = Report()
    with tempfile.TemporaryDirectory(prefix="guerrillad-postfix-tls-") as directory:
        home = pathlib.Path(directory)
        home.chmod(0o755)
        ca, other = authority(home, "authority"), authority(home, "another")
        pair = signed(home, NAME, f"basicConstraints=CA:FALSE\nsubjectAltName=DNS:{NAME}", ca)
        tls = {"start_tls_on": True, "tls_required": True, "public_key_file": str(pair[0]), "private_key_file": str(pair[1])}
        with Receiver(arguments, home / "smtp", {NAME: {"tls": tls}}) as receiver:
            # Past the recorder, which could make nothing of what it hears.
            host, port = receiver.recorders[NAME].upstream
            routes = {f"{name}.test": f"{name}:[{host}]:{port}" for name in TRANSPORTS} | {"*": f"encrypt:[{host}]:{port}"}
            with Postfix(root, home / "postfix", routes, services(ca[0], other[0])) as postfix:
                print(f"Postfix {postfix.version()}", flush=True)
                scene.play(report, arguments, SCENES, Bench(arguments, receiver, postfix))
            status = receiver.stop()
            report.note("the daemon ends well", expect(status == 0, f"exit status {status}"))
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
