"""Kernel: the features of a window in one compiled pass over its frames, equal to librosa's calls on that window alone.

A window is cut into frames of 2048 samples, one every 512, the first and the last centred on its ends and padded with zeros. One
FFT of every frame in double precision, as in ``librosa.stft``, serves all features. Step by step, ``S`` being librosa's magnitudes:

=====================  ============================================================================================
``_fill_frames``       ``librosa.stft``: centred frames times a periodic Hann window
``_magnitudes``        ``np.abs`` of its complex64, in single precision as there; ``feature.spectral_centroid(S=S)``
``_mel_powers``        ``filters.mel(...) @ S**2``; a mel filter is zero but for a few neighbouring bins
``_rolloff_bins``      ``feature.spectral_rolloff(S=S)``: running sums in single precision and in the order of ``np.cumsum``, or a
                       frame whose sum comes close to 85 % at a bin's edge would end up one bin off
``_peaks_valleys``     ``feature.spectral_contrast(S=S)`` before decibels: means of the largest and smallest 2 % of each band
``_mean_db``           mean over frames of ``power_to_db``, which lifts what lies 80 dB below the window's highest value
``_crossings``         ``feature.zero_crossing_rate``: frames padded with the first and last sample
=====================  ============================================================================================

The mean over frames and the DCT of ``feature.mfcc`` may change places, so one DCT per window is enough.
"""

import warnings

import numpy as np
import scipy.fft
from numba import njit

from acoustic_nb.framing import CONTRAST_FMIN_HZ, FRAME_HOP, N_FFT

N_BINS, N_MELS = 1 + N_FFT // 2, 128
CONTRAST_SHARE, ROLLOFF_SHARE = 0.02, np.float32(0.85)
LEAST, TOP_DB, SILENT_CROSSING = 1e-10, 80.0, 1e-10
FRAMES_AT_ONCE = 32
FACTORS_AT_ONCE = 32  # of 1e-8 at least: their product stays above the smallest double, 1e-308

# numba keeps machine code until this file changes, so what framing defines comes in as an argument or the shape of one
_exact = njit(nogil=True, cache=True)
# all values are finite; sums may be split over the lanes of the processor
_reordered = njit(nogil=True, cache=True, fastmath={"reassoc", "contract", "nnan", "nsz"})


class Kernel:
    """What all windows of one sample rate share, and the pass over a window.

    Parameters
    ----------
    sample_rate : int
        In Hz.
    n_mfcc : int
        1 to 128.
    n_bands : int
        Octave bands of the spectral contrast, as for ``librosa.feature.spectral_contrast``.
    """

    def __init__(self, sample_rate, *, n_mfcc, n_bands):
        self.sample_rate, self.n_mfcc = sample_rate, n_mfcc
        self.hann = np.hanning(N_FFT + 1)[:-1]
        self.bands = _contrast_bins(sample_rate, n_bands)
        self.mel_bins, self.mel_weights = _mel_filters(sample_rate)

    def means(self, sounds):
        """The features of windows, shape (n_windows, n_mfcc + 4): MFCCs, centroid and roll-off in Hz, contrast in dB, crossings.

        Each of ``sounds`` holds the samples of a window, shape (n_samples,), at least 2048 of them; float32, or made so.
        """
        frames, magnitude = np.empty((FRAMES_AT_ONCE, N_FFT)), np.empty((FRAMES_AT_ONCE, N_BINS), np.float32)
        table = np.empty((len(sounds), self.n_mfcc + 4))
        for row, sound in enumerate(sounds):
            sound = np.ascontiguousarray(sound, dtype=np.float32)
            n_frames = 1 + len(sound) // FRAME_HOP
            mel, peak, valley = (np.empty((n_frames, n)) for n in (N_MELS, len(self.bands), len(self.bands)))
            centroid, rolloff = np.empty(n_frames), np.empty(n_frames)
            for first in range(0, n_frames, FRAMES_AT_ONCE):
                now = slice(first, min(first + FRAMES_AT_ONCE, n_frames))
                windowed = frames[:now.stop - first]
                _fill_frames(sound, self.hann, first, FRAME_HOP, windowed)
                spectra = scipy.fft.rfft(windowed, workers=1)
                _reduce(spectra, self.mel_bins, self.mel_weights, self.bands, magnitude,
                        mel[now], centroid[now], rolloff[now], peak[now], valley[now])
            mel_db, table[row, self.n_mfcc:] = _finish(mel, centroid, rolloff, peak, valley, self.sample_rate / N_FFT,
                                                         _crossings(sound, N_FFT, FRAME_HOP) / (n_frames * N_FFT))
            table[row, :self.n_mfcc] = scipy.fft.dct(mel_db, norm="ortho")[:self.n_mfcc]
        return table


