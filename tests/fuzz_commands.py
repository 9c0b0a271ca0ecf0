"""Odd command lines and odd TOML files, by a seed: each ends in a documented exit, in short lines, without a trace.

    python -m tests.fuzz_commands 500 --seed 1
    python -m tests.fuzz_commands 500 --seed 1 --toml

Nothing that would start a stack or send load is drawn: each line has at least one word that must be refused, or names a
service that nobody runs.
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import click

from harness.cli.main import COMMANDS
from harness.machine.bundle import root

EXITS = frozenset({0, 1, 2, 3, 4, 130})
LONGEST_LINE = 2200
SECONDS = 60.0
_MEMORY = 2 * 2**30
_ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

# fmt: off
WORDS = (
    "", " ", "-", "--", "--output=x", "-O/x", "\t", "a\nb", "\x1b[2Jx", "x\u202ey", "é", "\U0001f600", "\udcff",
    "a" * 300, "a" * 5000, "a" * 300 + ".toml", "..", "../../etc/passwd", "/dev/null", "/dev/zero", "/", ".", "~", "*",
    "$(id)", "`id`", "%s%n", "{}", "{env.HOME}", "0", "-1", "1e12", "10000000", "nan", "inf", "-inf", "1e400", "0x10",
    "\uff11", "10y", "99999h", "1m1", "true", "null", "http://", "http://u:s3cret-word@127.0.0.1:9",
    "http://127.0.0.1:99999", "http://[::1", "http://\udcff", "//x", "file:///x", "http://127.0.0.1:1",
    "http://127.0.0.1:1/?token=s3cret-word", "KEY", "KEY=", "=x", "A B=c", ",", ",,", "security,security", "nosuch",
    "dealradar,", "latest", "HEAD", "@{-1}", "HEAD:README.md", "main..", "quick", "docker", "attach", "fresh",
)
# fmt: on
REFUSED = ("--nosuch-option", "--stack=nowhere", "--target=nosuch-target", "--url=http://127.0.0.1:1")
"""One of these is in every line of a command that could start something."""
STARTERS = frozenset({"gate", "up", "preflight", "run", "load", "prove"})


@dataclass(frozen=True, slots=True)
class Odd:
    """Something that ended otherwise than it may."""

    what: str
    why: str


def lines(chance: Random) -> Iterator[list[str]]:
    """Command lines, one after another."""
    options = {name: list(importlib.import_module(f"harness.cli.{name}").command.params) for name in COMMANDS}
    while True:
        name = chance.choice(tuple(COMMANDS))
        words = [name]
        for _ in range(chance.randrange(5)):
            option = chance.choice(options[name])
            if isinstance(option, click.Option) and not option.is_flag:
                words += [chance.choice(option.opts), chance.choice(WORDS)]
            elif isinstance(option, click.Option):
                words.append(option.opts[0])
            else:
                words.append(chance.choice(WORDS))
        if name in STARTERS:
            words.insert(chance.randrange(1, len(words) + 1), chance.choice(REFUSED))
            words += ["--target", "nosuch-target"] if "--url=http://127.0.0.1:1" not in words else []
        # a word cannot hold what ends it, and a process is given bytes
        yield [word.replace("\0", "") for word in words if chance.random() > 0.02]


PROFILE = """schema = 1
name = "odd"
[service]
url = "http://127.0.0.1:1"
timeout_s = 1
[auth]
login = "/login"
body = { user = "{username}" }
[auth.roles.admin]
username = "a"
password = "{env.PW}"
[pages]
paths = ["/"]
[load]
rate = 5
[load.paths]
"/" = 1
[allow]
hosts = ["a.test"]
read_hosts = ["b.test"]
"""
# fmt: off
VALUES = (
    "1", "-1", "1e308", "nan", "inf", "true", '""', '"x"', "[]", "{}", '["x"]', "[[]]", "2026-01-01", '"\\u0000"',
    "0x7fffffffffffffff", '"*"', '["*"]', '"http://u:s3cret-word@h"', '"{secret.X}"', '"{nosuch}"',
    '"' + "a" * 3000 + '"', "[" * 40 + "]" * 40, "[" * 5000 + "]" * 5000, "{a=" * 3000 + "1" + "}" * 3000,
    '"""\n[x]\n"""', "'\\x'", "9" * 400, '"\\ud800"', '"/../.."', "1_0",
)
# fmt: on
# fmt: off
LINES = (
    "[service]", "[[service]]", "[a.b.c]", "[" + "a." * 3000 + "a]", "a.b.c = 1", "[", "]", "=", "#", "x", '"" = 1',
    "\ufeff", "[policy]", "[[criterion]]", "[[waiver]]", "schema = 1", "schema = true", "é = 1", '"é" = 1',
    "\x1b[2J = 1", "a = 1\r",
)
# fmt: on


def documents(chance: Random) -> Iterator[tuple[str, bytes]]:
    """What is read as, and the text: a profile, a policy or waivers beside one that was mended at random."""
    policy = (root() / "policies" / "quick.toml").read_text(encoding="utf-8")
    while True:
        kind, text = chance.choice((("target", PROFILE), ("policy", policy), ("waivers", "schema = 1\n[[waiver]]\n")))
        rows = text.splitlines()
        for _ in range(chance.randrange(1, 4)):
            at = chance.randrange(len(rows) + 1)
            row = rows[at] if at < len(rows) else ""
            match chance.randrange(5):
                case 0 if "=" in row:
                    rows[at] = f"{row.partition('=')[0]}= {chance.choice(VALUES)}"
                case 1:
                    rows.insert(at, chance.choice(LINES))
                case 2 if row:
                    del rows[at]
                case 3:
                    key = chance.choice(("x", "url", "name", "env", "hosts", "read_hosts"))
                    rows.insert(at, f"{key} = {chance.choice(VALUES)}")
                case _:
                    rows[at:at] = rows[: chance.randrange(1, 6)]
        data = "\n".join(rows).encode("utf-8", "surrogatepass")
        if chance.random() < 0.1:
            cut = chance.randrange(len(data) + 1)
            data = data[:cut] + bytes(chance.randrange(256) for _ in range(3)) + data[cut:]
        yield kind, data


def run_lines(count: int, seed: int) -> list[Odd]:
    """Run so many command lines, and return those that ended otherwise than they may."""
    found = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        source = lines(Random(seed))  # noqa: S311 - to be repeated, no secret
        for _ in range(count):
            words = next(source)
            odd = _ended(words, Path(folder))
            found += [Odd(repr(words)[:2000], odd)] if odd else []
    return found


def run_documents(count: int, seed: int) -> list[Odd]:
    """Have so many files read, and return those that ended otherwise than they may."""
    found = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        source = documents(Random(seed))  # noqa: S311 - to be repeated, no secret
        policy = (root() / "policies" / "quick.toml").read_bytes()
        for _ in range(count):
            kind, data = next(source)
            place = Path(folder)
            (place / "target.toml").write_bytes(data if kind == "target" else PROFILE.encode())
            (place / "policy.toml").write_bytes(data if kind == "policy" else policy)
            (place / "waivers.toml").write_bytes(data if kind == "waivers" else b"schema = 1\n")
            words = ["gate", "--target", f"{place}/target.toml", "--policy", f"{place}/policy.toml", "--only", "cache"]
            odd = _ended(words, place)
            found += [Odd(f"{kind}: {data[:1500]!r}", odd)] if odd else []
    return found


def _ended(words: list[str], folder: Path) -> str:
    """What is odd about how a command line ended; "" if nothing is."""
    command = [sys.executable, "-m", "harness", *words]
    ours = {"XDG_STATE_HOME": str(folder), "PW": "s3cret-word", "NO_COLOR": "1", "PYTHONPATH": str(root())}
    begun = time.monotonic()
    try:
        done = subprocess.run(
            [word.encode("utf-8", "surrogateescape") for word in command],
            cwd=folder,
            env={**os.environ, **ours},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=SECONDS,
            preexec_fn=_bounded,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end within {SECONDS:g} s"
    err = done.stderr.decode(errors="replace")
    out = done.stdout.decode(errors="replace")
    if done.returncode not in EXITS:
        return f"exit {done.returncode}: {err[-500:]}"
    if ("Traceback" in err and "--debug" not in words) or "the harness failed" in err:
        return err[-1500:]
    if "s3cret-word" in err + out:
        return "a secret was shown"
    if _ACTS.search(err + out):
        return "a control character was shown"
    longest = max((len(line) for line in err.splitlines()), default=0)
    if longest > LONGEST_LINE:
        return f"a line of {longest} characters"
    took = time.monotonic() - begun
    return f"took {took:.0f} s" if took > SECONDS / 2 else ""


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def main() -> int:
    """Print what is odd; 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--toml", action="store_true", help="odd TOML files in place of odd command lines")
    given = parser.parse_args()
    found = (run_documents if given.toml else run_lines)(given.count, given.seed)
    for odd in found:
        sys.stdout.write(f"{odd.what}\n    {odd.why}\n")
    sys.stdout.write(f"{given.count} tried with seed {given.seed}, {len(found)} odd\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
