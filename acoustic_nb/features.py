"""Features: one row of numbers per window of sound.

A feature is the mean of a frame quantity over the window. The numbers equal librosa calls on that window alone (``kernel.py``).
Sound is read and turned into features piece by piece, so that memory does not grow with a recording.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice

import numpy as np

from acoustic_nb.framing import N_FFT, contrast_bands, window_lengths, window_starts
from acoustic_nb.stretches import window_labels

READ_S = 20.0
LEVELS = ("kept", "removed")
LEVELLED_RMS = 0.1
SILENT_DB = -120.0
COLUMNS = ("values", "label", "recording_label", "recording", "start_s", "end_s", "level_db")


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Windows, one per row, with everything that belongs to them.

    Attributes
    ----------
    values : ndarray, shape (n_windows, n_features)
    feature_names : tuple of str
        One name per column.
    label : ndarray of int, shape (n_windows,)
        0 normal, 1 anomalous: the label of the window's recording, or where its events are known, what the window itself holds.
    recording_label : ndarray of int, shape (n_windows,)
        The label of the window's recording.
    recording : ndarray of str, shape (n_windows,)
        Name of the window's recording.
    start_s, end_s : ndarray of float, shape (n_windows,)
        The window in the file of its recording; shorter than ``window_s`` only where the whole recording is.
    level_db : ndarray of float, shape (n_windows,)
        RMS level of the window in dB relative to full scale, at least -120. Not a feature: the level control reads it.
    window_s, hop_s : float
        Length of a window and distance between the starts of neighbours.
    sample_rate : int
        In Hz.
    level : str
        ``kept``, or ``removed`` where the features are blind to loudness: see ``extract_features``.
    """

    values: np.ndarray
    feature_names: tuple
    label: np.ndarray
    recording_label: np.ndarray
    recording: np.ndarray
    start_s: np.ndarray
    end_s: np.ndarray
    level_db: np.ndarray
    window_s: float
    hop_s: float
    sample_rate: int
    level: str = "kept"

    def __post_init__(self):
        rows = {name: len(getattr(self, name)) for name in COLUMNS}
        if len(set(rows.values())) != 1:
            raise ValueError(f"a FeatureTable needs one row per window in every column, got {rows}")
        if self.values.ndim != 2 or self.values.shape[1] != len(self.feature_names):
            raise ValueError(f"values of shape {self.values.shape} do not fit {len(self.feature_names)} feature names")
        for name in COLUMNS:
            getattr(self, name).flags.writeable = False

    def __len__(self):
        return len(self.values)

    def take(self, rows):
        """The windows at ``rows`` (indices or a mask), in that order, as a new table."""
        return replace(self, **{name: getattr(self, name)[rows] for name in COLUMNS})

    def normal(self):
        """The windows of normal recordings."""
        return self.take(self.recording_label == 0)

    def anomalous(self):
        """The windows of anomalous recordings."""
        return self.take(self.recording_label == 1)

    def with_values(self, values):
        """The same windows with other feature values of the same shape, for example standardised ones."""
        return replace(self, values=values)


def join(tables):
    """Tables with the same features and window settings, one under the other."""
    first = tables[0]
    for table in tables[1:]:
        for setting in ("feature_names", "window_s", "hop_s", "sample_rate", "level"):
            if getattr(table, setting) != getattr(first, setting):
                raise ValueError(f"tables differ in {setting}: {getattr(first, setting)} and {getattr(table, setting)}; "
                                 "extract them with the same settings, at the same sample rate")
    return replace(first, **{name: np.concatenate([getattr(table, name) for table in tables]) for name in COLUMNS})


def window_table(recording, values, level_db, *, window_s, hop_s, n_mfcc, level="kept"):
    """The FeatureTable of one recording, its windows labelled.

    Parameters
    ----------
    recording : Recording
    values : ndarray, shape (n_windows, n_mfcc + 4)
    level_db : ndarray, shape (n_windows,)
    window_s, hop_s, n_mfcc, level
        As for ``extract_features``.

    Returns
    -------
    FeatureTable
        In an anomalous recording whose events are known, a window is anomalous where it holds one: see
        ``stretches.window_labels``.
    """
    _, hop = window_lengths(recording.sample_rate, window_s=window_s, hop_s=hop_s)
    start_s = recording.start_s + np.arange(len(values)) * hop / recording.sample_rate
    end_s = start_s + min(window_s, recording.duration_s)
    known = recording.label == 1 and recording.events is not None
    label = window_labels(start_s, end_s, recording.events) if known else np.full(len(values), recording.label)
    return FeatureTable(
        values=values, feature_names=feature_names(n_mfcc), label=label, recording_label=np.full(len(values), recording.label),
        recording=np.full(len(values), recording.name), start_s=start_s, end_s=end_s, level_db=level_db,
        window_s=window_s, hop_s=hop_s, sample_rate=recording.sample_rate, level=level)


