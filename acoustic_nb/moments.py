"""Moments: when an event begins, peaks and ends, placed by its sound more closely than its windows can.

The sound of an event must stand out from what is just around its windows. How loud it is from moment to moment is the RMS of frames
of 10 ms, every 5 ms, or longer ones for a narrow band. What stands out is louder than the sound before and the sound after, their
medians, by 6 dB and by 3 times as much as their own louder moments (the 90th percentile) are, so that hum, a rattle or steady noise
of any colour does not stand out from itself. The peak stands out by 2 dB more, or a slow rise would do. Times are seconds of the
file.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft, rfftfreq
from scipy.signal.windows import hann

from acoustic_nb.stretches import union

FRAME_S, BINS_ACROSS_BAND = 0.01, 4
AROUND_S, NEAR_S, LEAST_AROUND_S = 1.0, 0.1, 0.4
STANDS_OUT_DB, LOUDER_MOMENTS, SPREADS, PEAK_MORE_DB = 6.0, 0.9, 3.0, 2.0
READ_S = 20.0
SILENT_POWER = 1e-12


@dataclass(frozen=True)
class Moment:
    """When an event is to be heard.

    Attributes
    ----------
    start_s, end_s, peak_s : float
        Where ``refined``, of its sound; else of its windows, and the middle of its highest one.
    refined : bool
        Start, end and peak all stand out from the sound around, and it is shorter than its windows.
    """

    start_s: float
    end_s: float
    peak_s: float
    refined: bool


def refine(part, sample_rate, *, start_s, end_s, peak_start_s, window_s, low_hz, high_hz, first_s=0.0, last_s=np.inf):
    """Place an event by its sound, in one band or in all, whichever it stands out from more.

    Parameters
    ----------
    part : callable
        ``part(start_s, duration_s)`` returns samples, shape (n_samples,), fewer where the recording ends, as ``Recording.part``.
        It is asked for the first, the highest and the last window and 1 s on either side, never for more than 20 s at once.
    sample_rate : int
        In Hz.
    start_s, end_s : float
        Start of the first flagged window and end of the last.
    peak_start_s, window_s : float
        Start of the window with the highest score, and length of a window.
    low_hz, high_hz : float
        The band to try besides all frequencies.
    first_s, last_s : float
        Where the recording begins and ends.

    Returns
    -------
    Moment
        Start is where the sound first stands out in the first window, end where it last does in the last, peak where it is
        loudest in the highest; to within about 10 ms, or half a frame of ``4 / (high_hz - low_hz)`` seconds where that is longer.
        Not refined where one of the three does not stand out, or where there is less than 0.4 s before and after the windows to
        compare with. So a steady sound and a drop in level are left as they are; an event among normal sounds as short and loud as
        itself is placed by these too.

    Raises
    ------
    ValueError
        If no frequency lies in the band.
    """
    if not 0 <= low_hz < min(high_hz, sample_rate / 2):
        raise ValueError(f"a band rises from low_hz, at least 0, to high_hz and begins below half the sample rate of {sample_rate} "
                         f"Hz, got {low_hz:g} to {high_hz:g} Hz; give one of octaves.band_edges_hz")
    as_windows = Moment(start_s, end_s, peak_start_s + window_s / 2, False)
    read = [(max(first_s, begin_s), min(last_s, until_s)) for begin_s, until_s in
            ((start_s - AROUND_S, start_s + window_s), (peak_start_s, peak_start_s + window_s),
             (end_s - window_s, end_s + AROUND_S))]
    bands_hz = (low_hz, high_hz), (0.0, sample_rate / 2)
    pieces = [[_envelope(begin_s, sound, sample_rate, *band_hz) for band_hz in bands_hz]
              for begin_s, sound in _sounds(part, *union(*zip(*read, strict=True)))]
    curves = []
    for envelopes, band_hz in zip(zip(*pieces, strict=True), bands_hz, strict=True):
        (time_s, level_db), frame_s = np.concatenate(envelopes, axis=1), _frame_s(*band_hz)
        in_peak = np.flatnonzero((time_s >= peak_start_s) & (time_s < peak_start_s + window_s))
        around = time_s < start_s - NEAR_S, time_s >= end_s + NEAR_S
        limits_db = [_limit_db(level_db[side]) for side in around if np.count_nonzero(side) * frame_s / 2 >= LEAST_AROUND_S]
        if not limits_db or not len(in_peak):
            return as_windows
        excess_db = level_db - max(limits_db)
        peak = in_peak[np.argmax(excess_db[in_peak])]
        curves.append((excess_db[peak], time_s[peak], time_s[excess_db >= 0], frame_s))
    excess_db, peak_s, loud_s, frame_s = max(curves, key=lambda curve: curve[0])
    in_first = loud_s[(loud_s >= start_s) & (loud_s < start_s + window_s)]
    in_last = loud_s[(loud_s >= end_s - window_s) & (loud_s < end_s)]
    if excess_db < PEAK_MORE_DB or not len(in_first) or not len(in_last):
        return as_windows
    begins_s, ends_s = max(start_s, in_first[0] - frame_s / 4), min(end_s, in_last[-1] + frame_s / 4)
    if ends_s - begins_s > end_s - start_s - frame_s:
        return as_windows
    return Moment(float(begins_s), float(ends_s), float(peak_s), True)


def _limit_db(level_db):
    """What stands out from sound of these levels, shape (n_frames,), lies above this."""
    middle_db, louder_db = np.quantile(level_db, [0.5, LOUDER_MOMENTS])
    return middle_db + max(STANDS_OUT_DB, SPREADS * (louder_db - middle_db))


def _sounds(part, begins_s, ends_s):
    """Stretches of sound as (start in s, samples), each at most ``READ_S`` long."""
    for begin_s, end_s in zip(begins_s, ends_s, strict=True):
        for read_s in np.arange(begin_s, end_s, READ_S):
            yield read_s, part(read_s, min(READ_S, end_s - read_s))


def _frame_s(low_hz, high_hz):
    return max(FRAME_S, BINS_ACROSS_BAND / (high_hz - low_hz))


def _envelope(begin_s, sound, sample_rate, low_hz, high_hz):
    """Middle in s of every frame of a sound, and its level in a band in dBFS: shape (2, n_frames)."""
    sound, frame = np.asarray(sound, dtype=np.float32), round(_frame_s(low_hz, high_hz) * sample_rate)
    if len(sound) < frame:
        return np.zeros((2, 0))
    hop, fade = frame // 2, hann(frame, sym=False).astype(np.float32)
    frames = sliding_window_view(sound, frame)[::hop]
    in_band = slice(*np.searchsorted(rfftfreq(frame, 1 / sample_rate), [low_hz, high_hz]))
    spectrum = rfft((frames - sound.mean()) * fade)[:, in_band]
    power = 2 * np.sum(np.abs(spectrum) ** 2, axis=1, dtype=float) / (frame * np.sum(fade**2))
    return np.stack([begin_s + (np.arange(len(frames)) * hop + frame / 2) / sample_rate,
                     10 * np.log10(np.maximum(power, SILENT_POWER))])
