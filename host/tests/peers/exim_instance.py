"""A private Exim: unpacked programs, own config, spool and log, no daemon, no DNS.

Exim needs no process of its own: whoever hands in a mail delivers it, and `flush()` is a queue run.
"""

import os
import pathlib
import re
import subprocess
import time

from packages import OWNER, Unavailable, run

SECONDS = 30.0

CONFIG = """
exim_path = {program}
spool_directory = {directory}/spool
log_file_path = {directory}/log-%s
log_selector = +smtp_confirmation +pipelining
keep_environment = {environment}
add_environment = PATH=/usr/sbin:/usr/bin
primary_hostname = relay.example.com
qualify_domain = relay.example.com
local_interfaces = 127.0.0.1
disable_ipv6 = true
host_lookup =
allow_utf8_domains = true
smtputf8_advertise_hosts = *
dsn_advertise_hosts = *
acl_smtp_rcpt = accept
errors_copy =
# The samples come as they are: with lines and header sections of any length.
message_size_limit = 0
header_maxsize = 16M
header_line_maxsize = 0

begin routers
{routers}

begin transports
{transports}

begin retry
# Nothing is tried again unless a test says so.
* * F,7d,1h
"""

ROUTER = """
to_{name}:
  driver = manualroute
  domains = {domains}
  route_list = * 127.0.0.1::{port}
  host_find_failed = defer
  self = send
  transport = {transport}
  no_more
"""

TRANSPORT = """
{name}:
  driver = smtp
  # The router's hosts come with their own; LMTP has none that all agree on.
  port = 25
  allow_localhost
  hosts_avoid_tls = *
  hosts_try_fastopen = :
  dnssec_request_domains = :
  message_linelength_limit = 1000000000
  {settings}
"""

TRANSPORTS = {"esmtp": "protocol = smtp", "lmtp": "protocol = lmtp"}


class Exim:
    """`routes` is a list of (recipient domains, transport, port); the first that fits counts."""

    def __init__(self, root, directory, routes):
        self.directory, self.program = pathlib.Path(directory), root / "usr/sbin/exim4"
        self.directory.mkdir()
        self.environment = root.environment(
            self.directory, [f"Debian-exim:x:{OWNER}:{OWNER}:Exim:/:/bin/false"], [f"Debian-exim:x:{OWNER}:"]
        )
        routers = (
            ROUTER.format(name=number, domains=domains, transport=transport, port=port)
            for number, (domains, transport, port) in enumerate(routes)
        )
        transports = (TRANSPORT.format(name=name, settings=settings) for name, settings in TRANSPORTS.items())
        self.config = self.directory / "config"
        self.config.write_text(
            CONFIG.format(
                program=self.program,
                directory=self.directory,
                environment=" : ".join(self.environment),
                routers="".join(routers),
                transports="".join(transports),
            )
        )
        if os.geteuid() != 0:
            give_to_root(self.config)
        fault = self._run("-bV").stderr.decode(errors="replace").strip()
        if fault:
            raise SystemExit(f"Exim does not start: {fault}")

    def version(self):
        return self._run("-bV").stdout.decode().split("\n")[0].split(" #")[0].removeprefix("Exim version ")

    def submit(self, sender, recipients, mail, *options):
        """Hands in a mail; with -odf, the default here, it has also been tried to deliver when this returns."""
        self._checked("-i", *(options or ["-odf"]), "-f", sender, "--", *recipients, input=mail)

    def submit_by_smtp(self, mail_parameters, sender, recipients, mail, rcpt_parameters=""):
        """Hands in a mail in an SMTP session (`exim -bs`): for the parameters that the command line has no option for."""
        commands = [f"MAIL FROM:<{sender}> {mail_parameters}", *(f"RCPT TO:<{one}> {rcpt_parameters}" for one in recipients), "DATA"]
        octets = "".join(f"{line.strip()}\r\n" for line in ("EHLO client.example.com", *commands)).encode()
        said = self._checked("-odf", "-bs", input=octets + mail.replace(b"\r\n.", b"\r\n..") + b".\r\nQUIT\r\n").stdout.decode()
        if f" OK id=" not in said:
            raise RuntimeError(f"Exim refused the mail: {said}")

    def flush(self, option="-qff"):
        """A queue run that tries everything, also what was deferred."""
        self._checked(option)

    def queued(self):
        """How many mails are in the spool."""
        return sum(1 for name in self._spool() if name.endswith("-H"))

    def settle(self, condition=lambda: True, seconds=SECONDS):
        """Waits until `condition()` holds, as for a bounce that is delivered in the background; None, or that it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return f"not within {seconds:g} s; in the queue: {self.queued()}; log: {self.log()[-3:]}"
            time.sleep(0.01)
        return None

    def log(self, *words):
        """The lines of Exim's logs that hold all `words`."""
        lines = [line for path in sorted(self.directory.glob("log-*")) for line in path.read_text(errors="replace").splitlines()]
        # Each run with an own config file is worth this line to Exim.
        return [line for line in lines if "lost privilege for using -C" not in line and all(word in line for word in words)]

    def _spool(self):
        folder = self.directory / "spool" / "input"
        return [entry.name for entry in os.scandir(folder)] if folder.exists() else []

    def _checked(self, *arguments, **more):
        done = self._run(*arguments, **more)
        if done.returncode:
            said = re.sub(r"\s+", " ", (done.stderr + done.stdout).decode(errors="replace"))
            raise RuntimeError(f"exim {arguments[0]} exit {done.returncode}: {said[-300:]}")
        return done

    def _run(self, *arguments, **more):
        more = more or {"stdin": subprocess.DEVNULL}
        return subprocess.run(
            [self.program, "-C", self.config, *arguments],
            env=self.environment, capture_output=True, timeout=SECONDS, check=False, **more,
        )  # fmt: skip


def give_to_root(path):
    """Exim reads no config but root's, and that is the one thing which only root can bring about."""
    fault = run(["sudo", "-n", "chown", "0:0", str(path)])
    if fault is not None:
        raise Unavailable(f"exim4-daemon-light needs a config file that belongs to root, so root or sudo: {fault}")
