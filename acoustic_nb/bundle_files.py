"""Bundle files: the folder, and the same as one zip, that a kept detector is; of the detector itself nothing is known here.

A bundle holds bundle.json, arrays.npz, MODEL_CARD.md, hashes.json and at most one of model.skops and weights.npz, and nothing
else. Nobody vouches for a bundle that comes from elsewhere: names, sizes and hashes are checked before anything is opened.
"""

import hashlib
import json
import os
import re
import shutil
import zipfile
from pathlib import Path

from acoustic_nb.archives import WAY_OUT, BundleError, check_size, is_pickle, read_zip, refuse_extra

CARD, HASHES = "MODEL_CARD.md", "hashes.json"
ALWAYS = ("bundle.json", "arrays.npz", CARD, HASHES)
MODELS = ("model.skops", "weights.npz")
KNOWN = (*ALWAYS, *MODELS)
MOST_HASHES_BYTES = 10_000


def write_bundle_files(folder, files):
    """Write a bundle as a folder and as ``<folder>.zip`` beside it, both or none; earlier ones are replaced.

    Parameters
    ----------
    folder : path
    files : dict
        ``{name: bytes}`` of all the parts but hashes.json, which is made here.

    Returns
    -------
    str
        The bundle's identity, see `read_bundle_files`.
    """
    folder = Path(folder)
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in sorted(files.items())}
    text = json.dumps({"format": 1, "sha256": hashes}, indent=2) + "\n"
    whole = {**files, HASHES: text.encode()}
    _check_parts(folder, whole)
    as_zip = folder.with_name(f"{folder.name}.zip")
    new, old, new_zip = (folder.with_name(f".{folder.name}.{os.getpid()}.{what}") for what in ("new", "old", "zip"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    try:
        new.mkdir(parents=True)
        for name, content in whole.items():
            (new / name).write_bytes(content)
        _write_zip(new_zip, whole)
        if folder.exists():
            os.replace(folder, old)
        try:
            os.replace(new, folder)
            os.replace(new_zip, as_zip)
        except OSError:
            shutil.rmtree(folder, ignore_errors=True)
            if old.exists():
                os.replace(old, folder)
            raise
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)
        new_zip.unlink(missing_ok=True)
    return _identity(hashes)


def read_bundle_files(path):
    """The parts of a bundle that is whole and unchanged; from a zip into memory, nothing is unpacked.

    Parameters
    ----------
    path : path
        Of the bundle's folder, its zip, or the folder that holds ``bundle/``.

    Returns
    -------
    files : dict
        ``{name: bytes}`` of all the parts but hashes.json.
    bundle_id : str
        SHA-256, in hexadecimal digits, of the hashes of all the parts but the card: what a person adds to the card
        leaves it as it is.

    Raises
    ------
    BundleError
        With the reason. Hashes tell of damage and of changes by people who do not care to write new ones; what is in the
        parts is not trusted for them.
    """
    path = Path(path).expanduser()
    try:
        path = _bundle_at(path)
        if path.is_dir():
            files = _read_folder(path)
        else:
            with path.open("rb") as file:
                files = read_zip(file, path, names="|".join(map(re.escape, KNOWN)), way_out="use the zip that the run has written")
        _check_parts(path, files)
        hashes = _read_hashes(path, files.pop(HASHES))
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); check the path and its permissions") from error
    for name in sorted(hashes.keys() | files.keys()):
        if name not in files:
            raise BundleError(f"{path}: {name} is missing, but {HASHES} lists it; {WAY_OUT}")
        if name not in hashes:
            raise BundleError(f"{path}: {name} is not listed in {HASHES}, so it was added later; {WAY_OUT}")
        if hashlib.sha256(files[name]).hexdigest() != hashes[name]:
            raise BundleError(f"{path}: {name} has changed since the bundle was written, its SHA-256 is not the one in {HASHES}; "
                              f"{WAY_OUT}")
    return files, _identity(hashes)


