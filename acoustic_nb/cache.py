"""Cache: arrays that are computed once and shared by all notebooks, runs and processes of a user.

One folder, one ``.npz`` file per entry, which appears whole or not at all and ends with the SHA-256 of what is before it. Of many
processes that ask for the same entry at once one computes it and the others wait. When the folder has grown beyond its limit, the
entries that have not been used for longest go, but never the one just written. Each process looks at the size now and then: what it
has written since may exceed the limit by a twentieth.
"""

import hashlib
import io
import os
import time
from contextlib import contextmanager, suppress
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np

from acoustic_nb.progress import progress_bar

FOLDER_VARIABLE, LIMIT_VARIABLE = "ACOUSTIC_NB_CACHE", "ACOUSTIC_NB_CACHE_MB"
LIMIT_MB = 2000.0
TRIMMED_SHARE, UNCHECKED_SHARE = 0.9, 0.05
KEY_DIGITS = 24
OURS = "*" + KEY_DIGITS * "[0-9a-f]"  # a folder of the user's may hold other files, which are not ours to remove
DIGEST_BYTES = 32
REPLACE_S = 5.0
WINDOWS = os.name == "nt"
_unchecked = {}  # folder -> bytes that this process has written since it last looked at the folder's size


def cache_folder():
    """Where the entries are: ``ACOUSTIC_NB_CACHE``, or a folder of the user's that the system has for caches.

    A ValueError where that is no absolute path.
    """
    from platformdirs import user_cache_path

    given = os.environ.get(FOLDER_VARIABLE)
    folder = Path(given).expanduser() if given else user_cache_path("acoustic_nb", appauthor=False)
    if not folder.is_absolute():
        raise ValueError(f"{FOLDER_VARIABLE} = {given}: must be an absolute path, since a notebook runs in a folder of its own; "
                         f"for example {folder.absolute()}")
    return folder


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

    Raises
    ------
    ValueError
        If a file is no longer the one that was listened to: its arrays would be kept under the content that it had.
    """
    for recording in recordings:
        _check_unchanged(recording)
    heard = [f"{recording.audit['content']}|{recording.sample_rate}" for recording in recordings]
    parts = (*heard, repr(sorted(settings.items())), *map(_source_sha256, made_by), _library_versions())
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:KEY_DIGITS]


def stored(name, compute, folder=None):
    """The arrays of an entry, from the cache where they are there, else computed, and kept for all who ask later.

    Parameters
    ----------
    name : str
        Of the file, without its ending; ends with what ``entry_key`` returns.
    compute : callable
        ``compute()`` returns ``{array name: ndarray}`` and asks for no other entry. It is not called where another process is at
        it, or was.
    folder : path, optional
        ``cache_folder()`` by default; made if missing.

    Returns
    -------
    dict of ndarray

    Raises
    ------
    ValueError
        If the cache's limit is no size, or its folder no absolute path.
    OSError
        If an entry must be written and cannot be.
    """
    folder = Path(folder) if folder else cache_folder()
    limit_bytes = cache_limit_bytes()
    path = folder / f"{name}.npz"
    arrays = _read(path)
    if arrays is None:
        n_bytes = 0
        with _alone(folder, name):
            arrays = _read(path)  # by the one who was waited for
            if arrays is None:
                arrays = compute()
                n_bytes = _write(path, arrays)
        _make_room(folder, path, n_bytes, limit_bytes)
    return arrays


def entries(folder=None):
    """What the cache holds, the entry that was not used for longest first.

    Returns
    -------
    list of (Path, int, float)
        File, its size in bytes, and when it was last used, in seconds since 1970.
    """
    folder, found = Path(folder) if folder else cache_folder(), []
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file, not a folder for the cache; name another one with {FOLDER_VARIABLE}")
    for path in folder.glob(f"{OURS}.npz"):
        with suppress(FileNotFoundError):  # another process has just removed it
            state = path.stat()
            found.append((path, state.st_size, state.st_mtime))
    return sorted(found, key=lambda entry: entry[2])


def clear(folder=None):
    """Remove all entries, and what killed processes left half written; returns how many entries and bytes have gone.

    Processes that work with the cache at this moment compute again what they still need. An OSError where an entry may not be
    removed, or on Windows is being read.
    """
    folder = Path(folder) if folder else cache_folder()
    found = entries(folder)
    for path, _, _ in found:
        path.unlink(missing_ok=True)
    _remove_left_drafts(folder)
    return len(found), sum(size for _, size, _ in found)


def _check_unchanged(recording):
    """Of a file that is gone nothing can be computed any more, and what was computed of it stays right."""
    heard = recording.audit
    if "modified_ns" in heard and os.path.exists(recording.path):
        state = os.stat(recording.path)
        if (state.st_size, state.st_mtime_ns) != (heard["bytes"], heard["modified_ns"]):
            raise ValueError(f"{recording.path}: was changed after it was listened to; load it again, or run the notebook from its "
                             "first cell")


def _read(path):
    """The arrays of a file; None where it is missing or damaged, so that it is computed anew."""
    with _explained(path.parent):
        try:
            content = path.read_bytes()
        except (FileNotFoundError, PermissionError):  # Windows calls a file that is being removed not permitted
            return None
    if hashlib.sha256(memoryview(content)[:-DIGEST_BYTES]).digest() != content[-DIGEST_BYTES:]:
        return None
    with suppress(OSError):  # gone since, or in a folder that can only be read
        os.utime(path)
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        return dict(file)


def _write(path, arrays):
    """Write a file in one step, so that nobody finds half of it; returns its size in bytes. Whoever calls holds the lock."""
    file = io.BytesIO()
    np.savez(file, **arrays)
    content = file.getvalue()
    draft = path.with_suffix(".part")  # that of a killed process is written over
    with _explained(path.parent):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)  # it may have been removed meanwhile
            draft.write_bytes(content + hashlib.sha256(content).digest())
            _replace(draft, path)
        except BaseException:
            with suppress(OSError):  # what went wrong first is what is said
                draft.unlink()
            raise
    return len(content) + DIGEST_BYTES


def _replace(draft, path):
    """Give the draft its name; on Windows that has to wait while a damaged file of that name is being read."""
    give_up = time.monotonic() + REPLACE_S
    while True:
        try:
            return os.replace(draft, path)
        except PermissionError:
            if not WINDOWS or time.monotonic() > give_up:
                raise
        time.sleep(0.02)


@contextmanager
def _alone(folder, name):
    """Keep other processes from computing the same; the lock ends with the process that holds it, however that ends."""
    from filelock import Timeout

    with _explained(folder):
        lock = _lock(folder, name)
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


def _lock(folder, name):
    from filelock import FileLock

    locks = folder / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    return FileLock(locks / f"{name[-3:]}.lock")  # a few thousand locks, most of them never made, serve any number of entries


@contextmanager
def _explained(folder):
    """What the system says against the folder, with the way out."""
    try:
        yield
    except OSError as error:
        raise type(error)(f"{folder}: cannot be used as the cache ({error.strerror or error}); mend that, or name another folder "
                          f"with {FOLDER_VARIABLE}") from error


def _make_room(folder, written, n_bytes, limit_bytes):
    """Remove what was not used for longest where the folder is too large, but not what was just written.

    The folder may hold many files, so it is looked at when this process begins to write, and after every twentieth of the limit.
    """
    unchecked = _unchecked.get(folder, limit_bytes) + n_bytes
    if unchecked > UNCHECKED_SHARE * limit_bytes:
        unchecked, found = 0, entries(folder)
        size = sum(entry[1] for entry in found)
        aim = TRIMMED_SHARE * limit_bytes if size > limit_bytes else size
        for path, entry_bytes, _ in found:
            if size > aim and path != written:
                with suppress(PermissionError):  # another user's, or on Windows being read: it stays
                    path.unlink(missing_ok=True)
                    size -= entry_bytes
        _remove_left_drafts(folder)
    _unchecked[folder] = unchecked


def _remove_left_drafts(folder):
    """Remove what killed processes left half written; what is being written is locked, and stays."""
    from filelock import Timeout

    for draft in folder.glob(f"{OURS}.part"):
        lock = _lock(folder, draft.stem)
        with suppress(Timeout), lock.acquire(timeout=0):
            draft.unlink(missing_ok=True)


@lru_cache
def _source_sha256(module):
    return hashlib.sha256(Path(__file__).with_name(f"{module}.py").read_bytes()).hexdigest()


@lru_cache
def _library_versions():
    return " ".join(f"{library} {metadata.version(library)}" for library in ("librosa", "numba", "numpy", "scipy", "soxr"))
