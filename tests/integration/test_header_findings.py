"""Which findings of headers are due for which answer: sound variants are not accused, each faulty one is named once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from harness.machine.bundle import root
from tests.scripted_server import Line, ScriptedServer

Answer = tuple[int, str, str, Mapping[str, str | None]]
"""Status, type, body, and headers beyond the guards; None takes one out."""

# two thousand small tests; on a busy machine they take minutes
pytestmark = pytest.mark.timeout(1100)

POLICY = "default-src 'self'; object-src 'none'; base-uri 'self'; frame-ancestors 'none'; form-action 'self'"
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": POLICY,
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
BARE: dict[str, str | None] = dict.fromkeys(GUARDS)
HTML, JSON = "text/html; charset=utf-8", "application/json"
PAGE = '<!doctype html><html lang="en"><head><meta charset="utf-8">{}<title>T</title></head><body>x</body></html>'
CSP, NAME = "Content-Security-Policy", "Set-Cookie"


def page(head: str = "", kind: str = HTML, **headers: str | None) -> Answer:
    return 200, kind, PAGE.format(head), {name.replace("_", "-"): value for name, value in headers.items()}


def csp(policy: str) -> Answer:
    return page(Content_Security_Policy=policy)


SOUND: dict[str, Answer] = {
    "/": page(),
    "/json": (200, JSON, "{}", {**BARE, "X-Content-Type-Options": "nosniff"}),
    "/text": (200, "text/plain", "x", {**BARE, "X-Content-Type-Options": "nosniff, nosniff"}),
    "/redirect": (302, "", "", {**BARE, "Location": "/"}),
    "/gone": (404, "", "", BARE),
    "/nothing": (204, "", "", BARE),
    "/login-needed": (401, JSON, "{}", {**BARE, "WWW-Authenticate": "Basic"}),
    "/public": (200, JSON, "{}", {"Access-Control-Allow-Origin": "*"}),
    "/own-over-tls": page(Access_Control_Allow_Origin="{over tls}"),
    "/boxed": csp(f"{POLICY}; sandbox"),
    "/hsts": page(Strict_Transport_Security="max-age=31536000"),
    "/meta": page(f'<meta http-equiv="{CSP}" content="{POLICY.replace("frame-ancestors", "img-src")}">',
                  Content_Security_Policy=None),
    "/charset": page(kind="text/html"),
    "/maker": page('<meta name="generator" content="Shop">'),
    "/ancestors": page(X_Frame_Options=None),
    "/old-frame": csp(POLICY.replace("frame-ancestors 'none'; ", "")),
    "/twice": page(X_Frame_Options="DENY, DENY", Referrer_Policy="unsafe-url, no-referrer, whimsy"),
    "/former": csp(f"{POLICY}; block-all-mixed-content; report-uri /r; prefetch-src 'self'"),
    "/nonce": csp(POLICY + "; script-src 'nonce-{random}' 'unsafe-inline' 'strict-dynamic'"),
    "/xsrf": page(Set_Cookie="XSRF-TOKEN=abc; Path=/; SameSite=Lax"),
    "/lang": page(Set_Cookie="lang=en; Path=/"),
    "/deleted": page(Set_Cookie="session=; Path=/; Max-Age=0"),
    "/cart": page(Set_Cookie="shop_cart=4f1c2ab09d7be63355aa; Path=/; SameSite=Lax"),
    "/session": page(Set_Cookie="session=1; Path=/; HttpOnly; SameSite=Lax"),
    "/file": (200, "image/png", "x", {**BARE, "X-Content-Type-Options": "nosniff"}),
}  # fmt: skip

FAULTY: dict[str, tuple[Answer, str, str]] = {
    "/sniffed": (page(X_Content_Type_Options=None), "headers.nosniff", "without X-Content-Type-Options: nosniff"),
    "/sniffed-json": ((200, JSON, "{}", BARE), "headers.nosniff", "GET /sniffed-json answered 200 without"),
    "/wrong-first": (page(X_Content_Type_Options="x, nosniff"), "headers.nosniff", "of which browsers read no nosniff"),
    "/framed": (
        page(X_Frame_Options=None, Content_Security_Policy=POLICY.replace("frame-ancestors 'none'; ", "")),
        "headers.frame", "without frame-ancestors and without X-Frame-Options",
    ),
    "/overridden": (
        csp(POLICY.replace("frame-ancestors 'none'", "frame-ancestors *")), "headers.frame", "let any site in",
    ),
    "/referrer": (page(Referrer_Policy="no-referrer, unsafe-url"), "headers.referrer", "unsafe-url counts"),
    "/referrer-unknown": (page(Referrer_Policy="never"), "headers.referrer", "know no word"),
    "/untyped": ((200, "", "plain", {}), "headers.content_type", "without Content-Type"),
    "/latin": (page(kind="text/html; charset=iso-8859-1"), "headers.content_type", "iso-8859-1"),
    "/version": (page(Server="nginx/1.18.0"), "headers.no_version", "Server: nginx/1.18.0"),
    "/malformed": (page(kind="text/html;charset"), "headers.content_type", "which is no media type"),
    "/maker-version": (
        page('<meta name="generator" content="Shop 4.2.1">'), "headers.no_version", 'content="Shop 4.2.1"',
    ),
    "/feature-policy": (page(Permissions_Policy="camera 'none'"), "headers.permissions", "cannot read"),
    "/opener": (page(Cross_Origin_Opener_Policy='"same-origin"'), "headers.opener", "unsafe-none is in force"),
    "/no-policy": (
        page(Content_Security_Policy=None), "csp.present", "without Content-Security-Policy",
    ),
    "/reports": (
        page(Content_Security_Policy=None, Content_Security_Policy_Report_Only=POLICY), "csp.present", "stops nothing",
    ),
    "/inline": (csp(f"{POLICY}; script-src 'self' 'unsafe-inline'"), "csp.scripts", "inline code"),
    "/inline-elem": (csp(f"{POLICY}; script-src-elem 'unsafe-inline'"), "csp.scripts", "script-src-elem"),
    "/any": (csp(POLICY.replace("default-src 'self'", "default-src 'self' https:")), "csp.scripts", "https:"),
    "/base": (csp(POLICY.replace("base-uri 'self'; ", "")), "csp.base", "nothing governs base-uri"),
    "/base-nonce": (
        csp(POLICY.replace("base-uri 'self'; ", "") + "; script-src 'nonce-{random}'"), "csp.scripts", "base-uri",
    ),
    "/frames-only": (csp("frame-ancestors 'none'"), "csp.scripts", "nothing governs script-src"),
    "/styles": (csp(f"{POLICY}; style-src 'self' 'unsafe-inline'"), "csp.styles", "style-src has 'unsafe-inline'"),
    "/objects": (csp(POLICY.replace("object-src 'none'", "object-src *")), "csp.complete", "object-src has *"),
    "/forms": (csp(POLICY.replace("form-action 'self'", "form-action https:")), "csp.complete", "form-action has"),
    "/typo": (csp(f"{POLICY}; script-src 'self' 'unsafe-inlin'"), "csp.written", "did you mean 'unsafe-inline'?"),
    "/semicolon": (csp(POLICY.replace("base-uri", "img-src 'self' script-src-attr 'none'; base-uri")), "csp.written",
                   "a semicolon is missing before script-src-attr"),
    "/jsonp": (csp(f"{POLICY}; script-src 'self' https://cdnjs.cloudflare.com"), "csp.hosts", "cdnjs.cloudflare.com"),
    "/one-nonce": (csp(f"{POLICY}; script-src 'nonce-alwaysthesame'"), "csp.nonce", "the same nonce"),
    "/careless": (page(Set_Cookie="sid=1; Path=/; SameSite=Lax"), "headers.cookies", "sid without HttpOnly"),
    "/unsaid": (page(Set_Cookie="sid=1; Path=/; HttpOnly"), "headers.cookies_same_site", "sid without SameSite"),
    "/refused": (page(Set_Cookie="lang=1; SameSite=None"), "headers.cookies_taken", "SameSite=None without Secure"),
    "/prefix": (
        page(Set_Cookie="__Host-lang=1; Secure; Path=/; Domain=a.example"), "headers.cookies_taken", "no Domain",
    ),
    "/reflected": (page(Access_Control_Allow_Origin="{origin}", Access_Control_Allow_Credentials="true"),
                   "cors.stranger_reads", "any site reads it"),
    "/contradiction": (page(Access_Control_Allow_Origin="*", Access_Control_Allow_Credentials="true"),
                       "cors.wildcard", "no browser takes together"),
    "/null": (page(Access_Control_Allow_Origin="{null}"), "cors.null_origin", "Origin: null"),
    "/lookalike": (page(Access_Control_Allow_Origin="{lookalike}"), "cors.lookalike", "stranger.example"),
}  # fmt: skip

ODD: dict[str, Answer] = {
    "/digits": page(Strict_Transport_Security=f"max-age={'9' * 5000}", Set_Cookie=f"a=1; Max-Age={'9' * 5000}"),
    "/age": page(Access_Control_Max_Age="9" * 5000, Cache_Control=f"max-age={'9' * 5000}", Age="9" * 5000),
    "/names": page(Set_Cookie="\xe9\xff=\x80; Path=/; =; ;;"),
    "/letters": page(Permissions_Policy="\xe9=()", Content_Security_Policy="script-src \xe9", Referrer_Policy="\xff"),
    "/empty": page(**dict.fromkeys(["Content_Security_Policy", "X_Frame_Options", "Permissions_Policy"], "")),
    "/entities": (200, HTML, '<meta charset="&#xD800;"><meta name=referrer content="&#0;"><![x', {}),
}


def filled(value: str, origin: str) -> str:
    words = {
        "{origin}": origin,
        "{null}": "null" if origin == "null" else "",
        "{lookalike}": origin if origin.endswith(".stranger.example") else "",
        "{over tls}": origin if origin.startswith("https://127.0.0.1:") else "",
        "{random}": os.urandom(16).hex(),
    }
    for word, meaning in words.items():
        value = value.replace(word, meaning)
    return value


def answering() -> Callable[[Line], None]:
    answers = {**SOUND, **{path: answer for path, (answer, _, _) in FAULTY.items()}, **ODD}

    def script(line: Line) -> None:
        while head := line.read():
            text = head.decode("latin-1")
            method, path = text.split()[:2]
            origin = next((one[8:].strip() for one in text.splitlines() if one.lower().startswith("origin: ")), "")
            status, kind, body, more = answers.get(path, (404, "text/plain", "no", {}))
            headers: dict[str, str | None] = {**GUARDS, **more}
            if method == "OPTIONS":
                status, kind, body, headers = 405, "", "", {"Allow": "GET"}
            said = {"Content-Type": kind or None, **headers, "Content-Length": str(len(body))}
            lines = [f"{name}: {filled(value, origin)}" for name, value in said.items() if value is not None]
            lines = [one for one in lines if not one.endswith("Allow-Origin: ")]
            shown = "" if method == "HEAD" else body
            line.say("\r\n".join([f"HTTP/1.1 {status} Said", *lines, "", shown]).encode("latin-1"))

    return script


Findings = dict[str, list[tuple[str, str, str]]]
"""Path -> check, outcome, and what was said."""


def ask(paths: list[str], folder: Path) -> Findings:
    """Suite security on these paths, as far as it looks at headers."""
    with ScriptedServer(answering()) as server:
        (folder / "shop.toml").write_text(
            f'schema = 1\nname = "shop"\n[service]\nurl = "{server.url}"\n'
            f'[cookies]\nreadable = ["shop_cart"]\n[pages]\npaths = {json.dumps(paths)}\n'
        )
        command = [sys.executable, "-m", "harness", "run", "security", "--target", str(folder / "shop.toml")]
        chosen = "test_headers or test_csp or test_cors or test_cookies or test_observatory"
        done = subprocess.run(
            [*command, "--json", "--out", str(folder), "--", "-k", chosen],
            capture_output=True,
            text=True,
            timeout=500,
            cwd=folder,
            check=False,
            env={**os.environ, "PYTHONPATH": str(root())},
        )
    assert done.returncode in (0, 1), done.stderr
    run = folder / "runs" / json.loads(done.stdout)["run"]
    found: Findings = {path: [] for path in paths}
    for line in map(json.loads, (run / "evidence.jsonl").read_text().splitlines()):
        said = " ".join(str(line["detail"].get("message") or line["detail"].get("reason") or "").split())
        found.setdefault(line["subject"].rpartition(" ")[2], []).append((line["check"], line["outcome"], said))
    return found


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> Findings:
    """Of all answers; of more paths than a run asks for at once."""
    folder = tmp_path_factory.mktemp("findings")
    return ask([*SOUND, *ODD], folder) | ask(list(FAULTY), folder)


def test_what_is_sound_is_not_accused(findings: Findings) -> None:
    accused = {path: [one for one in findings[path] if one[1] not in ("pass", "skip", "measured")] for path in SOUND}
    assert {path: found for path, found in accused.items() if found} == {}


def test_what_is_faulty_is_named_by_one_finding(findings: Findings) -> None:
    named = {
        path: [(check, says in said) for check, outcome, said in findings[path] if outcome not in ("pass", "skip")]
        for path, (_, _, says) in FAULTY.items()
    }
    named = {path: [one for one in found if one[0] != "observatory.score"] for path, found in named.items()}
    expected = {path: [(check, True)] for path, (_, check, _) in FAULTY.items()}
    assert named == expected


def test_odd_text_crashes_nothing(findings: Findings) -> None:
    errors = {path: [one for one in findings[path] if one[1] == "error"] for path in ODD}
    assert {path: found for path, found in errors.items() if found} == {}
    assert all(findings[path] for path in ODD)


def test_what_is_demanded_of_documents_is_skipped_elsewhere(findings: Findings) -> None:
    outcomes = {check: (outcome, said) for check, outcome, said in findings["/json"]}
    assert {outcomes[check][0] for check in ("headers.frame", "headers.referrer", "csp.present")} == {"skip"}
    assert "as application/json, which is no document" in outcomes["headers.frame"][1]
    assert outcomes["headers.nosniff"][0] == "pass"
    assert {outcome for check, outcome, _ in findings["/redirect"] if check.startswith("headers.n")} == {"skip", "pass"}
    assert {outcome for check, outcome, _ in findings["/no-policy"] if check.startswith("csp.")} == {"skip", "fail"}


def test_each_page_is_graded_beside(findings: Findings) -> None:
    assert {outcome for check, outcome, _ in findings["/"] if check == "observatory.score"} == {"measured"}
