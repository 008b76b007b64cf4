"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write(path: Path, fill: Callable[[IO[bytes]], object], *, alone: bool = False) -> None:
    """Write a file beside its place and move it there, so a full disk or a crash leaves the old one.

    Args:
        path: The place.
        fill: What writes into the open file.
        alone: Whether nobody else writes this file. Then the one beside it always has the same name, and what a killed
            process left of it is written over.

    Raises:
        OSError: The folder is not there, or the file cannot be written into it.
    """
    try:
        if alone:
            name = str(path.with_name(f".{path.name}.part"))
            handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o600)
        else:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        # The name that a user knows, not that of the file beside it.
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            fill(file)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp hides its file from others; this one has the old file's mode, or the usual one.
        try:
            mode = path.stat().st_mode & 0o777
        except FileNotFoundError:
            mask = os.umask(0)
            os.umask(mask)
            mode = 0o666 & ~mask
        os.chmod(name, mode)
        os.replace(name, path)
    except BaseException:
        # Ctrl-C right behind the move finds it done.
        Path(name).unlink(missing_ok=True)
        raise
