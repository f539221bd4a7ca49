"""What package.py does in the system of its own: installs the package, receives a mail, removes it, purges it."""

import fcntl
import os
import pathlib
import pwd
import smtplib
import socket
import struct
import subprocess
import time

CONFIG = "/etc/guerrillad/goguerrilla.conf.json"
SECONDS = 60


def check(what, condition, otherwise=""):
    text = str(otherwise).replace("\n", " | ")
    print(f"CHECK {'ok' if condition else 'FAIL'} {what}" + ("" if condition else f": {text}"), flush=True)


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * 2, stdin=subprocess.DEVNULL, **more)


def loopback_up():
    """A network of one's own begins without."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sh14x", b"lo", 0x1 | 0x40))


def dpkg(*arguments):
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    return run("dpkg", *arguments, env=environment)


def exists(*paths):
    return [path for path in paths if pathlib.Path(path).exists()]


def install():
    done = dpkg("--install", "/guerrillad.deb")
    check("it is installed", done.returncode == 0, done.stdout + done.stderr)
    user = pwd.getpwnam("guerrillad")
    check("with a user of the system's", 0 < user.pw_uid < 1000 and user.pw_shell.endswith("nologin"), user)
    found = os.stat("/var/lib/guerrillad")
    check("whose directories they are", (found.st_uid, found.st_mode & 0o777) == (user.pw_uid, 0o750), found)
    wanted = pathlib.Path("/etc/systemd/system").rglob("guerrillad.*")
    check("it is not enabled", not list(wanted), list(wanted))
    page = run("man", "--warnings", "-P", "cat", "guerrillad-serve")
    check("man has no warning", page.returncode in (0, 127) and not page.stderr.strip(), page.stderr)
    return user


def receive(user):
    listed = run("/usr/sbin/guerrillad", "plugins", "list", "--plugins-dir", "/usr/lib/guerrillad/plugins")
    check("all plugins are good", listed.returncode == 0 and "MailDir" in listed.stdout, listed.stdout + listed.stderr)
    checked = run("/usr/sbin/guerrillad", "config", "check", "-c", CONFIG)
    check("it is fine before it was ever started", checked.returncode == 0, checked.stdout + checked.stderr)
    # What systemd makes for a service is not there without it.
    pathlib.Path("/run/guerrillad").mkdir()
    os.chown("/run/guerrillad", user.pw_uid, user.pw_gid)
    checked = run("/usr/sbin/guerrillad", "config", "check", "-c", CONFIG)
    check("its configuration is fine", checked.returncode == 0, checked.stdout + checked.stderr)
    # As the unit has it: never root, with one capability.
    words = ["setpriv", "--reuid=guerrillad", "--regid=guerrillad", "--init-groups", "--inh-caps=-all,+net_bind_service",
             "--ambient-caps=-all,+net_bind_service", "--no-new-privs"]
    serve = ["/usr/sbin/guerrillad", "serve", "--config", CONFIG, "--plugins-dir", "/usr/lib/guerrillad/plugins"]
    daemon = subprocess.Popen(words + serve, cwd="/var/lib/guerrillad", stderr=subprocess.PIPE, text=True)
    log = pathlib.Path("/var/log/guerrillad/guerrillad.log")
    deadline = time.monotonic() + SECONDS
    while not (log.exists() and " ready\n" in log.read_text()) and daemon.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    check("it serves", daemon.poll() is None, log.read_text() if log.exists() else "no log")
    with smtplib.SMTP("127.0.0.1", 25, "client.example.com", SECONDS) as client:
        client.sendmail("a@example.com", ["postmaster@localhost"], "Subject: hello\r\n\r\nHello.\r\n")
    mails = list(pathlib.Path("/var/lib/guerrillad/mail/localhost/postmaster/new").iterdir())
    check("a mail is kept", len(mails) == 1 and mails[0].stat().st_uid == user.pw_uid, mails)
    # There is no service manager in here: this is what it does when it is asked, and only then.
    systemctl = pathlib.Path("/usr/local/sbin/systemctl")
    systemctl.write_text("#!/bin/sh\ncase $1 in --quiet) ;; kill) [ \"$4\" = guerrillad.service ] && "
                         f"kill -${{2#--signal=}} {daemon.pid} ;; *) exit 1 ;; esac\n")
    systemctl.chmod(0o755)
    rotated = run("logrotate", "--force", "--state", "/tmp/state", "/etc/logrotate.d/guerrillad")
    said = rotated.stdout + rotated.stderr
    deadline = time.monotonic() + SECONDS
    while not (log.exists() and "log files opened anew" in log.read_text()) and time.monotonic() < deadline:
        time.sleep(0.05)
    check("its log is rotated", rotated.returncode == 0 and "opened anew" in log.read_text(), said)
    systemctl.unlink()
    daemon.terminate()
    check("it ends well", daemon.wait(SECONDS) == 0, daemon.stderr.read())


def remove():
    done = dpkg("--remove", "guerrillad")
    left = exists("/usr/sbin/guerrillad", "/usr/lib/guerrillad", "/usr/share/doc/guerrillad")
    check("it is removed", done.returncode == 0 and not left, done.stdout + done.stderr + str(left))
    check("its configuration stays", exists(CONFIG), "gone")
    done = dpkg("--purge", "guerrillad")
    left = exists("/etc/guerrillad", "/etc/logrotate.d/guerrillad", "/var/log/guerrillad")
    check("it is purged", done.returncode == 0 and not left, done.stdout + done.stderr + str(left))
    check("mail stays", exists("/var/lib/guerrillad/mail/localhost/postmaster/new"), "gone")


loopback_up()
receive(install())
remove()
print("CHECK end", flush=True)