def _mel_filters(sample_rate):
    """The bins of each mel filter, shape (128, 2): first and one past the last; and the weights of these bins end to end."""
    with warnings.catch_warnings():
        # a library behind librosa asks for a notebook widget that nothing here needs, when one of its parts is first named
        warnings.filterwarnings("ignore", message="IProgress")
        # at 96 kHz the lowest mel bands are narrower than an FFT bin, as in librosa
        warnings.filterwarnings("ignore", message="Empty filters")
        import librosa

        filters = librosa.filters.mel(sr=sample_rate, n_fft=N_FFT)
    inside = [np.flatnonzero(weights) for weights in filters]
    bins = np.array([(own[0], own[-1] + 1) if len(own) else (0, 0) for own in inside])
    return bins, np.concatenate([weights[first:end] for weights, (first, end) in zip(filters, bins, strict=True)])


def _contrast_bins(sample_rate, n_bands):
    """Of each band of the spectral contrast the first bin, one past the last, and how many of them make a peak or a valley.

    The lowest band ends at 200 Hz, each of the others an octave higher, the last at half the rate. A band begins one bin below its
    lower edge, and only the last keeps its highest bin; the bins of 2 % are counted before that bin is taken away.
    """
    hz = np.arange(N_BINS) * (sample_rate / N_FFT)
    edges_hz = np.concatenate([[0.0], CONTRAST_FMIN_HZ * 2.0 ** np.arange(n_bands + 1)])
    bands = []
    for k, (low_hz, high_hz) in enumerate(zip(edges_hz[:-1], edges_hz[1:], strict=True)):
        inside = np.flatnonzero((hz >= low_hz) & (hz <= high_hz))
        first, end = inside[0] - (k > 0), N_BINS if k == n_bands else inside[-1] + 1
        bands.append((first, end - (k < n_bands), max(1, np.rint(CONTRAST_SHARE * (end - first)))))
    return np.array(bands, dtype=np.int64)


@_exact
def _fill_frames(sound, hann, first_frame, frame_hop, frames):
    """Frames from ``first_frame`` on of a window, times ``hann``, into ``frames``, shape (n_frames, 2048)."""
    for row in range(len(frames)):
        start = (first_frame + row) * frame_hop - len(hann) // 2
        begin, end = max(0, -start), min(len(hann), len(sound) - start)
        frames[row, :begin] = 0.0
        frames[row, end:] = 0.0
        inside, weights, heard = frames[row, begin:end], hann[begin:end], sound[start + begin:start + end]
        for i in range(len(inside)):
            inside[i] = weights[i] * heard[i]


@_reordered
def _magnitudes(spectra, magnitude, centroid):
    """Absolute values of ``spectra``, shape (n_frames, 1025), and of each frame the mean bin, weighted by them; 0 of silence."""
    n_frames, n_bins = spectra.shape
    for row in range(n_frames):
        for k in range(n_bins):
            real, imaginary = np.float64(np.float32(spectra[row, k].real)), np.float64(np.float32(spectra[row, k].imag))
            magnitude[row, k] = np.sqrt(real * real + imaginary * imaginary)
        total, weighted = 0.0, 0.0
        for k in range(n_bins):
            total += magnitude[row, k]
            weighted += k * magnitude[row, k]
        centroid[row] = weighted / total if total > 0 else 0.0


