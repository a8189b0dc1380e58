"""Judging: what gets a score in the end, windows or whole recordings, as the split demands.

Items are the rows of a DataFrame: ``recording``, ``label``, ``score`` and ``unit``, the recording or group that makes items
dependent on each other. All have ``section`` and ``domain``, windows ``start_s``, ``end_s`` and ``channels`` too (how many channels
of the same seconds there are), recordings ``windows``.
"""

from collections import Counter
from functools import partial

import pandas as pd

from acoustic_nb.clips import clip_scores
from acoustic_nb.parts import same_seconds, units


def make_judge(split, recordings, *, how="mean"):
    """How the scores of this split are judged.

    Parameters
    ----------
    split : Split
    recordings : list of Recording
    how : str
        How the window scores of a recording become one, see ``clips.pool_scores``; not used where windows are judged.

    Returns
    -------
    callable
        ``judge(windows, scores)`` returns the items of a FeatureTable with one score per window.
    """
    beside = Counter(recording.name for pair in same_seconds(recordings) for recording in pair)
    about = pd.DataFrame({"recording": [recording.name for recording in recordings],
                          "unit": list(units(recordings, at_least=1).values()),
                          "section": [recording.section for recording in recordings],
                          "domain": [recording.domain for recording in recordings],
                          "channels": [1 + beside[recording.name] for recording in recordings]})
    if split.judged_by == "window":
        return partial(window_items, about=about)
    return partial(recording_items, about=about.drop(columns="channels"), how=how)


def window_items(windows, scores, *, about=None):
    """Every window an item; ``about`` as for ``recording_items``."""
    items = pd.DataFrame({"recording": windows.recording, "start_s": windows.start_s, "end_s": windows.end_s,
                          "label": windows.label, "recording_label": windows.recording_label, "score": scores})
    return items if about is None else items.merge(about, on="recording", how="left", validate="many_to_one")


def recording_items(windows, scores, *, how, about=None):
    """Every recording an item; ``about`` has the columns recording, unit, section and domain to go with it."""
    items = clip_scores(windows, scores, how)
    return items if about is None else items.merge(about, on="recording", how="left", validate="one_to_one")


def kept_items(parts, threshold):
    """The items of several parts, ``{part: items}``, as they are kept in a run: with the columns part and flagged."""
    return pd.concat([items.assign(part=part, flagged=items["score"] > threshold) for part, items in parts.items()],
                     ignore_index=True)
