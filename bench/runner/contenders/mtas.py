"""Mail servers from Debian packages, unpacked below the target directory as the tests of peers do."""

import os
import pathlib
import sys
import time

from .. import processes
from .contender import Contender, Unavailable

PEERS = pathlib.Path(__file__).resolve().parents[3] / "host/tests/peers"


class Packaged(Contender):
    """One that is in a Debian package."""

    package = "postfix"

    def __init__(self, target, name, about):
        super().__init__(name, about)
        self.unpacked, self.root = target / "peers", None

    def prepare(self):
        sys.path.insert(0, str(PEERS))
        import packages

        try:
            self.root = packages.unpacked(self.package, self.unpacked)
        except packages.Unavailable as why:
            raise Unavailable(str(why)) from None

    def environment(self, directory, users=(), groups=()):
        """Without the wrappers of the tests, which pretend users: they would cost time here."""
        found = self.root.environment(pathlib.Path(directory), users, groups)
        return {name: value for name, value in found.items() if "WRAPPER" not in name and name != "LD_PRELOAD"}


class SmtpSink(Packaged):
    """Postfix's."""

    def start(self, directory, certificate):
        port = processes.free_port()
        # It does not serve as root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [self.root / "usr/sbin/smtp-sink", *user, f"127.0.0.1:{port}", "4096"]
        return processes.Server(command, port, directory, self.environment(directory))


class Postfix(Packaged):
    """Its smtpd, cleanup and virtual delivery to one Maildir; the configuration is that of the tests, and a listener."""

    durable = True

    def prepare(self):
        super().prepare()
        if os.geteuid() != 0:
            raise Unavailable("Postfix serves as root only")

    def start(self, directory, certificate):
        from packages import OWNER
        from postfix_instance import POSTDROP
        from postfix_instance import Postfix as Tested

        port, mail = processes.free_port(), pathlib.Path(directory, "mail")

        class Listening(Tested):
            def _settings(self):
                return super()._settings() | {
                    "mynetworks": "127.0.0.0/8", "smtpd_peername_lookup": "no", "default_process_limit": "300",
                    "virtual_mailbox_domains": "example.com", "virtual_mailbox_base": mail, "virtual_mailbox_maps": "static:all/",
                    "virtual_uid_maps": f"static:{OWNER}", "virtual_gid_maps": f"static:{OWNER}", "virtual_minimum_uid": "1",
                    "virtual_mailbox_limit": "0", "smtpd_tls_security_level": "none", "smtpd_peername_lookup": "no",
                }  # fmt: skip

        services = [
            f"127.0.0.1:{port} inet n - n - 300 smtpd", "virtual unix - n n - - virtual", "anvil unix - - n - 1 anvil",
            "proxymap unix - - n - - proxymap", "tlsmgr unix - - n 1000? 1 tlsmgr",
        ]  # fmt: skip
        instance = Listening(self.root, pathlib.Path(directory, "postfix"), {}, "".join(f"{line}\n" for line in services))
        mail.mkdir()
        os.chown(mail, OWNER, OWNER)
        for folder in instance.queue.iterdir():
            os.chown(folder, OWNER, POSTDROP if folder.name in ("maildrop", "public") else OWNER)
        # The users are names only (nss_wrapper); what Postfix may do as them is as real as in an installation.
        del instance.environment["UID_WRAPPER"], instance.environment["UID_WRAPPER_ROOT"]
        command = [self.root / "usr/lib/postfix/sbin/master", "-c", instance.config]
        return processes.Server(command, port, directory, instance.environment)

    def settle(self, directory):
        queue = pathlib.Path(directory, "postfix/queue")
        wait_until_empty(lambda: any(files for name in ("incoming", "active") for _, _, files in os.walk(queue / name)))


class Exim(Packaged):
    """A process for each connection and each delivery, to one Maildir."""

    durable, package = True, "exim4-daemon-light"

    def start(self, directory, certificate):
        from packages import OWNER

        port, directory = processes.free_port(), pathlib.Path(directory)
        environment = self.root.environment(
            directory, [f"Debian-exim:x:{OWNER}:{OWNER}:Exim:/:/bin/false"], [f"Debian-exim:x:{OWNER}:"]
        )
        program, config = self.root / "usr/sbin/exim4", directory / "exim.conf"
        config.write_text(EXIM.format(program=program, directory=directory, environment=" : ".join(environment)))
        command = [program, "-C", config, "-bdf", "-oX", f"127.0.0.1.{port}", "-oP", directory / "pid"]
        return processes.Server(command, port, directory, environment)

    def settle(self, directory):
        spool = pathlib.Path(directory, "spool/input")
        wait_until_empty(lambda: any(file.endswith("-H") for _, _, files in os.walk(spool) for file in files))


