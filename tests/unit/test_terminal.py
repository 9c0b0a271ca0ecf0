"""What a target or a run said never reaches a terminal as it is."""

from __future__ import annotations

import ast
import io
import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.live import Live
from rich.table import Table
from rich.text import Text

import harness
from harness.cli.console import Console
from harness.cli.main import run_command
from harness.cli.terminal import LONGEST, echo, echo_error, echo_json, echo_log, write_progress
from harness.machine.foreign_text import clipped, escaped_json, for_terminal
from tests.growth import grows_faster_than_its_text

FOREIGN = (
    "\x1b[2J\x1b]0;pwned\x07\x1b]8;;http://foreign.test/\x07link\x1b]8;;\x07\x1b[31mRED\x9b31m\u202egnp\rover\x85\u2028"
)
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]")
CLI = Path(harness.__path__[0]) / "cli"


@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\x9b[]0;m\x07\\\r\u202e\u2066")), max_size=60))
def test_no_text_controls_a_terminal(text):
    assert ACTS.search(for_terminal(text)) is None
    assert json.loads(escaped_json(json.dumps(text, ensure_ascii=False))) == text
    assert ACTS.search(escaped_json(json.dumps(text, ensure_ascii=False))) is None


@pytest.mark.parametrize("unit", ["\x1b", "\x1b]", "\x1b[", "\x1b[1;", "\r", "a", "\u202e"])
def test_text_is_cleaned_in_linear_time(unit):
    assert not grows_faster_than_its_text(for_terminal, lambda n: unit * (n // len(unit)))


def test_every_way_of_printing_is_clean(capsys):
    echo(FOREIGN)
    echo(FOREIGN, err=True)
    echo_json(json.dumps({"x": FOREIGN}, ensure_ascii=False))
    echo_log(FOREIGN)
    write_progress([FOREIGN])
    echo_error(FOREIGN, FOREIGN)
    told = capsys.readouterr()
    assert ACTS.search(told.out + told.err) is None
    assert "RED" in told.out


def test_a_table_is_clean_and_keeps_its_own_colours():
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=200, color_system="standard")
    table = Table(title=FOREIGN)
    table.add_column(FOREIGN)
    table.add_row(Text(FOREIGN, style="red"))
    console.print(table)
    console.print(FOREIGN, markup=False)
    with Live(Text(FOREIGN), console=console):
        pass
    ours = re.sub(r"\x1b\[[0-9;?]*[mAKhlG]", "", out.getvalue())
    assert "\x1b[31m" in out.getvalue()
    assert ACTS.search(ours.replace("\r", "")) is None


def test_a_message_is_short_and_holds_no_password(capsys):
    echo_error("x" * 10**6 + " postgres://app:hunter2@db/app", "y" * 10**6 + "\n" + "z\n" * 1000)
    told = capsys.readouterr().err.splitlines()
    assert max(map(len, told)) <= LONGEST
    assert len(told) <= 202
    assert "hunter2" not in told[0]
    assert told[0].startswith("error: x")


@given(st.text(max_size=300), st.integers(60, 200))
def test_a_text_is_clipped_in_its_middle(text, most):
    cut = clipped(text, most)
    assert len(cut) <= most
    assert cut == text or (cut[:10] == text[:10] and cut[-10:] == text[-10:])


@pytest.mark.parametrize("name", ["a" * 300, "a" * 300 + ".toml", "./" + "a" * 300, "b/" * 900])
@pytest.mark.parametrize(
    "words", [["gate", "--target"], ["gate", "--policy"], ["judge"], ["report"], ["verify"], ["logs", "--name"]]
)
def test_a_long_name_is_the_users_mistake(words, name, capsys):
    assert run_command([*words, name]) == 2
    told = capsys.readouterr().err
    assert "the harness failed" not in told
    assert max(map(len, told.splitlines())) <= LONGEST


@pytest.mark.parametrize("source", sorted(CLI.glob("*.py")), ids=lambda path: path.name)
def test_a_command_prints_through_the_terminal_alone(source):
    if source.name in {"terminal.py", "console.py"}:
        return
    tree = ast.parse(source.read_text(encoding="utf-8"))
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    assert not called & {"click.echo", "click.secho", "print", "sys.stdout.write", "traceback.print_exc"}
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "rich.console"]
    assert all(alias.name != "Console" for node in imported for alias in node.names)
