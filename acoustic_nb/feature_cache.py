"""Feature cache: features of a recording are computed once and shared by all notebooks of a run.

One ``.npz`` file per recording, known by the audio's content, the settings and the source of ``features.py``: a change
of any of them computes anew. The file appears whole or not at all.
"""

import hashlib
import os
import tempfile
from pathlib import Path

import numpy as np

from acoustic_nb import features
from acoustic_nb.datasets import content_hash
from acoustic_nb.features import FeatureTable, extract_features, join, window_lengths, window_starts


def cached_features(recordings, folder, *, window_s=1.0, hop_s=0.5, n_mfcc=13):
    """What ``extract_features`` returns, from ``folder`` where it was computed before, else with a progress bar.

    Parameters
    ----------
    recordings, window_s, hop_s, n_mfcc
        As for ``extract_features``.
    folder : path
        Made if missing.

    Returns
    -------
    FeatureTable
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"window_s": float(window_s), "hop_s": float(hop_s), "n_mfcc": n_mfcc}
    tables = []
    for recording in recordings:
        path = folder / f"{_key(recording, settings)}.npz"
        if not path.exists():
            _write(path, _compute(recording, settings))
        tables.append(_read(path, recording, settings))
    return join(tables)


def _key(recording, settings):
    source = Path(features.__file__).read_bytes()
    parts = (content_hash(recording), repr(sorted(settings.items())), hashlib.sha256(source).hexdigest())
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:24]


def _compute(recording, settings):
    from tqdm import tqdm

    window, hop = window_lengths(recording.sample_rate, window_s=settings["window_s"], hop_s=settings["hop_s"])
    total = len(window_starts(len(recording.samples), window=window, hop=hop))
    with tqdm(total=total, desc=f"features of {recording.name}", unit=" windows", delay=2, leave=False) as bar:
        return extract_features([recording], **settings, progress=lambda done: bar.update(done - bar.n))


def _write(path, table):
    handle, draft = tempfile.mkstemp(dir=path.parent, suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, values=table.values, start_s=table.start_s, level_db=table.level_db)
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _read(path, recording, settings):
    with np.load(path, allow_pickle=False) as stored:
        values, start_s, level_db = stored["values"], stored["start_s"], stored["level_db"]
    return FeatureTable(
        values=values, feature_names=features.feature_names(settings["n_mfcc"]),
        label=np.full(len(values), recording.label), recording=np.full(len(values), recording.name), start_s=start_s,
        level_db=level_db, window_s=settings["window_s"], hop_s=settings["hop_s"], sample_rate=recording.sample_rate)
