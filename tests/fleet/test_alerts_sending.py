"""Alerts leave by mail and webhook, once for each change; what fails is tried again, not for ever; somebody takes one over."""

import hashlib
import hmac
import json
import socketserver
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from fleet.alerts import senders, telling
from fleet.alerts.judge import LOOK, NOW, SOON, Alert
from fleet.alerts.sending import Sending
from fleet.alerts.settings import Mail, Webhook, read
from fleet.db import tables_desired
from fleet.errors import ConfigError
from fleet.people.actors import COMMAND
from fleet.people.places import place
from tests.fleet.peopleworld import office, only_tables

AT = 1_800_000_000_000
SECRET = "5e" * 16


class Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a letter needs; `server.says` answers DATA."""

    timeout = 60

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            word = line[:4].upper()
            if word == b"DATA" and self.server.says == 250:
                self.wfile.write(b"354 go on\r\n")
                text = b""
                while not text.endswith(b"\r\n.\r\n"):
                    text += self.rfile.readline()
                self.server.letters.append(text.decode())
                self.wfile.write(b"250 taken\r\n")
            elif word == b"QUIT":
                self.wfile.write(b"221 bye\r\n")
                return
            else:
                self.wfile.write(b"%d well\r\n" % (self.server.says if word == b"DATA" else 250))


class Hook(BaseHTTPRequestHandler):
    """Keeps what is posted; `server.says` is its answer."""

    timeout = 60

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((self.path, self.headers["Stallmark-Signature"], body))
        self.send_response(self.server.says)
        self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


@contextmanager
def running(server, says):
    server.says, server.letters, server.got = says, [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


@pytest.fixture
def smtp():
    with running(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp), 250) as server:
        yield server


@pytest.fixture
def hook():
    with running(HTTPServer(("127.0.0.1", 0), Hook), 204) as server:
        yield server


def hook_to(server, private=True, path="/in?x=1"):
    port = server.server_address[1]
    return Webhook(name="hook", url=f"http://127.0.0.1:{port}{path}", secret=SECRET, private=private)


def alert(key="silent:1", urgency=SOON):
    return Alert(key, urgency, "kit 1 has not called", "look", "hub-staff", AT)


def step(known, found, owners=None, now_ms=AT, least="look"):
    return telling.due("hook", least, found, owners or {}, known, now_ms, AT)


def words(changes):
    return [(one.key, one.body["change"]) for one in changes]


def test_a_webhook_is_posted_to_once_signed_and_follows_no_redirect(hook):
    senders.post(hook_to(hook), b"{}", 1234)
    ((path, signature, body),) = hook.got
    expected = hmac.new(bytes.fromhex(SECRET), b"1234." + body, hashlib.sha256).hexdigest()
    assert (path, signature) == ("/in?x=1", f"t=1234,v1={expected}")
    hook.says = 302
    with pytest.raises(senders.NotSent, match="answered 302: redirects are not followed"):
        senders.post(hook_to(hook), b"{}", 1234)
    assert len(hook.got) == 2


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.1", "169.254.169.254", "[::ffff:10.0.0.1]"]
)
def test_a_webhook_reaches_no_private_place_unless_configured(host):
    one = Webhook(name="hook", url=f"https://{host}/x", secret=SECRET)
    with pytest.raises(senders.NotSent, match=r"hook: (ValueError|gaierror)") as refused:
        senders.post(one, b"{}", 1)
    assert SECRET not in str(refused.value)


def test_a_letter_says_what_is_so_whose_it_is_and_what_to_do(smtp):
    one = Mail.model_validate_json(
        json.dumps({"name": "desk", "host": "127.0.0.1", "port": smtp.server_address[1], "tls": "none",
                    "from": "stall@hub.test", "to": ["desk@hub.test"]})
    )  # fmt: skip
    changes = step({}, [alert("a:1", NOW), alert("b:2")])
    senders.mail(one, *senders.letter([change.body for change in changes], "World\r\nBcc: x@y"))
    (text,) = smtp.letters
    assert "Subject: World  Bcc: x@y: new, now: kit 1 has not called and 1 more" in text
    assert "whose: hub-staff" in text and "what to do: look" in text and "Auto-Submitted" in text
    smtp.says = 451
    with pytest.raises(senders.NotSent, match="desk: SMTPDataError 451"):
        senders.mail(one, "subject", "text")


def test_each_change_is_told_once_and_the_end_too():
    with only_tables() as c:
        first = step(telling.told_to(c, "hook"), [alert()])
        assert words(first) == [("silent:1", "new")]
        telling.sent(c, "hook", first, AT)
        assert step(telling.told_to(c, "hook"), [alert()]) == []
        worse = step(telling.told_to(c, "hook"), [alert(urgency=NOW)])
        assert words(worse) == [("silent:1", "changed")]
        telling.sent(c, "hook", worse, AT)
        end = step(telling.told_to(c, "hook"), [])
        assert words(end) == [("silent:1", "ended")]
        assert len({one.body["id"] for one in (*first, *worse, *end)}) == 3
        telling.sent(c, "hook", end, AT)
        assert telling.told_to(c, "hook") == {}
        assert words(step({}, [alert()], least="now")) == []  # not pressing enough for this sender
        assert words(step({}, [alert(urgency=LOOK), alert("b", NOW)], least="now")) == [("b", "new")]


def test_what_fails_is_tried_again_later_and_later_and_then_given_up():
    with only_tables() as c:
        now_ms, tries = AT, []
        for _ in range(3000):
            changes = step(telling.told_to(c, "hook"), [alert()], now_ms=now_ms)
            if changes:
                tries.append((now_ms - AT) // 60_000)
                telling.failed(c, "hook", changes, now_ms)
            now_ms += 60_000
        assert tries == [0, 1, 6, 36, 156, 276, 396, 516]
        again = step(telling.told_to(c, "hook"), [alert(urgency=NOW)], now_ms=now_ms)
        assert words(again) == [("silent:1", "new")]  # another change begins anew
        telling.forget(c, set(), {"hook"})  # it ended, and nobody ever heard of it
        assert telling.told_to(c, "hook") == {}


def test_who_takes_an_alert_over_has_quiet_until_it_presses_now():
    with only_tables() as c:
        telling.sent(c, "hook", step({}, [alert()]), AT)
        telling.take(c, "silent:1", telling.Owner("hana", AT, AT + 1000))
        owners, known = telling.owners(c), telling.told_to(c, "hook")
        assert step(known, [alert()], owners, AT + 999) == []
        (told,) = step(known, [alert()], owners, AT + 1000)
        assert (told.body["change"], told.body["taken_by"]) == ("changed", "hana")
        assert words(step(known, [alert(urgency=NOW)], owners, AT)) == [("silent:1", "changed")]
        telling.forget(c, set(), {"hook"})
        assert telling.owners(c) == {}


def test_the_file_is_for_its_owner_alone_and_its_faults_are_named_without_secrets(tmp_path):
    path = tmp_path / "alerts.json"
    assert read(path).every() == ()
    good = {"name": "hook", "url": "https://hub.test/in", "secret": SECRET}
    for hooks, words_ in (
        ([good, good], "a name of its own"),
        ([good | {"secret": "5e5e"}], "16 bytes or more"),
        ([good | {"secret": "zz" * 16}], "cannot be read"),
        ([good | {"url": "http://hub.test/in"}], "begins with https://"),
        ([good | {"url": "https://me:word@hub.test/in"}], "names no user"),
        ([good | {"url": "file:///etc/passwd", "private": True}], "begins with"),
        ([good | {"least": "never"}], "webhooks.0.least"),
        ([good | {"more": 1}], "webhooks.0.more"),
    ):
        path.write_text(json.dumps({"webhooks": hooks}))
        path.chmod(0o600)
        with pytest.raises(ConfigError, match=words_) as wrong:
            read(path)
        assert SECRET not in str(wrong.value) and "word@" not in str(wrong.value)
    path.write_text(json.dumps({"webhooks": [good]}))
    assert [one.name for one in read(path).every()] == ["hook"]
    path.chmod(0o640)
    with pytest.raises(ConfigError, match="chmod 600"):
        read(path)
    mail = {
        "name": "m",
        "host": "mail.test",
        "port": 25,
        "tls": "none",
        "from": "a@b.test",
        "to": ["c@d.test"],
    }
    for change in (
        {"user": "a", "password": "pw-of-somebody"},
        {"to": ["a@b.test\nBcc: x@y.test"]},
        {"to": []},
    ):
        path.write_text(json.dumps({"mail": [mail | change]}))
        path.chmod(0o600)
        with pytest.raises(ConfigError) as wrong:
            read(path)
        assert "pw-of-somebody" not in str(wrong.value)


def test_a_running_controller_tells_takes_over_and_says_when_a_sender_fails(tmp_path, hook, monkeypatch):
    async def idle(_):
        """This test looks by itself."""

    monkeypatch.setattr(Sending, "run", idle)
    with office(tmp_path) as desk:
        desk.account("hana", "hub-staff", hubs=["aa" * 8])
        desk.account("ida", "hub-staff", hubs=["bb" * 8])
        desk.account("ada", "fleet-admin")
        world = desk.running.stall.world
        desk.clock.now = world.now_ms
        silent = f"silent:{world.kit.hex()}"
        path = desk.running.controller.config.alerts
        path.write_text(
            json.dumps(
                {
                    "webhooks": [
                        {
                            "name": "hook",
                            "url": hook_to(hook).url,
                            "secret": SECRET,
                            "private": True,
                            "least": "look",
                        }
                    ]
                }
            )
        )
        path.chmod(0o600)
        with desk.database.write() as c:
            place(c, COMMAND, world.kit, "main", "aa" * 8, [], desk.clock())
            states = tables_desired.kit_states
            c.execute(states.delete())
            c.execute(states.insert().values(kit=world.kit, seen_ms=world.now_ms - 30 * 3_600_000))
        sending = Sending(desk.running.controller, path, desk.clock)
        assert sending.look() == 1
        assert sending.look() == 0
        (change,) = json.loads(hook.got[0][2])["changes"]
        assert (change["key"], change["change"], change["urgency"]) == (silent, "new", "look")

        def take(who, **more):
            return desk.browser(who).post("/v1/admin/alerts/take", json={"key": silent, **more})

        assert take("ida").status_code == 404  # of another hub: not even that it is there
        answer = take("hana", note="I go there")
        assert (answer.status_code, answer.json()["taken_by"]) == (200, "hana")
        shown = desk.browser("hana").get("/v1/admin/alerts").json()["alerts"]
        assert [(one["key"], one["taken_by"]) for one in shown] == [(silent, "hana")]
        hook.says = 500
        for _ in range(3):
            assert sending.look() == 0
            desk.clock.now += 3_600_000
        hook.says = 204
        failing = [one["key"] for one in desk.browser("ada").get("/v1/admin/alerts").json()["alerts"]]
        assert "sender:hook" in failing
        assert sending.look() >= 1
        with desk.database.read() as c:
            assert json.loads(json.dumps(telling.told_to(c, "hook")[silent].told))["taken_by"] == "hana"


def test_a_server_that_never_answers_is_left_after_a_while(monkeypatch):
    """It takes the connection and says nothing more: the whole has an end, not only each step."""
    import socket

    monkeypatch.setattr(senders, "WHOLE_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        one = Webhook(
            name="hook", url=f"http://127.0.0.1:{deaf.getsockname()[1]}/", secret=SECRET, private=True
        )
        started = time.monotonic()
        with pytest.raises(senders.NotSent):
            senders.post(one, b"{}", 1)
        assert time.monotonic() - started < 60
