"""Scenes for `harness gate`: a small service, a suite, a policy, and one of them not what it seems."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from harness.prove.gate_lies import service
from harness.prove.gate_lies.process import ending_of, install
from harness.prove.gate_lies.scene import Ending, Scene

Text = str | Callable[[], str]
"""A file's text, or what makes it when the scene is played."""
_ABSENT = ("auth", "cache", "database", "mail", "openapi", "pages", "ratelimit", "workers")
PROFILE = """\
schema = 1
name = "{name}"
[service]
command = ["python", "service.py"]
timeout_s = 5
[health]
ready = "/ready"
[clients]
address = "source"
[suites]
paths = ["own"]
"""
POLICY = """\
schema = 1
[[criterion]]
id = "own"
area = "e2e"
requires = "The service answers."
select = { check = "own.*" }
"""
SUITE = """\
import pytest

@pytest.mark.check("own.answers")
@pytest.mark.parametrize("path", ["/", "/item"])
def test_answers(client, path):
    assert client.get(path).status_code == 200
"""
GATE = ("gate", "--target", "small.toml", "--policy", "policy.toml", "--out", "out", "-n", "1")


def profile(*lines: str, name: str = "small", present: str = "") -> str:
    """The profile's text; `lines` describe what is `present` after all."""
    absent = [f'{word} = "it has none"' for word in _ABSENT if word != present]
    return "\n".join([PROFILE.format(name=name), *lines, "[absent]", *absent, ""])


def set_up(scratch: Path, files: Mapping[str, Text] | None = None) -> None:
    """Install the harness, and write the scene's files; `files` (path -> text) replace those of a sound one."""
    install(scratch)
    sound: dict[str, Text] = {
        "small.toml": profile(),
        "policy.toml": POLICY,
        "own/test_own.py": SUITE,
        "service.py": Path(service.__file__).read_text(encoding="utf-8"),
    }
    for name, text in {**sound, **(files or {})}.items():
        path = scratch / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text if isinstance(text, str) else text(), encoding="utf-8")


def gated(
    *words: str,
    suite: Text = SUITE,
    policy: str = POLICY,
    files: Mapping[str, Text] | None = None,
    env: Mapping[str, str] | None = None,
) -> Scene:
    """A scene with that suite and policy, and more `files`; `words` follow those of the gate, `env` is the caller's."""

    def play(scratch: Path) -> Ending:
        set_up(scratch, {"own/test_own.py": suite, "policy.toml": policy, **(files or {})})
        return ending_of(scratch, *GATE, *words, env=env)

    return play


SOUND = gated()
"""Nothing is wrong."""
