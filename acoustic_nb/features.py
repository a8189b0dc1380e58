"""Features: one row of numbers per window of sound.

A window is the unit that gets a score, 1 s by default; a frame is one of librosa's STFT slices inside it
(``n_fft`` 2048, hop 512, centred, zero padded). A feature is the mean of a frame quantity over the window.
The numbers equal librosa calls on that window alone; one STFT serves all of them.
"""

import warnings
from dataclasses import dataclass, replace

import numpy as np

from acoustic_nb.stretches import window_labels

N_FFT = 2048
MAX_WINDOW_S = 3600.0
FRAME_HOP = 512
MIN_SAMPLE_RATE = 8000
MAX_CONTRAST_BANDS = 6
CONTRAST_FMIN_HZ = 200.0
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


def window_starts(n_samples, *, window, hop):
    """First sample of every whole window.

    Parameters
    ----------
    n_samples, window, hop : int
        Lengths in samples; ``hop >= 1``.

    Returns
    -------
    ndarray of int, shape (n_windows,)
        The last window ends at or before ``n_samples``; a shorter rest is dropped.

    Examples
    --------
    >>> window_starts(10, window=4, hop=3)
    array([0, 3, 6])
    >>> window_starts(4, window=4, hop=3)
    array([0])
    """
    if hop < 1:
        raise ValueError(f"hop must be at least 1 sample, got {hop}")
    if n_samples < window:
        raise ValueError(f"the recording has {n_samples} samples but one window needs {window}; "
                         "use a shorter window_s or a longer recording")
    return np.arange(0, n_samples - window + 1, hop)


def contrast_bands(sample_rate):
    """Number of octave bands for the spectral contrast at this rate: 6, fewer where half the rate is too low.

    Band k >= 1 starts at 200 Hz * 2**(k - 1); the highest must start below half the sample rate.

    Examples
    --------
    >>> contrast_bands(44100), contrast_bands(16000), contrast_bands(8000)
    (6, 6, 5)
    """
    if sample_rate < MIN_SAMPLE_RATE:
        raise ValueError(f"a sample rate of {sample_rate} Hz is too low, at least {MIN_SAMPLE_RATE} Hz are needed; "
                         "record at a higher rate")
    starts_hz = CONTRAST_FMIN_HZ * 2.0 ** np.arange(MAX_CONTRAST_BANDS)
    return int(np.count_nonzero(starts_hz < sample_rate / 2))


def feature_names(n_mfcc):
    """Column names: ``mfcc_1`` ..., ``centroid_hz``, ``rolloff_hz``, ``contrast_db``, ``zero_crossing_rate``."""
    return (*(f"mfcc_{k}" for k in range(1, n_mfcc + 1)), "centroid_hz", "rolloff_hz", "contrast_db",
            "zero_crossing_rate")


