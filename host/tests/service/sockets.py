"""Socket activation and the descriptor store: a server's sockets outlive the process that listens on them."""

import contextlib
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "stores"))

from manager import SECONDS, Manager, identity
from serving import arguments_of, expect, play


def server(listen, **more):
    return {"is_enabled": True, "listen_interface": listen, "host_name": "mx.example.test", **more}


def config(*servers):
    return {
        "log_file": "stderr", "log_level": "debug", "allowed_hosts": ["."], "servers": list(servers),
        "backend_config": {"save_process": "HeadersParser|Header|Debugger"},
    }


def listening(address="127.0.0.1", port=0, shared=False):
    """A socket as a socket unit has it."""
    own = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, int(shared))
    own.bind((address, port))
    own.listen(64)
    return own, own.getsockname()[1]


def greeting(port, address="127.0.0.1"):
    """What a client is told first."""
    with socket.create_connection((address, port), SECONDS) as client:
        return client.makefile().readline().strip()


def mail(port):
    """The code for one whole mail."""
    with smtplib.SMTP("127.0.0.1", port, "client.example.com", SECONDS) as client:
        client.ehlo()
        client.mail("a@example.com")
        client.rcpt("b@example.test")
        return client.data(b"Subject: hello\r\n\r\nHello.\r\n")[0]


@contextlib.contextmanager
def managing(arguments, directory, *servers, **more):
    manager = Manager(arguments, directory, config(*servers), **more)
    try:
        yield manager
    finally:
        manager.end()


def sockets_find_their_servers(arguments, directory):
    (named, at_named), (there, at_there), (other, at_other) = listening(), listening(), listening()
    servers = [
        server("127.0.0.1:1", host_name="third.example"),
        server("127.0.0.1:2", host_name="first.example", socket_name="submission"),
        server(f"127.0.0.1:{at_there}", host_name="second.example"),
    ]
    with managing(arguments, directory, *servers) as manager:
        manager.start(("guerrillad.socket", other), ("guerrillad.socket", there), ("submission", named))
        for port, name, how in ((at_named, "first", "name"), (at_there, "second", "address"), (at_other, "third", "order")):
            heard = greeting(port)
            yield f"by {how}", expect(heard.startswith(f"220 {name}.example "), heard)
        yield "a mail is taken", expect(mail(at_other) == 250, "not 250")
        kept = [name for name, _ in manager.store]
        yield "the service manager's own are not given back to it", expect(not kept, kept)
        # One that goes and comes again by a reload: its address is in use all the time.
        manager.reload(config(*servers[1:]))
        manager.has_said("the service manager goes on listening on 127.0.0.1:1")
        yield "one without a server is told of", None
        manager.reload(config(*servers))
        heard = greeting(at_other)
        yield "it comes back", expect(heard.startswith("220 third.example "), heard)
        # Whoever connects while nobody is there waits for the next daemon.
        manager.stop()
        with socket.create_connection(("127.0.0.1", at_named), SECONDS) as early:
            manager.start(("guerrillad.socket", other), ("guerrillad.socket", there), ("submission", named))
            heard = early.makefile().readline()
            yield "who has come between two daemons is greeted", expect(heard.startswith("220 first.example "), heard)
        yield "it ends well", expect(manager.stop() == 0, "exit status")


def without_names_and_as_a_group(arguments, directory):
    one, port = listening(shared=True)
    sockets = [one, *(listening(port=port, shared=True)[0] for _ in range(4))]
    with managing(arguments, directory, server(f"127.0.0.1:{port}")) as manager:
        manager.start(*(("", own) for own in sockets), names=":".join(["unknown"] * 5))
        # The kernel deals out to all of them; one that nobody accepts on would leave its clients waiting.
        heard = {greeting(port)[:4] for _ in range(100)}
        yield "each of five sockets is accepted on", expect(heard == {"220 "}, heard)
        path = str(pathlib.Path(directory) / "lmtp.sock")
    with socket.socket(socket.AF_UNIX) as own:
        own.bind(path)
        own.listen()
        directory = pathlib.Path(directory) / "unix"
        directory.mkdir()
        with managing(arguments, directory, server(f"unix:{path}", protocol="lmtp")) as manager:
            manager.start(("guerrillad-lmtp.socket", own))
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                heard = client.makefile().readline()
                yield "a Unix socket", expect(heard.startswith("220 mx.example.test LMTP"), heard)


def what_cannot_be_used(arguments, directory):
    own, port = listening()
    deaf = socket.socket()
    with managing(arguments, directory, server("127.0.0.1:0")) as manager:
        status, said = manager.refused(("smtp", own), ("smtps", deaf))
        fine = status == 1 and 'descriptor 4 ("smtps") is no listening stream socket' in said
        yield "a socket that does not listen", expect(fine and said.count("\n") == 1, f"{status}: {said}")
        status, said = manager.refused(("smtp", own), names="a:b:c")
        fine = status == 1 and "LISTEN_FDNAMES has 3 names for 1 descriptors" in said
        yield "names that do not fit", expect(fine and said.count("\n") == 1, f"{status}: {said}")
        said = manager.start(("web", own))
        fine = f'listens on 127.0.0.1:{port} (named "web"), which is no server\'s' in said
        yield "a socket of nobody's is told of", expect(fine, said)
        yield "and the server binds its own", expect(mail(manager.ports()[0]) == 250, "not 250")


