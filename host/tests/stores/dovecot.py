"""Private Dovecot instances (2.3 or 2.4): own configuration, own sockets and mailboxes, asked through doveadm.

They run as an ordinary user: whoever runs the tests, or `mail` where that is root.
"""

import grp
import os
import pathlib
import pwd
import re
import shutil
import signal
import subprocess

from private import SECONDS, free_port, wait_until

USERS = ("you", "other", "full")
OWNER = "mail" if os.getuid() == 0 else pwd.getpwuid(os.getuid()).pw_name
GROUP = grp.getgrgid(pwd.getpwnam(OWNER).pw_gid).gr_name


class Dovecot:
    """One Dovecot with LMTP; its processes are one process group. Started at once; ended on the way out."""

    def __init__(self, directory, tcp=False, settings="", start=True, authority=None):
        """With `authority` it has that one's certificate: at `address` for STARTTLS, at `tls_address` from the first octet on."""
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        mails = self.directory / "mails"
        mails.mkdir()
        users = self.directory / "users"
        self._socket, port, tls_port = self.directory / "lmtp", free_port(), free_port()
        self.address = f"127.0.0.1:{port}" if tcp else f"unix:{self._socket}"
        self.tls_address = f"127.0.0.1:{tls_port}"
        self._config = self.directory / "dovecot.conf"
        dialect = of_2_4 if version() >= (2, 4) else of_2_3
        limit, lines = dialect(mails, users, authority)
        full = {"full": f" {limit}"}
        users.write_text("".join(f"{name}@example.test:{{PLAIN}}x::::::{full.get(name, '')}\n" for name in USERS))
        here = "listen" if dialect is of_2_4 else "address"
        self._config.write_text(
            f"{lines}base_dir = {self.directory}/run\nstate_dir = {self.directory}/state\nlog_path = {self.directory}/log\n"
            f"default_internal_user = {OWNER}\ndefault_internal_group = {GROUP}\ndefault_login_user = {OWNER}\nlisten = 127.0.0.1\n"
            f"mail_uid = {OWNER}\nmail_gid = {GROUP}\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nmail_fsync = always\n"
            f"service lmtp {{\n process_min_avail = 2\n unix_listener {self._socket} {{\n  mode = 0666\n }}\n"
            f" inet_listener lmtp {{\n  {here} = 127.0.0.1\n  port = {port}\n }}\n"
            f" inet_listener lmtps {{\n  {here} = 127.0.0.1\n  port = {tls_port}\n  ssl = yes\n }}\n}}\n"
            f"service anvil {{\n chroot =\n}}\nservice stats {{\n chroot =\n unix_listener stats-writer {{\n  mode = 0666\n }}\n}}\n{settings}\n"
        )
        if os.getuid() == 0:
            for path in (self.directory, mails, *([authority.key] if authority else [])):
                shutil.chown(path, OWNER, GROUP)
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
                ["dovecot", "-F", "-c", str(self._config)], stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **as_owner()
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
        done = subprocess.run(
            ["doveadm", "-c", str(self._config), *words], capture_output=True, timeout=SECONDS, check=check, **as_owner()
        )
        return done.stdout.decode("utf-8", "surrogateescape") if done.returncode == 0 else ""

    def mails(self, user="you"):
        """The texts of all mails of a user."""
        said = self.doveadm("-f", "pager", "fetch", "-u", f"{user}@example.test", "text", "all")
        return [text.lstrip("\n").removeprefix("text:\n") for text in said.split("\f") if text.strip()]

    def subjects(self, user="you"):
        said = self.doveadm("-f", "flow", "fetch", "-u", f"{user}@example.test", "hdr.subject", "all")
        return sorted(line.removeprefix("hdr.subject=") for line in said.splitlines() if line)


def of_2_3(mails, users, authority):
    """What the versions say differently: the quota of a user who has little, and lines of the configuration."""
    tls = f"ssl = required\nssl_cert = <{authority.cert}\nssl_key = <{authority.key}\n" if authority else "ssl = no\n"
    return "userdb_quota_rule=*:bytes=2000", (
        f"protocols = lmtp\nmail_location = maildir:{mails}/%u\nmail_plugins = quota\nplugin {{\n quota = maildir:User quota\n}}\n{tls}"
        f"passdb {{\n driver = passwd-file\n args = {users}\n}}\n"
        f"userdb {{\n driver = passwd-file\n args = {users}\n default_fields = uid={OWNER} gid={GROUP} home={mails}/%u\n}}\n"
    )


def of_2_4(mails, users, authority):
    tls = f"ssl = required\nssl_server_cert_file = {authority.cert}\nssl_server_key_file = {authority.key}\n" if authority else "ssl = no\n"
    return "userdb_quota_storage_size=2000B", (
        "dovecot_config_version = 2.4.0\ndovecot_storage_version = 2.4.0\nprotocols {\n lmtp = yes\n}\n"
        f"mail_driver = maildir\nmail_path = {mails}/%{{user}}\nmail_plugins {{\n quota = yes\n}}\nquota user {{\n driver = maildir\n}}\nquota_storage_grace = 0\n{tls}"
        f"passdb passwd-file {{\n passwd_file_path = {users}\n}}\n"
        f"userdb passwd-file {{\n passwd_file_path = {users}\n"
        f" fields {{\n  uid:default = {OWNER}\n  gid:default = {GROUP}\n  home:default = {mails}/%{{user}}\n }}\n}}\n"
    )


def version():
    said = subprocess.run(["dovecot", "--version"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    return tuple(int(number) for number in re.match(r"(\d+)\.(\d+)", said).groups())


def as_owner():
    return {"user": OWNER, "group": GROUP, "extra_groups": []} if os.getuid() == 0 else {}


def missing():
    """The Debian packages that are missing, if any."""
    return "" if shutil.which("dovecot") and pathlib.Path("/usr/lib/dovecot/lmtp").exists() else "dovecot-core dovecot-lmtpd"
