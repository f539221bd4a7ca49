"""MTAs from Debian packages, unpacked into a directory of their own: nothing of the system is touched.

Postfix and Exim cannot be installed beside each other, a developer's machine may have a mail server of its own, and an
installed one would start. So apt only downloads, and `dpkg -x` only unpacks; no maintainer script runs. The users that
the programs insist on (`postfix`, `Debian-exim`) are shown to them by nss_wrapper from two files, and uid_wrapper lets them
believe that they are root and may become such a user. So they run as whoever runs the tests.
"""

import contextlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

UNPACKED = pathlib.Path(__file__).resolve().parents[3] / "target" / "peers"
SECONDS = 300
# Who the programs believe that they become: whoever runs the tests, as the files are theirs; but it must not be root.
OWNER = os.getuid() or 25250
WRAPPERS = ("nss", "uid")


class Unavailable(Exception):
    """The package cannot be had here; the text says which and why."""


class Root:
    """The files of one package and of what it needs, below `path`."""

    def __init__(self, path):
        self.path = pathlib.Path(path)

    def __truediv__(self, relative):
        return self.path / relative

    def environment(self, directory, users, groups):
        """The environment in which the unpacked programs run; `users` and `groups` are lines as in passwd and group."""
        passwd, group = directory / "passwd", directory / "group"
        passwd.write_text("".join(f"{line}\n" for line in ("root:x:0:0::/:/bin/sh", "nobody:x:65534:65534::/:/bin/false", *users)))
        group.write_text("".join(f"{line}\n" for line in ("root:x:0:", "nogroup:x:65534:", *groups)))
        libraries = sorted((self.path / "usr/lib").glob("*-linux-gnu*")) + sorted((self.path / "lib").glob("*-linux-gnu*"))
        preload = [folder / f"lib{wrapper}_wrapper.so" for wrapper in WRAPPERS for folder in libraries]
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
            "LD_LIBRARY_PATH": ":".join(map(str, [self.path / "usr/lib/postfix", *libraries])),
            "LD_PRELOAD": ":".join(str(wrapper) for wrapper in preload if wrapper.exists()),
            "NSS_WRAPPER_PASSWD": str(passwd),
            "NSS_WRAPPER_GROUP": str(group),
            "UID_WRAPPER": "1",
            "UID_WRAPPER_ROOT": "1",
        }


def unpacked(package, directory=UNPACKED):
    """The unpacked files of `package`, from an earlier run or downloaded now. Raises Unavailable."""
    directory = pathlib.Path(directory).resolve()
    home = directory / package
    if not home.is_dir():
        for program in ("apt-get", "dpkg"):
            if not shutil.which(program):
                raise Unavailable(f"Debian package {package} cannot be had: no {program} here")
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=f".{package}-") as fresh:
            unpack(download(package, pathlib.Path(fresh)), pathlib.Path(fresh, "root"))
            # Whole or not at all; of two that unpack at once the second one finds it done.
            with contextlib.suppress(OSError):
                os.rename(pathlib.Path(fresh, "root"), home)
    return Root(home)


def download(package, directory):
    """Downloads `package`, the wrappers and whatever of their dependencies the system lacks; the files."""
    archives, lists = directory / "archives", directory / "lists"
    for folder in (archives / "partial", lists / "partial"):
        folder.mkdir(parents=True)
    fetch = [
        "apt-get", "-qq", "-y", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root",
        "-o", f"Dir::Cache::archives={archives}", "-o", f"Dir::Cache::pkgcache={directory}/pkgcache.bin",
        "-o", f"Dir::Cache::srcpkgcache={directory}/srcpkgcache.bin",
    ]  # fmt: skip
    install = ["install", "--download-only", "--reinstall", "--no-install-recommends", package]
    install += [f"lib{wrapper}-wrapper" for wrapper in WRAPPERS]
    # A fresh machine has no package lists and an old one has stale ones: own ones are fetched only when that shows.
    if run([*fetch, *install]) is not None:
        own_lists = ["-o", f"Dir::State::lists={lists}"]
        fault = run([*fetch, *own_lists, "update"]) or run([*fetch, *own_lists, *install])
        if fault is not None:
            raise Unavailable(f"Debian package {package} cannot be had: {fault}")
    return sorted(archives.glob("*.deb"))


def unpack(archives, root):
    root.mkdir()
    for archive in archives:
        fault = run(["dpkg", "-x", str(archive), str(root)])
        if fault is not None:
            raise Unavailable(f"{archive.name}: {fault}")
    # exim4 comes set-uid root. It is not to lie about like that, and the loader would not heed the environment.
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink() and path.stat().st_mode & 0o6000:
            path.chmod(path.stat().st_mode & 0o1777)


def run(command):
    """Why the command failed, in one line; None when it did not."""
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False,
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = " ".join((done.stderr or done.stdout).split())
    return f"{command[0]} exit {done.returncode}: {said[-300:]}" if done.returncode else None


def or_exit(action):
    """What `action()` gives; when the MTA cannot be had, ends the script with status 3 and one line."""
    try:
        return action()
    except Unavailable as error:
        print(error, file=sys.stderr)
        raise SystemExit(3) from None
