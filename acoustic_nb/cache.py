"""Cache: arrays that are computed once and shared by all notebooks, runs and processes of a user.

One folder, one ``.npz`` file per entry, which appears whole or not at all. Of several processes that ask for the same entry at once
one computes it and the others wait. When the folder grows beyond its limit, the entries that have not been used for longest go.
"""

import hashlib
import os
import zipfile
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np

from acoustic_nb.progress import progress_bar

FOLDER_VARIABLE, LIMIT_VARIABLE = "ACOUSTIC_NB_CACHE", "ACOUSTIC_NB_CACHE_MB"
LIMIT_MB = 2000.0
TRIMMED_SHARE, UNCHECKED_SHARE = 0.9, 0.05
_unchecked = {}  # folder -> bytes that this process has written since it last looked at the folder's size


def cache_folder():
    """Where the entries are: ``ACOUSTIC_NB_CACHE``, or a folder of the user's that the system has for caches."""
    from platformdirs import user_cache_path

    return Path(os.environ.get(FOLDER_VARIABLE) or user_cache_path("acoustic_nb", appauthor=False))


def cache_limit_bytes():
    """How large the folder may grow: ``ACOUSTIC_NB_CACHE_MB``, 2000 MB by default; a ValueError where that is no size."""
    given = os.environ.get(LIMIT_VARIABLE) or LIMIT_MB
    with suppress(ValueError):
        if 0 < float(given) < np.inf:
            return int(float(given) * 1e6)
    raise ValueError(f"{LIMIT_VARIABLE} = {given}: is the largest size of the cache in MB, a number above 0; change it or unset it")


def entry_key(recordings, settings, made_by):
    """What an entry is called: 24 hexadecimal digits that change with everything its arrays depend on.

    Parameters
    ----------
    recordings : list of Recording
        Known by their content and rate, not by their names.
    settings : dict
        All else that the arrays depend on, as values whose ``repr`` says everything.
    made_by : sequence of str
        Modules of this package whose source makes the arrays. The versions of the libraries that they use count too.
    """
    heard = [f"{recording.audit['content']}|{recording.sample_rate}" for recording in recordings]
    parts = (*heard, repr(sorted(settings.items())), *map(_source_sha256, made_by), _library_versions())
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def stored(name, compute, folder=None):
    """The arrays of an entry, from the cache where they are there, else computed, and kept for all who ask later.

    Parameters
    ----------
    name : str
        Of the file, without its ending; ends with what ``entry_key`` returns.
    compute : callable
        ``compute()`` returns ``{array name: ndarray}``. It is not called where another process is at it, or was.
    folder : path, optional
        ``cache_folder()`` by default; made if missing.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ValueError
        If the cache's limit is no size.
    OSError
        If the folder cannot be written to.
    """
    folder = Path(folder) if folder else cache_folder()
    limit_bytes = cache_limit_bytes()
    path = folder / f"{name}.npz"
    arrays = _read(path)
    if arrays is None:
        try:
            with _alone(folder, name):
                arrays = _read(path)  # by the one who was waited for
                if arrays is None:
                    arrays = compute()
                    _write(path, arrays)
        except PermissionError as error:
            raise PermissionError(f"{error.filename or folder}: may not be written by this user, and computed features are kept "
                                  f"there; name another folder with {FOLDER_VARIABLE}") from error
        _check_size(folder, path, limit_bytes)
    return arrays


def entries(folder=None):
    """What the cache holds, the entry that was not used for longest first.

    Returns
    -------
    list of (Path, int, float)
        File, its size in bytes, and when it was last used, in seconds since 1970.
    """
    found = []
    for path in (Path(folder) if folder else cache_folder()).glob("*.npz"):
        with suppress(FileNotFoundError):  # another process has just removed it
            state = path.stat()
            found.append((path, state.st_size, state.st_mtime))
    return sorted(found, key=lambda entry: entry[2])


def clear(folder=None):
    """Remove all entries, and what killed processes left half written; returns how many entries and bytes have gone.

    Processes that work with the cache at this moment compute again what they still need.
    """
    folder = Path(folder) if folder else cache_folder()
    removed = _remove(entries(folder))
    for draft in folder.glob("*.part"):
        draft.unlink(missing_ok=True)
    return removed


def _read(path):
    """The arrays of a file; None where it is missing or damaged, so that it is computed anew."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        os.utime(path)
    except (FileNotFoundError, zipfile.BadZipFile, ValueError, EOFError):
        return None
    return arrays


def _write(path, arrays):
    draft = path.with_suffix(".part")  # only who holds the lock writes it, and a killed process's is written over
    try:
        with open(draft, "wb") as file:
            np.savez(file, **arrays)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


@contextmanager
def _alone(folder, name):
    """Keep other processes from computing the same; the lock ends with the process that holds it, however that ends."""
    from filelock import FileLock, Timeout

    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{name[-2:]}.lock")  # a few hundred locks serve any number of entries
    with progress_bar(desc="waiting for another process that computes the same", unit=" s") as bar:
        while not lock.is_locked:
            try:
                lock.acquire(timeout=1)
            except Timeout:
                bar.update()
    try:
        yield
    finally:
        lock.release()


def _check_size(folder, path, limit_bytes):
    """Remove what was not used for longest where the folder is too large; looked at now and then, since it may hold many files."""
    unchecked = _unchecked.get(folder, limit_bytes) + path.stat().st_size
    if unchecked > UNCHECKED_SHARE * limit_bytes:
        unchecked, found = 0, entries(folder)
        size, leaving = sum(entry[1] for entry in found), []
        if size > limit_bytes:
            for entry in found:
                if size <= TRIMMED_SHARE * limit_bytes:
                    break
                size -= entry[1]
                leaving.append(entry)
        _remove(leaving)
    _unchecked[folder] = unchecked


def _remove(leaving):
    for path, _, _ in leaving:
        path.unlink(missing_ok=True)
    return len(leaving), sum(entry[1] for entry in leaving)


@lru_cache
def _source_sha256(module):
    return hashlib.sha256(Path(__file__).with_name(f"{module}.py").read_bytes()).hexdigest()


@lru_cache
def _library_versions():
    return " ".join(f"{library} {metadata.version(library)}" for library in ("librosa", "numpy", "scipy", "soxr"))
