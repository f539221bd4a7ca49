"""The units that come with the daemon, judged by systemd's own tools."""

import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "stores"))

from serving import arguments_of, expect, play

CONTRIB = pathlib.Path(__file__).resolve().parents[3] / "contrib" / "systemd"
UNITS = ("guerrillad.service", "guerrillad.socket")
# Of 100; what is left is what receiving mail needs.
MOST_EXPOSED = 20


def root_with_units(directory, units=CONTRIB):
    """A system with nothing but systemd's own units, ours, and a program."""
    root = pathlib.Path(directory) / "root"
    place = root / "usr/lib/systemd/system"
    place.mkdir(parents=True)
    for pattern in ("*.target", "*.slice", "*.mount", "-.*"):
        for found in pathlib.Path("/lib/systemd/system").glob(pattern):
            shutil.copy(found, place, follow_symlinks=True)
    for unit in UNITS:
        shutil.copy(units / unit, place)
    program = root / "usr/sbin/guerrillad"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return root


def objections(root):
    """What `systemd-analyze verify` has to say of the units."""
    paths = [str(root / "usr/lib/systemd/system" / unit) for unit in UNITS]
    command = ["systemd-analyze", f"--root={root}", "--man=no", "--recursive-errors=no", "verify", *paths]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    lines = set((said.stdout + said.stderr).splitlines())
    if version() < 253:
        # Known and said in the unit: the line before it is what counts there.
        lines = {line for line in lines if "ignoring: notify-reload" not in line}
    elif said.returncode != 0:
        lines.add(f"exit status {said.returncode}")
    return sorted(lines)


def version():
    told = subprocess.run(["systemd-analyze", "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"\d+", told).group())


def systemd_understands_them(arguments, directory):
    found = objections(root_with_units(directory))
    yield "nothing to object to", expect(not found, found)


def an_objection_would_be_seen(arguments, directory):
    root = root_with_units(directory)
    unit = root / "usr/lib/systemd/system/guerrillad.service"
    unit.write_text(unit.read_text().replace("WatchdogSec=30", "WatchdogSecs=thirty"))
    found = objections(root)
    yield "a misspelt key", expect(any("WatchdogSecs" in line for line in found), found)


def the_service_is_confined(arguments, directory):
    root = root_with_units(directory)
    command = ["systemd-analyze", f"--root={root}", "--offline=yes", f"--threshold={MOST_EXPOSED}", "--no-pager", "security", UNITS[0]]
    said = subprocess.run(command, capture_output=True, text=True, timeout=120)
    level = re.search(r"exposure level for \S+: ([0-9.]+)", said.stdout + said.stderr)
    told = f"exit status {said.returncode}, {level and level.group()}"
    yield f"exposure at most {MOST_EXPOSED / 10}", expect(said.returncode == 0 and level, told)


SCENES = [systemd_understands_them, an_objection_would_be_seen, the_service_is_confined]

if __name__ == "__main__":
    sys.exit(play(SCENES, arguments_of(__doc__)))