def replace_card(folder, text):
    """Put another model card into a bundle, folder and zip; returns the bundle's identity, which stays.

    Raises
    ------
    BundleError
        Where the bundle is not whole or is a zip; nothing is changed then.
    """
    files, _ = read_bundle_files(folder)
    folder = _bundle_at(Path(folder).expanduser())
    if not folder.is_dir():
        raise BundleError(f"{folder}: is a file, but a card is replaced in a bundle's folder, which writes the zip anew; name that")
    return write_bundle_files(folder, {**files, CARD: text.encode()})


def _bundle_at(path):
    """The folder or file that is meant by a path."""
    if not path.exists():
        raise BundleError(f"{path}: no such bundle; check the path (the current folder is {os.getcwd()})")
    if path.is_file():
        return path
    inside = sorted(each.name for each in path.iterdir()) if path.is_dir() else []
    if set(inside) & set(KNOWN):
        return path
    if (path / "bundle").is_dir():
        return path / "bundle"
    detectors = sorted(each.parent.name for each in path.glob("*/bundle") if each.is_dir())
    if detectors:
        raise BundleError(f"{path}: holds bundles of {', '.join(detectors)}; name one, such as {path / detectors[0] / 'bundle'}")
    raise BundleError(f"{path}: is no bundle but holds {', '.join(map(repr, inside[:5])) or 'nothing'}; a bundle is a folder with "
                      f"{', '.join(ALWAYS)}, or its zip; a run keeps one in each detector's folder")


def _read_folder(folder):
    """All the files of a bundle's folder; every name, kind and size is checked before the first is read."""
    paths = sorted(folder.iterdir())
    for path in paths:
        if path.is_symlink() or not path.is_file():
            what = "a link" if path.is_symlink() else "a folder" if path.is_dir() else "no plain file"
            raise BundleError(f"{folder}: {path.name!r} is {what}, but a bundle holds plain files only; {WAY_OUT}")
    check_size(folder, sum(path.stat().st_size for path in paths))
    for path in paths:
        if path.name not in KNOWN:
            with path.open("rb") as file:
                refuse_extra(folder, path.name, file.read(2))
    return {path.name: path.read_bytes() for path in paths}


def _check_parts(path, files):
    """Which parts there are, without a look into them beyond their first bytes."""
    for name in ALWAYS:
        if name not in files:
            raise BundleError(f"{path}: {name} is missing, a bundle holds {', '.join(ALWAYS)} and one model at most; {WAY_OUT}")
    if all(name in files for name in MODELS):
        raise BundleError(f"{path}: holds both {' and '.join(MODELS)}, but a bundle has one model at most; {WAY_OUT}")
    for name, content in files.items():
        if name not in KNOWN or is_pickle(content):
            refuse_extra(path, name, content)


def _read_hashes(path, content):
    """``{name: SHA-256}`` from hashes.json."""
    def refuse(what):
        raise BundleError(f"{path}: {HASHES} {what}; {WAY_OUT}")

    if len(content) > MOST_HASHES_BYTES:
        refuse(f"has {len(content)} bytes, but at most {MOST_HASHES_BYTES} are needed")
    try:
        said = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: {HASHES} is no JSON in UTF-8 ({error}); {WAY_OUT}") from error
    if not isinstance(said, dict) or said.keys() != {"format", "sha256"} or not isinstance(said["sha256"], dict):
        refuse("is not of the form {\"format\": 1, \"sha256\": {name: digits}}")
    if type(said["format"]) is not int or said["format"] != 1:
        refuse(f"has format {said['format']!r}, but this version reads format 1, so update acoustic-nb")
    for name, digits in said["sha256"].items():
        if name not in KNOWN or name == HASHES:
            refuse(f"lists {name!r}, which no bundle holds")
        if not isinstance(digits, str) or not re.fullmatch("[0-9a-f]{64}", digits):
            refuse(f"gives {name} something else than 64 hexadecimal digits")
    return said["sha256"]


def _identity(hashes):
    told = json.dumps({name: digits for name, digits in hashes.items() if name != CARD}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _write_zip(path, files):
    """Always the same zip for the same files."""
    with zipfile.ZipFile(path, "w") as entries:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name)  # dated 1980
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o644 << 16
            entries.writestr(entry, content)