class OpenSmtpd(Packaged):
    """In a root of its own, as its paths are compiled in: /usr is the package's laid over the system's."""

    durable, package = True, "opensmtpd"

    def prepare(self):
        super().prepare()
        if os.geteuid() != 0 or "overlay" not in pathlib.Path("/proc/filesystems").read_text():
            raise Unavailable("OpenSMTPD needs root and overlayfs for a root of its own")

    def start(self, directory, certificate):
        port, directory = processes.free_port(), pathlib.Path(directory)
        root, mail = directory / "root", directory / "root/var/mail-of-all"
        for name in ("etc", "usr", "dev", "proc", "tmp", "var/lib/opensmtpd/empty", "var/mail-of-all", "var/spool/smtpd", "var/run"):
            (root / name).mkdir(parents=True)
        for name in ("bin", "sbin", "lib", "lib64"):
            (root / name).symlink_to(f"usr/{name}")
        users = (("root", 0), ("nobody", 65534), ("opensmtpd", 25261), ("opensmtpq", 25262), ("receiver", 25263))
        for name, line in (("passwd", "{0}:x:{1}:{1}::/var/mail-of-all:/bin/sh\n"), ("group", "{0}:x:{1}:\n")):
            (root / "etc" / name).write_text("".join(line.format(*user) for user in users))
        os.chown(mail, 25263, 25263)
        (root / "var/spool/smtpd").chmod(0o711)
        # No resolver: it would ask who each client is.
        (root / "etc/resolv.conf").write_text("lookup file\n")
        (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (root / "etc/smtpd.conf").write_text(OPENSMTPD.format(port=port))
        steps = (
            f"mount -t overlay overlay -o lowerdir={self.root.path}/usr:/usr {root}/usr", f"mount --rbind /dev {root}/dev",
            f"mount -t proc proc {root}/proc", f"exec chroot {root} /usr/sbin/smtpd -F -f /etc/smtpd.conf",
        )  # fmt: skip
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", "\n".join(steps)]
        return processes.Server(command, port, directory)

    def settle(self, directory):
        queue = pathlib.Path(directory, "root/var/spool/smtpd/queue")
        wait_until_empty(lambda: any(files for _, _, files in os.walk(queue)))


def wait_until_empty(holds_mail, seconds=60):
    """Until the queue is empty, or as long as anybody should wait for it."""
    deadline = time.monotonic() + seconds
    while holds_mail() and time.monotonic() < deadline:
        time.sleep(0.05)


def entries(target):
    return (
        SmtpSink(target, "smtp-sink", "Postfix's: answers only, parses little, stores nothing"),
        Postfix(target, "postfix", "durable: queue, then one Maildir"),
        Exim(target, "exim", "durable: spool, then one Maildir"),
        OpenSmtpd(target, "opensmtpd", "durable: queue, then one Maildir"),
    )


EXIM = """
exim_path = {program}
spool_directory = {directory}/spool
log_file_path = {directory}/log-%s
keep_environment = {environment}
add_environment = PATH=/usr/sbin:/usr/bin
primary_hostname = mail.example.com
qualify_domain = example.com
local_interfaces = 127.0.0.1
disable_ipv6 = true
host_lookup =
tls_advertise_hosts =
acl_smtp_rcpt = accept
message_size_limit = 0
smtp_accept_max = 0
smtp_accept_queue_per_connection = 0
smtp_connect_backlog = 1000
smtp_accept_max_per_connection = 1000000

begin routers
all:
  driver = accept
  domains = example.com
  transport = maildir

begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {directory}/mail
  create_directory
  user = Debian-exim
"""

OPENSMTPD = """
listen on 127.0.0.1 port {port} hostname mail.example.com
action "keep" maildir "/var/mail-of-all/box" user receiver
match from any for domain "example.com" action "keep"
smtp max-message-size 100M
"""
