"""Files that are there whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write(path: Path, fill: Callable[[IO[bytes]], object]) -> None:
    """Write a file beside its place and move it there, so a full disk or a crash leaves the old one.

    Args:
        path: The place.
        fill: What writes into the open file.

    Raises:
        OSError: The folder is not there, or the file cannot be written into it.
    """
    try:
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
