"""The page of the admin interface in a real browser, while mail flows. `--pictures DIR` keeps screenshots."""

import json
import pathlib
import re
import signal
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "stores"))

from browser import Browser  # noqa: E402
from private import wait_until  # noqa: E402
from sending import Client, mail_of  # noqa: E402
from serving import Serving, arguments_of, expect, play  # noqa: E402

HOSTILE = '<img/src=x/onerror=window.pwned=1>'
SUBJECT = b"Subject: <script>window.pwned=1</script><img src=x onerror=window.pwned=1>\r\n\r\nsecret content\r\n"
PICTURES = None


def serving(arguments, directory, **top):
    config = {"save_process": "HeadersParser|Header|Hasher|MailDir", "validate_process": "Wildcard",
              "maildir_path": f"{directory}/mail/[user]", "maildir_user_map": "*=-1:-1", "wildcard_hosts": "*.example.test,example.test"}
    top = {"admin_listen": "127.0.0.1:0", **top}
    return Serving(arguments, directory, config, ["maildir", "wildcard"], top=top)


def page_of(guerrillad):
    wait_until("the admin interface", lambda: "admin interface on" in guerrillad.log())
    return "http://" + re.findall(r"admin interface on (\S+)", guerrillad.log())[-1] + "/"


class Traffic:
    """Mail without a pause, until it is left."""

    def __init__(self, port):
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(port, number)) for number in range(3)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()

    def __exit__(self, *_):
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _send(self, port, number):
        sent = 0
        while not self._ended.is_set():
            client = Client("127.0.0.1", port)
            for _ in range(40):
                sent += 1
                client.mail(mail_of(sent, 2000), [f"user{number}@example.test"], f"sender{sent % 7}@example.com")
                self._ended.wait(0.02 if sent % 300 < 150 else 0.004)
            try:
                client.mail(mail_of(0), ["nobody@elsewhere.test"])
            except (ConnectionError, StopIteration):
                pass
            client.close()


def opened(tab, url, seconds=30):
    tab.open(url)
    tab.wait("the page shows figures", "document.documentElement?.dataset.shown === 'yes'", seconds)


def shows_what_happens(arguments, directory):
    with serving(arguments, directory) as guerrillad, Browser() as browser, Traffic(guerrillad.port):
        tab, url = browser.tab(), page_of(guerrillad)
        tab.show(1280, 900, "light")
        opened(tab, url)
        tab.wait("a line in each chart", "document.querySelectorAll('svg').length === 4 &&"
                 " [...document.querySelectorAll('svg')].every((svg) => svg.querySelector('polyline'))")
        text = tab.value("document.body.innerText")
        for part in ["ready", "127.0.0.1:0", "mx.example.test", "MailDir", "built-in", "HeadersParser", "maildir", "accepted",
                     "user0@example.test", "Messages a second", "rcpt"]:
            yield f"shows {part}", expect(part in text, text)
        rate = "parseFloat(document.querySelector('#tiles .value').textContent)"
        tab.wait("a rate", f"{rate} > 0")
        plugins = tab.value("document.querySelector('#plugins tbody').innerText")
        yield "plugins have version and generation", expect(re.search(r"maildir\s+\d+\.\d+\.\d+\s+1\s", plugins), plugins)
        rows = tab.value("document.querySelectorAll('#messages tbody tr').length")
        yield "the last messages are there", expect(rows > 5, rows)
        yield "envelopes only", expect(tab.value("document.querySelectorAll('#messages details').length") == 0, "bodies")
        yield "asks nobody else", expect(tab.hosts() == {url.split("/")[2]}, tab.hosts())
        yield "without a complaint", expect(not tab.complaints(), tab.complaints())
        if PICTURES:
            tab.wait("full charts", "document.querySelector('polyline').getAttribute('points').split(' ').length > 14")
        yield from looks(tab, url)


