"""Framing: how sound is cut into windows, windows into frames, and their spectra into bands.

A window is the unit that gets a score, 1 s by default; a frame is one of librosa's STFT slices inside it (``n_fft`` 2048, hop 512,
centred, zero padded).
"""

import numpy as np

N_FFT, FRAME_HOP = 2048, 512
MAX_WINDOW_S = 3600.0
MIN_SAMPLE_RATE, MAX_SAMPLE_RATE = 8000, 400_000
MAX_CONTRAST_BANDS = 6
CONTRAST_FMIN_HZ = 200.0


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
    if sample_rate > MAX_SAMPLE_RATE:  # the lowest band would hold no bin
        raise ValueError(f"a sample rate of {sample_rate} Hz is too high, at most {MAX_SAMPLE_RATE} Hz can be used; choose a lower "
                         "one with sample_rate")
    starts_hz = CONTRAST_FMIN_HZ * 2.0 ** np.arange(MAX_CONTRAST_BANDS)
    return int(np.count_nonzero(starts_hz < sample_rate / 2))
