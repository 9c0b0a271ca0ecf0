"""The command `harness init`: where it writes, what it refuses, and gates that run with its drafts."""

from __future__ import annotations

import json
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from harness.cli.main import run_command
from harness.config import load_target
from harness.errors import UnreachableError
from harness.model import RateLimit
from harness.profile_draft import DraftReader, draft_profile
from tests.pages import ROOT
from tests.strangers import NOTHING, Reply, Stranger, drafted, serving

NAME = secrets.token_hex(4)


@pytest.fixture
def serve() -> Iterator[Callable[[Callable[[str, Any], Reply]], Stranger]]:
    with serving() as start:
        yield start


class TestNothingThatAnswers:
    """Exit 4, one line that says why, and no file."""

    def refused(self, url: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
        assert run_command(["init", url, "--out", str(folder / "x.toml")]) == 4
        shown = capsys.readouterr()
        assert shown.out == ""
        assert list(folder.iterdir()) == []
        [line] = shown.err.splitlines()
        return line

    def test_nobody_listens(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            line = self.refused(f"http://127.0.0.1:{taken.getsockname()[1]}", tmp_path, capsys)
        assert "refused" in line
        assert "start it, or correct the URL" in line

    def test_another_protocol_and_a_certificate_that_nobody_vouches_for(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            threading.Thread(target=_greet, args=(listener, context), daemon=True).start()
            assert "does not answer" in self.refused(f"http://127.0.0.1:{port}", tmp_path, capsys)
            assert "CERTIFICATE_VERIFY_FAILED" in self.refused(f"https://127.0.0.1:{port}", tmp_path, capsys)

    def test_silence(self) -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as listener,
            DraftReader(f"http://127.0.0.1:{listener.getsockname()[1]}", timeout_s=0.2) as reader,
            pytest.raises(UnreachableError, match="no whole answer"),
        ):
            draft_profile(reader, "silent")


def _greet(listener: socket.socket, context: ssl.SSLContext) -> None:
    """A mail server's greeting to the first, a TLS handshake with the second."""
    first, _ = listener.accept()
    first.sendall(b"220 mail ready\r\n")
    first.close()
    second, _ = listener.accept()
    try:
        context.wrap_socket(second, server_side=True).close()
    except OSError:
        second.close()


class TestTheCommand:
    """Options and places; what is refused is refused before anything is asked."""

    def test_a_file_that_exists_is_left_alone(
        self, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.chdir(tmp_path)
        stranger = serve(lambda _path, _headers: NOTHING)
        assert run_command(["init", stranger.url, "--name", "shop", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert (told["profile"], told["requests"]) == ("profiles/shop.toml", len(stranger.asked))
        assert "health" in told["not_found"]
        asked = len(stranger.asked)
        (tmp_path / "profiles/shop.toml").write_text("mine")
        assert run_command(["init", stranger.url, "--name", "shop"]) == 2
        assert "exists and is not overwritten; give another place with --out PATH" in capsys.readouterr().err
        (tmp_path / "dangling.toml").symlink_to(tmp_path / "nowhere")
        assert run_command(["init", stranger.url, "--out", "dangling.toml"]) == 2
        assert (tmp_path / "profiles/shop.toml").read_text() == "mine"
        assert len(stranger.asked) == asked

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["ftp://x"], "not an address"),
            (["http://["], "Invalid IPv6 URL"),
            (["http://127.0.0.1:1", "--name", "No Name"], "--name 'No Name'"),
            (["http://127.0.0.1:1", "--out", "no/such/x.toml"], "there is no folder no/such"),
            (["http://127.0.0.1:1", "--out", "."], "is a directory"),
            ([], "Missing argument 'URL'"),
        ],
    )
    def test_what_cannot_be_is_exit_2(
        self,
        words: list[str],
        said: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        monkeypatch.chdir(tmp_path)
        assert run_command(["init", *words]) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line

    def test_the_name_is_made_of_the_address(self, serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        stranger = serve(lambda _path, _headers: NOTHING)
        assert run_command(["init", stranger.url + "/"]) == 0
        [made] = (tmp_path / "profiles").iterdir()
        assert made.stem == stranger.url.removeprefix("http://").replace(":", "-")


class TestOurStacks:
    """The reference service and the example in Flask, started by `harness up`, drafted, and gated by the draft."""

    def harness(self, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "harness", *words],
            cwd=folder,
            env={**os.environ, "XDG_STATE_HOME": str(folder / "state"), "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )

    @pytest.fixture
    def up(self, tmp_path: Path) -> Iterator[Callable[[str], str]]:
        def start(target: str) -> str:
            ran = self.harness(tmp_path, "up", "--target", target, "--name", f"init-{NAME}", "--json")
            assert ran.returncode == 0, ran.stderr
            url: str = json.loads(ran.stdout)["url"]
            return url

        yield start
        self.harness(tmp_path, "down", "--name", f"init-{NAME}")

    @pytest.mark.timeout(300)
    def test_dealradar(self, up: Callable[[str], str], tmp_path: Path) -> None:
        known = load_target("dealradar", ROOT)
        found, _ = drafted(up("dealradar"), tmp_path)
        assert (found.health, found.build.path, found.openapi.path) == (
            known.health,
            known.build.path,
            known.openapi.path,
        )
        assert found.ratelimit == RateLimit(limit=300, window_s=60.0, path=found.load and next(iter(found.load.paths)))
        assert found.clients.address == known.clients.address
        assert found.cache.header == known.cache.header
        assert {path for path in known.cache.paths if path not in known.cache.roles} <= set(found.cache.paths)
        assert (found.auth.login, found.auth.body, found.auth.token) == (
            known.auth.login,
            known.auth.body,
            known.auth.token,
        )
        assert found.pages.login is not None
        assert known.pages.login is not None
        assert (found.pages.login.path, found.pages.login.password) == (
            known.pages.login.path,
            known.pages.login.password,
        )
        assert {"/", "/login"} <= set(found.pages.paths)
        ran = self.harness(tmp_path, "gate", "--target", found.source, "--only", "e2e", "-n", "1", "--json")
        assert ran.returncode == 3, ran.stderr
        rulings = {one["id"]: one["status"] for one in json.loads(ran.stdout)["criteria"]}
        assert (rulings["startup"], rulings["answers"], rulings["contract"]) == ("pass", "pass", "pass")
        # the draft knows a form to log in by, and no account: such tests are skipped, not broken
        words = ("--target", found.source, "--active", "-n", "1", "--json", "--", "-k", "guarded_pages")
        forms = json.loads(self.harness(tmp_path, "run", "security", *words).stdout)
        assert (forms["failed"], forms["errors"], forms["skipped"] > 3) == (0, 0, True)

    def test_flask(self, up: Callable[[str], str], tmp_path: Path) -> None:
        found, text = drafted(up(str(ROOT / "examples/flask/profile.toml")), tmp_path)
        assert (found.pages.paths, found.ratelimit, found.cache.paths) == (("/",), None, ())
        assert "#[ratelimit]" in text
