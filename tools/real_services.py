"""Gates services that nobody here wrote: installs them, starts each, gates it by its URL alone, and writes a table.

    python -m tools.real_services --home /tmp/real [--drafted] [--out table.md] [--keep-runs DIR] [NAME …]

The services stand in `real_services.toml`. Packages of PyPI, npm and Debian go below --home and need no root. It is no
part of CI: what it installs changes from day to day, and each failing check wants to be looked at by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from harness.stack.ports import free_port

_LIST = Path(__file__).with_suffix(".toml")
_READY_S = 60
_MOST_S = 90
"""What a gate of a bare address may take."""
_PAGE = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Kettles</title></head>'
    "<body><main><h1>Kettles</h1><p>All boil.</p></main></body></html>\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service: the packages that bring it, its files, what makes its data, and what starts it."""

    name: str
    command: list[str]
    pypi: list[str] = field(default_factory=list)
    npm: list[str] = field(default_factory=list)
    debian: list[str] = field(default_factory=list)
    first: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gated:
    """What the gate said of a service, or why it could not be asked."""

    name: str
    verdict: str
    seconds: float
    cpu_s: float = 0.0
    checks: int = 0
    failing: tuple[str, ...] = ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Gate the services that are named, else all; 1 if one could not be gated in time."""
    parser = argparse.ArgumentParser(description="Gate services that nobody here wrote.")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--home", type=Path, required=True, help="where packages are installed and kept")
    parser.add_argument("--out", type=Path, help="the table (default: standard output)")
    parser.add_argument("--keep-runs", type=Path, help="where the runs stay (default: nowhere)")
    parser.add_argument("--drafted", action="store_true", help="gate by the profile that `harness init` drafts")
    parser.add_argument("--without", metavar="SUITE", help="leave a suite out, such as load")
    given = parser.parse_args(arguments)
    services = [Service(**entry) for entry in tomllib.loads(_LIST.read_text(encoding="utf-8"))["service"]]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended then too
    wanted = [one for one in services if not given.names or one.name in given.names]
    words = ["--without", given.without] if given.without else []
    with tempfile.TemporaryDirectory(prefix="real-services-") as scratch:
        folder = Path(scratch)
        folder.chmod(0o755)  # servers that were started by root read it as nobody
        runs = (given.keep_runs or folder) / "runs"
        gated = [_gated(one, given.home.resolve(), folder, runs, words, drafted=given.drafted) for one in wanted]
    text = table(gated)
    if given.out:
        given.out.write_text(text, encoding="utf-8")
    else:
        print(text)
    return int(any(one.verdict not in ("GO", "NO-GO", "INCONCLUSIVE") or one.seconds > _MOST_S for one in gated))


def table(gated: Sequence[Gated]) -> str:
    """The services as Markdown: verdict, seconds and counts, then what failed of each."""
    lines = ["| service | verdict | seconds | of the CPU | checks | failing |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one.name} | {one.verdict} | {one.seconds:.0f} | {one.cpu_s:.0f} | {one.checks} | {len(one.failing)} |"
        for one in gated
    ]
    for one in gated:
        lines += ["", f"## {one.name}", "", *(f"- {failure}" for failure in one.failing or ("nothing fails",))]
    return "\n".join(lines) + "\n"


def _gated(service: Service, home: Path, folder: Path, runs: Path, words: Sequence[str], *, drafted: bool) -> Gated:
    print(f"{service.name} …", file=sys.stderr, flush=True)
    try:
        _install(service, home)
        with _running(service, home, folder / service.name) as url:
            return _gate(service.name, url, runs / service.name, words, drafted=drafted)
    except (subprocess.CalledProcessError, TimeoutError, OSError) as error:
        return Gated(service.name, f"not gated: {error}", 0)


def _install(service: Service, home: Path) -> None:
    home.mkdir(parents=True, exist_ok=True)
    if service.pypi:
        python = home / "python"
        if not python.exists():
            _run(sys.executable, "-m", "venv", str(python), cwd=home)
        _run(str(python / "bin/pip"), "install", "--quiet", *service.pypi, cwd=home)
    # each into a tree of its own: packages of one tree bind each other's versions
    for package in service.npm:
        tree = home / "npm" / service.name
        if not (tree / "node_modules").is_dir():
            tree.mkdir(parents=True, exist_ok=True)
            _run("npm", "install", "--silent", "--no-fund", "--no-audit", "--prefix", str(tree), package, cwd=tree)
    for package in service.debian:
        if not list(home.glob(f"{package}_*.deb")):
            _run("apt-get", "download", package, cwd=home)
        for archive in home.glob(f"{package}_*.deb"):
            _run("dpkg-deb", "--extract", archive.name, ".", cwd=home)


def _run(*words: str, cwd: Path) -> None:
    subprocess.run(words, cwd=cwd, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


@contextmanager
def _running(service: Service, home: Path, data: Path) -> Iterator[str]:
    """The service's address while it runs."""
    port = free_port()

    def filled(text: str) -> str:
        return text.replace("@HOME@", str(home)).replace("@DATA@", str(data)).replace("@PORT@", str(port))

    for name, text in {"site/index.html": _PAGE, **service.files}.items():
        (data / name).parent.mkdir(parents=True, exist_ok=True)
        (data / name).write_text(filled(text), encoding="utf-8")
    if service.first:
        _run(*map(filled, service.first), cwd=data)
    environment = {**os.environ, "LD_LIBRARY_PATH": f"{home}/usr/lib/{os.uname().machine}-linux-gnu", "HOME": str(data)}
    with (data / "log").open("wb") as log:
        command = [filled(word) for word in service.command]
        process = subprocess.Popen(
            command, cwd=data, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, process_group=0
        )
        try:
            url = f"http://127.0.0.1:{port}"
            _await(url, process, data / "log")
            yield url
        finally:
            _end(process)