def a_restart_refuses_nobody(arguments, directory):
    own, port = listening()
    own.close()
    with managing(arguments, directory, server(f"127.0.0.1:{port}"), server(f"unix:{directory}/s")) as manager:
        manager.start()
        names = sorted({name for name, _ in manager.store})
        yield "sockets are put into keeping", expect(names == [f"listening-127.0.0.1_{port}", f"listening-unix_{directory}/s"], names)
        kept = {identity(number) for _, number in manager.store}
        for end, how in ((manager.stop, "restart"), (manager.crash, "crash"), (manager.stop, "second restart")):
            end()
            # More than one socket can have each of them.
            waiting = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(20)]
            manager.start()
            heard = {client.makefile().readline()[:4] for client in waiting}
            yield f"{how}: who connects while nobody is there is greeted", expect(heard == {"220 "}, heard)
            manager.drain()
            same = {identity(number) for _, number in manager.store} == kept
            yield f"{how}: the sockets are the same", expect(same, manager.store)
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(f"{directory}/s")
                yield f"{how}: the Unix socket, too", expect(client.makefile().readline().startswith("220 "), "no greeting")
        yield "a mail is taken", expect(mail(port) == 250, "not 250")


def those_who_wait_at_the_end_are_left_to_the_next(arguments, directory):
    own, port = listening()
    own.close()
    for sure in (True, False):
        place = pathlib.Path(directory) / str(sure)
        place.mkdir()
        with managing(arguments, place, server(f"127.0.0.1:{port}"), sure=sure) as manager:
            manager.start()
            # It does not look at its sockets for as long as it is stopped; then the signal is there first.
            manager.process.send_signal(signal.SIGSTOP)
            waiting = [socket.create_connection(("127.0.0.1", port), SECONDS) for _ in range(20)]
            manager.process.send_signal(signal.SIGTERM)
            manager.process.send_signal(signal.SIGCONT)
            manager.stop()
            manager.start()
            heard = [client.makefile().readline()[:4] for client in waiting]
            yield f"all are answered ({'FDSTORE' if sure else 'older systemd'})", expect(set(heard) <= {"220 ", "421 "}, heard)


def a_server_that_goes_takes_its_sockets_along(arguments, directory):
    (one, first), (two, second) = listening(), listening()
    one.close()
    two.close()
    both = [server(f"127.0.0.1:{first}"), server(f"127.0.0.1:{second}")]
    with managing(arguments, directory, *both) as manager:
        manager.start()
        manager.reload(config(both[0]))
        names = {name for name, _ in manager.store}
        yield "removed by a reload, they are taken out", expect(names == {f"listening-127.0.0.1_{first}"}, names)
        try:
            yield "nobody listens there", expect(False, greeting(second))
        except ConnectionRefusedError:
            yield "nobody listens there", None
        # Its address is free at once: by the time the reload is done nobody has it any more.
        manager.reload(config(*both))
        yield "it can come back", expect(greeting(second).startswith("220 "), "no greeting")
        # Removed while no daemon runs.
        manager.stop()
        manager.write(config(both[0]))
        manager.start()
        names = {name for name, _ in manager.store}
        yield "removed between two daemons, they are, too", expect(names == {f"listening-127.0.0.1_{first}"}, names)
        manager.stop()
        manager.write(config(server("[::1]:0"), both[0]))
        manager.start()
        yield "and others take their places", expect(greeting(first).startswith("220 "), "no greeting")


def systemd_hands_over_what_it_listens_on(arguments, directory):
    program = shutil.which("systemd-socket-activate")
    if program is None:
        raise RuntimeError("systemd-socket-activate is missing: run scripts/deps")
    own, port = listening()
    own.close()
    manager = Manager(arguments, directory, config(server("127.0.0.1:1", socket_name="smtp")))
    path = manager.write(manager.config)
    command = [program, f"--listen=127.0.0.1:{port}", "--fdname=smtp", str(arguments.daemon), "serve", "-c", path]
    output = open(pathlib.Path(directory) / "output", "wb")
    with subprocess.Popen(command, stdout=output, stderr=output, cwd=directory) as process:
        try:
            # It listens a moment after it has begun; the daemon is started by the first client.
            for _ in range(600):
                with contextlib.suppress(ConnectionRefusedError):
                    heard = greeting(port)
                    break
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(0.1)
            yield "the first client starts it and is served", expect(heard.startswith("220 mx.example.test "), heard)
            yield "a mail is taken", expect(mail(port) == 250, "not 250")
        finally:
            process.terminate()
    manager.end()


SCENES = [
    sockets_find_their_servers,
    without_names_and_as_a_group,
    what_cannot_be_used,
    a_restart_refuses_nobody,
    those_who_wait_at_the_end_are_left_to_the_next,
    a_server_that_goes_takes_its_sockets_along,
    systemd_hands_over_what_it_listens_on,
]

if __name__ == "__main__":
    sys.exit(play(SCENES, arguments_of(__doc__)))
