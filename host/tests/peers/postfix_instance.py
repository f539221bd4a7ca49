"""A private Postfix: unpacked programs, own config, queue and log, no listening socket, no DNS."""

import contextlib
import os
import pathlib
import subprocess
import time

from packages import OWNER

POSTDROP = 25252
SECONDS = 30.0
# What Postfix's programs pass on to each other: their own, and what packages.py runs them with.
ENVIRONMENT = (
    "MAIL_CONFIG MAIL_LOGTAG POSTLOG_SERVICE POSTLOG_HOSTNAME "
    "LC_ALL TZ LD_LIBRARY_PATH LD_PRELOAD NSS_WRAPPER_PASSWD NSS_WRAPPER_GROUP UID_WRAPPER UID_WRAPPER_ROOT"
)

# What `postfix check` would make, and give to users that are not there.
QUEUE = (
    "active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "maildrop", "pid", "private", "public", "saved",
    "trace",
)  # fmt: skip

# Only what a relay needs; nothing listens on the network.
MASTER = """
pickup    unix  n - n 1 1 pickup
cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
verify    unix  - - n - 1 verify
flush     unix  n - n 1000? 0 flush
showq     unix  n - n - - showq
error     unix  - - n - - error
retry     unix  - - n - - error
scache    unix  - - n - 1 scache
postlog   unix-dgram n - n - 1 postlogd
smtp      unix  - - n - - smtp
reuse     unix  - - n - - smtp -o smtp_connection_cache_destinations=static:all
blind     unix  - - n - - smtp -o smtp_discard_ehlo_keywords=size
lmtp      unix  - - n - - lmtp
"""


