"""Recordings: sound in a file, checked once where it enters, and read again when its samples are asked for.

Samples are float32, mono, between -1 and 1 at full scale (0 dBFS). Times are seconds from the start of the file, also
where only a part of the file is used. A label is 0 for normal and 1 for anomalous.
"""

import math
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import numpy as np

from acoustic_nb.audit import Auditor
from acoustic_nb.quiet import quiet_stderr

LABEL_NAMES = ("normal", "anomalous")
LOUDEST = 1e6
LONGEST_S = 1e9
BLOCK_FRAMES = 1 << 20
RESAMPLING_REACH_S = 0.1
MOST_PROMISED_BYTES = 0x7F000000  # SoX's AIFF; arecord and SoX's WAV promise a little less than 0x7FFFFFFF


class AudioError(ValueError):
    """A file that cannot be used as a recording; the message names the file, the rule and the way out.

    ``column`` is the column of a manifest that is to blame.
    """

    def __init__(self, message, *, column="path"):
        super().__init__(message)
        self.column = column


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording of one machine state: what is known of it. Its samples stay in the file until they are asked for.

    Attributes
    ----------
    name : str
        What the recording is called in tables and plots; unique within a run.
    label : int or None
        0 normal, 1 anomalous; None for new sound, of which nobody has said.
    path : str
        Where it came from; ``"demo"`` for a synthetic one.
    sample_rate : int
        Of the samples, in Hz.
    native_sample_rate : int
        The rate in the file, before any resampling.
    n_frames : int
        Samples per channel of the part that is used, at the native rate.
    start_s : float
        Where in the file the used part begins.
    channel : str or int
        ``"mean"`` of all channels, or one of them, counted from 1.
    group : str
        What it shares with others that must not be told apart from it by a split: a day, a session. Empty: itself.
    split : str
        ``train``, ``calibration`` or ``test`` where the data set says so.
    machine, section, domain : str
        As in the DCASE data sets: type of machine, unit or condition, source or target. Empty where there is none.
    layout : str
        How the data set was recognised, see ``layouts``: its year decides how domains are judged.
    events : tuple or None
        ``labels.Event``: where in an anomalous recording the anomaly is to be heard; None where nobody has said.
    events_path : str
        The file that says so.
    event_times_s : tuple of float
        Times of the clicks planted in the demo: shown, never used.
    where : str
        The row of the manifest that says all this, for messages.
    audit : dict
        What listening to it once has shown: see ``audit.Auditor``; also ``file_channels``, ``file_s`` (length of the file) and
        ``cut_end_s`` (the end that was asked for, or None), ``bytes`` and ``modified_ns`` (of the file when it was heard).
    sound : ndarray or None
        The samples themselves where there is no file.
    """

    name: str
    label: int
    path: str
    sample_rate: int
    native_sample_rate: int
    n_frames: int
    start_s: float = 0.0
    channel: str | int = "mean"
    group: str = ""
    split: str = ""
    machine: str = ""
    section: str = ""
    domain: str = ""
    layout: str = ""
    events: tuple | None = None
    events_path: str = ""
    event_times_s: tuple = ()
    where: str = ""
    audit: dict | None = None
    sound: np.ndarray | None = None

    @property
    def label_name(self):
        """``normal`` or ``anomalous``; empty where nobody has said."""
        return "" if self.label is None else LABEL_NAMES[self.label]

    @property
    def duration_s(self):
        """Length of the used part in seconds."""
        return self.n_frames / self.native_sample_rate

    @property
    def end_s(self):
        """Where in the file the used part ends."""
        return self.start_s + self.duration_s

    @property
    def samples(self):
        """All samples of the used part, shape (n_samples,), read now: for short recordings; else ``blocks`` or ``part``."""
        return np.concatenate(list(self.blocks()))

    def blocks(self):
        """The used part from beginning to end in pieces of a few megabytes, each of shape (n_samples,), one in memory at a time.

        End to end they are ``samples``.
        """
        if self.sound is not None:
            yield from (self.sound[first:first + BLOCK_FRAMES] for first in range(0, len(self.sound), BLOCK_FRAMES))
        elif self.sample_rate == self.native_sample_rate:
            yield from self._native(0, self.n_frames)
        else:
            import soxr

            stream, left = soxr.ResampleStream(self.native_sample_rate, self.sample_rate, 1, dtype="float32"), self.n_frames
            for block in self._native(0, self.n_frames):
                left -= len(block)
                yield stream.resample_chunk(block, last=left <= 0)

    def part(self, start_s, duration_s):
        """Samples from ``start_s`` (in the file) on, at most ``duration_s`` long; shorter where the used part ends.

        They are those that ``samples`` has there; where the rate was changed, to within rounding, or for two rates with hardly a
        factor in common to within some thousandths of their size.
        """
        first = max(0, round((start_s - self.start_s) * self.sample_rate))
        end = first + max(0, round(duration_s * self.sample_rate))
        if self.sound is not None:
            return self.sound[first:end]
        # both rates have a sample in common every `up` samples of ours and `down` of the file's: there the part is cut, a little
        # wider, since the filter of the other rate needs to hear what is around it
        common = math.gcd(self.native_sample_rate, self.sample_rate)
        up, down = self.sample_rate // common, self.native_sample_rate // common
        around = 0 if up == down else math.ceil(RESAMPLING_REACH_S * common)
        cut = max(0, first // up - around)
        native = self._native(cut * down, min((math.ceil(end / up) + around) * down, self.n_frames))
        wider = _resample(np.concatenate([np.zeros(0, np.float32), *native]), self.native_sample_rate, self.sample_rate)
        return wider[first - cut * up:end - cut * up]

    def _native(self, first, end):
        """Samples ``first`` to ``end`` of the used part at the file's rate, in blocks."""
        if first < end:
            start = round(self.start_s * self.native_sample_rate)
            yield from (mono for _, mono in _blocks(Path(self.path), self.channel, start + first, end - first))

    def facts(self):
        """What identifies the recording, without its samples: a dict of JSON types."""
        facts = {"name": self.name, "label": self.label_name, "path": self.path, "start_s": self.start_s,
                 "duration_s": self.duration_s, "sample_rate": self.sample_rate, "native_sample_rate": self.native_sample_rate,
                 "channel": self.channel}
        about = {name: getattr(self, name) for name in ("group", "split", "machine", "section", "domain") if getattr(self, name)}
        events = {} if self.events is None else {"events": [(event.start_s, event.end_s) for event in self.events]}
        heard = {"bandwidth_hz": self.audit["bandwidth_hz"]} if self.audit else {}
        return {**facts, **about, **events, **heard}


