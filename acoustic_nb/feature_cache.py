"""Feature cache: features of a recording are computed once and shared by all notebooks of a run.

One ``.npz`` file per recording, an entry, known by the audio's content, the settings and the source of ``features.py``: a
change of any of them computes anew. The file appears whole or not at all.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from acoustic_nb import features
from acoustic_nb.features import extract_features, join, window_table
from acoustic_nb.progress import progress_bar


def cached_features(recordings, folder, *, window_s=1.0, hop_s=0.5, n_mfcc=13, level="kept"):
    """What ``extract_features`` returns, from ``folder`` where it was computed before, else with a progress bar.

    Parameters
    ----------
    recordings, window_s, hop_s, n_mfcc, level
        As for ``extract_features``.
    folder : path
        Made if missing.

    Returns
    -------
    FeatureTable
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"window_s": float(window_s), "hop_s": float(hop_s), "n_mfcc": n_mfcc, "level": level}
    paths = [folder / f"{entry_key([recording], settings)}.npz" for recording in recordings]
    missing = [(recording, path) for recording, path in zip(recordings, paths, strict=True) if not path.exists()]
    if missing:
        _compute(missing, settings)
    return join([_read(path, recording, settings) for recording, path in zip(recordings, paths, strict=True)])


def entry_key(recordings, settings):
    """What an entry is called: 24 hexadecimal digits that change with what is heard, the settings and ``features.py``.

    Parameters
    ----------
    recordings : list of Recording
        Known by their content and rate, not by their names.
    settings : dict
        All else that the features depend on, as values whose ``repr`` says everything.
    """
    heard = [f"{recording.audit['content']}|{recording.sample_rate}" for recording in recordings]
    source = hashlib.sha256(Path(features.__file__).read_bytes()).hexdigest()
    parts = (*heard, repr(sorted(settings.items())), source)
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def write_entry(path, **arrays):
    """Write arrays to an ``.npz`` file that appears whole or not at all; its folder exists."""
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **arrays)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _compute(missing, settings):
    """Features of the recordings that the folder lacks, one recording in memory at a time."""
    expected = [max(1, int((recording.duration_s - settings["window_s"]) / settings["hop_s"]) + 1) for recording, _ in missing]
    with progress_bar(total=sum(expected), desc="features", unit=" windows") as bar:
        for (recording, path), before in zip(missing, np.cumsum([0, *expected]), strict=False):
            bar.set_postfix_str(recording.name, refresh=False)
            table = extract_features([recording], **settings,
                                     progress=lambda done, before=before: bar.update(before + done - bar.n))
            write_entry(path, values=table.values, level_db=table.level_db)


def _read(path, recording, settings):
    with np.load(path, allow_pickle=False) as stored:
        return window_table(recording, stored["values"], stored["level_db"], **settings)