def feature_names(n_mfcc):
    """Column names: ``mfcc_1`` ..., ``centroid_hz``, ``rolloff_hz``, ``contrast_db``, ``zero_crossing_rate``."""
    return (*(f"mfcc_{k}" for k in range(1, n_mfcc + 1)), "centroid_hz", "rolloff_hz", "contrast_db",
            "zero_crossing_rate")


def extract_features(recordings, *, window_s=1.0, hop_s=0.5, n_mfcc=13, level="kept", progress=None):
    """Turn recordings into one table of features; always computes.

    Parameters
    ----------
    recordings : sequence of Recording
        All at one sample rate of at least 8000 Hz.
    window_s, hop_s : float
        Length of a window and distance between window starts; ``hop_s <= window_s``.
    n_mfcc : int
        Number of MFCCs, 1 to 128; the table has ``n_mfcc + 4`` columns.
    level : str
        ``kept``: the sound as it is. ``removed``: the samples of each window by itself are multiplied by one number that brings
        their RMS, a constant offset included, to 0.1 (-20 dBFS) before anything is computed, so that neither the gain of a
        recording nor a drift from window to window reaches a feature; what changes inside a window stays. A window at or below
        -120 dBFS is silence and stays as it is. ``level_db`` is the level before that.
    progress : callable, optional
        Called with the number of windows done so far.

    Returns
    -------
    FeatureTable
        Rows in the order of the recordings, then of time. MFCCs are dimensionless, centroid and roll-off in Hz,
        contrast in dB, the zero-crossing rate a share of samples. A recording shorter than one window gives one row, the
        mean over the frames that it has.

    Raises
    ------
    ValueError
        If rates differ or are too low, or a setting does not fit.
    """
    rates = sorted({recording.sample_rate for recording in recordings})
    if len(rates) != 1:
        raise ValueError(f"recordings have different sample rates ({rates} Hz); resample them to one first")
    tables = []
    for recording in recordings:
        pieces, n_done = [], 0
        for piece in feature_pieces(recording.blocks(), name=recording.name, sample_rate=rates[0], window_s=window_s, hop_s=hop_s,
                                    n_mfcc=n_mfcc, level=level):
            pieces.append(piece)
            n_done += len(piece)
            if progress:
                progress(n_done)
        rows = np.concatenate(pieces)
        tables.append(window_table(recording, rows[:, :-1], rows[:, -1], window_s=window_s, hop_s=hop_s, n_mfcc=n_mfcc,
                                   level=level))
    return join(tables)


def feature_pieces(blocks, *, name, sample_rate, window_s, hop_s, n_mfcc, level, at_once=None):
    """Features and level of the windows of a stream of samples, some windows at a time: the memory for a day is that for a minute.

    Parameters
    ----------
    blocks : iterable of ndarray
        Samples, end to end; may wait for sound to come.
    name : str
        Of the recording, for messages.
    sample_rate, window_s, hop_s, n_mfcc, level
        As for ``extract_features``.
    at_once : int, optional
        1: each window by itself, as soon as its last sample is there. By default as many as keep all cores busy.

    Yields
    ------
    ndarray, shape (n_windows, n_mfcc + 5)
        A row per window: the features, and last the level in dB.

    Raises
    ------
    ValueError
        If a setting does not fit, or there are fewer samples than a frame needs.
    """
    check_features(n_mfcc=n_mfcc, level=level)
    window, hop = window_lengths(sample_rate, window_s=window_s, hop_s=hop_s)
    kernel = load_kernel(sample_rate, n_mfcc)
    sounds = _windows_of(blocks, name=name, sample_rate=sample_rate, window=window, hop=hop)
    if at_once == 1:
        return (_table(kernel, level, [sound]) for sound in sounds)
    return _pieces(sounds, kernel, level=level, window_s=window_s)