def in_memory(samples, *, name, label, sample_rate, path="demo", **more):
    """A recording of samples that are at hand; other fields of Recording as ``more``."""
    sound = np.asarray(samples, dtype=np.float32)
    auditor = Auditor(sample_rate)
    auditor.add(sound[:, None], sound)
    return Recording(name=name, label=label, path=path, sample_rate=sample_rate, native_sample_rate=sample_rate,
                     n_frames=len(sound), sound=sound, **more,
                     audit={**auditor.finish(), **_file_facts(1, len(sound) / sample_rate)})


def load_recording(path, *, label=0, name=None, channel="mean", start_s=0.0, end_s=None, progress=None, **more):
    """Listen to an audio file once, at its native rate, and return what is known of it.

    Parameters
    ----------
    path : str or path
        Any format that soundfile reads: WAV, FLAC, Ogg, Opus, MP3, AIFF, ...
    label : int
        0 normal, 1 anomalous.
    name : str, optional
        By default the file's name without its ending.
    channel : str or int
        ``"mean"`` of all channels, or one of them, counted from 1.
    start_s, end_s : float, optional
        The part to use, in seconds of the file; by default all of it.
    progress : callable, optional
        Called with the share that has been heard, rising to 1.
    more
        Other fields of Recording.

    Returns
    -------
    Recording

    Raises
    ------
    AudioError
        If the file is missing, a folder, undecodable, empty, digitally silent, holds NaN or infinite
        samples, or has no such channel or part.
    """
    path = Path(path)
    sample_rate, n_channels, file_s = _open_facts(path)
    state = os.stat(path)
    _check_choice(path, channel, n_channels, start_s, end_s)
    first = round(start_s * sample_rate)
    wanted = None if end_s is None else round(end_s * sample_rate) - first
    auditor, n_frames, bad, low, high = Auditor(sample_rate), 0, 0, np.inf, -np.inf
    for used, mono in _blocks(path, channel, first, wanted):
        n_frames += len(mono)
        bad += int(np.count_nonzero(~np.isfinite(mono)))
        low, high = min(low, mono.min()), max(high, mono.max())
        if not bad and max(high, -low) <= LOUDEST:
            auditor.add(used, mono)
        if progress:
            progress(min(1.0, n_frames / max(1, wanted or round(file_s * sample_rate) - first)))
    shown = f"{path}, from {start_s:g} s on" if start_s else str(path)
    if not n_frames:
        way_out = "choose a part inside it" if start_s else "record it again or export it anew"
        raise AudioError(f"{shown}: holds no samples (zero frames); {way_out}", column="start_s" if start_s else "path")
    if bad:
        raise AudioError(f"{shown}: {bad} of {n_frames} samples are NaN or infinite, and every sample must be "
                         "a finite number; export the file again, for example as 16-bit WAV")
    if low == high:
        raise AudioError(f"{shown}: digital silence, all {n_frames / sample_rate:.1f} s hold one value; a recording needs "
                         "sound, check microphone and channel")
    if max(high, -low) > LOUDEST:
        raise AudioError(f"{shown}: samples reach {max(high, -low):.3g}, but full scale is 1 and {LOUDEST:g} the "
                         "most that features can be computed of; scale the recording, or check its sample format")
    if wanted is not None and n_frames < wanted - 0.05 * sample_rate:
        raise AudioError(f"{path}: ends at {(first + n_frames) / sample_rate:.1f} s, but end_s = {end_s:g}; "
                         "choose a part inside it", column="end_s")
    audit = auditor.finish()
    if cut := cut_short(path):
        audit["warning"] = "; ".join(filter(None, (audit["warning"], cut)))
    return Recording(
        name=name or path.stem, label=label, path=str(path), sample_rate=sample_rate, native_sample_rate=sample_rate,
        n_frames=n_frames, start_s=first / sample_rate, channel=channel,
        audit={**audit, **_file_facts(n_channels, max(file_s, n_frames / sample_rate) if wanted or first
                                                 else n_frames / sample_rate, end_s),
               "bytes": state.st_size, "modified_ns": state.st_mtime_ns}, **more)


