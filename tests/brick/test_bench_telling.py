"""What a bench tells the controller: only its own requests, none lost to a refusal, and no end that was not confirmed."""

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from rich.console import Console
from typer.testing import CliRunner
from workbench import batch, cli, cli_end, flash, ports, register
from workbench.errors import Away, BenchError, Refused
from workbench.esptool import Found
from workbench.job import Job
from workbench.provision import Provisioned
from workbench.selftest import Fixture

from tests.brick.benchkit import rental

BRICK = "ab" * 8
BOARD = "7cdfa1000001"


class Controller:
    """Answers what it is told to: a status, or raw bytes; keeps the requests."""

    def __init__(self):
        self.status, self.answer, self.raw, self.seen = 200, {}, None, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.seen.append((self.path, self.headers["authorization"], body))
                if outer.raw is not None:
                    self.wfile.write(outer.raw)
                    return
                self.send_response(outer.status)
                if outer.status in (301, 302, 307):
                    self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")
                self.end_headers()
                self.wfile.write(json.dumps(outer.answer).encode())

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def controller():
    made = Controller()
    yield made
    made.close()


@pytest.fixture
def book(tmp_path):
    return batch.Book(tmp_path / "bench").open()


def job(controller, **more):
    from nacl.public import PrivateKey

    sealing = bytes(PrivateKey.generate().public_key)
    url = controller if isinstance(controller, str) else controller.url
    return Job(rental(**more), "kit", url, "a-token", sealing, Fixture())


def made(name=BRICK):
    return Provisioned(bytes.fromhex(name), bytes(32), bytes(32), "esp32s3-8m-nfc", 8 << 20, bytes(32))


def hand_on(task, book, name=BRICK):
    return flash.hand_on(task, book, made(name), Found("ESP32-S3", 8 << 20, BOARD), lambda *_: None)


@pytest.mark.parametrize("status", [404, 403, 409, 422, 401, 307])
def test_an_end_that_the_controller_refused_is_never_called_one(controller, book, status):
    controller.status, controller.answer = status, {"reason": "no such brick"}
    with pytest.raises(Refused, match="was not revoked"):
        flash.revoke(job(controller), book, BRICK, "erased")
    assert not list((book.folder / "queue").iterdir())
    assert all(path != "/elsewhere" for path, _, _ in controller.seen)


def test_an_end_is_confirmed_or_waits_and_a_slip_of_the_pen_is_neither(controller, book):
    assert flash.revoke(job(controller), book, BRICK.upper(), "erased") is True
    assert controller.seen[0][0] == f"/v1/bricks/{BRICK}/revoke"
    assert flash.revoke(job("http://127.0.0.1:9"), book, BRICK, "erased") is False
    for slip in ("ab", "zz" * 8, BRICK + "00", "../" + BRICK[3:]):
        with pytest.raises(BenchError, match="no brick's id"):
            flash.revoke(job(controller), book, slip, "erased")
    assert len(book.waiting()) == 1


@pytest.mark.parametrize("status", [401, 403, 404, 405, 302])
def test_a_registration_that_is_refused_because_of_the_file_waits_for_a_better_one(controller, book, status):
    task = job(controller)
    controller.status, controller.answer = status, {"reason": "another kit"}
    registered, words = hand_on(task, book)
    assert not registered and "refused" in words and len(book.waiting()) == 1
    assert str(list(book.lines())[-1]["words"]) == words
    controller.status, controller.answer = 200, {"revoked": []}
    assert len(register.reconcile(book, task).answers) == 1
    assert not book.waiting()


def test_a_registration_that_is_refused_for_good_can_be_tried_again(controller, book, tmp_path):
    task = job(controller)
    controller.status, controller.answer = 409, {"reason": "this board is a brick of another kit"}
    with pytest.raises(Refused, match="of another kit"):
        hand_on(task, book)
    assert not book.waiting()
    controller.status, controller.answer = 200, {}
    assert book.put_back() == 1
    assert len(register.reconcile(book, task).answers) == 1


def test_one_kits_requests_are_not_sent_with_another_kits_file(controller, book):
    mine = job(controller, kit=b"\x0a" * 8)
    away = job("http://127.0.0.1:9", kit=b"\x0a" * 8)
    other = job(controller, kit=b"\x0b" * 8)
    assert hand_on(away, book) == (False, "")
    assert hand_on(other, book, "cd" * 8) == (True, "")
    assert len(controller.seen) == 1 and len(book.waiting()) == 1
    said = register.reconcile(book, mine)  # the same kit at another controller's address
    assert (said.others, said.waiting, said.answers) == (1, 0, {})


def test_a_brick_that_the_controller_knows_a_later_one_of_is_not_done(controller, book):
    controller.answer = {"brick": BRICK, "revoked": [BRICK]}
    with pytest.raises(Refused, match="set this computer's clock"):
        hand_on(job(controller), book)


@pytest.mark.parametrize(
    "raw", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.0 200 OK\r\n\r\n[]", b"HTTP/1.0 200 OK\r\n\r\n<html>"]
)
def test_what_answers_and_is_no_controller_is_away_in_words(controller, book, raw):
    controller.raw = raw
    assert hand_on(job(controller), book) == (False, "")
    with pytest.raises(Away, match="controller"):
        register.known(job(controller), BRICK)


