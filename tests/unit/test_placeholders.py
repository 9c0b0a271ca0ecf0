"""Placeholders: one grammar, drawn texts; and what a stack and a login make of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ConfigError, UsageError
from harness.model import Auth, Role, Service, StackInfo, Target
from harness.model.placeholders import STACK_WORDS, fill, names_server, placeholders, with_parts
from harness.probes.login import account_of
from harness.stack.settings import PlaceholderValues

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_-]*)?", fullmatch=True)
PLAIN = st.text(st.characters(exclude_characters="{}$"))


def mark(name: str) -> str:
    return f"<{name}>"


@given(st.lists(st.tuples(PLAIN, NAMES)), PLAIN)
def test_every_name_in_braces_is_filled_in_and_nothing_else_changes(pairs, end):
    text = "".join(f"{plain}{{{name}}}" for plain, name in pairs) + end
    assert placeholders(text) == tuple(name for _, name in pairs)
    assert fill(text, mark) == "".join(f"{plain}<{name}>" for plain, name in pairs) + end


@given(PLAIN, NAMES, PLAIN)
def test_doubled_braces_are_the_text_and_a_dollar_is_the_shells(before, name, after):
    assert placeholders(f"{before}{{{{{name}}}}}{after}${{{name}}}") == ()
    assert fill(f"{before}{{{{{name}}}}}{after}${{{name}}}", mark) == f"{before}{{{name}}}{after}${{{name}}}"


@given(st.text(st.sampled_from("{}$ .:a1\"'-"), max_size=30))
def test_who_names_no_placeholder_keeps_every_brace_that_is_not_doubled(text):
    if not placeholders(text) and "{{" not in text:
        assert fill(text, mark) == text


@given(st.text(st.sampled_from("{}$ab."), max_size=20))
def test_what_is_filled_in_is_asked_for_by_the_names_that_are_told(text):
    asked: list[str] = []

    def note(name: str) -> str:
        asked.append(name)
        return "{a}"

    fill(text, note)
    assert tuple(asked) == placeholders(text)


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ('{"a": {"b": {port}}}', '{"a": {"b": <port>}}'),
        ("${HOME}/{port}", "${HOME}/<port>"),
        ("${PORT:-{port}}", "${PORT:-<port>}"),
        ("{{port}}", "{port}"),
        ("{{ port }}", "{{ port }}"),
        ("{}{0}{ port }", "{}{0}{ port }"),
        ("{secret.KEY}", "<secret.KEY>"),
    ],
)
def test_braces_of_others_stay(text, filled):
    assert fill(text, mark) == filled


def words(**values: str) -> PlaceholderValues:
    return PlaceholderValues(Target(name="t", source="t.toml", service=Service()), values, {"KEPT": "k"})


def test_a_stack_fills_in_its_words_and_makes_secrets_once():
    stack = words(port="8000")
    assert stack.fill("{port} ${port} {{port}} {secret.KEPT}", "service.command") == "8000 ${port} {port} k"
    assert stack.fill("{secret.NEW}", "x") == stack.fill("{secret.NEW}", "y") == stack.secrets["NEW"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{database_url}", "t.toml: service.env.X: {database_url} has no value, since `needs` lacks 'postgres'"),
        ("{prot}", "t.toml: service.env.X: {prot} is no placeholder; known ones: {host} {port}"),
        ("{secret.}", "t.toml: service.env.X: {secret.} is no placeholder"),
    ],
)
def test_a_stack_names_what_it_cannot_fill_in(text, said):
    with pytest.raises(ConfigError) as caught:
        words(port="8000").fill(text, "service.env.X")
    assert caught.value.message.startswith(said)


def test_an_account_comes_from_the_stack_and_from_the_callers_environment(monkeypatch):
    monkeypatch.setenv("WHO", "ada")
    roles = {
        "user": Role(username="{env.WHO}", password="{secret.WORD}"),
        "other": Role(username="o", password="{secret.NONE}"),
    }
    target = Target(name="t", source="", service=Service(), auth=Auth(login="/login", roles=roles))
    info = StackInfo(
        name="t", backend="embedded", target="t", url="http://x", owned=True, secrets={"WORD": "{env.WHO}"}
    )
    assert account_of(target, info, "user") == ("ada", "{env.WHO}")
    with pytest.raises(UsageError, match=r"\{secret\.NONE\} has no value here; a stack that we started knows it"):
        account_of(target, info, "other")


def test_the_words_of_a_stack_are_placeholders():
    assert placeholders("".join(f"{{{word}}}" for word in STACK_WORDS)) == STACK_WORDS


def test_an_address_is_told_in_its_parts_too():
    told = with_parts({"database_url": "postgresql://shop:p%40ss@127.0.0.1:5433/shop_1", "smtp_url": "smtp://mail:25"})
    assert {name: told[f"database_{name}"] for name in ("host", "port", "user", "password", "name")} == {
        "host": "127.0.0.1",
        "port": "5433",
        "user": "shop",
        "password": "p@ss",
        "name": "shop_1",
    }
    assert (told["smtp_host"], told["smtp_port"]) == ("mail", "25")
    assert "redis_host" not in told


@pytest.mark.parametrize("text", ["{database_url}", "host={database_host}", "{port}{database_password}"])
def test_a_part_belongs_to_the_server_of_its_address(text):
    assert names_server("postgres", text)
    assert not names_server("valkey", text)
