"""Datasets: which recordings a run works on, found, listened to, and brought to one sample rate."""

import os
from collections import Counter
from dataclasses import replace
from functools import partial
from itertools import accumulate
from pathlib import Path

from acoustic_nb.audio import LABEL_NAMES, AudioError, Recording, channel_count, load_recording, resampled
from acoustic_nb.catalogue import known_recordings, left_out_before
from acoustic_nb.framing import N_FFT, contrast_bands, window_lengths
from acoustic_nb.inputs import DEMO, Inputs, as_paths, find_entries
from acoustic_nb.labels import check_inside, events_beside, read_events
from acoustic_nb.landmarks import same_audio
from acoustic_nb.progress import progress_bar
from acoustic_nb.stretches import touches
from acoustic_nb.synth import demo_pair
from acoustic_nb.units import choose_protocol


def load_recordings(normal=DEMO, anomalous=DEMO, *, dataset="", machine="", channel="mean", sample_rate="native",
                    window_s=1.0, hop_s=0.5, seed=0):
    """The recordings of a run, checked and at one sample rate.

    Parameters
    ----------
    normal, anomalous : str or list of str
        Audio files, folders or glob patterns, or ``"demo"`` (or nothing) for both: synthetic recordings made from ``seed``.
    dataset : str
        A manifest (CSV) or a folder in a known layout, instead of the two.
    machine : str
        The one of several machines in the data set; with several and none chosen it is an error.
    channel : str
        ``"mean"`` of all channels, one of them counted from 1, or ``"all"``: each a recording of its own.
    sample_rate : str
        ``"native"``, which is the lowest of all files, or a number of Hz that is not above it.
    window_s, hop_s : float
        The windows they will be cut into; recordings that are too short for them are refused.
    seed : int
        Makes the demo; checked here for everything that will use it.

    Returns
    -------
    list of Recording
        Normal and anomalous. Files that are new are listened to once; those of a run are known from its catalogue.

    Raises
    ------
    AudioError, ValueError
        One line that names the file, the rule and the way out.
    """
    normal, anomalous = (as_paths(DEMO if paths == "" else paths) for paths in (normal, anomalous))
    inputs = Inputs(normal, anomalous, dataset, machine or None)
    found = find_entries(inputs)
    if len(found.machines) > 1:
        raise ValueError(f"{dataset}: holds {len(found.machines)} machines ({', '.join(found.machines)}), and a detector learns "
                         "one; set machine to one of them")
    print(found.sentence)
    recordings, left_out = listen(found, inputs, channel=channel, seed=seed)
    for path, reason in left_out:
        print(f"left out: {path}: {reason}")
    refuse_same_audio(recordings)
    return brought_together(recordings, sample_rate=sample_rate, window_s=window_s, hop_s=hop_s)


def listen(found, inputs, *, channel="mean", seed=0):
    """Listen to every file once, with a progress bar; files that a catalogue knows are taken from there.

    Parameters
    ----------
    found : Found
    inputs : Inputs
    channel : str
        For entries that do not say.
    seed : int
        Of the demo.

    Returns
    -------
    recordings : list of Recording
        At the rates of their files, each with a name of its own.
    left_out : list of (path, reason)
        Broken files, where ``inputs.skip_broken``.
    """
    check_seed(seed)
    if inputs.is_demo:
        return demo_pair(seed), []
    catalogue = os.path.expanduser(inputs.dataset)
    known = known_recordings(catalogue) if found.layout == "manifest" else {}
    recordings, left_out = [], left_out_before(catalogue) if known else []
    sizes = [os.path.getsize(entry.path) if os.path.isfile(entry.path) else 0 for entry in found.entries]
    with progress_bar(total=sum(sizes), desc="listening", unit="B", unit_scale=True) as bar:
        for entry, size, before in zip(found.entries, sizes, accumulate([0, *sizes]), strict=False):
            progress = partial(_advance, bar, before, size)
            bar.set_postfix_str(Path(entry.path).name, refresh=False)
            try:
                recordings += _recordings_of(entry, inputs, _channel(entry.channel or channel), known, found.layout, progress)
            except AudioError as error:
                if not inputs.skip_broken:
                    raise AudioError(f"{entry.where}, column {error.column}: {error}" if entry.where else str(error)) from None
                left_out.append((entry.path, str(error).removeprefix(f"{entry.path}: ")))
            progress(1.0)
    if inputs.skip_broken and recordings:
        rate = min(recording.native_sample_rate for recording in recordings)
        left_out += [(recording.path, reason) for recording in recordings if (reason := too_short(recording, rate))]
        recordings = [recording for recording in recordings if not too_short(recording, rate)]
    if not recordings:
        raise AudioError(f"none of the {len(found.entries)} files can be used; the first is {left_out[0][0]}: {left_out[0][1]}")
    return _named(recordings), left_out


