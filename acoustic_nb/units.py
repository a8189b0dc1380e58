"""Units: splits in which a recording, or a group of recordings that belong together, is in one part only.

A number from such a split says something about recordings that nobody has heard yet; one from blocks of the same
recordings only about other seconds of them.
"""

import numpy as np
import pandas as pd

from acoustic_nb.audio import LABEL_NAMES, AudioError
from acoustic_nb.framing import window_lengths, window_starts
from acoustic_nb.parts import MIN_UNITS, PARTS, assign_parts, is_grouped, same_seconds, units
from acoustic_nb.splits import Block, block_split, needed_duration_s, recording_cuts, standardised_split
from acoustic_nb.stretches import window_labels

ENOUGH_UNITS = 5
MIN_TRAIN_WINDOWS = 5
PROTOCOLS = {"blocks": "every recording is cut in time, and windows are judged",
             "recordings": "whole recordings go into one part each, and recordings are judged",
             "given": "recordings are in the parts that the data set says, and recordings are judged"}


def choose_protocol(recordings, *, window_s, hop_s):
    """How these recordings can be split.

    ``"given"`` where the data set says which recording trains and which tests. ``"recordings"``: whole recordings go into
    parts, where there are at least five normal ones, or three normal groups, or at least three and some are too short to be
    cut. Else ``"blocks"``: every recording is cut in time.

    Parameters
    ----------
    recordings : list of Recording
    window_s, hop_s : float

    Returns
    -------
    str

    Raises
    ------
    AudioError
        If a label is missing, or there is too little sound; the message says how many seconds are missing.
    """
    for label, name in enumerate(LABEL_NAMES):
        if not any(recording.label == label for recording in recordings):
            other = LABEL_NAMES[1 - label]
            there = f"is 1 {other} recording" if len(recordings) == 1 else f"are {len(recordings)} {other} recordings"
            raise AudioError(f"there {there} and no {name} one; give at least one of each")
    if any(recording.split for recording in recordings):
        _check_training_windows(recordings, assign_parts(recordings), window_s=window_s, hop_s=hop_s)
        return "given"
    short = [(recording, needed_s) for recording in recordings
             if round(recording.duration_s * recording.sample_rate) < round(recording.sample_rate * (needed_s := needed_duration_s(
                 recording.label, window_s=window_s, hop_s=hop_s, sample_rate=recording.sample_rate)))]
    unit_of = units(recordings)
    n_units = len({unit_of[recording.name] for recording in recordings if recording.label == 0})
    named = is_grouped(recordings, unit_of)
    if n_units >= ENOUGH_UNITS or (n_units >= MIN_UNITS and (named or short)):
        _check_training_windows(recordings, assign_parts(recordings), window_s=window_s, hop_s=hop_s)
        return "recordings"
    if short:
        recording, needed_s = max(short, key=lambda pair: pair[1] - pair[0].duration_s)
        raise AudioError(
            f"{recording.name}: lasts {recording.duration_s:.1f} s but {needed_s:.1f} s are needed, "
            f"{needed_s - recording.duration_s:.1f} s are missing, to train, calibrate and test on parts that share no sound; "
            f"record longer, use a shorter window_s, or give at least {MIN_UNITS} normal recordings "
            f"({'there is 1' if n_units == 1 else f'there are {n_units}'})")
    for first, second in same_seconds(recordings):
        if (first.start_s, first.n_frames) != (second.start_s, second.n_frames):
            raise AudioError(f"{second.name}: is another part of its file than {first.name}, but their seconds overlap; use the "
                             "same start_s and end_s for all channels of a file")
    _check_events(recordings, window_s=window_s, hop_s=hop_s)
    return "blocks"


def check_rotations(recordings, rotations, *, window_s, hop_s):
    """Refuse, with ValueError, a number of rotations that these recordings do not allow."""
    if rotations < 1:
        raise ValueError(f"rotations is how many cuts are judged, at least 1, got {rotations}")
    protocol = choose_protocol(recordings, window_s=window_s, hop_s=hop_s)
    for rotation in range(rotations if rotations > 1 else 0):
        if protocol != "blocks":
            assign_parts(recordings, rotations=rotations, rotation=rotation)
            continue
        for recording in recordings:
            _cuts_of(recording, window_s=window_s, hop_s=hop_s, rotations=rotations, rotation=rotation)


