"""Pages that want more of this machine than a page may have, and hosts that nobody allowed."""

from __future__ import annotations

import os
import socket
import threading

import psutil
import pytest

from harness.probes.chromium import arguments_to_stay, find_chromium
from harness.probes.page_watch import PageWatch
from harness.profile_draft.rendered import render
from tests.scripted_server import Line, ScriptedServer

sync_api = pytest.importorskip("playwright.sync_api")

PAGE = "<!doctype html><html lang=en><title>p</title><main><h1>x</h1></main>"
POPUPS = (
    "<script>for (let i = 0; i < 50; i++) window.open('/pop' + i); setInterval(() => window.open('/p'), 20)</script>"
)
HUNGRY = """<script>let kept = [];
setInterval(() => { for (let i = 0; i < 20; i++) kept.push(new Uint8Array(1e6).fill(1)) }, 10)</script>"""
FLOOD = "<script>setInterval(() => { for (let i = 0; i < 200; i++) console.error('x'.repeat(1e5) + i) }, 1)</script>"
THROWS = """<script>setInterval(() => {
for (let i = 0; i < 500; i++) Promise.reject(new Error('y'.repeat(1e4))) }, 1)</script>"""
BUSY = "<script>setTimeout(() => { for (;;); }, 100)</script>"


def answering(body: str, **elsewhere: str):
    def script(line: Line) -> None:
        while head := line.read():
            path = head.split(b" ")[1].decode()
            if path in elsewhere:
                line.say(f"HTTP/1.1 302 Found\r\nLocation: {elsewhere[path]}\r\nContent-Length: 0\r\n\r\n".encode())
            else:
                text = f"Content-Type: text/html\r\nContent-Length: {len(body)}\r\n\r\n{body}"
                line.say(f"HTTP/1.1 200 OK\r\n{text}".encode())

    return script


@pytest.fixture(scope="module")
def chromium():
    found = find_chromium()
    assert found is not None, "make setup brings a browser"
    return found


def launched(playwright, chromium, *args: str):
    return playwright.chromium.launch(
        executable_path=chromium.executable, args=[*chromium.args, *args], env={**chromium.env}
    )


def below(parent: int) -> list[int]:
    return [each.pid for each in psutil.Process(parent).children(recursive=True)]


def memory_mb(pid: int) -> float:
    try:
        return psutil.Process(pid).memory_info().rss / 2**20
    except psutil.Error:
        return 0


def stay(page, url: str) -> None:
    page.goto(url)
    page.wait_for_timeout(60_000)


def test_a_page_makes_the_browser_connect_to_no_other_host(chromium) -> None:
    reached = threading.Event()

    def foreign(line: Line) -> None:
        reached.set()
        line.read()

    with ScriptedServer(foreign, "127.0.0.3") as stranger:
        there = stranger.url
        page = f"""{PAGE}<link rel=preconnect href="{there}"><img src="{there}/img"><img src="/away">
        <script src="{there}/script"></script><iframe src="{there}/frame"></iframe>
        <script>new WebSocket("{there.replace("http", "ws")}/socket"); window.open("{there}/window");
        navigator.sendBeacon("{there}/beacon"); fetch("{there}/write", {{method: "POST", mode: "no-cors"}})</script>"""
        with ScriptedServer(answering(page, **{"/away": f"{there}/redirected"})) as server:
            args = arguments_to_stay([server.url])
            with sync_api.sync_playwright() as playwright, launched(playwright, chromium, *args) as browser:
                shown = browser.new_page()
                failed: list[str] = []
                shown.on("requestfailed", lambda sent: failed.append(f"{sent.url} {sent.failure}"))
                shown.goto(server.url, wait_until="networkidle")
                assert shown.get_by_role("heading").text_content() == "x"
                with pytest.raises(sync_api.Error, match="ERR_NAME_NOT_RESOLVED"):
                    shown.goto(there)
    assert not reached.is_set()
    assert [one for one in failed if one.startswith(f"{there}/redirected")]
    assert all("ERR_NAME_NOT_RESOLVED" in one for one in failed)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (POPUPS, "windows"),
        (HUNGRY, "MB of memory"),
        # the browser itself keeps what is not fetched
        (THROWS, "MB of memory"),
        (FLOOD, "asked and said without end"),
        (BUSY, "a processor busy for 1 s"),
    ],
)
def test_a_page_that_takes_without_end_is_ended(chromium, body, says) -> None:
    why: list[str] = []
    with (
        ScriptedServer(answering(PAGE + body)) as server,
        sync_api.sync_playwright() as playwright,
        launched(playwright, chromium) as browser,
        PageWatch(why.append, most_bytes=300 * 2**20, most_cpu_s=1.0 if body == BUSY else 20.0) as watch,
    ):
        context = browser.new_context()
        context.on("page", watch.count_window)
        context.on("console", lambda said: watch.count_event(said.text))
        page = context.new_page()
        with pytest.raises(sync_api.Error, match=r"crashed|closed"):
            stay(page, server.url)
        # what had been said by then is gone with the browser, and does not fill its driver on
        assert max(memory_mb(pid) for pid in below(os.getpid())) < 700
        browser.close()
        # another one begins with nothing taken
        with launched(playwright, chromium) as another:
            another.new_page().goto("about:blank")
    assert len(why) == 1
    assert says in why[0]


