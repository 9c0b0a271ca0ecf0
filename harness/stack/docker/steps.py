"""Two things that are done to a container, and take more than one request."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.stack.readiness import wait_until

_PAUSE_SECONDS = 15.0


def pause(api: Any, container: str) -> None:  # noqa: ANN401 - docker-py has no types
    """Pause it, again and again where that fails: on a busy machine processes fork away from the kernel's freezer."""
    from docker.errors import APIError

    last: list[APIError] = []

    def ping() -> str | None:
        try:
            api.pause(container)
        except APIError as error:
            last[:] = [error]
            return str(error)
        return None

    if not wait_until(ping, lambda: None, _PAUSE_SECONDS).ready:
        raise last[0]


def archive_of(files: Mapping[str, bytes], folders: tuple[str, ...]) -> bytes:
    """A tar of files, of folders that are open to all, and of those above them; docker puts it over the root."""
    content = io.BytesIO()
    above = {str(folder): 0o755 for name in (*files, *folders) for folder in Path(name).parents[:-1]}
    with tarfile.open(fileobj=content, mode="w") as archive:
        for folder, mode in sorted({**above, **dict.fromkeys(folders, 0o1777)}.items()):
            entry = tarfile.TarInfo(folder.lstrip("/"))
            entry.type, entry.mode = tarfile.DIRTYPE, mode
            archive.addfile(entry)
        for name, data in files.items():
            entry = tarfile.TarInfo(name.lstrip("/"))
            entry.size, entry.mode = len(data), 0o444
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()
