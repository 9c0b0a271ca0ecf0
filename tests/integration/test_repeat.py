"""How to repeat it: the commands that a finding and a page print are run as they stand."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

pytestmark = pytest.mark.timeout(400)  # each test runs whole commands
SUITE = """
import pytest

@pytest.mark.check(
    "own.nosniff", severity="high", source="Fetch, 3.6", subject="GET {path}",
    why="A browser that guesses may run a text as a script.", remedy="Send X-Content-Type-Options: nosniff.",
)
@pytest.mark.parametrize("path", ["/", "/a", "/b", "/c"])
def test_types_are_not_guessed(client, path):
    answer = client.exchange("GET", path)
    client.exchange("GET", "/after")
    given = answer.header("X-Content-Type-Options")
    assert given == "nosniff", f"GET {path} answered {answer.status} without X-Content-Type-Options: nosniff"

@pytest.mark.check("own.answers", subject="GET /")
def test_it_answers(client):
    assert client.exchange("GET", "/").status == 200
"""
POLICY = """
schema = 1

[[criterion]]
id = "own.nosniff"
area = "security"
requires = "No type is guessed."
select = { check = "own.nosniff" }
"""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words: object) -> None:
        pass


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def home(url, tmp_path_factory) -> Path:
    """A folder with a profile of a service that runs, a suite of its own, and a policy."""
    home = tmp_path_factory.mktemp("a folder")
    (home / "checks").mkdir()
    (home / "checks" / "test_own.py").write_text(SUITE)
    profile = f'schema = 1\nname = "shop"\n[service]\nurl = "{url}"\n[suites]\npaths = ["checks"]\n'
    (home / "shop.toml").write_text(profile)
    (home / "own.toml").write_text(POLICY)
    return home


def shell(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    words = ["sh", "-c", line]
    environment = {**os.environ, "PATH": path}
    return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=190, check=False)


@pytest.fixture(scope="module")
def ended(home) -> tuple[str, str, Path]:
    """A gate that failed: what it printed, its page, its run."""
    said = shell("harness gate --target shop.toml --policy ./own.toml --only checks", home)
    assert said.returncode == 1, said.stdout + said.stderr
    run = (home / "reports" / "latest").resolve()
    return said.stdout, (run / "report" / "index.html").read_text(), run


def printed(out: str, name: str) -> list[str]:
    return re.findall(rf"^    {name}: (.*)$", out, re.MULTILINE)


def test_four_pages_without_a_header_are_one_finding_in_the_tests_words(ended):
    out, page, run = ended
    assert out.count("without X-Content-Type-Options: nosniff") - out.count(". First: ") == 1
    assert printed(out, "at") == ["GET /, GET /a, GET /b and 1 more"]
    assert printed(out, "why") == ["A browser that guesses may run a text as a script."]
    assert printed(out, "do") == ["Send X-Content-Type-Options: nosniff."]
    assert page.count('<article class="open finding fail"') == 1
    (results,) = (one["results"] for one in json.loads((run / "report.sarif").read_text())["runs"])
    assert [len(result["locations"]) for result in results] == [4]
    for text in (out, page, (run / "junit.xml").read_text(), (run / "report.sarif").read_text()):
        assert "== 'nosniff'" not in unescape(text)


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl here")
def test_the_curl_repeats_the_request_that_mattered(ended, home):
    out, page, _ = ended
    (line,) = printed(out, "see it")
    assert line in unescape(page)
    said = shell(line, home)
    assert said.returncode == 0
    assert said.stdout.startswith("HTTP/1.0 200")
    assert not line.endswith("/after")


def test_the_command_of_a_finding_finds_it_again_from_any_folder(ended, tmp_path):
    out, page, _ = ended
    (line,) = printed(out, "again")
    assert line in unescape(page)
    said = shell(line, tmp_path)
    assert said.returncode == 1, said.stdout + said.stderr
    assert "0 passed, 4 failed, 0 errors" in said.stdout
    assert "without X-Content-Type-Options: nosniff" in said.stdout


def test_the_commands_of_the_page_work_from_any_folder(ended, tmp_path):
    _, page, _ = ended
    section = page[page.index('<section id="repeat">') :].partition("</section>")[0]
    lines = [unescape(text) for text in re.findall(r"<pre>(.*?)</pre>", section, re.DOTALL)]
    verbs = [line.split()[1] for line in lines]
    assert verbs == ["gate", "judge", "report", "verify"]
    assert [shell(line, tmp_path).returncode for line in lines] == [1, 1, 0, 0]


def test_pytests_own_words_are_shown_where_they_are_asked_for(ended, tmp_path):
    (line,) = printed(ended[0], "again")
    said = shell(line.replace(" -- ", " --debug -- "), tmp_path)
    assert "pytest: assert None == 'nosniff'" in said.stdout


def test_a_bare_url_is_repeated_too(url, tmp_path):
    said = shell(f"harness run security --url {url} -- -k sniffed", tmp_path)
    assert said.returncode == 1, said.stdout + said.stderr
    (line,) = printed(said.stdout, "again")
    assert shell(line, tmp_path / ".." / tmp_path.name).returncode == 1
