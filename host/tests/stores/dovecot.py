"""Private Dovecot instances (2.3): own configuration, own sockets and mailboxes, asked through doveadm."""

import os
import pathlib
import shutil
import signal
import subprocess

from private import SECONDS, wait_until
from redis_server import free_port

USERS = {"you": "", "other": "", "full": "userdb_quota_rule=*:bytes=2000"}


class Dovecot:
    """One Dovecot with LMTP; its processes are one process group. Started at once; ended on the way out."""

    def __init__(self, directory, tcp=False, settings="", start=True):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        self.directory.chmod(0o755)
        mails = self.directory / "mails"
        mails.mkdir()
        shutil.chown(mails, "mail", "mail")
        users = self.directory / "users"
        users.write_text("".join(f"{name}@example.test:{{PLAIN}}x:::::: {extra}\n".replace(" \n", "\n") for name, extra in USERS.items()))
        self._socket, port = self.directory / "lmtp", free_port()
        self.address = f"127.0.0.1:{port}" if tcp else f"unix:{self._socket}"
        self._config = self.directory / "dovecot.conf"
        self._config.write_text(
            f"base_dir = {self.directory}/run\nlog_path = {self.directory}/log\nprotocols = lmtp\nlisten = 127.0.0.1\nssl = no\n"
            f"mail_location = maildir:{mails}/%u\nmail_uid = mail\nmail_gid = mail\nfirst_valid_uid = 1\nfirst_valid_gid = 1\n"
            f"mail_plugins = quota\nplugin {{\n quota = maildir:User quota\n}}\nmail_fsync = always\n"
            f"passdb {{\n driver = passwd-file\n args = {users}\n}}\n"
            f"userdb {{\n driver = passwd-file\n args = {users}\n default_fields = uid=mail gid=mail home={mails}/%u\n}}\n"
            f"service lmtp {{\n process_min_avail = 2\n unix_listener {self._socket} {{\n  mode = 0666\n }}\n"
            f" inet_listener lmtp {{\n  address = 127.0.0.1\n  port = {port}\n }}\n}}\n"
            f"service stats {{\n unix_listener stats-writer {{\n  mode = 0666\n }}\n}}\n{settings}\n"
        )
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    def start(self):
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(
                ["dovecot", "-F", "-c", str(self._config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )
        wait_until("dovecot starts", self._serves)

    def _serves(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"dovecot ended: {(self.directory / 'output').read_text()[-800:]}")
        return self._socket.exists() and self.doveadm("user", "you@example.test", check=False)

    def kill(self):
        """SIGKILL for all of it."""
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._socket.unlink(missing_ok=True)
        (self.directory / "run" / "master.pid").unlink(missing_ok=True)
        # The lock of a process that was killed holds for two minutes more, in which all mail for its mailbox is deferred.
        for lock in (self.directory / "mails").rglob("*.lock"):
            lock.unlink(missing_ok=True)

    def signal(self, number):
        os.killpg(self.process.pid, number)

    def doveadm(self, *words, check=True):
        done = subprocess.run(["doveadm", "-c", str(self._config), *words], capture_output=True, timeout=SECONDS, check=check)
        return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""

    def mails(self, user="you"):
        """The texts of all mails of a user."""
        said = self.doveadm("-f", "pager", "fetch", "-u", f"{user}@example.test", "text", "all")
        return [text.lstrip("\n").removeprefix("text:\n") for text in said.split("\f") if text.strip()]

    def subjects(self, user="you"):
        said = self.doveadm("-f", "flow", "fetch", "-u", f"{user}@example.test", "hdr.subject", "all")
        return sorted(line.removeprefix("hdr.subject=") for line in said.splitlines() if line)


def missing():
    """The Debian packages that are missing, if any."""
    return "" if shutil.which("dovecot") and pathlib.Path("/usr/lib/dovecot/lmtp").exists() else "dovecot-core dovecot-lmtpd"
