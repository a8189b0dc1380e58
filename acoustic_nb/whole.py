"""Whole files: a text that is written is either all there or not there at all."""

import os
from pathlib import Path


def write_whole(path, text):
    """The text as a UTF-8 file that is either the old or the new one, never half of it; returns its path.

    Folders that are missing are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_bytes(text.encode("utf-8", "replace"))
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