def changed_features(windows, recordings, change):
    """The features of the same windows after something was done to their sound.

    Parameters
    ----------
    windows : FeatureTable
        Any windows of ``recordings``, standardised or not; its settings are used.
    recordings : list of Recording
    change : callable
        ``change(sound, row)`` returns the samples to use in place of ``sound``, those of window ``row``, shape (n_samples,).

    Returns
    -------
    FeatureTable
        The rows of ``windows`` with new ``values``, not standardised, and new ``level_db``.

    Raises
    ------
    ValueError
        If a window is of none of the recordings.
    """
    missing = set(windows.recording.tolist()) - {recording.name for recording in recordings}
    if missing:
        raise ValueError(f"there are windows of {min(missing)}, but no recording of that name; give the one that they are of")
    n_mfcc = len(windows.feature_names) - 4
    window, _ = window_lengths(windows.sample_rate, window_s=windows.window_s, hop_s=windows.hop_s)
    kernel, table = load_kernel(windows.sample_rate, n_mfcc), np.empty((len(windows), n_mfcc + 5))
    for recording in recordings:
        rows = np.flatnonzero(windows.recording == recording.name)
        rows = rows[np.argsort(windows.start_s[rows], kind="stable")]
        changed = map(change, _sounds_at(recording, windows.start_s[rows], window), rows)
        for piece in _pieces(changed, kernel, level=windows.level, window_s=windows.window_s):
            table[rows[:len(piece)]] = piece
            rows = rows[len(piece):]
    return replace(windows, values=table[:, :-1], level_db=table[:, -1])


def check_features(*, n_mfcc, level):
    """Refuse, with ValueError, a number of MFCCs or a handling of level that does not exist."""
    if not 1 <= n_mfcc <= 128:
        raise ValueError(f"n_mfcc must be 1 to 128 (there are 128 mel bands), got {n_mfcc}")
    if level not in LEVELS:
        raise ValueError(f"level is kept or removed, got {level!r}; removed makes the features blind to loudness")


@lru_cache(maxsize=4)
def load_kernel(sample_rate, n_mfcc):
    """The kernel for windows of one sample rate, ready to run: compiling it takes some seconds once after an installation."""
    from acoustic_nb.kernel import Kernel

    kernel = Kernel(sample_rate, n_mfcc=n_mfcc, n_bands=contrast_bands(sample_rate))
    _table(kernel, "kept", [np.zeros(N_FFT, np.float32)])
    return kernel


def _windows_of(blocks, *, name, sample_rate, window, hop):
    """The samples of every window of a recording, in order; of one that is shorter than a window, all there is."""
    waiting, n_held, found = [], 0, False
    for block in blocks:
        waiting.append(block)
        n_held += len(block)
        if n_held >= window:
            held, found = np.concatenate(waiting), True
            starts = window_starts(n_held, window=window, hop=hop)
            for start in starts:
                yield held[start:start + window]
            waiting = [held[starts[-1] + hop:]]
            n_held = len(waiting[0])
    if not found:
        if n_held < N_FFT:
            raise ValueError(f"{name}: has {n_held} samples at {sample_rate} Hz, but a frame needs {N_FFT}; leave it out or record "
                             "longer")
        yield np.concatenate(waiting)


def _sounds_at(recording, starts_s, window):
    """The samples of the windows that start at rising times, read a stretch at a time."""
    first_read, n_read = 0, 0
    for start_s in starts_s:
        first = round((start_s - recording.start_s) * recording.sample_rate)
        if not first_read <= first <= first_read + n_read - window:
            first_read, n_read = first, max(round(READ_S * recording.sample_rate), window)
            piece = recording.part(start_s, n_read / recording.sample_rate)
        yield piece[first - first_read:][:window]


def _pieces(sounds, kernel, *, level, window_s):
    """Tables of features and level, shape (n, n_features + 1), that one below the other have a row for each of many sounds.

    A few sounds are in memory at a time: while the threads work on them, the next are read.
    """
    from numba import config

    n_threads = config.NUMBA_NUM_THREADS
    at_once = max(n_threads, round(READ_S / window_s))
    share = -(-at_once // (2 * n_threads))
    with ThreadPoolExecutor(n_threads) as pool:
        at_work = ()
        while read := list(islice(sounds, at_once)):
            begun = pool.map(partial(_table, kernel, level), [read[first:first + share] for first in range(0, len(read), share)])
            yield from at_work
            at_work = begun
        yield from at_work


def _table(kernel, level, sounds):
    """Features and level of a few sounds, shape (n_sounds, n_features + 1)."""
    from acoustic_nb.kernel import mean_square

    power = np.array([mean_square(np.asarray(sound)) for sound in sounds])
    level_db = np.maximum(10 * np.log10(np.maximum(power, 1e-300)), SILENT_DB)
    if level == "removed":
        gains = np.where(level_db > SILENT_DB, LEVELLED_RMS / 10 ** (level_db / 20), 1.0)
        sounds = [sound * np.float32(gain) for sound, gain in zip(sounds, gains, strict=True)]
    return np.column_stack([kernel.means(sounds), level_db])
