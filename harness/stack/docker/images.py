"""The images of a Docker stack: those of its servers, and the service's, built anew only when its sources changed."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Literal

from harness.errors import StackError
from harness.model import Target
from harness.stack.docker.engine import DockerEngine, engine_errors, refusal

Part = Literal["postgres", "valkey", "python"]

OFFICIAL: dict[Part, str] = {"postgres": "postgres:18", "valkey": "valkey/valkey:9", "python": "python:3.11-slim"}
CONTEXT_LABEL = "harness.context"
"""Label of an image of a service: the digest of what it was built from."""
_OUTPUT_LINES = 20


def find_image(engine: DockerEngine, part: Part) -> str:
    """The image for a part of the stack.

    The environment variable HARNESS_IMAGE_<PART> names one; else the official image if it is here, else the one that
    `make images` builds, else the official one from its registry. Raises StackError if there is none.
    """
    named = os.environ.get(f"HARNESS_IMAGE_{part.upper()}")
    if named:
        return _here_or_pulled(engine, named, f"HARNESS_IMAGE_{part.upper()}")
    local = f"harness/{part}:local"
    for name in (OFFICIAL[part], local):
        if _image_id(engine, name) is not None:
            return name
    why = _try_pull(engine, OFFICIAL[part])
    if why is not None:
        raise StackError(
            f"no image for {part}: neither {OFFICIAL[part]} nor {local} is here, and the registry says: {why}; "
            f"run `make images`, or load one by `docker load`"
        )
    return OFFICIAL[part]


def service_image(engine: DockerEngine, target: Target) -> tuple[str, str]:
    """Name or id to start the service from, and its id. Raises StackError if it cannot be had."""
    service = target.service
    if service.image:
        name = _here_or_pulled(engine, service.image, "service.image")
        return name, _known_id(engine, name)
    context, dockerfile = Path(service.cwd), service.dockerfile
    base = find_image(engine, "python") if _takes_base(context / dockerfile) else ""
    digest = context_digest(context, dockerfile, _known_id(engine, base) if base else "")
    with engine_errors("looking for the service's image"):
        found = engine.client.images.list(filters={"label": f"{CONTEXT_LABEL}={digest}"})
    image = str(found[0].id) if found else _build(engine, target, base, digest)
    return image, image


def context_digest(context: Path, dockerfile: str, base: str) -> str:
    """Digest of a build's files (without what .dockerignore leaves out), their modes, and the base image's id."""
    from docker.utils.build import exclude_paths

    ignore = context / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    digest = hashlib.sha256(f"{dockerfile}\0{base}".encode())
    for name in sorted(exclude_paths(str(context), patterns, dockerfile=dockerfile)):
        path = context / name
        if path.is_file():
            runs = bool(path.stat().st_mode & 0o100)
            digest.update(f"\0{name}\0{runs}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _takes_base(dockerfile: Path) -> bool:
    try:
        return re.search(r"^ARG\s+BASE\b", dockerfile.read_text(encoding="utf-8"), re.MULTILINE) is not None
    except OSError as error:
        raise StackError(f"{dockerfile}: {error.strerror}; correct service.dockerfile in the profile") from error


def _build(engine: DockerEngine, target: Target, base: str, digest: str) -> str:
    service = target.service
    name = re.sub(r"[^a-z0-9]+", "-", target.name.lower()).strip("-") or "service"
    tag, output, failure = f"harness/{name}:built", "", ""
    with engine_errors(f"building {target.name} from {service.dockerfile}"):
        steps = engine.client.api.build(
            path=service.cwd,
            dockerfile=service.dockerfile,
            tag=tag,
            labels={CONTEXT_LABEL: digest},
            buildargs={"BASE": base} if base else {},
            rm=True,
            forcerm=True,
            decode=True,
        )
        for step in steps:
            output += step.get("stream", "")
            # read to the end also then: an answer that is left unread keeps its connection open
            failure = failure or " ".join(step.get("error", "").split())[:200]
    if failure:
        raise StackError(
            f"building {target.name} from {service.dockerfile} failed: {failure}; "
            "where a build reaches no package index, `make images` builds it from wheels",
            output="\n".join(output.splitlines()[-_OUTPUT_LINES:]),
        )
    return _known_id(engine, tag)


def _here_or_pulled(engine: DockerEngine, name: str, where: str) -> str:
    if _image_id(engine, name) is None:
        why = _try_pull(engine, name)
        if why is not None:
            raise StackError(f"{where}: image {name} is not here, and the registry says: {why}; build or load it")
    return name


def _known_id(engine: DockerEngine, name: str) -> str:
    """Id of an image that was just found or built here. Raises StackError if somebody removed it meanwhile."""
    found = _image_id(engine, name)
    if found is None:
        raise StackError(f"image {name} was removed while the stack started; start it again")
    return found


def _image_id(engine: DockerEngine, name: str) -> str | None:
    """Its id; None if it is not on this machine."""
    from docker.errors import ImageNotFound

    with engine_errors(f"looking for image {name}"):
        try:
            return str(engine.client.images.get(name).id)
        except ImageNotFound:
            return None


def _try_pull(engine: DockerEngine, name: str) -> str | None:
    """Get an image from its registry; returns why that failed, None if it did not."""
    from docker.errors import APIError

    with engine_errors(f"getting image {name}"):
        try:
            engine.client.images.pull(name)
        except APIError as error:
            return refusal(error)
        return None
