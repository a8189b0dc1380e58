"""Reasons: why a window was flagged, in words for whoever looks after the machine.

A deviation is in standard deviations from the mean normal window. A contribution is how much a feature adds to the score, in the
detector's own terms: higher = it drove the score more.
"""

import numpy as np

LEAST_SHARE = 0.1
NAMED_DB = 1.0
WORDS = {
    "mfcc_1": "overall level (MFCC 1)", "mfcc_2": "balance between low and high frequencies (MFCC 2, higher: more low)",
    "centroid_hz": "spectral centroid (mean frequency)", "rolloff_hz": "spectral roll-off (upper edge of the sound)",
    "contrast_db": "spectral contrast (tones over noise)", "zero_crossing_rate": "zero-crossing rate (higher: higher frequencies)"}
WORDS_WITHOUT_LEVEL = {**WORDS, "mfcc_1": "evenness over all frequencies (MFCC 1)"}


def reasons(deviations, contributions, feature_names, *, low_hz, high_hz, change_db, brief=False, relative=False, most=3):
    """What drove the score of a window, the strongest first.

    Parameters
    ----------
    deviations, contributions : array of float, shape (n_features,)
    feature_names : sequence of str
    low_hz, high_hz, change_db : float
        The octave band that changed most, and by how much, as from ``BandLevels.most_unlike``; the first reason names it where it
        changed by at least 1 dB.
    brief : bool
        The change is that of the band's loudest moment.
    relative : bool
        The features are blind to level, and ``change_db`` is relative to the level of the whole window.
    most : int
        Number of reasons, at most.

    Returns
    -------
    tuple of str
        The features with the highest positive contributions, none below a tenth of the highest; where no contribution is
        positive, those that deviate most, likewise. A feature within 1 standard deviation says so: then it is not its value
        that is unusual, but how it goes together with the others.

    Raises
    ------
    ValueError
        If there is not one finite deviation and contribution per feature.

    Examples
    --------
    >>> reasons([0.4, -6.13], [0.01, 9.0], ["mfcc_3", "contrast_db"], low_hz=2000, high_hz=4000, change_db=12.2)
    ('spectral contrast (tones over noise) 6.1 standard deviations below normal, the sound 12 dB louder at 2 to 4 kHz',)
    """
    deviations, contributions = (_one_per_feature(name, values, feature_names) for name, values in
                                 (("deviations", deviations), ("contributions", contributions)))
    drove = contributions if (contributions > 0).any() else np.abs(deviations)
    order = np.argsort(-drove, kind="stable")
    chosen = [k for k in order if drove[k] >= LEAST_SHARE * drove.max()][:most]
    words = WORDS_WITHOUT_LEVEL if relative else WORDS
    first, *others = (_reason(_in_words(feature_names[k], words), deviations[k]) for k in chosen)
    band = f", {_change(low_hz, high_hz, change_db, brief, relative)}" if abs(change_db) >= NAMED_DB else ""
    return first + band, *others


def _in_words(name, words):
    kind, _, number = name.partition("_")
    return words.get(name) or (f"shape of the spectrum (MFCC {number})" if kind == "mfcc" else name)


def _reason(what, deviation):
    size = abs(deviation)
    if size < 1:
        return f"{what} within 1 standard deviation of normal by itself: the combination is unusual"
    return f"{what} {size:.{0 if size >= 100 else 1}f} standard deviations {'above' if deviation > 0 else 'below'} normal"


def _change(low_hz, high_hz, change_db, brief, relative):
    louder = "louder" if change_db > 0 else "quieter"
    how = f"{'for a moment ' * brief}{abs(change_db):.0f} dB {louder}"
    return f"the sound {how} {_band(low_hz, high_hz)}{' relative to the whole' * relative}"


def _band(low_hz, high_hz):
    if not low_hz:
        return f"below {_hz(high_hz)}"
    if high_hz != 2 * low_hz:  # the last one, up to half the sample rate
        return f"above {_hz(low_hz)}"
    low = _hz(low_hz) if low_hz < 1000 <= high_hz else _hz(low_hz).split()[0]
    return f"at {low} to {_hz(high_hz)}"


def _hz(frequency_hz):
    return f"{frequency_hz / 1000:.3g} kHz" if frequency_hz >= 1000 else f"{frequency_hz:.3g} Hz"


def _one_per_feature(name, values, feature_names):
    values = np.asarray(values, dtype=float)
    if values.shape != (len(feature_names),) or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"{name} needs one finite number for each of {len(feature_names)} features, got {values}; give those of "
                         "one window")
    return values
