"""Words of the inside of a service, and pages that only speak of such things."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.probes.leaks import ERRORS, find_leaks

BCRYPT = "$2b$12$EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"
NODE = "Error: x\n    at Object.<anonymous> (/srv/app/index.js:10:7)\n    at node:internal/main:1"
PHP = "<b>Warning</b>: session_start(): open(/tmp/x) failed in <b>/tmp/www/index.php</b> on line <b>172</b>"
TOLD = {
    'Traceback (most recent call last):\n  File "/srv/app.py", line 3, in f\nKeyError': "a Python traceback",
    NODE: "a JavaScript stack trace",
    "java.lang.NullPointerException\n\tat com.shop.Cart.total(Cart.java:41)": "a Java stack trace",
    "   at Shop.Cart.Total() in C:\\src\\Cart.cs:line 41": "a .NET stack trace",
    "/srv/app/models/cart.rb:41:in `total'": "a Ruby backtrace",
    "panic: runtime error: index out of range\n\ngoroutine 1 [running]:": "a Go panic",
    "This error shows because you have <code>DEBUG = True</code> in your": "a page of debug mode",
    "<title>Action Controller: Exception caught</title>": "a page of debug mode",
    PHP: "a PHP message",
    "Notice: Undefined index: id in /srv/www/a.php on line 3": "a PHP message",
    'ERROR:  syntax error at or near "\'"': "an error text of PostgreSQL",
    "SyntaxError('syntax error in tsquery: \"a b\"')": "an error text of PostgreSQL",
    '{"detail": "column \\"x\\" does not exist\\nLINE 1: SELECT x"}': "an error text of PostgreSQL",
    "You have an error in your SQL syntax; check the manual": "an error text of MySQL",
    'sqlite3.OperationalError: near "x": syntax error': "an error text of SQLite",
    'unrecognized token: "\'x"': "an error text of SQLite",
    "Unclosed quotation mark after the character string 'x'.": "an error text of SQL Server",
    "ORA-01756: quoted string not properly terminated": "an error text of Oracle",
    "SQLSTATE[42000]: Syntax error or access violation": "an error text of a database",
    "could not open /srv/app/shop/settings.py": "a path of a source file",
    f'[{{"name": "ann", "hash": "{BCRYPT}"}}]': "a password's hash (bcrypt)",
    '{"p": "$argon2id$v=19$m=65536,t=3,p=4$abc$def"}': "a password's hash (Argon2)",
    '{"p": "pbkdf2_sha256$600000$salt$hash"}': "a password's hash (PBKDF2 or scrypt)",
    '{"p": "scrypt:32768:8:1$salt$abc"}': "a password's hash (PBKDF2 or scrypt)",
    "root:$6$rounds$abcdefghijklmnopqrstuvwxyz:1:": "a password's hash (crypt)",
    '[{"email": "a@b.example", "password": "5f4dcc3b5aa765d61d8327deb882cf99"}]': "a password's hash",
    '{"user": {"login": "ann", "hash": "' + "ab" * 32 + '"}}': "a password's hash",
    "-----BEGIN RSA PRIVATE KEY-----\nMIIE": "a private key",
    "key=AKIAQYLPMN5HFIQR7XYA": "an access key of AWS",
}
QUIET = (
    "<h1>How to read a traceback</h1> Warning: sharks on line 3 of the beach",
    "We use PostgreSQL, sqlalchemy and werkzeug; see the stack trace in the log.",
    "Fatal error in the kitchen. Notice: shop closes at 5.",
    '{"file": "x.tar.gz", "digests": {"sha256": "' + "ab" * 32 + '"}}',
    '{"email": "a@b.example", "avatar": "' + "ab" * 16 + '"}',
    '{"password": "Passwort", "login": "Anmelden"}',
    '<a href="/app/main.js">x</a> <script src="/static/app.js?v=1"></script> https://example.org/home/user/a.py',
    "prices from $2 to $6$ and {SHA} and near the shop",
    "at noon (see menu.js for more)",
    "Set AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE; the tests no longer raise sqlite3.OperationalError",
    "Never run Django with DEBUG = True; set it to False.",
)


@pytest.mark.parametrize("text", TOLD, ids=range(len(TOLD)))
def test_words_of_the_inside_are_told_by_their_form(text: str) -> None:
    assert TOLD[text] in [leak.what for leak in find_leaks(text)]


@pytest.mark.parametrize("text", QUIET, ids=range(len(QUIET)))
def test_a_text_that_speaks_of_errors_tells_none(text: str) -> None:
    assert find_leaks(text) == ()


def test_one_error_is_told_once_by_its_most_telling_form() -> None:
    text = 'Traceback (most recent call last):\n  File "/srv/app/x.py", line 3, in f\nsqlite3.OperationalError: x'
    assert [leak.what for leak in find_leaks(text, ERRORS)] == ["an error text of SQLite"]


@given(st.recursive(st.none() | st.text() | st.integers(), lambda one: st.lists(one) | st.dictionaries(st.text(), one)))
def test_any_json_is_looked_through(value: object) -> None:
    assert isinstance(find_leaks(json.dumps(value)), tuple)
