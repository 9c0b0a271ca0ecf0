"""Words of a command line that nobody can have meant are refused before anything is looked at."""

from __future__ import annotations

import importlib
import subprocess

import click
import pytest

from harness.cli.command_line import Command
from harness.cli.main import COMMANDS, run_command
from harness.config.service_url import checked_url
from harness.errors import ConfigError, UsageError
from harness.prove.plan import _changed_files


def command(name: str) -> click.Command:
    return importlib.import_module(f"harness.cli.{name}").command


TEXTS = [
    (name, parameter.opts[0])
    for name in COMMANDS
    for parameter in command(name).params
    if isinstance(parameter, click.Option) and isinstance(parameter.type, click.types.StringParamType | click.Path)
]
JUDGED = ("judge", "report", "verify")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_looks_at_its_words(name):
    assert isinstance(command(name), Command)


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "it is empty"),
        (" ", "it is empty"),
        ("--output=x", "begins with '-'"),
        ("-", "begins with '-'"),
        ("a\x1b[2Jb", "control character"),
        ("a\nb", "control character"),
        ("a" * 5000, "longer than 4096 bytes"),
        ("\udcff", "not UTF-8"),
    ],
)
@pytest.mark.parametrize(("name", "option"), TEXTS)
def test_a_word_that_cannot_be_meant_is_refused(name, option, word, said, capsys):
    assert run_command([name, option, word]) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("error: ")
    assert said in told.err


@pytest.mark.parametrize(
    ("name", "option"),
    [one for one in TEXTS if one[1] not in ("--url", "--env", "--webhook")] + [(name, "--") for name in JUDGED],
)
def test_an_address_is_no_path_and_not_shown(name, option, capsys):
    assert run_command([name, option, "http://u:s3cret-word@127.0.0.1:9"]) == 2
    told = capsys.readouterr()
    assert "it is an address" in told.err
    assert "s3cret-word" not in told.out + told.err


@pytest.mark.parametrize("name", ["judge", "report", "verify", "init", "run", "logs"])
def test_so_is_an_argument(name, capsys):
    assert run_command([name, ""]) == 2
    assert run_command([name, "--", "--output=x"]) in ((2,) if name != "run" else (2, 4))
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    "url",
    [
        "http://admin:s3cret-word@127.0.0.1:9",
        "http://s3cret-word@127.0.0.1:9",
        "https://a:s3cret-word@[::1]:9/path",
        "http://admin:s3cret-word@",
        "http://admin:s3cret-word\\@host",
        "http:\\\\admin:s3cret-word@host",
        "//admin:s3cret-word@host",
        "admin:s3cret-word@host",
        "http:admin:s3cret-word@host",
        "ftp://admin:s3cret-word@host:99999",
        "http://admin:s3cret-word@host:99999",
        "http://[s3cret-word@",
        "http://host/?key=s3cret-word",
        "http://host/#s3cret-word",
    ],
)
def test_an_address_with_credentials_is_refused_and_not_shown(url, capsys):
    with pytest.raises(UsageError) as caught:
        checked_url(url)
    assert "s3cret-word" not in str(caught.value)
    for words in (["gate", "--url", url], ["prove", "--url", url], ["init", url], ["preflight", "--url", url]):
        assert run_command(words) == 2
        told = capsys.readouterr()
        assert "s3cret-word" not in told.out + told.err


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/@me", "http://host/a?", "https://host:9/"])
def test_an_at_sign_in_a_path_is_none(url):
    assert checked_url(url.rstrip("?")) == url.rstrip("/?")


@pytest.mark.parametrize("url", ["http://a b", "http://h/a b", "http://h\n", " http://h", "http://h\t/"])
def test_an_address_holds_no_blank(url):
    with pytest.raises(UsageError, match="not an address of a service"):
        checked_url(url)


def test_a_revision_is_never_an_option_of_git(tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("victim", encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    for ref in (f"--output={victim}", "-O"):
        with pytest.raises(ConfigError, match="is no revision"):
            _changed_files(tmp_path, ref)
    with pytest.raises(ConfigError, match="--changed main"):
        _changed_files(tmp_path, "main")
    assert victim.read_text(encoding="utf-8") == "victim"


@pytest.mark.parametrize(
    "words",
    [
        ["gate", "-n", "100000"],
        ["gate", "--instances", "10000"],
        ["gate", "--only", "cache,security", "--without", "security"],
        ["load", "--rate", "1e12"],
        ["load", "--rate", "nan"],
        ["load", "--duration", "99999h"],
        ["prove", "--jobs", "1000000"],
        ["prove", "--healthy", "1000000"],
    ],
)
def test_numbers_and_words_that_nobody_means_are_refused(words, capsys):
    assert run_command(words) == 2
    assert capsys.readouterr().err.count("\n") == 1
