"""Clients that send the letters of a ledger until they are stopped or the daemon is gone."""

import random
import threading
import time

from client import Client, Gone


class Load:
    """So many connections, each sending mail after mail. With `patient` they come again when the daemon has hung up on them."""

    def __init__(self, port, ledger, connections, seed=0, patient=False, pause=0.0):
        self._port, self._ledger, self._patient, self._pause = port, ledger, patient, pause
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(random.Random(f"{seed}/{number}"),), daemon=True) for number in range(connections)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, seconds=90.0):
        """Each client finishes the mail in hand."""
        self._stop.set()
        self.finish(seconds)

    def finish(self, seconds=90.0):
        """Waits until all have ended, as they do when the daemon is gone."""
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            raise RuntimeError(f"clients still wait after {seconds} s: {self._ledger.summary()}")

    def _send(self, chance):
        client = None
        while not self._stop.is_set():
            try:
                client = client or Client(self._port)
            except Gone:
                if not self._patient:
                    return
                self._stop.wait(0.05)
                continue
            if not client.greeting.startswith("220"):
                client.close()
                client = None
                self._stop.wait(0.05)
                continue
            number = self._ledger.take()
            letters = self._ledger.letters
            try:
                reply = client.mail(letters.letter(number), letters.recipients(number), pipelined=chance.random() < 0.7)
            except Gone as gone:
                self._ledger.gone(number, gone.unanswered)
                client.close()
                client = None
                if not self._patient:
                    return
                self._stop.wait(0.02)
                continue
            self._ledger.heard(number, reply)
            if chance.random() < 0.05:
                client.close()
                client = None
            if self._pause:
                self._stop.wait(self._pause)
        if client:
            client.close()
