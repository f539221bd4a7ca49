"""The torture suite: what guerrillad promises, while everything around it fails. README.md tells what is in it.

The same seed makes the same mails and the same plan; when things happen is up to the machine.
"""

import argparse
import pathlib
import random
import resource
import signal
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "stores")]

import bad_plugins  # noqa: E402
import fault_points  # noqa: E402
import hostile_mails  # noqa: E402
import kills  # noqa: E402
import overload  # noqa: E402
import slow_clients  # noqa: E402
import stores  # noqa: E402
from serving import RELEASE, play  # noqa: E402

PARTS = {
    "kills": kills.scenes,
    "faults": fault_points.scenes,
    "overload": overload.scenes,
    "hostile mails": hostile_mails.scenes,
    "slow clients": slow_clients.scenes,
    "bad plugins": bad_plugins.scenes,
}
#: What fits into a minute.
SMOKE_SCENES = {
    "killed_over_MailDir", "killed_over_SQLite", "killed_over_Redis", "maildir_on_a_failing_disk", "what_250_waits_for",
    "more_clients_than_places", "more_data_than_memory", "floods_of_connects_and_resets", "endless_lines", "Panics_under_load",
}  # fmt: skip


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--daemon", type=pathlib.Path, default=RELEASE / "guerrillad", help="the binary (default: %(default)s)")
    options.add_argument("--plugins", type=pathlib.Path, default=RELEASE / "plugins", help="its plugins (default: %(default)s)")
    options.add_argument("--part", action="append", choices=PARTS, help="only this part; may be given again (default: all)")
    options.add_argument("--only", default="", help="only scenes whose name contains this")
    options.add_argument("--rounds", type=int, default=30, help="kills for each store (default: %(default)s)")
    options.add_argument(
        "--seconds", type=float, default=3.0, help="longest load before a kill, and length of each attack (default: %(default)s)"
    )
    options.add_argument("--connections", type=int, default=3000, help="connections of the large attacks (default: %(default)s)")
    options.add_argument("--seed", type=int, default=None, help="what chance goes by (default: another each time; printed)")
    options.add_argument("--smoke", action="store_true", help="a choice of scenes with the least of everything: under a minute")
    arguments = options.parse_args()
    if arguments.smoke:
        arguments.rounds, arguments.seconds, arguments.connections = 5, 0.5, 300
    arguments.daemon, arguments.plugins = arguments.daemon.resolve(), arguments.plugins.resolve()
    if not arguments.daemon.is_file():
        raise SystemExit(f"no daemon at {arguments.daemon}: build it (make build) or name it with --daemon")
    if stores.missing():
        raise SystemExit(f"missing Debian packages: {stores.missing()} (scripts/deps installs them)")
    if arguments.seed is None:
        arguments.seed = random.randrange(1 << 32)
    # What was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(
        f"torture: --seed {arguments.seed} --rounds {arguments.rounds} --seconds {arguments.seconds} --connections {arguments.connections}",
        flush=True,
    )
    scenes = [scene for part in arguments.part or PARTS for scene in PARTS[part]()]
    return play([scene for scene in scenes if not arguments.smoke or scene.__name__ in SMOKE_SCENES], arguments)


if __name__ == "__main__":
    sys.exit(main())
