"""No pattern that meets a target's text takes more than linear time, whatever the text repeats."""

from __future__ import annotations

import pytest

from harness.machine.redaction import Redactor
from tests.growth import grows_faster_than_its_text

UNITS = (
    *("a", "a.", "aA1", "-", "_", " ", "\n", "\t", "=", ":", ";", ",", '"', "'", "\\", "/", "//", "@", "%", "1", "1."),
    *("eyJ", "eyJ-", "eyJaaaaa.", "://", "a://", "://a:", "a:b@", "authorization", "authorization ", "authorization:"),
    *(
        "cookie",
        "cookie:",
        "cookie: a",
        "cookie =",
        "set-cookie,",
        "bearer ",
        '"password"',
        '"password" :',
        "password=",
    ),
    *(
        '\\"token\\":',
        "'pwd':'",
        'a="',
        "a=b;",
        'a="\\',
        "; a",
        "<",
        "<!--",
        "<script",
        "<script ",
        "<script>",
        "type=",
        "type =",
    ),
    *(
        "{#",
        "{{",
        "{{!--",
        "{%",
        "{% raw %}",
        "{{{",
        "{{{{a}}}}",
        "<%",
        "}}",
        "`",
        "${",
        "/*",
        "*/",
        "\x1b[",
        "\x1b]",
        "\x1b[1;",
    ),
    *(
        "url(",
        "@import ",
        "gtag ",
        "*://",
        "'nonce-",
        "'sha256-",
        "{a",
        "$",
        "level=",
        "1:",
        "a[",
        "Warning: ",
        "log-",
        "é",
    ),
)


@pytest.mark.parametrize("end", [" token ://", " cookie pass", "=1 ://", "\neyJ secret authorization"])
@pytest.mark.parametrize("unit", UNITS)
def test_redaction_takes_linear_time(unit, end):
    redact = Redactor()
    redact.learn(["hunter2hunter2", "***" + "a.", unit * 20])
    assert not grows_faster_than_its_text(redact, lambda n: unit * (n // len(unit)) + end)