@_reordered
def _mel_powers(magnitude, bins, weights, mel):
    """Power in each mel band, into ``mel``, shape (n_frames, 128)."""
    power = np.empty(magnitude.shape[1], np.float32)
    for row in range(len(mel)):
        for k in range(len(power)):
            power[k] = magnitude[row, k] * magnitude[row, k]
        place = 0
        for band in range(len(bins)):
            inside = power[bins[band, 0]:bins[band, 1]]
            weight, total = weights[place:place + len(inside)], np.float32(0)
            for k in range(len(inside)):
                total += weight[k] * inside[k]
            mel[row, band] = total
            place += len(inside)


@_exact
def _rolloff_bins(magnitude, rolloff):
    """The first bin up to which a frame's magnitudes sum to at least 85 % of their total, per frame."""
    n_frames, n_bins = len(rolloff), magnitude.shape[1]
    running = np.empty((4, n_bins), np.float32)
    for first in range(0, n_frames, 4):  # four at a time, since each sum has to wait for the one before it
        last = n_frames - 1
        a, b = magnitude[first], magnitude[min(first + 1, last)]
        c, d = magnitude[min(first + 2, last)], magnitude[min(first + 3, last)]
        sum_a = sum_b = sum_c = sum_d = np.float32(0)
        for k in range(n_bins):
            sum_a += a[k]
            sum_b += b[k]
            sum_c += c[k]
            sum_d += d[k]
            running[0, k], running[1, k], running[2, k], running[3, k] = sum_a, sum_b, sum_c, sum_d
        for row in range(min(4, n_frames - first)):
            rolloff[first + row] = np.searchsorted(running[row], ROLLOFF_SHARE * running[row, n_bins - 1])


@_exact
def _peaks_valleys(magnitude, bands, peak, valley):
    """Means of the largest and of the smallest magnitudes of each band, into two arrays of shape (n_frames, n_bands + 1)."""
    for row in range(len(peak)):
        for band in range(len(bands)):
            first, end, count = bands[band]
            inside = magnitude[row, first:end]
            if count == 1:
                valley[row, band], peak[row, band] = _least_greatest(inside)
            else:
                smallest, largest = _sums_of_outermost(inside, count)
                valley[row, band], peak[row, band] = smallest / count, largest / count


@_exact
def _sums_of_outermost(values, count):
    """Sums of the ``count`` smallest and of the ``count`` largest of some values, fewer than all, none of them negative."""
    bits = values.view(np.int32)  # floats that are not negative have the order of their bits
    least, greatest = _least_greatest(bits)
    low, n_low = _cut(bits, count, least, greatest)
    smallest = _sum_up_to(values, low)
    if n_low < count:
        smallest += (count - n_low) * _value_above(values, low)
    low, n_low = _cut(bits, len(values) - count, least, greatest)
    largest = _sum_above(values, low)
    if n_low < len(values) - count:
        largest -= (len(values) - count - n_low) * _value_above(values, low)
    return smallest, largest


