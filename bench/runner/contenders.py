"""The contenders: one entry each. Nothing is installed into the system; what cannot be had is skipped with a line."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

from . import processes

HERE = pathlib.Path(__file__).resolve().parents[1]
BUILTINS = "HeadersParser|Header|Hasher"


class Contender:
    """`tls`: takes the TLS points. `durable`: keeps what it acknowledges, and is asked for fewer points."""

    def __init__(self, name, about, tls=False, durable=False):
        self.name, self.about, self.tls, self.durable = name, about, tls, durable

    def missing(self):
        """Why it cannot be had, in one line; None when it can."""
        return None

    def start(self, directory, certificate):
        """A running Server with files below `directory`; `certificate` is a pair of paths or None."""
        raise NotImplementedError


class Floor(Contender):
    """bench's own: answers and keeps nothing."""

    def __init__(self, target):
        super().__init__("floor", "answers only, one thread of epoll; under TLS: bare rustls", tls=True)
        self.program = target / "bench/release/floor-sink"

    def missing(self):
        return None if self.program.exists() else f"{self.program} is not built: make bench"

    def start(self, directory, certificate):
        port = processes.free_port()
        tls = ["--certificate", certificate[0], "--key", certificate[1]] if certificate else []
        return processes.Server([self.program, f"127.0.0.1:{port}", *tls], port, directory)


class SmtpSink(Contender):
    """Postfix's, unpacked from the Debian package as the tests of peers do."""

    def __init__(self, target):
        super().__init__("smtp-sink", "Postfix's: answers only, parses little, stores nothing")
        self.unpacked, self.root = target / "peers", None

    def missing(self):
        sys.path.insert(0, str(HERE.parent / "host/tests/peers"))
        import packages

        try:
            self.root = packages.unpacked("postfix", self.unpacked)
        except packages.Unavailable as why:
            return str(why)
        return None

    def start(self, directory, certificate):
        port = processes.free_port()
        environment = self.root.environment(pathlib.Path(directory), [], [])
        # The wrappers pretend users; they would cost it time here.
        for name in [name for name in environment if "WRAPPER" in name or name == "LD_PRELOAD"]:
            del environment[name]
        # It does not serve as root.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [self.root / "usr/sbin/smtp-sink", *user, f"127.0.0.1:{port}", "4096"]
        return processes.Server(command, port, directory, environment)


class Aiosmtpd(Contender):
    """From PyPI, in an environment of its own below the target directory."""

    def __init__(self, target):
        super().__init__("aiosmtpd", "Python's, with the Sink handler", durable=False)
        self.home = target / "bench/aiosmtpd"

    def missing(self):
        python = self.home / "bin/python"
        if python.exists():
            return None
        for command in ([sys.executable, "-m", "venv", self.home], [python, "-m", "pip", "install", "-q", "aiosmtpd==1.4.6"]):
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(self.home, ignore_errors=True)
                return f"{command[-1]} cannot be had: {' '.join(done.stderr.split())[-200:]}"
        return None

    def start(self, directory, certificate):
        port = processes.free_port()
        command = [self.home / "bin/python", "-m", "aiosmtpd", "-n", "-l", f"127.0.0.1:{port}", "-c", "aiosmtpd.handlers.Sink"]
        return processes.Server(command, port, directory)


class Haraka(Contender):
    """From npm, where somebody has installed it: HARAKA names its directory."""

    def __init__(self):
        super().__init__("haraka", "Node's, one process, queue/discard")
        self.home = os.environ.get("HARAKA")

    def missing(self):
        if not shutil.which("node"):
            return "no node here"
        if not self.home or not pathlib.Path(self.home, "haraka.js").exists():
            return "set HARAKA to a directory with haraka.js (npm install --prefix DIR Haraka, then DIR/node_modules/Haraka)"
        return None

    def start(self, directory, certificate):
        port = processes.free_port()
        config = pathlib.Path(directory, "config")
        config.mkdir()
        (config / "smtp.ini").write_text(f"listen=127.0.0.1:{port}\nnodes=0\n")
        (config / "plugins").write_text("rcpt_to.in_host_list\nqueue/discard\n")
        (config / "host_list").write_text("example.com\n")
        (config / "loglevel").write_text("ERROR\n")
        return processes.Server(["node", pathlib.Path(self.home, "haraka.js")], port, directory, {**os.environ, "HARAKA": str(directory)})


