"""Keeping C libraries quiet: some write to file descriptor 2 whatever their settings, into the middle of a report."""

import os
from contextlib import contextmanager


@contextmanager
def quiet_stderr():
    """Send what the process writes to file descriptor 2 to nowhere; Python exceptions are not affected."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