def cut_short(path):
    """How a WAV or AIFF file holds less than its header promises, as when it is still being copied; empty where it does not.

    Recorders that write the length at the end promise nothing, or the most that fits, until then.
    """
    with open(path, "rb") as file:
        head = file.read(8)
        there = file.seek(0, os.SEEK_END)
    if len(head) < 8 or head[:4] not in (b"RIFF", b"FORM"):
        return ""
    promised = int.from_bytes(head[4:], "little" if head[:4] == b"RIFF" else "big") + 8
    # some forget the byte that makes a chunk even, some count the eight bytes before the length too
    if there >= promised - 8 or promised >= MOST_PROMISED_BYTES:
        return ""
    return f"its header promises {promised} bytes, but {there} are there: it is not complete, or was cut; copy it again"


def channel_count(path):
    """How many channels a file has; AudioError where it cannot be opened."""
    return _open_facts(Path(path))[1]


def resampled(recording, sample_rate):
    """The same recording at another rate (soxr, high quality); itself where the rate is already that one."""
    if recording.sample_rate == sample_rate:
        return recording
    sound = None if recording.sound is None else _resample(recording.sound, recording.sample_rate, sample_rate)
    return replace(recording, sample_rate=sample_rate, sound=sound)


def _resample(samples, rate, wanted_rate):
    if rate == wanted_rate:
        return samples
    import soxr

    return soxr.resample(samples, rate, wanted_rate)