class Guerrillad(Contender):
    """Us. `chain` is the save chain, `plugins` the crates' libraries it needs, `settings` more of backend_config; a
    setting may hold {directory}. `service` starts what the processor talks to and gives its settings."""

    def __init__(self, target, name, about, chain, plugins=(), settings=None, service=None, durable=False):
        super().__init__(name, about, tls=not durable, durable=durable)
        self.program = target / "release/guerrillad"
        self.chain, self.settings, self.service = chain, settings or {}, service
        self.plugins = [target / "release" / f"lib{plugin}.so" for plugin in plugins]

    def missing(self):
        for file in (self.program, *self.plugins):
            if not file.exists():
                return f"{file} is not built: cargo build --release"
        return self.service.missing() if self.service else None

    def start(self, directory, certificate):
        directory, port = pathlib.Path(directory), processes.free_port()
        plugins = directory / "plugins"
        plugins.mkdir(mode=0o755)
        for file in self.plugins:
            shutil.copy(file, plugins / file.name)
            (plugins / file.name).chmod(0o644)
        helpers, settings = [], {key: filled(value, directory) for key, value in self.settings.items()}
        if self.service:
            helper, more = self.service.start(directory)
            helpers.append(helper)
            settings |= more
        server = {
            "is_enabled": True, "listen_interface": f"127.0.0.1:{port}", "host_name": "mail.example.com",
            "max_clients": 20000, "max_size": 1 << 27, "timeout": 600,
        }  # fmt: skip
        if certificate:
            server["tls"] = {"start_tls_on": True, "public_key_file": certificate[0], "private_key_file": certificate[1]}
        config = {
            "log_file": "stderr", "log_level": "error", "allowed_hosts": ["example.com"], "servers": [server],
            "backend_config": {"save_process": self.chain, "primary_mail_host": "mail.example.com", **settings},
        }  # fmt: skip
        file = directory / "guerrillad.json"
        file.write_text(json.dumps(config))
        return processes.Server([self.program, "serve", "-c", file, "--plugins-dir", plugins], port, directory, helpers=helpers)


class RedisServer:
    """A private redis-server, for the processor Redis."""

    def missing(self):
        return None if shutil.which("redis-server") else "no redis-server here: apt-get install redis-server"

    def start(self, directory):
        port = processes.free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(directory)]
        helper = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        return helper, {"redis_interface": f"127.0.0.1:{port}", "redis_expire_seconds": 60}


def filled(value, directory):
    return value.replace("{directory}", str(directory)) if isinstance(value, str) else value


def table(target):
    """Every contender by name, in the order of the report."""

    def ours(*arguments, **more):
        return Guerrillad(target, *arguments, **more)

    entries = (
        Floor(target),
        SmtpSink(target),
        Aiosmtpd(target),
        Haraka(),
        ours("ours", f"no store: {BUILTINS}", BUILTINS),
        ours("ours-so", f"an inline .so stage: {BUILTINS}|Hello", f"{BUILTINS}|Hello", ["hello_plugin"]),
        ours("ours-maildir", "durable: file and directory synced", f"{BUILTINS}|MailDir", ["maildir"],
             {"maildir_path": "{directory}/mail/[user]", "maildir_user_map": "*=-1:-1"}, durable=True),
        ours("ours-sqlite", "durable", f"{BUILTINS}|sql", ["sql"], {"sql_dsn": "{directory}/mail.sqlite"}, durable=True),
        ours("ours-redis", "CPU of the server alone, not of redis-server", f"{BUILTINS}|Redis", ["redis"],
             service=RedisServer(), durable=True),
    )  # fmt: skip
    return {entry.name: entry for entry in entries}
