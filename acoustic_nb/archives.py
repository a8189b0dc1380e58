"""Archives: zip files and arrays that somebody may have sent, read in memory, whole or not at all, nothing in them executed."""

import copy
import io
import math
import re
import stat
import zipfile
import zlib

import numpy as np

MOST_BYTES = 500_000_000
WAY_OUT = "take another copy of it, or run the detector again"


class BundleError(ValueError):
    """A bundle, or a part of one, that is refused: one line with the path, what is wrong, the rule and the way out."""


def read_zip(source, path, *, names, way_out=WAY_OUT):
    """All the files of a zip, in memory; every name and size is checked before the first is read.

    Parameters
    ----------
    source : binary file
    path : path or str
        What the zip is, for messages.
    names : str
        Regular expression of the names that a file may have; all lie at the top.
    way_out : str
        For messages.

    Returns
    -------
    dict
        ``{name: bytes}``.
    """
    try:
        with zipfile.ZipFile(source) as entries:
            _check_entries(entries, path, names, way_out)
            return {entry.filename: _read_entry(entries, entry, path) for entry in entries.infolist()}
    except BundleError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        what = " ".join(str(error).split())[:200] or type(error).__name__
        raise BundleError(f"{path}: is no zip, or a damaged or cut one ({what}); {WAY_OUT}") from error


def _check_entries(entries, path, names, way_out):
    """Refuse a zip for what its table of contents says."""
    seen, n_bytes = set(), 0
    for entry in entries.infolist():
        name = entry.orig_filename
        reasons = {
            "is an absolute path": name.startswith(("/", "\\")) or re.match("[A-Za-z]:", name),
            "climbs out of the zip": ".." in re.split(r"[/\\]", name),
            "has a backslash in its name": "\\" in name,
            "is or lies in a folder": "/" in name,
            "is a link": stat.S_ISLNK(entry.external_attr >> 16),
            "is encrypted": entry.flag_bits & 0x1,
            "is there twice": name in seen,
            "is packed in an unusual way": entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED),
        }
        for reason in (reason for reason, applies in reasons.items() if applies):
            raise BundleError(f"{path}: {name!r} {reason}, but its files lie at the top, plain and each once; {way_out}")
        seen.add(name)
        n_bytes += entry.file_size
    check_size(path, n_bytes)
    for entry in entries.infolist():
        if not re.fullmatch(names, entry.orig_filename):
            with entries.open(entry) as file:
                refuse_extra(path, entry.orig_filename, file.read(2))


def _read_entry(entries, entry, path):
    """One file of a zip; it may not hold more than its entry says."""
    asked = copy.copy(entry)
    asked.file_size += 1  # else zipfile stops where the entry says, and whatever follows goes unseen
    with entries.open(asked) as file:
        content = file.read(asked.file_size)
    if len(content) != entry.file_size:
        raise BundleError(f"{path}: {entry.filename} holds more or less than the {entry.file_size} bytes that the zip says, "
                          f"so it is damaged or a trap; {WAY_OUT}")
    return content


def check_size(path, n_bytes):
    """Refuse what is larger than anything that belongs here."""
    if n_bytes > MOST_BYTES:
        raise BundleError(f"{path}: its files have {n_bytes / 1e6:.0f} MB, but at most {MOST_BYTES / 1e6:.0f} MB are opened; "
                          f"{WAY_OUT}")


def refuse_extra(path, name, head):
    """Refuse a file that does not belong, by its name and its first bytes."""
    if is_pickle(head) or name.lower().endswith((".pkl", ".pickle", ".joblib")):
        raise BundleError(f"{path}: {name!r} is a pickle, which runs code when it is opened; no bundle holds one, do not open it")
    raise BundleError(f"{path}: {name!r} does not belong to it, it holds only known files; delete it there if it is your own")


def is_pickle(content):
    """Whether it begins as a pickle of protocol 2 to 5 does; nothing that belongs to a bundle begins so."""
    return content[:1] == b"\x80" and content[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")


def write_npz(arrays):
    """``{name: numeric array}`` as the bytes of an .npz file, always the same for the same arrays."""
    for name, array in arrays.items():
        if array.dtype.kind not in "biuf" or not re.fullmatch(r"\w[\w.]*", name):
            raise ValueError(f"array {name!r} of {array.dtype} cannot be kept; numbers or bools are, under a name of letters")
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()


def read_npz(content, path):
    """``{name: ndarray}`` from the bytes of an .npz file of numeric arrays; ``path`` says in messages what it is.

    Raises
    ------
    BundleError
        One line, where it is none, or holds anything else; nothing in it is executed.
    """
    entries = read_zip(io.BytesIO(content), path, names=r"\w[\w.]*\.npy")
    return {name.removesuffix(".npy"): read_npy(entry, f"{path}, {name}") for name, entry in entries.items()}


def read_npy(content, where):
    """One numeric array; its size is checked before memory is asked for it."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        if version != (1, 0):
            raise ValueError(f"version {version} of the format, expected (1, 0)")
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if dtype.hasobject:
            raise BundleError(f"{where}: holds Python objects (a pickle), which run code when they are opened; do not open it")
        if dtype.kind not in "biuf":
            raise BundleError(f"{where}: holds {dtype}, but only numbers belong there; {WAY_OUT}")
        if math.prod(shape) * dtype.itemsize != len(content) - file.tell() or min(shape, default=0) < 0:
            raise ValueError(f"shape {shape} does not fit its {len(content)} bytes")
        return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
    except BundleError:
        raise
    except Exception as error:  # numpy reads the header as Python text: anything may be wrong with it
        raise BundleError(f"{where}: is no array, or a damaged or cut one ({one_line(error)}); {WAY_OUT}") from error


def one_line(error):
    """What an exception says, in one line that is not too long."""
    return " ".join(str(error).split())[:200]
