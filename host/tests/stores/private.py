"""What private servers of the tests need: patience, a port of their own, certificates of their own, a disk of their own."""

import contextlib
import os
import pathlib
import pwd
import socket
import subprocess
import time

SECONDS = 60.0


def wait_until(what, condition, seconds=SECONDS):
    """The first true value of `condition()`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise RuntimeError(f"{what}: not within {seconds} s")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def run(command, **more):
    """Runs a command; raises with what it says when it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(words, capture_output=True, text=True, timeout=SECONDS, check=False, stdin=subprocess.DEVNULL, **more)
    if done.returncode != 0:
        raise RuntimeError(f"{words[0]}: {(done.stderr or done.stdout).strip()[-1500:]}")


class PrivateAuthority:
    """A certificate authority, made by openssl, with a server's certificate for 127.0.0.1 and one for a client."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755, parents=True, exist_ok=True)
        self.ca, self._ca_key = self.directory / "ca.pem", self.directory / "ca.key"
        # Two authorities must not have the same name, or their certificates are taken for each other's.
        subject = f"/CN=authority of {self.directory.parent.name} {self.directory.name}"
        run(["openssl", "req", "-x509", *NEW_KEY, "-subj", subject, "-keyout", self._ca_key, "-out", self.ca])
        self.cert, self.key = self._issue("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
        self.client_cert, self.client_key = self._issue("client", "extendedKeyUsage=clientAuth")

    def _issue(self, name, extension):
        cert, key = self.directory / f"{name}.pem", self.directory / f"{name}.key"
        run(["openssl", "req", "-x509", *NEW_KEY, "-subj", f"/CN={name}", "-addext", extension, "-addext", "basicConstraints=critical,CA:FALSE",
             "-CA", self.ca, "-CAkey", self._ca_key, "-keyout", key, "-out", cert])  # fmt: skip
        return cert, key


class PrivateDisk:
    """A file system of so many megabytes at `mount_point` that only those started with the words of `inside()` see."""

    def __init__(self, mount_point, megabytes, user):
        owner = pwd.getpwnam(user).pw_uid if os.getuid() == 0 else os.getuid()
        options = f"size={megabytes}m,mode=700,uid={owner}"
        script = 'mount -t tmpfs -o "$1" tmpfs "$0" && echo mounted && exec sleep infinity'
        unshare = ["unshare", "--mount", *([] if os.getuid() == 0 else ["--map-current-user", "--keep-caps"])]
        self._holder = subprocess.Popen([*unshare, "sh", "-c", script, str(mount_point), options], stdout=subprocess.PIPE)
        if self._holder.stdout.readline() != b"mounted\n":
            self.close()
            raise RuntimeError(f"cannot mount a tmpfs at {mount_point}")
        self.from_outside = pathlib.Path(f"/proc/{self._holder.pid}/root") / pathlib.Path(mount_point).relative_to("/")

    def inside(self):
        """The words in front of a command that is to see it."""
        user = [] if os.getuid() == 0 else ["--user", "--preserve-credentials"]
        return ["nsenter", "--target", str(self._holder.pid), "--mount", *user]

    @contextlib.contextmanager
    def full(self):
        """While the block runs, there is no room left."""
        filler = self.from_outside / "filler"
        with open(filler, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"x" * 4096):
                pass
        try:
            yield
        finally:
            filler.unlink()

    def close(self):
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
