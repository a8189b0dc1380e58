"""Octave bands: how loud a sound is from band to band, and which band is most unlike normal sound.

The lowest band ends at 125 Hz, each of the others is an octave wide, the last ends at half the sample rate. Levels are mean squares
in dB relative to full scale (a full-scale square wave is 0 dB), at least -120.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft, rfftfreq
from scipy.signal.windows import hann, tukey

LOWEST_EDGE_HZ = 125.0
SLIVER_OCTAVES = 0.25
TAPERED_SHARE = 0.1  # half of it at each end: a tone leaks far less into other bands, and hardly any sound goes unheard
SILENT_POWER = 1e-12
MOMENT_S = 0.032
LEAST_SPREAD_DB = 0.5
CHANGED_DB = 1.0


@dataclass(frozen=True, eq=False)
class BandLevels:
    """How loud the octave bands of normal windows are.

    Attributes
    ----------
    edges_hz : ndarray of float, shape (n_bands + 1,)
    mean_db, spread_db : ndarray of float, shape (n_bands,)
        Mean and standard deviation of the levels over the windows; the latter is at least 0.5 dB.
    relative : bool
        Levels are relative to that of the whole window, for detectors that are blind to level.
    """

    edges_hz: np.ndarray
    mean_db: np.ndarray
    spread_db: np.ndarray
    relative: bool = False

    def most_unlike(self, levels_db):
        """The band that is most unlike normal: of those 1 dB or more off, the one with the most standard deviations.

        Parameters
        ----------
        levels_db : array of float, shape (n_bands,)
            Of one window, as ``band_levels_db`` gives them, also where ``relative``.

        Returns
        -------
        low_hz, high_hz : float
            Where no band is 1 dB off, the one with the most standard deviations.
        change_db : float
            Above 0: louder than normal, or where ``relative``, more of the sound lies there.

        Raises
        ------
        ValueError
            If the levels are of other bands.
        """
        if np.shape(levels_db) != np.shape(self.mean_db):
            raise ValueError(f"levels_db needs one level for each of {len(self.mean_db)} bands, got shape {np.shape(levels_db)}; "
                             "take them at the sample rate that the bands were learned at")
        change_db = _taken(levels_db, self.relative) - self.mean_db
        rank = np.abs(change_db) / self.spread_db
        changed = np.abs(change_db) >= CHANGED_DB
        band = int(np.argmax(np.where(changed, rank, -1.0) if changed.any() else rank))
        return float(self.edges_hz[band]), float(self.edges_hz[band + 1]), float(change_db[band])


def band_edges_hz(sample_rate):
    """Edges of the octave bands, shape (n_bands + 1,), rising from 0 to half the rate.

    Where the last band would be narrower than a quarter of an octave, it is part of the one before.

    Examples
    --------
    >>> band_edges_hz(8050).tolist()
    [0.0, 125.0, 250.0, 500.0, 1000.0, 2000.0, 4025.0]
    """
    highest_hz, edges_hz, edge_hz = sample_rate / 2, [0.0], LOWEST_EDGE_HZ
    while edge_hz * 2**SLIVER_OCTAVES <= highest_hz:
        edges_hz.append(edge_hz)
        edge_hz *= 2
    return np.array([*edges_hz, highest_hz])


def band_levels_db(sound, sample_rate):
    """Level of every octave band of a sound, its mean removed, by one FFT of all of it.

    Parameters
    ----------
    sound : array of float, shape (n_samples,)
    sample_rate : int
        In Hz.

    Returns
    -------
    ndarray of float, shape (n_bands,)
        The powers of all bands sum to the mean square (Parseval), the first and last 5 % of the sound counting less: they are
        faded by a cosine (Tukey window).

    Raises
    ------
    ValueError
        If there are no samples.
    """
    sound = np.asarray(sound, dtype=float)
    if not len(sound):
        raise ValueError("the level of a band needs a sound, got one of 0 samples; ask for a part inside the recording")
    fade = _fade(len(sound))
    power = np.abs(rfft((sound - sound.mean()) * fade)) ** 2
    power[1:(len(sound) + 1) // 2] *= 2  # these stand for negative frequencies too
    first = np.searchsorted(rfftfreq(len(sound), 1 / sample_rate), band_edges_hz(sample_rate)[:-1])
    powers = np.diff(np.append(0.0, np.cumsum(power))[[*first, len(power)]]) / (len(sound) * np.sum(fade**2))
    return 10 * np.log10(np.maximum(powers, SILENT_POWER))


def moment_levels_db(sound, sample_rate):
    """Level of every octave band in its loudest moment: of frames of 32 ms, every 16 ms, the highest mean square in the band.

    Parameters, shapes and errors as for ``band_levels_db``. What lasts much shorter than a window is hardly heard in the level of
    the whole window, and plainly here.
    """
    sound = np.asarray(sound, dtype=float)
    if not len(sound):
        raise ValueError("the level of a band needs a sound, got one of 0 samples; ask for a part inside the recording")
    n_samples = 2 * round(MOMENT_S / 2 * sample_rate)
    padded = np.pad(sound - sound.mean(), (0, max(0, n_samples - len(sound))))
    frames, taper = sliding_window_view(padded, n_samples)[::n_samples // 2], hann(n_samples, sym=False)
    power = 2 * np.abs(rfft(frames * taper, axis=1)) ** 2 / (n_samples * np.sum(taper**2))
    first = np.searchsorted(rfftfreq(n_samples, 1 / sample_rate), band_edges_hz(sample_rate)[:-1])
    return 10 * np.log10(np.maximum(np.add.reduceat(power, first, axis=1).max(axis=0), SILENT_POWER))


def learn_bands(sounds, sample_rate, *, relative=False, levels=band_levels_db):
    """The levels that normal windows have in octave bands.

    Parameters
    ----------
    sounds : iterable of array of float, shape (n_samples,)
        The samples of one window each; one is in memory at a time.
    sample_rate : int
        In Hz.
    relative : bool
        Take levels relative to that of the whole window, for detectors that are blind to level.
    levels : callable
        ``band_levels_db`` or ``moment_levels_db``.

    Returns
    -------
    BandLevels

    Raises
    ------
    ValueError
        If there is no window.
    """
    n_windows, mean_db, squares = 0, 0.0, 0.0
    for sound in sounds:
        levels_db = _taken(levels(sound, sample_rate), relative)
        n_windows += 1
        step_db = levels_db - mean_db
        mean_db = mean_db + step_db / n_windows
        squares = squares + step_db * (levels_db - mean_db)
    if not n_windows:
        raise ValueError("the bands of normal sound need at least one normal window, got none; give training windows")
    return BandLevels(band_edges_hz(sample_rate), mean_db, np.maximum(np.sqrt(squares / n_windows), LEAST_SPREAD_DB), relative)


@lru_cache(maxsize=1)
def _fade(n_samples):
    return tukey(n_samples, TAPERED_SHARE) if n_samples > 2 else np.ones(n_samples)


def _taken(levels_db, relative):
    """Levels as they are compared: where ``relative``, less the level of all bands together."""
    levels_db = np.asarray(levels_db, dtype=float)
    return levels_db - 10 * np.log10(np.sum(10 ** (levels_db / 10))) if relative else levels_db
