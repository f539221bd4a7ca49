"""guerrillad, started with a config of the test's own, and what it has kept."""

import collections
import json
import pathlib
import re
import subprocess
import time

from maildir import Maildir
from recorder import Recorder

KEPT_AND_HASHED = "HeadersParser|Header|Hasher|MailDir"
# Of the plugin for tests: Honours says that it honours DSN and logs what it was asked, Answers answers what the mail says.
HONOURING = "HeadersParser|Header|Honours|Answers|MailDir"

ASKED = re.compile(r"Honours: (\S+) asked \[(.*)\] of \[(.*)\]$", re.MULTILINE)
PARAMETER = re.compile(r'\("([^"]+)", (?:Some\("([^"]*)"\)|None)\)')
LISTENING = re.compile(r"listening on \S*:(\d+) as (\S+)$", re.MULTILINE)
SECONDS = 20.0


class Receiver:
    """One guerrillad with a maildir for each address below `mail`; every server stands behind a Recorder.

    `servers` maps a name to the server's keys. `users` is the maildir_user_map; the default takes everybody. `save` is the
    chain that keeps a mail.
    """

    def __init__(self, arguments, directory, servers, users="*=-1:-1", validate="MailDir", save=KEPT_AND_HASHED):
        if not pathlib.Path(arguments.daemon).is_file():
            raise SystemExit(f"no daemon at {arguments.daemon}: build it (make build) or name it with --daemon")
        self.directory = pathlib.Path(directory)
        self.mail = self.directory / "mail"
        self.log = self.directory / "log"
        self.mail.mkdir(parents=True)
        config = {
            "log_file": str(self.log),
            "log_level": "debug",
            "allowed_hosts": ["."],
            "backend_config": {
                "save_process": save,
                "validate_process": validate,
                "primary_mail_host": "mx.example.test",
                "maildir_path": f"{self.mail}/[domain]/[user]",
                "maildir_user_map": users,
            },
            "servers": [
                # Each its own loopback address: the interface with port 0 is what tells servers apart.
                {"is_enabled": True, "listen_interface": f"127.0.0.{number}:0", "host_name": name, "timeout": 60, **keys}
                for number, (name, keys) in enumerate(servers.items(), 1)
            ],
        }
        path = self.directory / "config.json"
        path.write_text(json.dumps(config, indent=4))
        self._command = [arguments.daemon, "serve", "-c", path, "--plugins-dir", arguments.plugins]
        self._hosts = {name: f"127.0.0.{number}" for number, name in enumerate(servers, 1)}
        self.recorders = {}
        ports = self._start()
        self.recorders = {
            name: Recorder(name, (self._hosts[name], ports[name]), lmtp=keys.get("protocol") == "lmtp")
            for name, keys in servers.items()
        }

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for recorder in self.recorders.values():
            recorder.close()
        self.stop()

    def stop(self):
        """Ends the daemon; its exit status."""
        self.process.terminate()
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def crash_and_restart(self):
        """Kills the daemon without warning, and starts it again behind the same recorders. (The kernel keeps what was not synced.)"""
        self.process.kill()
        self.process.wait()
        self.log.unlink()
        for name, port in self._start().items():
            self.recorders[name].upstream = (self._hosts[name], port)

    def box(self, address):
        """The Maildir of an address."""
        local, _, domain = address.rpartition("@")
        return Maildir(self.mail / domain.lower() / local.lower())

    def files(self, address):
        """The delivered files of an address, as bytes."""
        box = self.box(address)
        return [box.read(name) for name in sorted(box.names())]

    def asked(self, address):
        """What reached the processor Honours with the mail for `address`: the parameters of MAIL and of its RCPT, as dicts."""
        # The log has a thread of its own: on a busy machine the mail is there before the line.
        found = self._in_log(lambda log: [(mail, rcpt) for named, rcpt, mail in ASKED.findall(log) if named == address])
        if len(found) != 1:
            raise LookupError(f"Honours has seen {len(found)} mails for {address}")
        return tuple(dict(PARAMETER.findall(parameters)) for parameters in found[0])

    def deliveries(self):
        """Everything that a peer was told is kept, over all servers."""
        return [kept for recorder in self.recorders.values() for kept in recorder.deliveries()]

    def holds(self, kept):
        """Whether there is a file of this delivery, whole."""
        box = self.box(kept.recipient)
        return any(fault_of_file(box, name, kept) is None for name in box.names())

    def fault_of_accounts(self):
        """Compares what was acknowledged on the wire with what is on disk, both ways; None when they agree.

        Each acknowledged (recipient, mail) has exactly one file of its own, whole, with the envelope on top; and there is
        no file besides.
        """
        owed = collections.defaultdict(list)
        for kept in self.deliveries():
            owed[self.box(kept.recipient).path].append(kept)
        boxes = {folder.parent for folder in self.mail.glob("*/*/new")}
        for path in sorted(boxes | set(owed)):
            fault = fault_of_box(Maildir(path), owed[path])
            if fault:
                return f"{path.relative_to(self.mail)}: {fault}"
        return None

    def _start(self):
        """Starts the daemon; the port of each server, which the kernel has chosen."""
        with open(self.directory / "output", "wb") as output:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory
            )
        ports = self._in_log(lambda log: " ready" in log and LISTENING.findall(log))
        if ports:
            return {name: int(port) for port, name in ports}
        said = (self.directory / "output").read_text() + (self.log.read_text() if self.log.exists() else "")
        self.stop()
        raise SystemExit(f"guerrillad did not start: {said.strip() or 'it said nothing'}")

    def _in_log(self, find):
        """What `find` makes of the log as soon as that is anything; what it makes of it when the daemon ends or time is up."""
        deadline = time.monotonic() + SECONDS
        while True:
            over = self.process.poll() is not None or time.monotonic() > deadline
            found = find(self.log.read_text() if self.log.exists() else "")
            if found or over:
                return found
            time.sleep(0.01)


def fault_of_box(box, owed):
    """The fault of one Maildir that is owed the deliveries `owed`."""
    names = box.names()
    if box.unfinished():
        return f"left behind in tmp: {sorted(box.unfinished())[:3]}"
    if len(names) != len(owed):
        return f"{len(owed)} acknowledged, {len(names)} files"
    for kept in owed:
        faults = {name: fault_of_file(box, name, kept) for name in sorted(names)}
        whole = next((name for name, fault in faults.items() if fault is None), None)
        if whole is None:
            return f"mail from {kept.sender} is not whole: {next(iter(faults.values()))}"
        names.remove(whole)
    return None


def fault_of_file(box, name, kept):
    return box.fault_of_file(name, kept.mail) or fault_of_envelope(box.read(name), kept)


def fault_of_envelope(delivered, kept):
    """Return-Path says what MAIL said; Delivered-To names a recipient who is alone."""
    top = delivered[: len(delivered) - len(kept.mail.replace(b"\r\n", b"\n"))]
    wanted = [f"Return-Path: <{kept.sender}>\n"]
    # One mail for several must not tell any of them of the others.
    wanted += [f"Delivered-To: {kept.recipient}\n"] if kept.alone else []
    wrong = [line for line in wanted if line.encode() not in top]
    wrong += ["Delivered-To"] if not kept.alone and b"Delivered-To:" in top else []
    return f"{wrong} against the delivery headers {top!r}" if wrong else None
