"""What a mutant changed in one exchange, in few words, without secrets: the proof that it was applied."""

from __future__ import annotations

from contextlib import suppress

from harness.machine.redaction import Redactor
from harness.prove.wire.json_paths import NotJsonError, parse_json, write_json
from harness.proxy.exchange import Headers, ProxiedAnswer, ProxiedRequest

_MOST = 200
_AROUND = 40
_READ = 1_000_000
_clean = Redactor()


def answers(before: ProxiedAnswer, after: ProxiedAnswer, delay_s: float = 0.0) -> tuple[str, str]:
    """What differs of two answers: status, headers, body, and how long the second one waits."""
    left, right = [], []
    if before.status != after.status:
        left.append(str(before.status))
        right.append(str(after.status))
    old, new = _headers(before.headers, after.headers)
    left += old
    right += new
    if before.body != after.body:
        old_body, new_body = _bodies(before.body, after.body)
        left.append(old_body)
        right.append(new_body)
    if before.cut_after != after.cut_after:
        left.append(f"{len(before.body)} bytes")
        right.append(f"{after.cut_after} of {len(after.body)} bytes, then cut")
    if before.ends != after.ends:
        left.append("an end")
        right.append("no end")
    if before.interim != after.interim:
        left.append("no interim answer")
        right.append(f"{after.interim} before it")
    if before.version != after.version:
        left.append(f"HTTP/{before.version}")
        right.append(f"HTTP/{after.version}")
    if before.behind != after.behind:
        left.append("nothing behind it")
        right.append(f"{len(after.behind)} bytes behind it")
    if delay_s:
        left.append("at once")
        right.append(f"{delay_s * 1000:.0f} ms later")
    return _joined(left), _joined(right)


def requests(before: ProxiedRequest, after: ProxiedRequest) -> tuple[str, str]:
    """What differs of two requests: their headers."""
    left, right = _headers(before.headers, after.headers)
    return _joined(left), _joined(right)


def _headers(before: Headers, after: Headers) -> tuple[list[str], list[str]]:
    lost, new = _missing(before, after), _missing(after, before)
    left, right = [_line(*pair) for pair in lost], [_line(*pair) for pair in new]
    if len(left) == len(right) == 1:
        left, right = [[text] for text in _around(left[0], right[0])]
    left += [f"no {name}" for name in _only(new, lost)]
    right += [f"no {name}" for name in _only(lost, new)]
    return left, right


def _missing(these: Headers, those: Headers) -> list[tuple[str, str]]:
    return [pair for pair in these if pair not in those]


def _only(these: list[tuple[str, str]], those: list[tuple[str, str]]) -> list[str]:
    return sorted({name.lower() for name, _ in these} - {name.lower() for name, _ in those})


def _around(left: str, right: str) -> tuple[str, str]:
    """Both texts, long ones only around the first place where they differ."""
    if max(len(left), len(right)) <= _MOST // 2:
        return left, right
    start = max(0, _first_difference(left, right) - _AROUND)
    return _excerpt(left, start), _excerpt(right, start)


def _first_difference(left: str, right: str) -> int:
    same = (at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other)
    return next(same, min(len(left), len(right)))


def _line(name: str, value: str) -> str:
    return _clean(f"{name}: {value}")


def _bodies(before: bytes, after: bytes) -> tuple[str, str]:
    """Both bodies around the first place where they differ once secrets are out; equal ones differ in a secret."""
    left, right = (_clean(_text(body[:_READ])) for body in (before, after))
    start = max(0, _first_difference(left, right) - _AROUND)
    return _sized(_excerpt(left, start), len(before)), _sized(_excerpt(right, start), len(after))


def _text(body: bytes) -> str:
    """The body as text; JSON in one form, whatever spaces it was written with."""
    with suppress(NotJsonError):
        body = write_json(parse_json(body))
    return body.decode("utf-8", "replace")


def _sized(piece: str, size: int) -> str:
    return f"{size} bytes: {piece}" if piece else f"{size} bytes"


def _excerpt(text: str, start: int) -> str:
    piece = " ".join(text[start : start + 2 * _AROUND].split())
    opening = "…" if start else ""
    closing = "…" if start + 2 * _AROUND < len(text) else ""
    return f"{opening}{piece}{closing}" if piece else ""


def _joined(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
