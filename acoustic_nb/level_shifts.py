"""Level shifts: how the scores move when the test sound is made louder or softer, and nothing else is changed.

Gains are in dB, above 0 louder. The sound is multiplied as float samples: nothing clips and nothing is rounded to the steps of
a file, so this is the kindest form that a change of level can take.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from acoustic_nb.cache import entry_key, stored
from acoustic_nb.feature_cache import MADE_BY
from acoustic_nb.features import changed_features, join
from acoustic_nb.progress import progress_bar

GAINS_DB = (-6.0, -0.5, 0.5, 6.0)
MAX_RECORDINGS = 12
MAX_WINDOWS = 120


def probe_windows(split):
    """The test windows whose sound is changed, a FeatureTable: few enough that more data cost no more.

    Of each label at most 12 test recordings, spread evenly over their list; of each of them at most 120 test windows in a row:
    the first, or where events are known the first that hold as many anomalous windows as any.
    """
    test, pieces = split.test, []
    for label in (0, 1):
        names = list(dict.fromkeys(test.recording[test.recording_label == label].tolist()))
        for k in np.linspace(0, len(names) - 1, min(len(names), MAX_RECORDINGS)).round().astype(int):
            rows = np.flatnonzero(test.recording == names[k])
            rows = rows[np.argsort(test.start_s[rows], kind="stable")]
            n_windows = min(len(rows), MAX_WINDOWS)
            held = np.convolve(test.label[rows], np.ones(n_windows, dtype=int), mode="valid")
            pieces.append(test.take(rows[held.argmax():][:n_windows]))
    return join(pieces)


def shifted_features(windows, recordings, folder=None, *, gains_db=GAINS_DB):
    """The features of windows whose samples are multiplied by ``10 ** (gain_db / 20)``.

    Parameters
    ----------
    windows : FeatureTable
        From ``probe_windows``; its values are not read.
    recordings : list of Recording
        Those that the windows are of, or more.
    folder : path, optional
        Of the cache in which they are kept, ``cache.cache_folder()`` by default. One entry, known by the sound, the windows, their
        settings, the gains and the source that makes them.
    gains_db : sequence of float
        Finite, else a ValueError.

    Returns
    -------
    dict
        Gain in dB -> FeatureTable, not standardised: see ``Split.standardise``.
    """
    gains_db = tuple(map(float, gains_db))
    if not np.isfinite(gains_db).all():
        raise ValueError(f"gains_db are finite numbers of dB, such as 6 for twice the amplitude, got {list(gains_db)}")
    heard = [recording for recording in recordings if recording.name in set(windows.recording.tolist())]
    settings = {"window_s": float(windows.window_s), "hop_s": float(windows.hop_s), "n_mfcc": len(windows.feature_names) - 4,
                "level": windows.level, "gains_db": gains_db, "names": [recording.name for recording in heard],
                "starts_s": [recording.start_s for recording in heard],
                "windows": list(zip(windows.recording.tolist(), windows.start_s.tolist(), strict=True))}
    arrays = stored(f"level_shifts_{entry_key(heard, settings, (*MADE_BY, 'level_shifts'))}",
                    lambda: _compute(windows, heard, gains_db), folder)
    columns = zip(gains_db, arrays["values"], arrays["level_db"], strict=True)
    return {gain_db: replace(windows, values=values, level_db=level_db) for gain_db, values, level_db in columns}


def level_response(detector, split, shifted, judge, threshold):
    """How the scores of a fitted detector move with the level of the test sound; nothing is fitted again.

    Parameters
    ----------
    detector : Detector
    split : Split
    shifted : dict
        From ``shifted_features(probe_windows(split), ...)``; of other windows it is a ValueError.
    judge : callable
        From ``judging.make_judge``.
    threshold : float
        From ``calibrate``, for the level as it is; flagged is strictly above.

    Returns
    -------
    DataFrame
        One row per gain, rising, among them 0: the same windows as they are. ``gain_db``; by label ``score_normal`` and
        ``score_anomalous`` (medians), ``flagged_normal`` and ``flagged_anomalous`` (shares of the items), ``n_normal`` and
        ``n_anomalous`` (how many items); ``roc_auc``; ``shift_normal``, how far ``score_normal`` lies above that at 0 dB, in
        interquartile ranges of the normal scores at 0 dB. NaN where a label is missing, or that range is 0.
    """
    probe = probe_windows(split)
    for gain_db, table in shifted.items():
        if not (np.array_equal(table.recording, probe.recording) and np.array_equal(table.start_s, probe.start_s)):
            raise ValueError(f"the windows at {gain_db:+g} dB are not the probe_windows of this split; shift the sound of those")
    tables = {0.0: probe} | {gain_db: split.standardise(table) for gain_db, table in shifted.items()}
    items = {gain_db: judge(table, detector.score(table)) for gain_db, table in sorted(tables.items())}
    response = pd.DataFrame([{"gain_db": gain_db, **_summary(found, threshold)} for gain_db, found in items.items()])
    as_it_is = items[0.0].loc[items[0.0]["label"] == 0, "score"]
    spread = as_it_is.quantile(0.75) - as_it_is.quantile(0.25)
    response["shift_normal"] = (response["score_normal"] - as_it_is.median()) / (spread if spread > 0 else np.nan)
    return response


def level_sentence(response, *, judged_by="item"):
    """What a change of level does to false alarms: one sentence from the numbers of ``level_response``.

    ``judged_by`` is what to call an item: ``window`` or ``recording``. Shares that are the same to the percent count as not moved.
    """
    shares, n_normal = response.set_index("gain_db")["flagged_normal"], int(response["n_normal"].iloc[0])
    if not n_normal:
        return f"No normal {judged_by} is among those that were made louder and softer, so nothing is known of their false alarms."
    before, flagged, effects = f"{shares[0.0]:.0%}", f"the share of normal {judged_by}s that is flagged", []
    for size_db in sorted(set(shares.index.map(abs)) - {0.0}):
        after = shares[shares.index.map(abs) == size_db]
        lowest, highest = f"{after.min():.0%}", f"{after.max():.0%}"
        how = " or ".join(word for word, gain_db in (("louder", size_db), ("softer", -size_db)) if gain_db in after.index)
        to = highest if lowest == highest else f"between {lowest} and {highest}"
        what, start = ("it", "") if effects else (flagged, f" from {before}")
        effect = f"leaves {what} at {before}" if to == before else f"moves {what}{start} to {to}"
        effects.append(f"{size_db:g} dB {how} {effect}")
    return f"{'; '.join(effects)} (of {n_normal} normal {judged_by}{'s' * (n_normal != 1)})."


def _compute(windows, recordings, gains_db):
    """Values, shape (n_gains, n_windows, n_features), and levels; of one table of all, so that each recording is read once."""
    def louder(sound, row):
        bar.update()
        return sound * np.float32(10 ** (gains_db[row // len(windows)] / 20))

    with progress_bar(total=len(gains_db) * len(windows), desc="louder and softer", unit=" windows") as bar:
        shifted = changed_features(windows.take(np.tile(np.arange(len(windows)), len(gains_db))), recordings, louder)
    n_gains = len(gains_db)
    return {"values": shifted.values.reshape(n_gains, len(windows), -1), "level_db": shifted.level_db.reshape(n_gains, -1)}


def _summary(items, threshold):
    found = {"normal": items.loc[items["label"] == 0, "score"], "anomalous": items.loc[items["label"] == 1, "score"]}
    return {**{f"score_{name}": scores.median() for name, scores in found.items()},
            **{f"flagged_{name}": (scores > threshold).mean() for name, scores in found.items()},
            "roc_auc": roc_auc_score(items["label"], items["score"]) if all(map(len, found.values())) else np.nan,
            **{f"n_{name}": len(scores) for name, scores in found.items()}}