def split_recordings(table, recordings, *, rotations=1, rotation=0):
    """Train, calibration and test, in the way that ``choose_protocol`` says.

    Parameters
    ----------
    table : FeatureTable
        The windows of the recordings.
    recordings : list of Recording
    rotations, rotation : int
        How many rotations there are, at least 1, and which one this is, from 0: of the blocks as in ``block_split``, of
        whole recordings as in ``assign_parts``.

    Returns
    -------
    Split

    Raises
    ------
    ValueError
        If the recordings cannot be split like that.
    """
    protocol = choose_protocol(recordings, window_s=table.window_s, hop_s=table.hop_s)
    if protocol == "blocks":
        return block_split(table, rotations=rotations, rotation=rotation)
    part_of = assign_parts(recordings, rotations=rotations, rotation=rotation)
    rows_of = windows_by_recording(table)
    rows, blocks = {part: [] for part in PARTS}, []
    for recording in recordings:
        part = part_of[recording.name]
        if part is not None:
            found = rows_of[recording.name]
            rows[part].append(found)
            blocks.append(Block(recording.name, recording.label, part, float(table.start_s[found[0]]),
                                float(table.end_s[found[-1]]), len(found)))
    return standardised_split({part: table.take(np.concatenate(pieces)) for part, pieces in rows.items()}, blocks,
                              judged_by="recording")


def windows_by_recording(table):
    """Where the windows of each recording are in a FeatureTable: ``{name: indices in their order}``."""
    return pd.DataFrame({"recording": table.recording}).groupby("recording").indices


def describe_split(split, recordings):
    """A sentence on how the recordings were split."""
    counts = {part: len({block.recording for block in split.blocks if block.part == part}) for part in PARTS}
    if split.judged_by == "window":
        few = " The groups named are too few to be split by." if any(recording.group for recording in recordings) else ""
        return (f"Each of the {len(recordings)} recordings is cut into blocks with gaps, and windows are judged: the result holds "
                f"for other seconds of these recordings.{few}")
    given = any(recording.split for recording in recordings)
    how = "as the data set says" if given else "in the order of the list"
    grouped = is_grouped(recordings, units(recordings))
    ignored = not given and not grouped and any(recording.group for recording in recordings)
    few = " The groups named are too few to be split by." if ignored else ""
    left_out = len(recordings) - sum(counts.values())
    others = f"; left out {left_out}, anomalous in a group that calibrates" if left_out else ""
    return (f"Whole {'groups of ' if grouped else ''}recordings are in one part each, {how}: {counts['train']} train, "
            f"{counts['calibration']} calibrate, {counts['test']} test{others}. Recordings are judged, not windows.{few}")


def _check_training_windows(recordings, part_of, *, window_s, hop_s):
    n_windows = sum(_n_windows(recording, window_s=window_s, hop_s=hop_s) for recording in recordings
                    if recording.label == 0 and part_of[recording.name] == "train")
    if n_windows < MIN_TRAIN_WINDOWS:
        missing_s = (MIN_TRAIN_WINDOWS - n_windows) * max(hop_s, window_s)
        raise AudioError(f"the normal recordings that train hold {n_windows} windows of {window_s:g} s, but {MIN_TRAIN_WINDOWS} "
                         f"are needed; {missing_s:.1f} s are missing, give more recordings or use a shorter window_s")


def _check_events(recordings, *, window_s, hop_s):
    """Where all events are known, some must lie where windows are judged."""
    anomalous = [recording for recording in recordings if recording.label == 1]
    if any(recording.events is None for recording in anomalous):
        return
    for recording in anomalous:
        ((first, last),) = _cuts_of(recording, window_s=window_s, hop_s=hop_s)["test"]
        _, hop = window_lengths(recording.sample_rate, window_s=window_s, hop_s=hop_s)
        starts_s = recording.start_s + np.arange(first, last) * hop / recording.sample_rate
        if window_labels(starts_s, starts_s + window_s, recording.events).any():
            return
    raise AudioError(f"{recording.name}: none of its {len(recording.events)} labelled events lies in its second half, from "
                     f"{starts_s[0]:.1f} s on, which is what tests; label later ones too, or give another recording")


def _cuts_of(recording, *, window_s, hop_s, **turn):
    n_windows = _n_windows(recording, window_s=window_s, hop_s=hop_s)
    return recording_cuts(recording.name, n_windows, recording.label, window_s=window_s, hop_s=hop_s,
                          sample_rate=recording.sample_rate, **turn)


def _n_windows(recording, *, window_s, hop_s):
    window, hop = window_lengths(recording.sample_rate, window_s=window_s, hop_s=hop_s)
    n_samples = round(recording.duration_s * recording.sample_rate)
    return len(window_starts(n_samples, window=min(window, n_samples), hop=hop))
