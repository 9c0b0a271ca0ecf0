"""What a mutant changed in one exchange, in few words, without secrets: the proof that it was applied."""

from __future__ import annotations

from harness.proxy.exchange import Answer, Headers, Request
from harness.redact import Redactor

_MOST = 200
_AROUND = 40
_READ = 1_000_000
_clean = Redactor()


def answers(before: Answer, after: Answer, delay_s: float = 0.0) -> tuple[str, str]:
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
    if delay_s:
        left.append("at once")
        right.append(f"{delay_s * 1000:.0f} ms later")
    return _joined(left), _joined(right)


def requests(before: Request, after: Request) -> tuple[str, str]:
    """What differs of two requests: their headers."""
    left, right = _headers(before.headers, after.headers)
    return _joined(left), _joined(right)


def _headers(before: Headers, after: Headers) -> tuple[list[str], list[str]]:
    lost = [pair for pair in before if pair not in after]
    new = [pair for pair in after if pair not in before]
    names = {name.lower() for name, _ in lost} - {name.lower() for name, _ in new}
    left = [_line(*pair) for pair in lost] + [f"no {name}" for name in _only(new, lost)]
    right = [_line(*pair) for pair in new] + [f"no {name}" for name in sorted(names)]
    return left, right


def _only(new: list[tuple[str, str]], lost: list[tuple[str, str]]) -> list[str]:
    return sorted({name.lower() for name, _ in new} - {name.lower() for name, _ in lost})


def _line(name: str, value: str) -> str:
    return _clean(f"{name}: {value}")


def _bodies(before: bytes, after: bytes) -> tuple[str, str]:
    """Both bodies around the first place where they differ once secrets are out; equal ones differ in a secret."""
    left, right = (_clean(body[:_READ].decode("utf-8", "replace")) for body in (before, after))
    same = next(
        (at for at, (one, other) in enumerate(zip(left, right, strict=False)) if one != other),
        min(len(left), len(right)),
    )
    start = max(0, same - _AROUND)
    return _excerpt(left, start, len(before)), _excerpt(right, start, len(after))


def _excerpt(text: str, start: int, size: int) -> str:
    piece = " ".join(text[start : start + 2 * _AROUND].split())
    opening = "…" if start else ""
    closing = "…" if start + 2 * _AROUND < len(text) else ""
    return f"{size} bytes: {opening}{piece}{closing}" if piece else f"{size} bytes"


def _joined(parts: list[str]) -> str:
    text = "; ".join(parts)
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"
