"""Files of a run, read and written as what they are: data that somebody else may have put there.

A run is copied, archived and fetched from CI; whoever could write to it may have left a link, a pipe or a file without
end. Nothing is written through a link, nothing is read through one, and what is read has a size.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from io import BufferedReader
from pathlib import Path

from harness.errors import BrokenRunError

MOST_BYTES = 512 * 2**20
"""Bytes of one file of a run that are read."""


def is_regular(path: Path) -> bool:
    """Is it a file, no link to one, in a folder that is no link?"""
    try:
        return stat.S_ISREG(path.lstat().st_mode) and not stat.S_ISLNK(path.parent.lstat().st_mode)
    except OSError:
        return False


def is_plain(path: Path) -> bool:
    """Is it a file or a folder, and no link, pipe or device?"""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return True
    return stat.S_ISREG(mode) or stat.S_ISDIR(mode)


def open_regular(path: Path) -> BufferedReader:
    """A file, open to be read. Raises `FileNotFoundError` if there is none, `BrokenRunError` for what is no file."""
    folder = _folder(path.parent)
    try:
        descriptor = os.open(path.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BrokenRunError(f"{path}: {_why(error)}") from None
    finally:
        os.close(folder)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise BrokenRunError(f"{path}: is no file; a run holds files and folders alone")
    return os.fdopen(descriptor, "rb")


def read_regular(path: Path, most: int = MOST_BYTES) -> bytes:
    """What a file holds. Raises as `open_regular`, and `BrokenRunError` for more than `most` bytes."""
    with open_regular(path) as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise BrokenRunError(f"{path}: is larger than {most // 2**20} MiB; a run's files are not")
    return data


def replace_file(path: Path, data: bytes) -> None:
    """Replace the file's content in one step; a draft beside it is renamed over it. What was a link is one no more.

    Raises `BrokenRunError` where the folder is a link, and `OSError` where nothing can be written.
    """
    folder = _folder(path.parent)
    draft = f".{path.name[:200]}.{secrets.token_hex(4)}"
    try:
        descriptor = os.open(
            draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder
        )
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
            os.rename(draft, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(draft, dir_fd=folder)
            raise
    except OSError as error:
        # the system names what it was given, and that is relative here
        error.filename = str(path)
        raise
    finally:
        os.close(folder)


def make_folder(path: Path) -> Path:
    """A folder of the run, made if it is not there. Raises `BrokenRunError` where a link or a file is in its place."""
    path.mkdir(exist_ok=True)
    os.close(_folder(path))
    return path


def _folder(path: Path) -> int:
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise BrokenRunError(f"{path}: {_why(error)}") from None


def _why(error: OSError) -> str:
    if error.errno in (errno.ELOOP, errno.ENOTDIR):
        return "is a link; what it leads to is no part of the run"
    return f"cannot be read ({error.strerror})"