def _check_choice(path, channel, n_channels, start_s, end_s):
    if channel != "mean" and not (isinstance(channel, int) and 1 <= channel <= n_channels):
        have = "channel 1 only" if n_channels == 1 else f"channels 1 to {n_channels}"
        raise AudioError(f"{path}: has {have}, got channel {channel!r}; channels count from 1, or use \"mean\"",
                         column="channel")
    if not 0 <= start_s < LONGEST_S:
        raise AudioError(f"{path}: start_s is a time in seconds from the start of the file, got {start_s:g}; use 0 or more",
                         column="start_s")
    if end_s is not None and not start_s < end_s < LONGEST_S:
        raise AudioError(f"{path}: end_s = {end_s:g} must be a number of seconds later than start_s = {start_s:g}; leave it "
                         "out for the end of the file", column="end_s")


def _open_facts(path):
    """Sample rate, number of channels, and the length in seconds that the header claims."""
    with _opened(path) as file:
        return file.samplerate, file.channels, file.frames / file.samplerate


def _file_facts(n_channels, file_s, cut_end_s=None):
    return {"file_channels": n_channels, "file_s": round(file_s, 3), "cut_end_s": cut_end_s}


def _blocks(path, channel, first, n_frames=None):
    """Pieces of a file, each as the channels that are used, shape (n, channels), and their mean, shape (n,).

    In pieces, because a file may be long and a broken header can claim hours that the file does not hold.
    """
    with _opened(path) as file:
        if first:
            with _explained(path):
                file.seek(min(first, file.frames))
        left = n_frames
        while left is None or left > 0:
            with _explained(path):
                block = file.read(BLOCK_FRAMES if left is None else min(left, BLOCK_FRAMES), dtype="float32", always_2d=True)
            if not len(block):
                return
            used = block if channel == "mean" else block[:, channel - 1:channel]
            # numpy's mean over so short an axis takes ten times as long
            yield used, used[:, 0] if used.shape[1] == 1 else reduce(np.add, used.T) / np.float32(used.shape[1])
            left = None if left is None else left - len(block)


@contextmanager
def _opened(path):
    import soundfile

    if path.is_dir():
        raise AudioError(f"{path}: is a folder, but one audio file is needed; name a file in it")
    if not path.exists():
        raise AudioError(f"{path}: no such file; check the path (the current folder is {os.getcwd()})")
    if not os.access(path, os.R_OK):
        raise AudioError(f"{path}: may not be read by this user; change its permissions")
    if path.stat().st_size == 0:
        raise AudioError(f"{path}: is an empty file of 0 bytes; copy or record it again")
    with _explained(path):
        file = soundfile.SoundFile(path)
    with file:
        yield file


@contextmanager
def _explained(path):
    """What the decoder says against a file, as an AudioError; what it prints, nowhere."""
    import soundfile

    try:
        with quiet_stderr():
            yield
    except (soundfile.SoundFileError, RuntimeError, TypeError, ValueError, OSError, MemoryError) as error:
        raise AudioError(f"{path}: cannot be decoded ({_reason(error)}); {_way_out(path)}") from error


def _reason(error):
    text = " ".join(str(error).split())
    return text.split(": ", 1)[1] if text.startswith("Error opening") and ": " in text else text


def _way_out(path):
    new = f"{path.stem}_new.wav" if path.suffix.lower() == ".wav" else f"{path.stem}.wav"
    command = f'ffmpeg -i "{path.name}" "{new}"'
    if path.suffix.lower() in (".raw", ".pcm"):
        return ("a raw file does not say its rate and format; write them into a WAV header, "
                f'for example ffmpeg -f s16le -ar 44100 -ac 1 -i "{path.name}" "{path.stem}.wav"')
    return f"convert it to WAV, for example {command}"
