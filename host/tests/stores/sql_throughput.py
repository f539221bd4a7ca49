#!/usr/bin/env python3
"""How many messages a second the processor `sql` stores: in batches, and one by one as go-guerrilla does.

    cargo build --release -p guerrilla-sql --example throughput
    host/tests/stores/sql_throughput.py [--program target/release/examples/throughput] [--clients 50] [--seconds 5]

Private servers of MariaDB and PostgreSQL and a file of SQLite, all as durable as they are by default.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

from databases import PASSWORD, MariaDb, Postgres

PROGRAM = pathlib.Path(__file__).resolve().parents[3] / "target" / "release" / "examples" / "throughput"


def main():
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--program", type=pathlib.Path, default=PROGRAM, help="default: %(default)s")
    options.add_argument("--clients", type=int, default=50)
    options.add_argument("--seconds", type=int, default=5)
    options.add_argument("--bytes", type=int, default=10_000)
    options.add_argument("--writers", type=int, nargs="+", default=[1, 2, 4], help="numbers of connections to try")
    arguments = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="guerrillad-sql-") as directory:
        directory = pathlib.Path(directory)
        directory.chmod(0o755)
        measure(arguments, "sqlite", {"sql_dsn": str(directory / "mail.sqlite")}, [1])
        for make in (MariaDb, Postgres):
            with make(directory / make.name) as database:
                backend = {"sql_driver": database.driver, "sql_dsn": database.dsn(), "sql_password": PASSWORD, "sql_create_table": True}
                measure(arguments, make.name, backend, arguments.writers)
    return 0


def measure(arguments, name, backend, writers):
    for count in writers:
        for batch in (1, 256):
            config = json.dumps({**backend, "sql_max_open_conns": count, "sql_batch": batch})
            numbers = [str(number) for number in (arguments.clients, arguments.seconds, arguments.bytes)]
            done = subprocess.run([arguments.program, config, *numbers], capture_output=True, text=True, check=False, timeout=300)
            print(f"{name:9} {count} connection(s), batches of {batch:3}: {(done.stdout or done.stderr).strip()}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
