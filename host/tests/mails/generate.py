#!/usr/bin/env python3
"""Writes the sample mails and their README from `authored/`, or checks that what is committed equals it.

    generate.py            write every .eml and README.md of this directory
    generate.py --check    change nothing; exit 1 and name what differs
"""

import argparse
import pathlib
import sys

# Reading the samples must not leave compiled files in the source tree.
sys.dont_write_bytecode = True

from authored import all_mails  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
LARGEST = 60 * 1024

README_HEAD = """# Sample mails

Raw mails that the black-box tests send and then compare with what was delivered, octet for octet. All people and hosts
are made up. Line endings are CRLF throughout (`.gitattributes` keeps them); none of the files holds a NUL, a bare CR or a
bare LF. A mail whose name starts with `dsn-` is sent from the null reverse-path.

`generate.py` writes the files and this page from `authored/`; `generate.py --check` says whether they are up to date.
Mails that are too large to keep here are made by `../clients/samples.py` while the tests run.

| mail | octets | what it is for |
|---|---:|---|
"""


def outcome():
    """What the directory has to hold: {file name: bytes}."""
    mails = all_mails()
    for stem, (_, data) in mails.items():
        refuse_unsuitable(stem, data)
    rows = "".join(f"| `{stem}` | {len(data)} | {purpose} |\n" for stem, (purpose, data) in mails.items())
    files = {f"{stem}.eml": data for stem, (_, data) in mails.items()}
    files["README.md"] = (README_HEAD + rows).encode()
    return files


def refuse_unsuitable(stem, data):
    """A sample has to pass a strict server unchanged, so a slip of its author is an error here."""
    bare = data.replace(b"\r\n", b"")
    if b"\r" in bare or b"\n" in bare or b"\0" in data:
        raise ValueError(f"{stem}: holds a bare CR, a bare LF or a NUL")
    if len(data) >= LARGEST:
        raise ValueError(f"{stem}: {len(data)} octets; a mail this large belongs in clients/samples.py")


def differences(files):
    """One line for each file that is missing, different or left over."""
    for name, data in files.items():
        path = HERE / name
        if not path.exists():
            yield f"{name}: missing"
        elif path.read_bytes() != data:
            yield f"{name}: differs from authored/"
    for path in sorted(HERE.glob("*.eml")):
        if path.name not in files:
            yield f"{path.name}: not in authored/"


def main():
    parser = argparse.ArgumentParser(description="write or check the sample mails")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 when a file differs")
    arguments = parser.parse_args()
    files = outcome()
    if not arguments.check:
        for name, data in files.items():
            (HERE / name).write_bytes(data)
        return 0
    wrong = list(differences(files))
    print("\n".join(wrong) if wrong else f"{len(files) - 1} sample mails are up to date")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