def test_a_page_that_asks_or_says_without_end_is_ended() -> None:
    for said in ("", "x" * 10_000):
        why: list[str] = []
        watch = PageWatch(why.append)
        for _ in range(6000 if not said else 2000):
            watch.count_event(said)
        assert len(why) == 1
        assert "without end" in why[0]


def test_names_are_looked_up_before_the_browser_starts(monkeypatch) -> None:
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *words, **more: real("127.0.0.1", *words, **more))
    with ScriptedServer(answering(PAGE)) as server:
        url = server.url.replace("127.0.0.1", "service.pinned.test")
        hosts = ["CDN.pinned.test", "bad host,MAP", "service.pinned.test", "127.0.0.9"]
        rules, *others = arguments_to_stay([url, "http://localhost:1", "http://[::1]:5"], hosts)
    assert rules == (
        "--host-resolver-rules=MAP service.pinned.test 127.0.0.1, EXCLUDE localhost, EXCLUDE ::1,"
        " MAP cdn.pinned.test 127.0.0.1, EXCLUDE 127.0.0.9, MAP * ~NOTFOUND"
    )
    assert "--no-proxy-server" in others


def test_a_host_that_is_not_known_is_not_asked_for_again(monkeypatch) -> None:
    def unknown(*_words, **_more):
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert arguments_to_stay([], ["cdn.unknown.test"])[0] == "--host-resolver-rules=MAP * ~NOTFOUND"


@pytest.mark.usefixtures("chromium")
@pytest.mark.parametrize("script", [BUSY, POPUPS, HUNGRY])
def test_a_page_that_a_profile_is_drafted_from_is_bounded_too(script) -> None:
    # a fixture of the whole session may have started something, too
    others = {*below(os.getpid())}
    with ScriptedServer(answering(PAGE + script)) as server:
        largest: list[float] = []
        over = threading.Event()

        def look() -> None:
            while not over.wait(0.02):
                largest.extend(memory_mb(pid) for pid in {*below(os.getpid())} - others)

        looking = threading.Thread(target=look)
        looking.start()
        try:
            shown = render(server.url, "/")
        finally:
            over.set()
            looking.join()
    # windows may all have been opened after the page was read
    assert shown is None or script == POPUPS
    assert max(largest) < 700
    assert not {*below(os.getpid())} - others


def test_a_page_that_takes_its_time_is_ended_when_that_is_over(chromium) -> None:
    why: list[str] = []
    with (
        ScriptedServer(answering(PAGE)) as server,
        sync_api.sync_playwright() as playwright,
        PageWatch(why.append, most_s=2.0),
        pytest.raises(sync_api.Error),
    ):
        stay(launched(playwright, chromium).new_page(), server.url)
    assert why == ["the page took more than 2 s, and was ended"]