@_exact
def _cut(bits, count, least, greatest):
    """A number at or below which lie ``count`` of some numbers, fewer than all, and how many do lie there.

    Fewer than ``count`` do only where the next larger are several equal ones. Halving costs a fraction of sorting.
    """
    low, n_low, high = np.int32(least - 1), 0, greatest
    while n_low < count and high - low > 1:
        middle = np.int32(low + (high - low) // 2)  # in 32 bits, as what it is compared with
        n_middle = _count_up_to(bits, middle)
        if n_middle <= count:
            low, n_low = middle, n_middle
        else:
            high = middle
    return low, n_low


@_exact
def _value_above(values, cut):
    """The smallest of the values whose bits lie above the cut."""
    bits, found = values.view(np.int32), np.inf
    for k in range(len(values)):
        if bits[k] > cut:
            found = min(found, np.float64(values[k]))
    return found


@_reordered
def _least_greatest(values):
    least, greatest = values[0], values[0]
    for k in range(len(values)):
        least, greatest = min(least, values[k]), max(greatest, values[k])
    return least, greatest


@_reordered
def _count_up_to(bits, cut):
    count = np.int32(0)
    for k in range(len(bits)):
        count = np.int32(count + np.int32(bits[k] <= cut))
    return count


@_reordered
def _sum_up_to(values, cut):
    bits, total = values.view(np.int32), 0.0
    for k in range(len(values)):
        total += values[k] if bits[k] <= cut else np.float32(0)
    return total


@_reordered
def _sum_above(values, cut):
    bits, total = values.view(np.int32), 0.0
    for k in range(len(values)):
        total += values[k] if bits[k] > cut else np.float32(0)
    return total


@_exact
def _mean_db(power):
    """Mean over frames of ``power`` in dB, shape (n_frames, n) to (n,), nothing below 1e-10 or 80 dB below the highest of all.

    A sum of logarithms is the logarithm of a product.
    """
    top = max(power.max(), LEAST)
    least = max(top * 10 ** (-TOP_DB / 10), LEAST)
    n_frames, n = power.shape
    logs, product = np.zeros(n), np.ones(n)
    for row in range(n_frames):
        for k in range(n):
            product[k] *= max(power[row, k], least) / top
        if row % FACTORS_AT_ONCE == FACTORS_AT_ONCE - 1 or row == n_frames - 1:
            for k in range(n):
                logs[k] += np.log10(product[k])
                product[k] = 1.0
    return 10 * (logs / n_frames + np.log10(top))


@_exact
def _crossings(sound, n_fft, frame_hop):
    """Changes of sign between neighbours, summed over all frames; what is within 1e-10 of zero counts as positive.

    They are counted in stretches of one hop, of which a frame is a whole number, without the change into its first sample.
    """
    n_frames, n_stretches, reach = 1 + len(sound) // frame_hop, -(-len(sound) // frame_hop), n_fft // 2 // frame_hop
    inside, into_first = np.empty(n_stretches, np.int64), np.zeros(n_stretches, np.int64)
    for stretch in range(n_stretches):
        start = stretch * frame_hop
        if stretch:
            into_first[stretch] = _changes(sound[start - 1:start + 1])
        inside[stretch] = into_first[stretch] + _changes(sound[start:start + frame_hop])
    total = 0
    for frame in range(n_frames):
        first = max(0, frame - reach)
        total += inside[first:frame + reach].sum() - into_first[first]
    return total


@_reordered
def _changes(sound):
    count = np.int32(0)
    for i in range(1, len(sound)):
        count += np.int32((sound[i] < -SILENT_CROSSING) != (sound[i - 1] < -SILENT_CROSSING))
    return count


@_exact
def _reduce(spectra, mel_bins, mel_weights, bands, magnitude, mel, centroid, rolloff, peak, valley):
    """Everything that is known of some frames, from their spectra; ``magnitude`` is room to work in."""
    _magnitudes(spectra, magnitude, centroid)
    _mel_powers(magnitude, mel_bins, mel_weights, mel)
    _rolloff_bins(magnitude, rolloff)
    _peaks_valleys(magnitude, bands, peak, valley)


@_exact
def _finish(mel, centroid, rolloff, peak, valley, bin_hz, crossing_rate):
    """The mean mel spectrum of a window in dB, shape (128,), and its other features: means over all frames."""
    contrast_db = _mean_db(peak).mean() - _mean_db(valley).mean()
    return _mean_db(mel), np.array([bin_hz * centroid.mean(), bin_hz * rolloff.mean(), contrast_db, crossing_rate])


@_reordered
def mean_square(sound):
    """Mean of the squared samples of a window, 1 at full scale."""
    total = 0.0
    for i in range(len(sound)):
        total += np.float64(sound[i]) * np.float64(sound[i])
    return total / len(sound)
