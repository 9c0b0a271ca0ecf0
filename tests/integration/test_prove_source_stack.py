"""What a mutant of the source does to its stack, the next one finds undone."""

from pathlib import Path

import pytest

from harness.config import load_target
from harness.errors import StartupError
from harness.probes.http import RecordingClient, ServiceUnavailable
from harness.prove.source.edit import SourceEdit
from harness.prove.source.stack import start_source
from tests.gate_target import PROGRAM, make_small

pytestmark = pytest.mark.timeout(120)
ANSWER = "    def answer(self):\n"
HARM = {
    "ends at its start": ("", "import sys; sys.exit(3)\n"),
    "hangs at its start": ("", "import time; time.sleep(600)\n"),
    "does not parse": ("", "def f(:\n"),
    "hangs when asked": (ANSWER, f"{ANSWER}        while self.path == '/item': pass\n"),
    "forks when asked": (
        ANSWER,
        f"{ANSWER}        import subprocess; subprocess.Popen(['sleep', '600.26']) if self.path == '/item' else None\n",
    ),
    "fills its folder": (ANSWER, f"{ANSWER}        open('more.bin', 'wb').write(bytes(1 << 20))\n"),
    "deletes its own sources": (ANSWER, f"{ANSWER}        import shutil; shutil.rmtree('parts', ignore_errors=True)\n"),
}


def edit(harm):
    place, instead = HARM[harm]
    after = PROGRAM.replace(place, instead, 1) if place else instead + PROGRAM
    return SourceEdit(file="service.py", operator="by hand", first=1, last=1, before=PROGRAM, after=after)


@pytest.fixture(scope="module")
def stack(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source")
    small = make_small(folder / "small", 'cwd = "service"', "start_timeout_s = 4")
    service = small.folder / "service"
    (service / "parts").mkdir(parents=True)
    (service / "parts" / "one.txt").write_text("kept")
    (small.folder / "service.py").rename(service / "service.py")
    with start_source(load_target(str(small.profile), folder), {}, folder / "scratch", lambda _: None) as started:
        yield started


def left_asleep():
    found = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if file.exists()]
    return sum(b"600.26" in line for line in found)


@pytest.mark.parametrize("harm", HARM)
def test_the_next_mutant_finds_a_whole_service(stack, harm):
    try:
        stack.plant(edit(harm))
    except StartupError:
        assert "start" in harm or "parse" in harm
    else:
        assert "start" not in harm
        with RecordingClient(stack.stack.info.url, timeout_s=1.0) as client:
            try:
                client.exchange("GET", "/item")
            except ServiceUnavailable:
                assert harm == "hangs when asked"
    stack.plant(None)
    with RecordingClient(stack.stack.info.url, timeout_s=5.0) as client:
        assert client.exchange("GET", "/item").status == 200
    assert left_asleep() == 0
    assert not (stack.folder / "more.bin").exists()
    assert (stack.folder / "parts" / "one.txt").read_text() == "kept"
    assert (stack.folder / "service.py").read_text() == PROGRAM