def looks(tab, url):
    """Themes and widths."""
    background = "getComputedStyle(document.body).backgroundColor"
    light = tab.value(background)
    picture(tab, "page-light")
    tab.show(1280, 900, "dark")
    dark = tab.value(background)
    picture(tab, "page-dark")
    yield "follows the system's theme", expect(light != dark, f"{light} {dark}")
    tab.click("#theme")
    yield "the button changes it", expect(tab.value(background) == light, tab.value(background))
    opened(tab, url)
    yield "and the browser keeps that", expect(tab.value(background) == light, tab.value(background))
    for width in (390, 320):
        tab.show(width, 800, "light")
        wide = tab.value("document.documentElement.scrollWidth")
        yield f"fits {width} pixels", expect(wide <= width, wide)
        if width == 390:
            picture(tab, "page-narrow")


def picture(tab, name):
    if PICTURES:
        tab.picture(PICTURES / f"{name}.png")


def strangers_text_is_text(arguments, directory):
    with serving(arguments, directory, admin_show_bodies=True) as guerrillad, Browser() as browser:
        client = Client("127.0.0.1", guerrillad.port)
        reply = client.mail(SUBJECT, [f'"{HOSTILE}"@example.test'], f'"{HOSTILE}"@example.com')
        # Whatever has become of it: it is shown.
        reply = client.mail(SUBJECT, ["user@example.test"], f'"{HOSTILE}"@example.com')
        yield "taken", expect(reply.startswith("250"), reply)
        client.mail(mail_of(1), ["other@example.test"])
        client.close()
        tab, url = browser.tab(), page_of(guerrillad)
        tab.show(1280, 900, "dark")
        opened(tab, url)
        text = tab.value("document.querySelector('#messages').innerText")
        yield "shown as it is", expect(HOSTILE in text, text)
        tab.click("#messages summary")
        made = tab.value("document.querySelectorAll('#messages img, #messages script').length")
        yield "nothing is made of it", expect(made == 0, made)
        content = "[...document.querySelectorAll('#messages pre')].map((pre) => pre.textContent).join()"
        shown = tab.value(content)
        yield "the body is there, as text", expect("<script>window.pwned=1</script>" in shown, shown)
        yield "and does nothing", expect(tab.value("window.pwned") is None, "it ran")
        yield "without a complaint", expect(not tab.complaints(), tab.complaints())
        # Even if something of it got in: the policy lets nothing run but our files.
        tab.value("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.pwned=1\">'), 1")
        tab.value("(() => { const s = document.createElement('script'); s.textContent = 'window.pwned=1';"
                  " document.body.append(s); })()")
        tab.wait("the policy refuses it", "new Promise((done) => setTimeout(() => done(true), 200))")
        yield "the policy lets nothing in", expect(tab.value("window.pwned") is None, "it ran")
        yield from search(tab, url)
        # Nobody is to see bodies any more: those that are kept go, too.
        config = guerrillad.directory / "config.json"
        settings = json.loads(config.read_text())
        settings["admin_show_bodies"] = False
        config.write_text(json.dumps(settings))
        guerrillad.process.send_signal(signal.SIGHUP)
        wait_until("reloaded", lambda: "reloaded, " in guerrillad.log())
        opened(tab, url)
        yield "bodies go by reload", expect(tab.value(content) == "", tab.value(content))


def search(tab, url):
    opened(tab, url)
    tab.wait("three messages", "document.querySelectorAll('#messages tbody tr').length >= 2")
    tab.click("#search")
    tab.write("OTHER@")
    tab.wait("one is found", "document.querySelectorAll('#messages tbody tr').length === 1")
    found = tab.value("document.querySelector('#messages tbody').innerText")
    yield "search finds it", expect("other@example.test" in found, found)
    tab.write(" and nobody")
    tab.wait("none is found", "document.querySelectorAll('#messages tbody tr').length === 0")
    yield "and finds nothing else", None


if __name__ == "__main__":
    if "--pictures" in sys.argv:
        at = sys.argv.index("--pictures")
        PICTURES = pathlib.Path(sys.argv[at + 1])
        del sys.argv[at : at + 2]
    sys.exit(play([shows_what_happens, strangers_text_is_text], arguments_of(__doc__)))
