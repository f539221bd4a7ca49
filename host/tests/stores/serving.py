"""What the tests of storing processors share: guerrillad with a chain of the test's own, and the report."""

import argparse
import json
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from private import SECONDS, wait_until
from sending import Client

RELEASE = pathlib.Path(__file__).resolve().parents[3] / "target" / "release"
LISTENING = re.compile(r"listening on (\S+):(\d+) as ")


def stopped_clock(directory):
    """The environment of daemons that are all at the same instant, at which they give their ids."""
    library, source = pathlib.Path(directory) / "stopped_clock.so", pathlib.Path(__file__).parent / "stopped_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-o", library, source, "-ldl"], check=True)
    return {"PATH": "/usr/bin:/bin", "LD_PRELOAD": str(library)}


def arguments_of(description):
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--only", default="", help="only scenes whose name contains this")
    return parsed(options)


def parsed(options):
    """The command line, with the options that say what is tested."""
    options.add_argument("--daemon", type=pathlib.Path, default=RELEASE / "guerrillad", help="the binary (default: %(default)s)")
    options.add_argument("--plugins", type=pathlib.Path, default=RELEASE / "plugins", help="its plugins (default: %(default)s)")
    arguments = options.parse_args()
    arguments.daemon, arguments.plugins = arguments.daemon.resolve(), arguments.plugins.resolve()
    if not arguments.daemon.is_file():
        raise SystemExit(f"no daemon at {arguments.daemon}: build it (make build) or name it with --daemon")
    # A test runner that loses patience is to leave no server behind: what was started is ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    return arguments


def play(scenes, arguments):
    """Plays each scene in a directory of its own; a scene yields (check, fault or None). The exit status.

    A scene is a function of the arguments and its directory, or such a one with a name of its own: (name, function).
    """
    passed, failed = 0, 0
    for scene in scenes:
        name, scene = scene if isinstance(scene, tuple) else (scene.__name__.replace("_", " "), scene)
        if arguments.only not in name:
            continue
        directory = pathlib.Path(tempfile.mkdtemp(prefix="guerrillad-store-"))
        # Servers may be another user.
        directory.chmod(0o755)
        begun = time.monotonic()
        try:
            for check, fault in scene(arguments, directory):
                passed, failed = passed + (fault is None), failed + (fault is not None)
                print(f"ok {name}: {check}" if fault is None else f"FAIL {name}: {check}: {fault}", flush=True)
        except (OSError, RuntimeError, LookupError, ValueError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"FAIL {name}: {type(error).__name__}: {error}", flush=True)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
        print(f"-- {name}: {time.monotonic() - begun:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed")
    # A run that checked nothing has proved nothing.
    return 1 if failed or not passed else 0


def fault_of_names(serving, place):
    """Why the last message that was deferred cannot be joined, by session and id, to what the log says of its store. It is written behind
    the daemon's back."""

    def is_named():
        told = re.findall(r" (\S+) message deferred id=(\S+) ", serving.log())
        why = told and re.compile(rf" {told[-1][0]} \S+ {re.escape(place)}.*: {told[-1][1]} ")
        return why and any(why.search(line) for line in serving.log().splitlines())

    try:
        wait_until("the log", is_named, seconds=5.0)
    except RuntimeError:
        return serving.log()[-1200:]
    return None


def expect(condition, otherwise):
    """None when the condition holds, else what was seen."""
    return None if condition else str(otherwise)


class Refused(RuntimeError):
    """The daemon did not start."""

    def __init__(self, status, said):
        super().__init__(f"exit status {status}: {said.strip()}")
        self.status = status


class Serving:
    """One guerrillad that takes all mail at a port of 127.0.0.1 and ::1 and hands it to the chain of `backend_config`.

    `starter` are words before the command. With `start` off it is started, but not waited for.
    """

    def __init__(self, arguments, directory, backend_config, plugins, environment=None, start=True, starter=(), log_level="debug", top=None):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(mode=0o755, exist_ok=True)
        self.log_file = self.directory / "log"
        self.output = self.directory / "output"
        plugins_dir = self.directory / "plugins"
        plugins_dir.mkdir(mode=0o755)
        for plugin in plugins:
            shutil.copy(arguments.plugins / f"{plugin}.so", plugins_dir)
            (plugins_dir / f"{plugin}.so").chmod(0o755)
        config = {
            "log_file": str(self.log_file),
            "log_level": log_level,
            "allowed_hosts": ["."],
            "backend_config": {"primary_mail_host": "mx.example.test", **backend_config},
            "servers": [
                {"is_enabled": True, "listen_interface": f"{host}:0", "host_name": "mx.example.test", "timeout": 60, "max_clients": 500}
                for host in ("127.0.0.1", "[::1]")
            ],
            **(top or {}),
        }
        path = self.directory / "config.json"
        path.write_text(json.dumps(config, indent=4))
        self._command = [*starter, arguments.daemon, "serve", "-c", path, "--plugins-dir", plugins_dir]
        self._environment = environment
        self.process = None
        self._ports = {}
        self._launch()
        if start:
            self._wait_for_ports()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _launch(self):
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd=self.directory, env=self._environment
            )

    def _wait_for_ports(self):
        wait_until("guerrillad starts", lambda: " ready" in self.log() or self.process.poll() is not None)
        if self.process.poll() is not None:
            raise Refused(self.process.returncode, self.output.read_text() + self.log())
        self._ports = {host.strip("[]"): int(port) for host, port in LISTENING.findall(self.log())}

    @property
    def port(self):
        return self._ports["127.0.0.1"]

    def log(self):
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def logs(self, text):
        """Whether the log says so; it is written behind the daemon's back."""
        deadline = time.monotonic() + 5
        while text not in self.log() and time.monotonic() < deadline:
            time.sleep(0.01)
        return text in self.log()

    def whole_log(self):
        """Ends the daemon; all that it has written."""
        self.stop()
        return self.log() + self.output.read_text()

    def stop(self):
        """Ends it; its exit status."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def crash_and_start(self):
        """SIGKILL, and another one in its place, at other ports."""
        self.process.kill()
        self.process.wait()
        self.log_file.unlink()
        self._launch()
        self._wait_for_ports()

    def reload(self):
        """SIGHUP; waits until the daemon has answered it in its log."""
        before = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        wait_until("the reload", lambda: re.search(r"config_change:|not reloaded|nothing has changed", self.log()[before:]))

    def client(self, host="127.0.0.1"):
        return Client(host, self._ports[host])

    def send(self, mail, recipients=("you@example.test",), sender="me@example.com", host="127.0.0.1"):
        """The reply to one mail of a client of its own."""
        client = self.client(host)
        try:
            return client.mail(mail, recipients, sender)
        finally:
            client.close()
