"""Mixtures: one event mixed into held-out normal sound, at falling level.

A level is in dB: the RMS of the event over its own length relative to the RMS of the test block that it is mixed into. 0 dB is
as loud as the machine for as long as the event lasts; a lower level is harder to find. A constant offset does not count.
"""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from acoustic_nb.audio import in_memory
from acoustic_nb.detectors.base import NotEnoughData
from acoustic_nb.event_sounds import background, blocks_that_test, rms_of
from acoustic_nb.features import FeatureTable, changed_features
from acoustic_nb.stretches import Event, touches

LEVELS_DB = tuple(range(20, -45, -5))
NO_EVENT = -np.inf
MIN_TRIALS = 3


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Normal test windows without an event, and with one at several levels; every trial has one event at a place of its own.

    Attributes
    ----------
    trials : DataFrame
        One row per trial: trial (its name), recording, start_s and end_s of the event in the file, and the factor (``gain``)
        that brings the event to 0 dB there.
    windows : FeatureTable
        The windows of all trials without any event, standardised. ``recording`` is the name of the trial, so that nothing joins
        windows of two trials.
    touched : ndarray of int, shape (n_touched,)
        Rows of ``windows`` that share sound with the event of their trial.
    mixed : dict
        Level in dB -> the ``touched`` windows with the event, a standardised FeatureTable.
    judged_by : str
        As in the split.
    sequence_length : int
        Of the longest sequences that a detector may look at.
    sentence : str
        How many trials there are, and where.
    """

    trials: pd.DataFrame
    windows: FeatureTable
    touched: np.ndarray
    mixed: dict
    judged_by: str
    sequence_length: int
    sentence: str

    def at(self, level_db):
        """The windows of all trials with the events at this level, one of ``mixed``; ``-inf``: without."""
        if level_db == NO_EVENT:
            return self.windows
        columns = {name: getattr(self.windows, name).copy() for name in ("values", "level_db")}
        for name, column in columns.items():
            column[self.touched] = getattr(self.mixed[level_db], name)
        return replace(self.windows, **columns)


def mix(split, recordings, event, *, levels_db=LEVELS_DB, trials=20, sequence_length=10, seed=0):
    """Put the event into normal test sound, at the same places for every level.

    Where windows are judged, the test blocks are divided into as many stretches as there are trials, at least ``hop_s`` long, and
    the event begins at a random place in each. A trial holds the windows that the event touches and as many on either side as a
    sequence can reach, so each of its judged windows has all the neighbours that it has in the block, and meets one event. Where
    recordings are judged, a trial is a whole normal test recording with one event at a random place; where there are more than
    ``trials`` of them, they are taken evenly from the list.

    Parameters
    ----------
    split : Split
    recordings : list of Recording
    event : EventSound
    levels_db : sequence of float
        At least one, finite, each once.
    trials : int
        Wanted; fewer where there is less sound, at least three.
    sequence_length : int
        Windows in the longest sequences that a detector will look at.
    seed : int
        The same seed gives the same places.

    Returns
    -------
    Mixtures
        Only the windows that an event touches have new features. One recording is read at a time.

    Raises
    ------
    ValueError
        If levels or ``trials`` make no sense, sample rates differ, or the event is too long for three trials.
    """
    levels_db = _checked_levels(levels_db)
    check_trials(trials)
    if sequence_length < 1:
        raise ValueError(f"sequence_length must be at least 1, got {sequence_length}")
    if event.sample_rate != split.test.sample_rate:
        raise ValueError(f"the event has {event.sample_rate} Hz and the windows {split.test.sample_rate} Hz; take both from the "
                         "same recordings")
    places = _places(split, recordings, event, trials, np.random.default_rng(seed))
    blocks = {block: recording for recording, block, _ in places}
    rms = {block: background(recording, block.start_s, block.end_s)[1] for block, recording in blocks.items()}
    table, rows, touched = [], [], []
    for recording, block, first in places:
        start_s = block.start_s + first / event.sample_rate
        place = Event(start_s, start_s + len(event.samples) / event.sample_rate)
        around, near = _windows_around(split, block, place, sequence_length)
        touched.append(near + sum(map(len, rows)))
        rows.append(around)
        trial = recording.name if split.judged_by == "recording" else f"{recording.name}, trial {len(rows)}"
        table.append({"trial": trial, "recording": recording.name, "start_s": place.start_s, "end_s": place.end_s,
                      "gain": rms[block] / rms_of(event.samples)})
    plain = split.test.take(np.concatenate(rows))
    windows = replace(plain, recording=np.repeat([row["trial"] for row in table], [len(around) for around in rows]))
    trial_of, touched = np.repeat(np.arange(len(table)), [len(near) for near in touched]), np.concatenate(touched)
    before = plain.take(np.tile(touched, len(levels_db)))

    def with_event(sound, row):
        level_db, trial = levels_db[row // len(touched)], trial_of[row % len(touched)]
        first = round((table[trial]["start_s"] - before.start_s[row]) * event.sample_rate)
        return _added(sound, event.samples * np.float32(table[trial]["gain"] * 10 ** (level_db / 20)), first)

    after = split.standardise(changed_features(before, recordings, with_event))
    mixed = {level_db: after.take(slice(k * len(touched), (k + 1) * len(touched))) for k, level_db in enumerate(levels_db)}
    fewer = f"; {trials} were wanted, there is too little normal test sound" if len(table) < trials else ""
    where = "places of the normal test blocks" if split.judged_by == "window" else "normal test recordings"
    return Mixtures(pd.DataFrame(table), windows, touched, mixed, split.judged_by, sequence_length,
                    f"The event was mixed into {len(table)} {where}, once into each{fewer}.")


def check_trials(trials):
    """Refuse, with ValueError, fewer than three trials."""
    if trials < MIN_TRIALS:
        raise ValueError(f"trials is how often the event is mixed in, at least {MIN_TRIALS}, got {trials}")


def mixture_to_hear(mixtures, recordings, event, level_db, *, duration_s=4.0):
    """The first trial as a Recording to play: ``duration_s`` of normal sound around its event at ``level_db``."""
    trial = mixtures.trials.iloc[0]
    recording = next(recording for recording in recordings if recording.name == trial.recording)
    begin_s = max(recording.start_s, (trial.start_s + trial.end_s - duration_s) / 2)
    first = round((trial.start_s - begin_s) * event.sample_rate)
    sound = _added(recording.part(begin_s, duration_s), event.samples * np.float32(trial.gain * 10 ** (level_db / 20)), first)
    return in_memory(sound, name=f"{recording.name} with the event", label=1, sample_rate=event.sample_rate, start_s=begin_s)


def _places(split, recordings, event, trials, rng):
    """Where events go: (recording, block, first sample of the event in the block)."""
    blocks = blocks_that_test(split, recordings, label=0)
    free = np.array([round((block.end_s - block.start_s) * event.sample_rate) - len(event.samples) + 1 for _, block in blocks])
    blocks, free = [block for block, room in zip(blocks, free, strict=True) if room > 0], free[free > 0]
    if split.judged_by == "recording":
        chosen = np.unique(np.linspace(0, len(blocks) - 1, min(trials, len(blocks))).round().astype(int)) if len(blocks) else []
        places = [(*blocks[k], int(rng.integers(free[k]))) for k in chosen]
    else:
        n_trials = min(trials, int(free.sum() // round(split.test.hop_s * event.sample_rate)))
        along = ((np.arange(n_trials) + rng.random(n_trials)) * free.sum() / max(n_trials, 1)).astype(int)
        ends = np.cumsum(free)
        which = np.searchsorted(ends, along, side="right")
        places = [(*blocks[k], int(at - (ends[k] - free[k]))) for k, at in zip(which, along, strict=True)]
    if len(places) < MIN_TRIALS:
        raise NotEnoughData(f"the event lasts {len(event.samples) / event.sample_rate:.2f} s, and the normal test sound has "
                            f"{len(places)} places for it, but {MIN_TRIALS} are needed; choose a shorter event, or give more "
                            "normal sound")
    return places


def _windows_around(split, block, place, sequence_length):
    """Rows of the test windows of a block that are scored for one event, and which of these it touches, counted from 0."""
    test = split.test
    rows = np.flatnonzero((test.recording == block.recording) & (test.start_s >= block.start_s) & (test.end_s <= block.end_s))
    near = np.flatnonzero(touches(test.start_s[rows], test.end_s[rows], place))
    if split.judged_by == "recording":
        return rows, near
    begin = max(0, near[0] - sequence_length + 1)
    return rows[begin:near[-1] + sequence_length], near - begin


def _added(sound, event, first):
    """A window with the part of an event that lies in it; the event begins at sample ``first`` of the window, also before it."""
    mixed = np.array(sound, dtype=np.float32)
    begin, end = max(0, first), min(len(mixed), first + len(event))
    mixed[begin:end] += event[begin - first:end - first]
    return mixed


def _checked_levels(levels_db):
    levels_db = tuple(float(level_db) for level_db in levels_db)
    if not levels_db or len(set(levels_db)) < len(levels_db) or not np.isfinite(levels_db).all():
        raise ValueError(f"levels_db is a list of different finite levels in dB, such as 20, 10, 0, got {levels_db}")
    return levels_db