class Postfix:
    """`routes` maps a recipient domain to "transport:[127.0.0.1]:port"; "*" is the route of all others.

    `services` are more lines of master.cf.
    """

    def __init__(self, root, directory, routes, services=""):
        self.root, self.directory = root, pathlib.Path(directory)
        self.queue, self.config = self.directory / "queue", self.directory / "config"
        for folder in (self.config, self.directory / "data", *(self.queue / name for name in QUEUE)):
            folder.mkdir(parents=True)
        # Postfix's own processes have to get at their queue.
        self.directory.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(self.directory / "data", OWNER, OWNER)
        self.environment = root.environment(
            self.directory, [f"postfix:x:{OWNER}:{OWNER}::/:/bin/false"], [f"postfix:x:{OWNER}:", f"postdrop:x:{POSTDROP}:"]
        )
        (self.config / "main.cf").write_text("".join(f"{key} = {value}\n" for key, value in self._settings().items()))
        (self.config / "master.cf").write_text(MASTER.lstrip() + services)
        (self.config / "routes").write_text("".join(f"{domain} {route}\n" for domain, route in routes.items()))
        self.master = None

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_):
        self.stop()

    def version(self):
        return self._run("usr/sbin/postconf", "-h", "mail_version").stdout.decode().strip()

    def submit(self, sender, recipients, mail, *options):
        """Hands a mail to `sendmail`; its queue file is on disk when this returns."""
        done = self._run("usr/sbin/sendmail", "-i", "-f", sender, *options, "--", *recipients, input=mail)
        if done.returncode:
            raise RuntimeError(f"sendmail exit {done.returncode}: {done.stderr.decode(errors='replace')[-300:]}")

    def flush(self):
        """Makes Postfix try everything again that was deferred."""
        self._run("usr/sbin/postqueue", "-f")

    def queued(self, *names):
        """How many mails lie in these of Postfix's queues; in all of them when none is named."""
        names = names or ("maildrop", "incoming", "active", "deferred")
        # A mail may be moved to a queue already looked at, and one that bounces is succeeded by another: hence twice.
        return max(sum(1 for name in names for _, _, files in os.walk(self.queue / name) for _ in files) for _ in range(2))

    def settle(self, condition=lambda: True, seconds=SECONDS):
        """Waits until nothing is in the queue but what is deferred, and `condition()` holds; None, or that it does not."""
        return self.wait(lambda: not self.queued("maildrop", "incoming", "active") and condition(), seconds)

    def wait(self, condition, seconds=SECONDS):
        """Waits until `condition()` holds; None, or that it does not."""
        deadline = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > deadline:
                return f"not within {seconds:g} s; in the queue: {self.queued()}; log: {self.log()[-3:]}"
            time.sleep(0.01)
        return None

    def log(self, *words):
        """The lines of Postfix's log that hold all `words`."""
        path = self.directory / "log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return [line for line in lines if all(word in line for word in words)]

    def stop(self):
        """Ends this master, which ends all that it started."""
        if self.master is None or self.master.poll() is not None:
            return
        self.master.terminate()
        try:
            self.master.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.master.kill()
            self.master.wait()

    def _start(self):
        with open(self.directory / "output", "wb") as output:
            # Without -w the master does not go into the background: its process is the one that is started here.
            self.master = subprocess.Popen(
                [self.root / "usr/lib/postfix/sbin/master", "-c", self.config],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self.environment,
            )  # fmt: skip
        deadline = time.monotonic() + SECONDS
        while not self.log("postfix/master", "daemon started"):
            if time.monotonic() > deadline or self.master.poll() is not None:
                said = (self.directory / "output").read_text(errors="replace").strip()
                raise SystemExit(f"Postfix did not start: {said or self.log()[-3:]}")
            time.sleep(0.01)

    def _run(self, program, *arguments, **more):
        with contextlib.ExitStack() as stack:
            if "input" not in more:
                more["stdin"] = stack.enter_context(open(os.devnull, "rb"))
            return subprocess.run(
                [self.root / program, *(["-C"] if program.endswith("sendmail") else ["-c"]), self.config, *arguments],
                env=self.environment, capture_output=True, timeout=SECONDS, check=False, **more,
            )  # fmt: skip

    def _settings(self):
        programs = self.root / "usr"
        return {
            "compatibility_level": "3.6",
            "queue_directory": self.queue,
            "data_directory": self.directory / "data",
            "command_directory": programs / "sbin",
            "daemon_directory": programs / "lib/postfix/sbin",
            "shlib_directory": programs / "lib/postfix",
            "meta_directory": self.root / "etc/postfix",
            "sendmail_path": programs / "sbin/sendmail",
            "mailq_path": programs / "bin/mailq",
            "newaliases_path": programs / "bin/newaliases",
            "manpage_directory": programs / "share/man",
            "html_directory": "no",
            "readme_directory": "no",
            "mail_owner": "postfix",
            "setgid_group": "postdrop",
            "import_environment": ENVIRONMENT,
            "export_environment": ENVIRONMENT,
            "maillog_file": self.directory / "log",
            "maillog_file_prefixes": self.directory,
            "myhostname": "relay.example.com",
            "mydestination": "",
            "local_recipient_maps": "",
            "alias_maps": "",
            "alias_database": "",
            "inet_protocols": "ipv4",
            "inet_interfaces": "loopback-only",
            "transport_maps": f"texthash:{self.config}/routes",
            "smtp_dns_support_level": "disabled",
            "lmtp_dns_support_level": "disabled",
            "smtp_tls_security_level": "none",
            "lmtp_tls_security_level": "none",
            "smtputf8_enable": "yes",
            # The samples come as they are: with CRLF, with lines and header sections of any length.
            "sendmail_fix_line_endings": "always",
            "smtp_line_length_limit": "0",
            "header_size_limit": "10000000",
            "message_size_limit": "0",
            "mailbox_size_limit": "0",
            # Nothing is tried again unless a test says so, and nothing is held back.
            "queue_run_delay": "1h",
            "minimal_backoff_time": "1h",
            "maximal_backoff_time": "1h",
            "in_flow_delay": "0",
            "initial_destination_concurrency": "20",
            "default_destination_concurrency_limit": "20",
            "default_destination_recipient_limit": "200",
            # One after another, so that there is a connection to use again.
            "reuse_destination_concurrency_limit": "1",
            "reuse_initial_destination_concurrency": "1",
            "lmtp_destination_recipient_limit": "200",
            "notify_classes": "",
        }
