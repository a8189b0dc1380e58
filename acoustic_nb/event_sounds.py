"""Event sounds: the sound of one fault, cut from an anomalous recording, or one click of the demo."""

from dataclasses import dataclass

import numpy as np

from acoustic_nb.synth import click_sound

PIECE_S = 0.5
READ_S = 20.0
FADE_S = 0.005
SHORTEST_S = 2 * FADE_S
SILENT_RMS = 1e-6


@dataclass(frozen=True, eq=False)
class EventSound:
    """The sound of one fault, and where it is from.

    Attributes
    ----------
    samples : ndarray of float32, shape (n_samples,)
        Without a constant offset; not silent.
    sample_rate : int
        In Hz.
    recording : str
        The recording it was cut from; empty for a click of the demo, which is made, not cut.
    start_s, end_s : float
        In the file of that recording.
    recorded_level_db : float
        The level it had there: its RMS relative to that of the test block of its recording. NaN for a click of the demo.
    sentence : str
        What it is and how it was chosen.
    """

    samples: np.ndarray
    sample_rate: int
    recording: str
    start_s: float
    end_s: float
    recorded_level_db: float
    sentence: str


def find_event(recordings, split, *, start_s=0.0, end_s=0.0):
    """The event that is mixed into normal sound.

    The one between ``start_s`` and ``end_s``; else, of the labelled events in what tests, the one with the highest RMS relative
    to its recording's; else, in the demo, one of its clicks without any background; else the half second around the highest peak
    relative to the RMS of its recording, which is a guess. Only test blocks are searched: the supervised detector has not heard
    them. What is cut is faded in and out over 5 ms, so that the cut is no click. A labelled event longer than a window is cut to
    one window around its peak, and one shorter than 10 ms widened to half a second.

    Parameters
    ----------
    recordings : list of Recording
    split : Split
    start_s, end_s : float
        In seconds of the file of the first anomalous recording that tests; both 0: not given.

    Returns
    -------
    EventSound

    Raises
    ------
    ValueError
        If ``start_s`` and ``end_s`` do not lie in that recording, or what they hold is silent.
    """
    tested = blocks_that_test(split, recordings, label=1)
    if (start_s, end_s) != (0.0, 0.0):
        return _given_event(*tested[0], start_s, end_s)
    labelled = [(recording, block, *stretch) for recording, block in tested
                for stretch in _labelled_stretches(recording, block, split.test.window_s)]
    if labelled:
        *loudest, _ = max(labelled, key=lambda stretch: stretch[-1])
        return _cut(*loudest, f"of the {len(labelled)} labelled events in what tests, the one with the highest RMS relative to its "
                              "recording's")
    if any(recording.event_times_s for recording, _ in tested):
        rate = tested[0][0].sample_rate
        click = click_sound(sample_rate=rate).astype(np.float32)
        return EventSound(click, rate, "", 0.0, len(click) / rate, np.nan,
                          f"One click of the demo, {len(click) / rate:.2f} s long, made without any background; its peak lies "
                          f"{-20 * np.log10(rms_of(click)):.0f} dB above its RMS.")
    guesses = [(recording, block, *_around_peak(recording, block.start_s, block.end_s, PIECE_S)) for recording, block in tested]
    *sharpest, _ = max(guesses, key=lambda guess: guess[-1])
    return _cut(*sharpest, "around the highest peak relative to the RMS of its recording, in what tests; a guess, since no event "
                           "is labelled there")


def check_event(recording, start_s, end_s):
    """Refuse, with ValueError, seconds that are no event of this recording; both 0 leave the choice to ``find_event``."""
    if (start_s, end_s) == (0.0, 0.0):
        return
    if not recording.start_s <= start_s < end_s <= recording.end_s + 1e-3:
        raise ValueError(f"the event from event_start_s = {start_s:g} to event_end_s = {end_s:g} must end after it starts and lie "
                         f"inside {recording.name}, {recording.start_s:g} to {recording.end_s:.2f} s; choose seconds of that file")
    if end_s - start_s < SHORTEST_S - 1e-9:
        raise ValueError(f"the event from {start_s:g} to {end_s:g} s is shorter than the {SHORTEST_S:g} s that its fades need; "
                         "choose a longer piece")


