"""What a run keeps of logs: of a long one its beginning and its end, without a half of a secret where it was cut."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.machine.redaction import Redactor
from harness.model import StackInfo
from harness.runner import artifacts
from harness.runner.artifacts import keep_logs

SECRET = "".join(f"{number:02}secret" for number in range(12))


def kept(folder: Path, text: str) -> str:
    log = folder / "service.out"
    log.write_text(text, encoding="utf-8")
    (folder / "logs").mkdir(exist_ok=True)
    info = StackInfo(
        name="n", backend="embedded", target="t", url="http://127.0.0.1:9", owned=True, logs={"service-1": str(log)}
    )
    redact = Redactor()
    redact.learn([SECRET])
    keep_logs(folder, info, redact)
    return (folder / "logs" / "service-1.log").read_text(encoding="utf-8")


def test_a_log_of_usual_length_is_kept_whole(tmp_path):
    text = "one line\n" * 1000
    assert kept(tmp_path, text) == text


def test_of_a_log_without_end_the_beginning_and_the_end_are_kept(tmp_path):
    text = kept(tmp_path, "it begins\n" + "GET / 200 ünd so weiter\n" * 2**20 + "it ends\n")
    assert text.startswith("it begins\n")
    assert text.endswith("\nit ends\n")
    assert "bytes of this log are left out here" in text
    assert len(text.encode()) < 17 * 2**20


@given(st.one_of(st.integers(550, 1010), st.integers(5890, 7100)), st.sampled_from(["\n", " ", "ü"]))
def test_no_half_of_a_secret_stands_where_a_log_was_cut(at, between):
    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        for name, size in (("_FIRST_OF_LOG", 1000), ("_LAST_OF_LOG", 3000), ("_BESIDE_A_CUT", 200)):
            patch.setattr(artifacts, name, size)
        text = "".join(f"x{between}" for _ in range(4500))
        said = kept(Path(folder), f"{text[:at]}{SECRET}{text[at:]}")
    assert "left out here" in said
    assert "secret" not in said