def check_seed(seed):
    """Refuse, with a ValueError, what is no seed."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be a whole number from 0 to {2**32 - 1}, got {seed}")


def brought_together(recordings, *, sample_rate="native", window_s=1.0, hop_s=0.5):
    """The recordings at one sample rate; refused in one line where they cannot be windowed and split.

    Parameters
    ----------
    recordings : list of Recording
    sample_rate : str or int
        ``"native"``, which is the lowest of all, or a number of Hz that is not above it.
    window_s, hop_s : float

    Returns
    -------
    list of Recording
    """
    lowest = min(recordings, key=lambda recording: recording.sample_rate)
    rate = _wanted_rate(sample_rate, lowest)
    try:
        contrast_bands(rate)
    except ValueError as error:
        raise AudioError(f"{lowest.path}: {error}") from None
    window_lengths(rate, window_s=window_s, hop_s=hop_s)
    rates = Counter(recording.sample_rate for recording in recordings)
    if set(rates) != {rate}:
        print(f"resampled to {rate} Hz, " + ("the lowest rate: " if rate == lowest.sample_rate else "as wanted: ")
              + ", ".join(f"{count} of {native} Hz" for native, count in sorted(rates.items()) if native != rate))
    together = [resampled(recording, rate) for recording in recordings]
    for recording in together:
        if reason := too_short(recording, rate):
            raise AudioError(f"{recording.path}: {reason}")
    choose_protocol(together, window_s=window_s, hop_s=hop_s)
    short = sum(recording.duration_s < window_s - 1e-3 for recording in together)
    if short:
        print(f"{short} of {len(together)} recordings are shorter than one window of {window_s:g} s: each is one window, the mean "
              "over the frames that it has")
    return together


def distinct_names(paths):
    """Names that tell recordings apart: their paths below the folder that all have in common, without ending where that is
    enough.

    Examples
    --------
    >>> distinct_names(["rig/fine.wav", "rig/broken.wav"])
    ['fine', 'broken']
    >>> distinct_names(["rig/fine/ch1.wav", "rig/broken/ch1.wav"])
    ['fine/ch1', 'broken/ch1']
    """
    absolute = [os.path.abspath(path) for path in paths]
    try:
        common = os.path.commonpath([os.path.dirname(path) for path in absolute])
    except ValueError:  # two drives have no folder in common
        return [Path(path).as_posix() for path in absolute]
    below = [Path(os.path.relpath(path, common)) for path in absolute]
    names = [path.with_suffix("").as_posix() for path in below]
    files = dict(zip(absolute, names, strict=True))
    return names if len(set(files.values())) == len(files) else [path.as_posix() for path in below]


def too_short(recording, rate):
    """Why a recording has no features at this rate; empty where it has."""
    if recording.duration_s * rate >= N_FFT:
        return ""
    return (f"lasts {recording.duration_s:.3f} s, but a frame of {N_FFT} samples at {rate} Hz needs {N_FFT / rate:.3f} s; "
            "leave it out or record longer")


def _channel(channel):
    """``mean``, ``all`` or a number from 1."""
    text = str(channel).strip().lower()
    if text in ("mean", "all"):
        return text
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise ValueError(f"channel is mean, all, or a number from 1, got {channel!r}")


def _advance(bar, before, size, share):
    """Move a bar to a share of a file of ``size`` bytes that comes after ``before`` bytes of others; never back."""
    bar.update(max(0, int(before + share * size) - bar.n))


def _part_of(progress, number, count, share):
    """Tell ``progress`` of a share of one of several equal parts."""
    progress((number + share) / count)


def _recordings_of(entry, inputs, channel, known, layout, progress):
    """What one entry holds: a recording, or one for each channel."""
    start_s = (inputs.start_s or 0.0) if entry.start_s is None else entry.start_s
    end_s = inputs.end_s if entry.end_s is None else entry.end_s
    about = {name: getattr(entry, name) for name in ("label", "group", "split", "machine", "section", "domain", "where")}
    about["layout"] = entry.layout or layout
    channels = range(1, channel_count(entry.path) + 1) if channel == "all" else [channel]
    recordings = []
    for number, each in enumerate(channels):
        heard = partial(_part_of, progress, number, len(channels))
        facts = known.get((entry.path, str(each), start_s, end_s))
        recordings.append(Recording(name=entry.path, path=entry.path, start_s=start_s, channel=each, **about, **facts) if facts
                          else load_recording(entry.path, channel=each, start_s=start_s, end_s=end_s, progress=heard, **about))
    # a catalogue has said whether there are events: what lies beside the file by now is none of its run
    return [_labelled(recording, entry.events or (None if facts or recording.label == 0 else events_beside(recording.path)))
            for recording in recordings]


def _labelled(recording, path):
    """With its events, where a file says where they are."""
    if not path:
        return recording
    if recording.label == 0:
        raise ValueError(f"{path}: event labels belong to anomalous recordings, but {recording.path} is normal; leave them out")
    events = read_events(path)
    check_inside(events, path=path, end_s=recording.audit["file_s"])
    inside = tuple(event for event in events if touches(recording.start_s, recording.end_s, event))
    if not inside:
        raise AudioError(f"{path}: none of its {len(events)} events lies in the used part of {recording.path}, "
                         f"{recording.start_s:.1f} to {recording.end_s:.1f} s; choose another part")
    return replace(recording, events=inside, events_path=str(path))


def _named(recordings):
    """Each with a name that tells it from the others: its path, its channel and its part as far as they differ."""
    names = distinct_names([recording.path for recording in recordings])
    channels, parts = {}, {}
    for recording in recordings:
        channels.setdefault(recording.path, set()).add(recording.channel)
        parts.setdefault(recording.path, set()).add(recording.start_s)
    named = []
    for recording, name in zip(recordings, names, strict=True):
        several = f"{recording.start_s:g}–{recording.end_s:g} s" if len(parts[recording.path]) > 1 else ""
        which = f"channel {recording.channel}" if len(channels[recording.path]) > 1 else ""
        more = ", ".join(filter(None, (which, several)))
        named.append(replace(recording, name=f"{name} [{more}]" if more else name))
    return named


def refuse_same_audio(recordings):
    """AudioError where sound is there twice: it would be learned from and judged, or be both normal and anomalous.

    Recordings that a catalogue knows were compared when it was written.
    """
    recordings = [recording for recording in recordings if "landmarks" in recording.audit]
    seen = {}
    for recording in recordings:
        if (other := seen.setdefault(recording.audit["content"], recording)) is not recording:
            raise AudioError(f"{recording.path}: {_same(other, recording)}holds the same audio as {_shown(other)}; "
                             "every recording must be another one, leave one out")
    for first, second, share in same_audio([recording.audit for recording in recordings]):
        a, b = sorted((recordings[first], recordings[second]), key=lambda recording: recording.duration_s)
        raise AudioError(f"{a.path}: {_same(b, a)}{share:.0%} of its sound is also in {_shown(b)}; every recording must be another "
                         "one, leave one out")


def _same(one, other):
    """The beginning of a sentence where two labels say different things of one sound."""
    return "" if one.label == other.label else f"is given as {LABEL_NAMES[other.label]}, but "


def _shown(recording):
    return f"{LABEL_NAMES[recording.label]} {recording.name} ({recording.path})"


def _wanted_rate(sample_rate, lowest):
    if str(sample_rate) == "native":
        return lowest.sample_rate
    try:
        rate = int(sample_rate)
    except ValueError:
        raise ValueError(f"sample_rate is native or a whole number of Hz, got {sample_rate!r}") from None
    if rate > lowest.sample_rate:
        raise AudioError(f"{lowest.path}: has {lowest.sample_rate} Hz, and sample_rate = {rate} would add an empty band to it that "
                         "others may not have; use at most the lowest rate, or native")
    return rate
