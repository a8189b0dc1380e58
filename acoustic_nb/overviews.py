"""Overviews: what a page can show of a recording, however long it is, read in one pass and kept for the next notebook.

Time is cut into columns of which every sample counts, so a click of one sample in a day is still there. Spectra are taken here
and there, evenly over the recording: what lasts is seen, what is short may fall between two of them.
"""

from dataclasses import dataclass

import numpy as np

from acoustic_nb.cache import entry_key, stored
from acoustic_nb.progress import progress_bar

MADE_BY = ("audio", "overviews")
# a figure has about 900 dots from left to right, 800 beside a colour bar, and 200 for the height of a spectrogram
MAX_COLUMNS = 1000
MAX_SPECTRA = 800
N_BINS = 128
N_FFT = 2048
SPECTRUM_HOP = 512
FLOOR = 1e-6  # -120 dBFS


@dataclass(frozen=True, eq=False)
class Overview:
    """What a page shows of a recording.

    Attributes
    ----------
    name, label, start_s, end_s, sample_rate
        As of the recording.
    column_s : float
        Length of a column in seconds; the last may be shorter.
    low, high : ndarray of float32, shape (n_columns,)
        Least and greatest sample of each column, 1 is full scale; at most 1000 columns.
    level_db : ndarray of float32, shape (n_bins, n_spectra)
        Spectra in dBFS, lowest frequency first, at most 800; a sine at full scale reads 0 dB (or up to 1.4 dB less, between
        two bins of the FFT). Hann window, 2048 samples. Each of the 128 rows is the loudest of 8 neighbouring bins, without the
        one at 0 Hz: in their mean a tone would lose 7 dB, and of single bins those between two dots of the screen would be lost.
        Noise therefore reads about 4 dB higher than the mean power of a bin.
    """

    name: str
    label: int
    start_s: float
    end_s: float
    sample_rate: int
    column_s: float
    low: np.ndarray
    high: np.ndarray
    level_db: np.ndarray

    @property
    def spectrum_s(self):
        """Distance between neighbouring spectra in seconds."""
        return (self.end_s - self.start_s) / self.level_db.shape[1]

    @property
    def gaps(self):
        """Whether there is sound that no spectrum holds."""
        return self.spectrum_s * self.sample_rate > N_FFT


def overviews(recordings, folder=None):
    """Overviews of recordings, from the cache where they were made before, else with a progress bar.

    Each recording is read once, in blocks: an hour takes no more memory than a minute.

    Parameters
    ----------
    recordings : list of Recording
        At least one.
    folder : path, optional
        Of the cache; ``cache.cache_folder()`` by default.

    Returns
    -------
    list of Overview
        In the order given.

    Raises
    ------
    ValueError
        If there is no recording.
    AudioError
        If a file can no longer be read.
    """
    if not recordings:
        raise ValueError("overviews needs at least one recording, got none; give those that the page shows")
    with progress_bar(total=sum(_n_samples(recording) for recording in recordings), desc="overviews", unit=" samples",
                      unit_scale=True) as bar:
        return [_overview(recording, folder, bar) for recording in recordings]


def _overview(recording, folder, bar):
    before = bar.n
    bar.set_postfix_str(recording.name, refresh=False)
    arrays = stored(f"overview-{entry_key([recording], {}, MADE_BY)}", lambda: _look(recording, bar.update), folder)
    bar.update(before + _n_samples(recording) - bar.n)
    return Overview(name=recording.name, label=recording.label, start_s=recording.start_s, end_s=recording.end_s,
                    sample_rate=recording.sample_rate, column_s=_column_length(_n_samples(recording)) / recording.sample_rate,
                    **arrays)


def _look(recording, progress):
    """Extremes of all columns and the spectra, in one pass over the recording."""
    n_samples = _n_samples(recording)
    step = _column_length(n_samples)
    low, high = np.full(-(-n_samples // step), np.inf, np.float32), np.full(-(-n_samples // step), -np.inf, np.float32)
    starts = _spectrum_starts(n_samples)
    frames = np.zeros((len(starts), N_FFT), np.float32)
    first = 0
    for block in recording.blocks():
        if len(block):
            _add_extremes(low, high, first, block, step)
            _add_frames(frames, starts, first, block)
        first += len(block)
        progress(len(block))
    heard = np.isfinite(low)  # a rate that was changed may end a sample early
    return {"low": low[heard], "high": high[heard], "level_db": _levels_db(frames)}


def _add_extremes(low, high, first, block, step):
    """Widen the columns that hold a block, which begins at sample ``first``."""
    # a rate that was changed may bring a sample more than was reckoned: it belongs to the last column
    columns = np.arange(min(first // step, len(low) - 1), min(-(-(first + len(block)) // step), len(low)))
    cuts = np.maximum(columns * step - first, 0)
    low[columns] = np.minimum(low[columns], np.minimum.reduceat(block, cuts))
    high[columns] = np.maximum(high[columns], np.maximum.reduceat(block, cuts))


def _add_frames(frames, starts, first, block):
    """Copy what a block holds of each frame; a frame may lie across several blocks."""
    end = first + len(block)
    for row in range(np.searchsorted(starts, first - N_FFT, side="right"), np.searchsorted(starts, end)):
        start = starts[row]
        a, b = max(start, first), min(start + N_FFT, end)
        frames[row, a - start:b - start] = block[a - first:b - first]


def _levels_db(frames):
    amplitude = np.abs(np.fft.rfft(frames * np.hanning(N_FFT).astype(np.float32), axis=1))[:, 1:] * 4 / N_FFT
    loudest = amplitude.reshape(len(frames), N_BINS, -1).max(axis=2)
    return (20 * np.log10(np.maximum(loudest, FLOOR))).T.astype(np.float32)


def _n_samples(recording):
    return round(recording.duration_s * recording.sample_rate)


def _column_length(n_samples):
    return max(1, -(-n_samples // MAX_COLUMNS))


def _spectrum_starts(n_samples):
    """First samples of spectra whose middles lie evenly; of what is shorter than one of them, the beginning."""
    n_spectra = min(MAX_SPECTRA, max(1, n_samples // SPECTRUM_HOP))
    middles = (np.arange(n_spectra) + 0.5) * n_samples / n_spectra
    return np.clip(middles - N_FFT / 2, 0, max(0, n_samples - N_FFT)).astype(int)