def _await(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _READY_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"nothing answers at {url}: {log.read_text(errors='replace')[-300:]}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """The whole group: servers have workers."""
    for ending in (15, 9):
        if process.poll() is None:
            os.killpg(process.pid, ending)
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                continue


def _gate(name: str, url: str, out: Path, words: Sequence[str], *, drafted: bool) -> Gated:
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    begun, spent = time.monotonic(), _cpu_s()
    chosen = ["--url", url]
    if drafted:
        chosen = ["--target", str(out / "profile.toml")]
        init = [sys.executable, "-m", "harness", "init", url, "--out", str(out / "profile.toml")]
        drawn = subprocess.run(init, capture_output=True, text=True, check=False)
        if drawn.returncode:
            return Gated(name, f"init, exit {drawn.returncode}: {drawn.stderr[-300:]}", time.monotonic() - begun)
    command = [sys.executable, "-m", "harness", "gate", *chosen, "--out", str(out), *words]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds, cpu_s = time.monotonic() - begun, _cpu_s() - spent
    verdict = out / "latest" / "verdict.json"
    if not verdict.exists():
        said = " ".join(ended.stderr.splitlines()[-3:])
        return Gated(name, f"exit {ended.returncode}: {said}", seconds, cpu_s)
    lines = (out / "latest" / "evidence.jsonl").read_text(encoding="utf-8").splitlines()
    evidence = [json.loads(line) for line in lines]
    return Gated(
        name,
        json.loads(verdict.read_text(encoding="utf-8"))["verdict"],
        seconds,
        cpu_s,
        sum(line["outcome"] in ("pass", "fail", "error") for line in evidence),
        tuple(
            f"{line['check']} ({line['detail'].get('severity', line['outcome'])}), {line['subject']}:"
            f" {line['detail'].get('message', '')}"
            for line in evidence
            if line["outcome"] in ("fail", "error")
        ),
    )


def _cpu_s() -> float:
    """What all children that have ended took, and theirs: a busy machine stretches the seconds, not this."""
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


if __name__ == "__main__":
    sys.exit(main())
