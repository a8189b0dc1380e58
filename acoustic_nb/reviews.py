"""Reviews: a person has listened to events and marked them as real or false; what follows for the threshold, and labels to keep."""

import numpy as np
import pandas as pd

from acoustic_nb.labels import write_audacity
from acoustic_nb.scored import events_table
from acoustic_nb.scorings import label_places
from acoustic_nb.stretches import Event
from acoustic_nb.thresholds import calibrate

WORDS = ("real", "false")
MARKS, LABELS = "marks.csv", "_labels.txt"


def read_marks(events, *, real="", false=""):
    """What was marked, as ``{number of the event: "real" or "false"}``.

    Parameters
    ----------
    events : DataFrame
        From ``scored.events_table``; events are numbered from 1, worst first.
    real, false : str
        Numbers parted by commas, ``"1, 4, 7"``.

    Raises
    ------
    ValueError
        If there is no such event, or one is marked as both.
    """
    marks = {}
    for word, text in zip(WORDS, (real, false), strict=True):
        for piece in filter(None, (part.strip() for part in str(text).split(","))):
            if not piece.isdecimal() or not 1 <= int(piece) <= len(events):
                raise ValueError(f"{word} = {text!r}: there is no event {piece!r}, the {len(events)} events are numbered from 1; "
                                 "name them as 1, 4, 7")
            if marks.setdefault(int(piece), word) != word:
                raise ValueError(f"event {piece} is marked as real and as false; it can only be one of them")
    return marks


def review_table(bundle, scored, marks):
    """What the threshold is, and what it would be with the marks.

    Parameters
    ----------
    bundle : Bundle
    scored : list of ScoredRecording
    marks : dict
        From ``read_marks``.

    Returns
    -------
    DataFrame
        A row per threshold. *as it is*; *above the false ones*: as high as the highest score of an event marked as false, so that
        none of these is flagged; *calibrated anew*: from the calibration scores and those of all windows outside of real events, in
        recordings all of whose events are marked: there a person has said that the rest is normal. Columns: ``threshold``;
        ``real_found`` and ``false_left``, events marked as such that would still be flagged, ``unmarked_left``, the others;
        ``flagged_calibration``, the share of calibration windows above it; ``calibration_windows``, how many it stands on.

    Notes
    -----
    The second is fitted to what was marked, and promises nothing. The third keeps the wanted rate as far as its windows can carry
    it.
    """
    events = events_table(scored)
    marked = pd.Series(marks, dtype=object).reindex(events.index).to_numpy()
    rows = {"as it is": (bundle.calibration.threshold, len(bundle.calibration_scores))}
    false_scores = events["peak_score"][marked == "false"]
    if len(false_scores):
        rows["above the false ones"] = max(rows["as it is"][0], float(false_scores.max())), len(bundle.calibration_scores)
    normal = _windows_known_to_be_normal(scored, events, marked)
    if len(normal):
        joined = [*bundle.calibration_scores, *normal]
        rows["calibrated anew"] = calibrate(joined, bundle.false_alarm_rate).threshold, len(joined)
    table = []
    for which, (threshold, n_windows) in rows.items():
        left = (events["peak_score"] > threshold).to_numpy()
        table.append({"which": which, "threshold": threshold, "real_found": int((left & (marked == "real")).sum()),
                      "false_left": int((left & (marked == "false")).sum()), "unmarked_left": int((left & pd.isna(marked)).sum()),
                      "flagged_calibration": float((bundle.calibration_scores > threshold).mean()),
                      "calibration_windows": n_windows})
    return pd.DataFrame(table).set_index("which")


def save_marks(scored, marks, folder):
    """Keep the marks: ``marks.csv``, and for each recording with real events ``<recording>_labels.txt``, an Audacity label track.

    Beside its recording such a file is found by the next run, as labels of its events. What an earlier review has left in the
    folder is replaced; without any mark it stays. Returns the paths of the label tracks.
    """
    events, numbers = events_table(scored), sorted(marks)
    if not marks:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    if (folder / MARKS).is_file():
        for stale in folder.rglob(f"*{LABELS}"):
            stale.unlink()
    events.loc[numbers].assign(mark=[marks[number] for number in numbers]).to_csv(folder / MARKS)
    real, paths = events.loc[sorted(number for number, word in marks.items() if word == "real")], []
    for name, place in label_places(folder, dict.fromkeys(real["recording"])).items():
        own = real[real["recording"] == name].sort_values("start_s")
        paths.append(write_audacity([Event(row["start_s"], row["end_s"], row["reasons"]) for _, row in own.iterrows()],
                                    place.with_name(f"{place.name}{LABELS}")))
    return paths


def _windows_known_to_be_normal(scored, events, marked):
    """Scores of the windows outside of real events, in recordings all of whose events are marked, at least one."""
    scores = []
    for each in scored:
        own = (events["recording"] == each.recording.name).to_numpy()
        if not own.any() or pd.isna(marked[own]).any():
            continue
        outside = np.ones(len(each.scores), dtype=bool)
        for _, event in events[own & (marked == "real")].iterrows():
            outside &= (each.end_s <= event["windows_start_s"]) | (each.start_s >= event["windows_end_s"])
        scores += each.scores[outside].tolist()
    return scores