def _given_event(recording, block, start_s, end_s):
    check_event(recording, start_s, end_s)
    tests = block.start_s <= start_s and end_s <= block.end_s
    unfair = "" if tests else "; not wholly in what tests, so a supervised detector may have heard it in training"
    return _cut(recording, block, start_s, end_s, f"as it was given{unfair}")


def _labelled_stretches(recording, block, longest_s):
    """Start, end and level in dB of the labelled events of a block, none shorter than 10 ms or longer than ``longest_s``."""
    offset, rms = background(recording, block.start_s, block.end_s)
    for event in recording.events or ():
        length_s = event.end_s - event.start_s
        wider_s = PIECE_S / 2 if length_s < SHORTEST_S else 0.0
        start_s, end_s = max(block.start_s, event.start_s - wider_s), min(block.end_s, event.end_s + wider_s)
        if end_s - start_s >= max(min(length_s / 2, longest_s), SHORTEST_S):
            if end_s - start_s > longest_s:
                start_s, end_s, _ = _around_peak(recording, start_s, end_s, longest_s)
            yield start_s, end_s, _level_db(recording.part(start_s, end_s - start_s) - offset, rms)


def _around_peak(recording, start_s, end_s, longest_s):
    """Start and end of at most ``longest_s`` around the highest peak between two times, and that peak relative to their RMS."""
    offset, rms = background(recording, start_s, end_s)
    peak, peak_s = 0.0, start_s
    for piece_s, sound in _pieces(recording, start_s, end_s):
        size = np.abs(sound - offset)
        if size.max() > peak:
            peak, peak_s = size.max(), piece_s + size.argmax() / recording.sample_rate
    length_s = min(longest_s, end_s - start_s)
    begin_s = np.clip(peak_s - length_s / 2, start_s, end_s - length_s)
    return float(begin_s), float(begin_s + length_s), float(peak / rms)


def _cut(recording, block, start_s, end_s, how):
    """A piece of a recording, without its offset, faded in and out."""
    offset, rms = background(recording, block.start_s, block.end_s)
    samples = (recording.part(start_s, end_s - start_s) - offset).astype(np.float32)
    if rms_of(samples) <= SILENT_RMS:
        raise ValueError(f"{recording.name}: {start_s:g} to {end_s:g} s are silent, and an event needs sound; choose another one")
    level_db = _level_db(samples, rms)
    n_fade = min(round(FADE_S * recording.sample_rate), len(samples) // 2)
    fade = 0.5 - 0.5 * np.cos(np.pi * (np.arange(n_fade) + 0.5) / n_fade)
    samples[:n_fade] *= fade
    samples[len(samples) - n_fade:] *= fade[::-1]
    return EventSound(samples, recording.sample_rate, recording.name, start_s, end_s, level_db,
                      f"{start_s:.2f} to {end_s:.2f} s of {recording.name}: {how}. As it was recorded, its level was "
                      f"{level_db:.1f} dB. The background of that recording is mixed in with it, and may be what is found.")


def _level_db(samples, rms):
    """RMS of samples in dB relative to another RMS."""
    return float(20 * np.log10(max(rms_of(samples), SILENT_RMS) / rms))


def blocks_that_test(split, recordings, *, label):
    """The test blocks of one label, each with its recording; in the order of the recordings."""
    return [(recording, block) for recording in recordings for block in split.blocks
            if (block.recording, block.part, block.label) == (recording.name, "test", label)]


def background(recording, start_s, end_s):
    """Mean and RMS about the mean of the sound between two times; the RMS of digital silence counts as -120 dBFS."""
    n_samples, total, energy = 0, 0.0, 0.0
    for _, sound in _pieces(recording, start_s, end_s):
        n_samples += len(sound)
        total += float(sound.sum(dtype=np.float64))
        energy += float(np.square(sound, dtype=np.float64).sum())
    mean = total / n_samples
    return mean, max(float(np.sqrt(max(0.0, energy / n_samples - mean**2))), SILENT_RMS)


def _pieces(recording, start_s, end_s):
    """The sound between two times in pieces, each with its start in s, since a block may last for hours."""
    for begin_s in np.arange(start_s, end_s, READ_S):
        sound = recording.part(begin_s, min(READ_S, end_s - begin_s))
        if len(sound):
            yield begin_s, sound


def rms_of(samples):
    """RMS of samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