def test_which_brick_a_board_is_comes_from_log_and_controller(controller, book):
    task = job(controller)
    controller.answer = {"bricks": [{"brick": "01" * 8, "revoked_ms": 5}, {"brick": "02" * 8}]}
    assert cli_end.identities(book, task, BOARD, None) == ["02" * 8]
    assert controller.seen[-1][0] == f"/v1/bricks?board={BOARD}"
    book.note(outcome="done", board=BOARD, brick="01" * 8)  # the log does not know that it was ended since
    assert cli_end.identities(book, task, BOARD, None) == ["02" * 8]
    away = job("http://127.0.0.1:9")
    assert cli_end.identities(book, away, BOARD, None) == ["01" * 8]
    with pytest.raises(Away):
        cli_end.identities(book, away, "7cdfa1999999", None)
    assert cli_end.identities(book, None, BOARD, "EF" * 8) == ["ef" * 8]


def test_a_credential_over_a_network_in_the_clear_is_said(book):
    assert register.unprotected(job("http://controller.example")) is not None
    assert register.unprotected(job("https://controller.example")) is None
    assert register.unprotected(job("http://localhost:8000")) is None


def test_the_bench_folder_is_the_technicians_alone_and_slips_have_words(tmp_path):
    (tmp_path / "old").mkdir(mode=0o755)
    assert batch.Book(tmp_path / "old").open().folder.stat().st_mode & 0o777 == 0o700
    run = CliRunner().invoke
    done = run(cli.app, ["test", "--port", "/dev/null", "--tag", "zz", "--json"])
    assert (
        done.exit_code == 1
        and "a tag's number in hex" in done.output
        and done.exception.__class__ is SystemExit
    )
    done = run(cli.app, ["label", BRICK, "--bench", str(tmp_path / "old")])
    assert done.exit_code == 1 and "has made no brick" in done.output


class Tool:
    """esptool, as far as erasing needs it: a board with or without keys; says whether it was erased."""

    keys = True
    erased = 0

    def __init__(self, *_, **__):
        pass

    def identify(self):
        return Found("ESP32-S3", 8 << 20, BOARD)

    def holds(self, *_):
        return not Tool.keys

    def read(self, *_):
        return b"SMKY\x01"

    def erase(self, *_):
        Tool.erased += 1


def test_nothing_is_erased_before_its_end_is_told(controller, book, monkeypatch, tmp_path):
    task = job(controller)
    monkeypatch.setattr(cli_end.esptool, "Esptool", Tool)
    monkeypatch.setattr(cli_end.job, "load", lambda _: task)
    monkeypatch.setattr(Tool, "erased", 0)
    monkeypatch.setattr(Tool, "keys", True)

    def run(*more):
        base = ["erase", "--port", "x", "--yes", "--bench", str(book.folder)]
        done = CliRunner().invoke(cli.app, [*base, *more])
        return done.exit_code, done.output, Tool.erased

    with_job = ("--job", "job.json")
    code, said, erased = run()
    assert (code, erased) == (1, 0) and "with keys" in said and "--brick" in said
    controller.answer = {"bricks": []}
    code, said, erased = run(*with_job)
    assert (code, erased) == (1, 0) and "nothing was erased" in said
    code, said, erased = run("--brick", BRICK)
    assert (code, erased) == (1, 0) and "--job" in said
    for slip in ("zz" * 8, "ab"):
        code, said, erased = run(*with_job, "--brick", slip)
        assert (code, erased) == (1, 0) and "no brick's id" in said
    controller.status, controller.answer = 404, {"reason": "no bench registered this brick"}
    code, said, erased = run(*with_job, "--brick", BRICK)
    assert (code, erased) == (1, 0) and "was not revoked" in said and "is revoked" not in said
    # The controller knows it by the chip's number, although another bench made it.
    controller.status, controller.answer = 200, {"bricks": [{"brick": BRICK}]}
    code, said, erased = run(*with_job)
    assert (code, erased) == (0, 1) and f"{BRICK} is revoked at the controller" in said
    assert controller.seen[-1][0] == f"/v1/bricks/{BRICK}/revoke"
    code, said, erased = run("--unrevoked")
    assert (code, erased) == (0, 2)
    Tool.keys = False
    assert run() == (0, "erased\n", 3)


def test_a_lost_brick_is_ended_without_a_board(controller, book, monkeypatch):
    task = job(controller)
    monkeypatch.setattr(cli_end.job, "load", lambda _: task)
    words = ["revoke", BRICK, "--job", "job.json", "--bench", str(book.folder)]
    assert CliRunner().invoke(cli.app, words).output == "revoked at the controller\n"
    controller.status, controller.answer = 403, {"reason": "of another rental"}
    done = CliRunner().invoke(cli.app, words)
    assert done.exit_code == 1 and "of another rental" in done.output


def test_a_batch_with_two_boards_plugged_says_so_and_goes_on_with_the_one_that_is_left(monkeypatch):
    one, two = (ports.Candidate(f"/dev/ttyUSB{n}", "CP210x bridge", True) for n in (0, 1))
    plugged = [[], [one, two], [one, two], [two]]
    monkeypatch.setattr(cli.ports, "candidates", lambda: plugged.pop(0))
    monkeypatch.setattr(cli, "_POLL_SECONDS", 0)
    console = Console(record=True, file=io.StringIO(), width=200)
    assert cli._wait_for_board(console, None) == "/dev/ttyUSB1"
    assert console.export_text().count("2 boards are plugged in") == 1


def test_no_interpreter_or_two_of_them_is_a_slip_that_is_said():
    for words in ([], ["--image", "a", "--images", "b"], ["--image", "a", "--image-name", "c"]):
        done = CliRunner().invoke(cli.app, ["flash", "--job", "job.json", *words])
        assert done.exit_code == 2 and "--image" in done.output
