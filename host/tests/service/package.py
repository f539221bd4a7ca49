"""The Debian package: made of the debug build, judged by lintian, installed, used and removed in a system of its own.

That system is this one with a layer over it, which goes away with the test: nothing here is changed. Making it takes root.
"""

import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "stores"))

from serving import arguments_of, expect, play

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
MADE = {}

# Builds the system, then plays what follows in it: its files are written to memory, its network is its own.
SYSTEM = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
for place in proc dev; do mount --rbind "/$place" "$1/root/$place"; done
cp "$2" "$1/root/guerrillad.deb"
cp "$3" "$1/root/inside.py"
exec chroot "$1/root" python3 -B /inside.py
"""


def package(directory):
    """The package's file; made once."""
    if "deb" not in MADE:
        path = pathlib.Path(directory) / "guerrillad.deb"
        command = ["scripts/deb", "--debug", str(path)]
        made = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=1800)
        if made.returncode != 0:
            raise RuntimeError(f"{' '.join(command)}: {made.stdout}{made.stderr}")
        MADE["deb"] = path.read_bytes()
        MADE["said"] = made.stderr
    path = pathlib.Path(directory) / "guerrillad.deb"
    path.write_bytes(MADE["deb"])
    return path


def it_has_all_that_it_should(arguments, directory):
    deb = package(directory)
    listed = subprocess.run(["dpkg-deb", "--contents", str(deb)], capture_output=True, text=True, check=True).stdout
    files = {line.split()[5]: line.split()[:2] for line in listed.splitlines()}
    plugins = {f"./usr/lib/guerrillad/plugins/{place.name}.so" for place in (REPOSITORY / "plugins").iterdir() if place.is_dir()}
    expected = {
        "./usr/sbin/guerrillad", "./etc/guerrillad/goguerrilla.conf.json", "./etc/logrotate.d/guerrillad",
        "./usr/share/man/man8/guerrillad.8.gz", "./usr/share/man/man8/guerrillad-serve.8.gz",
        "./usr/share/bash-completion/completions/guerrillad", "./usr/share/zsh/vendor-completions/_guerrillad",
        "./usr/share/fish/vendor_completions.d/guerrillad.fish", "./usr/share/doc/guerrillad/copyright",
    } | plugins
    yield "every file", expect(expected <= set(files), expected - set(files))
    units = {pathlib.PurePath(name).name for name in files if "/systemd/system/" in name}
    yield "both units", expect({"guerrillad.service", "guerrillad.socket"} <= units, units)
    owners = {owner for _, owner in files.values()}
    yield "all of it root's", expect(owners <= {"root/root", "0/0"}, owners)
    for name, needed in (("Depends", "libc6"), ("Depends", "adduser"), ("Section", "mail")):
        field = subprocess.run(["dpkg-deb", "--field", str(deb), name], capture_output=True, text=True, check=True).stdout
        yield f"{name} has {needed}", expect(needed in field, field)


def lintian_finds_no_error(arguments, directory):
    deb = package(directory)
    # It is as good as run by root here.
    command = ["lintian", "--allow-root", "--no-cfg", "--tag-display-limit", "0", str(deb)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=600)
    errors = [line for line in said.stdout.splitlines() if line.startswith("E:")]
    yield "no error", expect(not errors and said.returncode == 0, f"{said.returncode}: {errors}{said.stderr}")


def installed_used_and_removed(arguments, directory):
    if os.geteuid() != 0 or not layers(directory):
        print("no root, or no overlay file system here: the package was not installed", file=sys.stderr)
        return
    deb = package(directory)
    place = pathlib.Path(directory) / "system"
    place.mkdir()
    inside = pathlib.Path(__file__).with_name("package_inside.py")
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "sh", "-c", SYSTEM, "sh", str(place), str(deb), str(inside)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300)
    checks = re.findall(r"^CHECK (ok|FAIL) (.*?)(?:: (.*))?$", said.stdout, re.MULTILINE)
    for verdict, check, fault in checks:
        yield check, None if verdict == "ok" else fault
    ended = said.returncode == 0 and "CHECK end" in said.stdout
    yield "to the end", expect(ended, f"{said.returncode}: {said.stdout[-2000:]}{said.stderr[-2000:]}")


def layers(directory):
    """Whether a layer can be put over the system here."""
    place = pathlib.Path(directory) / "try"
    place.mkdir()
    script = SYSTEM.split("for place")[0]
    return subprocess.run(["unshare", "--mount", "--net", "sh", "-c", script, "sh", str(place)], capture_output=True).returncode == 0


SCENES = [it_has_all_that_it_should, lintian_finds_no_error, installed_used_and_removed]

if __name__ == "__main__":
    sys.exit(play(SCENES, arguments_of(__doc__)))