def window_lengths(sample_rate, *, window_s, hop_s):
    """Window and hop in samples, checked: ``window_s`` holds at least one frame, ``hop_s`` is positive."""
    for name, value in (("window_s", window_s), ("hop_s", hop_s)):
        if not np.isfinite(value) or value <= 0:
            raise ValueError(f"{name} must be a positive number of seconds, got {value}")
        if value > MAX_WINDOW_S:
            raise ValueError(f"{name} = {value:g} s is longer than the {MAX_WINDOW_S:g} s that a window may last; is it in "
                             "seconds?")
    window, hop = round(window_s * sample_rate), round(hop_s * sample_rate)
    if window < N_FFT:
        raise ValueError(f"window_s = {window_s} is {window} samples at {sample_rate} Hz, but a frame needs {N_FFT}; "
                         f"use a window_s of at least {N_FFT / sample_rate:.3f}")
    if hop < 1 or hop > window:
        raise ValueError(f"hop_s = {hop_s} must be at least one sample and at most window_s = {window_s}, "
                         "or sound between windows would be lost")
    return window, hop


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
        Called with the number of windows done after each of them.

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
    check_features(n_mfcc=n_mfcc, level=level)
    rates = sorted({recording.sample_rate for recording in recordings})
    if len(rates) != 1:
        raise ValueError(f"recordings have different sample rates ({rates} Hz); resample them to one first")
    window, hop = window_lengths(rates[0], window_s=window_s, hop_s=hop_s)
    frame_features = _FrameFeatures(rates[0], n_mfcc)
    tables = []
    for recording in recordings:
        samples = recording.samples
        if len(samples) < N_FFT:
            raise ValueError(f"{recording.name}: has {len(samples)} samples at {recording.sample_rate} Hz, but a frame needs "
                             f"{N_FFT}; leave it out or record longer")
        starts = window_starts(len(samples), window=min(window, len(samples)), hop=hop)
        values = np.empty((len(starts), n_mfcc + 4))
        level_db = np.empty(len(starts))
        for row, start in enumerate(starts):
            sound = samples[start:start + window]
            values[row] = frame_features.mean(levelled(sound) if level == "removed" else sound)
            level_db[row] = rms_db(sound)
            if progress:
                progress(row + 1)
        tables.append(window_table(recording, values, level_db, window_s=window_s, hop_s=hop_s, n_mfcc=n_mfcc, level=level))
    return join(tables)


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
    frame_features = _FrameFeatures(windows.sample_rate, n_mfcc)
    values, level_db = np.empty((len(windows), n_mfcc + 4)), np.empty(len(windows))
    for recording in recordings:
        rows = np.flatnonzero(windows.recording == recording.name)
        samples = recording.samples if len(rows) else None
        for row in rows:
            first = round((windows.start_s[row] - recording.start_s) * windows.sample_rate)
            sound = change(samples[first:first + window], row)
            values[row] = frame_features.mean(levelled(sound) if windows.level == "removed" else sound)
            level_db[row] = rms_db(sound)
    return replace(windows, values=values, level_db=level_db)


def check_features(*, n_mfcc, level):
    """Refuse, with ValueError, a number of MFCCs or a handling of level that does not exist."""
    if not 1 <= n_mfcc <= 128:
        raise ValueError(f"n_mfcc must be 1 to 128 (there are 128 mel bands), got {n_mfcc}")
    if level not in LEVELS:
        raise ValueError(f"level is kept or removed, got {level!r}; removed makes the features blind to loudness")


def rms_db(samples):
    """RMS level in dB relative to full scale; -120 for digital silence."""
    return max(10 * np.log10(max(np.mean(np.square(samples, dtype=np.float64)), 1e-300)), SILENT_DB)


def levelled(sound):
    """The sound at an RMS of 0.1; as it is at or below -120 dBFS."""
    level_db = rms_db(sound)
    return sound if level_db <= SILENT_DB else sound * np.float32(LEVELLED_RMS / 10 ** (level_db / 20))


class _FrameFeatures:
    """What every window of one rate shares: the mel filters and the number of contrast bands."""

    def __init__(self, sample_rate, n_mfcc):
        self.sample_rate, self.n_mfcc, self.n_bands = sample_rate, n_mfcc, contrast_bands(sample_rate)
        with warnings.catch_warnings():
            # a library behind librosa asks for a notebook widget that nothing here needs, when one of its parts is first named
            warnings.filterwarnings("ignore", message="IProgress")
            # at 96 kHz the lowest mel bands are narrower than an FFT bin, as in librosa
            warnings.filterwarnings("ignore", message="Empty filters")
            import librosa

            self.mel_filters = librosa.filters.mel(sr=sample_rate, n_fft=N_FFT)
            self.stft, self.power_to_db, self.feature = librosa.stft, librosa.power_to_db, librosa.feature

    def mean(self, sound):
        feature = self.feature
        magnitude = np.abs(self.stft(sound, n_fft=N_FFT, hop_length=FRAME_HOP))
        mel_db = self.power_to_db(self.mel_filters @ magnitude**2)
        spectrum = {"S": magnitude, "sr": self.sample_rate, "n_fft": N_FFT}
        return np.concatenate([
            feature.mfcc(S=mel_db, n_mfcc=self.n_mfcc).mean(axis=1),
            [feature.spectral_centroid(**spectrum).mean(),
             feature.spectral_rolloff(**spectrum).mean(),
             feature.spectral_contrast(**spectrum, n_bands=self.n_bands, fmin=CONTRAST_FMIN_HZ).mean(),
             feature.zero_crossing_rate(sound, hop_length=FRAME_HOP, frame_length=N_FFT).mean()]])
