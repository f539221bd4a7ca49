"""A small HTTP endpoint that stores what is posted to it, and fails when it is told to; a process of its own, to be killed.

Run as a program it serves; imported it starts such a program. A mail is a file named by its id, synchronised before the 200, and one
that is there already is not stored again. Beside them `requests` has a line of JSON for each request, and `behave` (JSON) says what
goes wrong: "status" and "text" of the answer, "fields" of its header, "sleep" in seconds, "drop" (close without an answer, after
storing), "share" of the requests that this befalls.
"""

import argparse
import http.server
import json
import os
import pathlib
import random
import ssl
import subprocess
import sys
import time

from redis_server import free_port


class Endpoint(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Without it the end of an answer waits for the acknowledgement of its beginning.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        store = self.server.store
        behave = json.loads((store / "behave").read_text())
        if behave and random.random() >= behave.get("share", 1.0):
            behave = {}
        if "sleep" in behave:
            time.sleep(behave["sleep"])
        status = behave.get("status", 200)
        certificate = self.connection.getpeercert() if isinstance(self.connection, ssl.SSLSocket) else None
        told = {
            "path": self.path, "fields": self.headers.items(), "port": self.client_address[1], "status": status,
            "client": certificate and certificate.get("subject"),
        }
        self.server.note(told)
        if status == 200:
            self.server.keep(self.headers["Webhook-Id"], body)
        if behave.get("drop"):
            self.close_connection = True
            return
        text = behave.get("text", "stored").encode()
        self.send_response(status)
        for name, value in behave.get("fields", {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True

    def __init__(self, options):
        self.store = options.store
        super().__init__(("127.0.0.1", options.port), Endpoint)
        if options.cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(options.cert, options.key)
            if options.client_ca:
                context.load_verify_locations(options.client_ca)
                context.verify_mode = ssl.CERT_REQUIRED
            self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self._notes = open(self.store / "requests", "a", buffering=1)

    def handle_error(self, request, client_address):
        """A client that goes away is none of our business."""

    def note(self, told):
        self._notes.write(json.dumps(told) + "\n")

    def keep(self, name, body):
        path = self.store / "mails" / name
        if path.exists():
            return
        part = path.with_name(f".{name}.{os.urandom(4).hex()}")
        with open(part, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)


class HttpEndpoint:
    """One endpoint as a process. Ended by its own pid."""

    def __init__(self, directory, tls=None, client_ca=None, start=True):
        self.directory = pathlib.Path(directory)
        (self.directory / "mails").mkdir(parents=True)
        self.port = free_port()
        self.tls = tls
        self._command = [sys.executable, "-B", __file__, "--port", str(self.port), "--store", str(self.directory)]
        if tls:
            self._command += ["--cert", str(tls.cert), "--key", str(tls.key)]
        if client_ca:
            self._command += ["--client-ca", str(client_ca)]
        self.behave()
        self.process = None
        if start:
            self.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()

    @property
    def url(self):
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/mail"

    def behave(self, **how):
        part = self.directory / "behave.new"
        part.write_text(json.dumps(how))
        part.rename(self.directory / "behave")

    def start(self):
        with open(self.directory / "output", "ab") as output:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=output)
        if self.process.stdout.readline() != b"ready\n":
            raise RuntimeError(f"the endpoint ended: {(self.directory / 'output').read_text()[-800:]}")

    def kill(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()

    def requests(self):
        path = self.directory / "requests"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def mails(self):
        """What is stored, by its id."""
        return {path.name: path.read_bytes() for path in (self.directory / "mails").iterdir() if not path.name.startswith(".")}


def fields_of(request):
    """The fields of a request, as lists by name."""
    fields = {}
    for name, value in request["fields"]:
        fields.setdefault(name.lower(), []).append(value)
    return fields


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int)
    parser.add_argument("--store", type=pathlib.Path)
    for option in ("cert", "key", "client-ca"):
        parser.add_argument(f"--{option}")
    server = Server(parser.parse_args())
    print("ready", flush=True)
    server.serve_forever()
