"""Microphone: sound from an input of this computer, watched by a kept detector; needs sounddevice and PortAudio."""

import os
import queue
import signal
import sys
import threading
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import numpy as np

from acoustic_nb.audio import in_memory
from acoustic_nb.listening import listen_to
from acoustic_nb.runs import clean_name
from acoustic_nb.situations import SituationCheck
from acoustic_nb.watch_tables import WatchTables

BLOCK_S, WAITING_S, LOOK_S = 0.02, 10.0, 0.2


def watch_input(device, bundle, to, *, limits, gap_s=0.0, shortest_s=0.0, channel=None, keep_s=30.0, say=print):
    """Score what an input hears until Ctrl-C or SIGTERM.

    Parameters
    ----------
    device : int, str or None
        As sounddevice names it; None: the system's own choice.
    bundle : Bundle
    to : path
        Folder of events.csv and watch.json, to which a new start adds, and of ``clips``: the sound of every event as FLAC.
    limits, gap_s, shortest_s, keep_s
        As for ``listen_to``.
    channel : int or str, optional
        One of the input, counted from 1, or ``"mean"`` of all. By default the one that the detector has learned from, else 1.
    say : callable
        Takes a line when an event begins, when it has ended, and when there is an alarm.

    Returns
    -------
    bool
        Whether there was an alarm.

    Raises
    ------
    ValueError
        If there is no sounddevice, PortAudio or such an input, it stops, or ``to`` cannot be used: see ``WatchTables``.
    """
    learned = bundle.about["channel"]
    channel = channel or (learned if isinstance(learned, int) else 1)
    about = {"detector": bundle.title, "run": bundle.about["run"]["name"], "bundle": bundle.id,
             "false_alarm_rate": bundle.false_alarm_rate, "gap_s": gap_s, "shortest_s": shortest_s,
             "alarm_events_per_hour": limits.events_per_hour, "alarm_share": limits.share, "input": str(device), "channel": channel}
    with _until_stopped() as stop, WatchTables(to, about, of_files=False) as tables:
        clips = tables.folder / "clips"
        clips.mkdir(exist_ok=True)
        name = f"live {datetime.now():%Y-%m-%dT%H:%M:%S}"
        first = _FirstImpression(bundle, name, keep_s, say)
        was = {"is_open": False, "alarm": False}

        def on_window(piece, *, heard_s, is_open, alarm):
            first.add(piece)
            if is_open and not was["is_open"]:
                say(f"{_clock()} an event begins: score {piece.scores.max():.4g}, threshold "
                    f"{bundle.newest_calibration.threshold:.4g}")
            alarm = alarm and first.is_out  # whether this is comparable is said before
            if alarm and not was["alarm"]:
                say(f"{_clock()} ALARM: more events or more flagged sound within an hour than normal sound has shown")
            was.update(is_open=is_open, alarm=alarm)

        def on_event(event, sound):
            path = clips / f"{clean_name(f'{name} {event.start_s:.1f} s').replace(':', '')}.flac"
            _write_clip(path, sound, bundle.sample_rate)
            tables.add([event], path=str(path), heard_at=datetime.now().astimezone().isoformat(timespec="milliseconds"))
            say(f"{_clock()} event of {event.end_s - event.start_s:.2f} s at {event.start_s:.1f} s (score {event.peak_score:.4g}, "
                f"p {event.p_value:.2g}): {'; '.join(event.reasons)}")

        say(f"{_clock()} listening to channel {channel} at {bundle.sample_rate} Hz, until Ctrl-C")
        blocks = microphone_blocks(device, bundle.sample_rate, channel, stop=stop)
        return listen_to(first.passing(blocks), bundle, limits=limits, gap_s=gap_s, shortest_s=shortest_s, on_event=on_event,
                         on_window=on_window, keep_s=keep_s, name=name)


def microphone_blocks(device, sample_rate, channel=1, *, stop=None):
    """Sound of an input as it comes.

    Parameters
    ----------
    device : int, str or None
    sample_rate : int
        In Hz.
    channel : int or str
        Counted from 1, or ``"mean"`` of all that the input has.
    stop : threading.Event, optional
        Ends it.

    Yields
    ------
    ndarray of float32, shape (n_samples,)
        Some 20 ms each. What is lost, since it is not fetched within 10 s or the system says so, is told on stderr.

    Raises
    ------
    ValueError
        If there is no sounddevice or PortAudio, no such input, or it stops by itself.
    """
    sounddevice = _sounddevice()
    waiting, stop, lost = queue.Queue(round(WAITING_S / BLOCK_S)), stop or threading.Event(), queue.SimpleQueue()

    def arrived(sound, n_frames, time_info, status):
        if status.input_overflow:
            lost.put("some sound")
        try:
            waiting.put_nowait(sound.mean(axis=1) if channel == "mean" else sound[:, channel - 1].copy())
        except queue.Full:
            lost.put(f"{n_frames / sample_rate:.2f} s of sound")

    try:
        n_channels = sounddevice.query_devices(device, "input")["max_input_channels"]
        if channel != "mean" and not 1 <= channel <= n_channels:
            raise ValueError(f"input {device}: has {n_channels} channels, got channel {channel}; choose one of them, or another "
                             "input")
        stream = sounddevice.InputStream(
            device=device, samplerate=sample_rate, dtype="float32", callback=arrived, blocksize=round(BLOCK_S * sample_rate),
            channels=n_channels if channel == "mean" else channel)
        with stream:
            while not stop.is_set():
                while not lost.empty():
                    print(f"{_clock()} {lost.get()} was lost: this computer does not keep up; an event right now may be the gap "
                          "itself", file=sys.stderr)
                try:
                    yield waiting.get(timeout=LOOK_S)
                except queue.Empty:
                    if not stream.active:
                        raise ValueError(f"input {device}: gives no more sound; check its plug, then start again") from None
    except sounddevice.PortAudioError as error:
        raise ValueError(f"input {device}: cannot be opened at {sample_rate} Hz ({' '.join(str(error).split())}); name another one "
                         "(python -m sounddevice lists them), or let the system convert rates") from error


class _FirstImpression:
    """Says whether the first seconds of a stream are outside of what the detector was made for."""

    def __init__(self, bundle, name, over_s, say):
        self.bundle, self.name, self.say, self.over_s = bundle, name, say, over_s
        self._blocks, self._n_wanted, self._check = [], round(over_s * bundle.sample_rate), SituationCheck(bundle.situation)

    @property
    def is_out(self):
        """Whether it has been said."""
        return self._check is None

    def passing(self, blocks):
        """The same blocks; the first are kept."""
        for block in blocks:
            if self._n_wanted > 0:
                self._blocks.append(block)
                self._n_wanted -= len(block)
            yield block

    def add(self, piece):
        """Take in windows until there are enough, then say it once."""
        if self._check is None:
            return
        own = piece.around.take(piece.own)
        self._check.add(own.values, own.level_db, piece.scores)
        if self._n_wanted <= 0:
            heard = in_memory(np.concatenate(self._blocks), name=self.name, label=0, sample_rate=self.bundle.sample_rate)
            for sentence in self._check.sentences(heard):
                self.say(f"{_clock()} UNLIKE what the detector knows, over the first {self.over_s:.0f} s: {sentence}")
            self._blocks, self._check = [], None


@contextmanager
def _until_stopped():
    """An Event that Ctrl-C, SIGTERM and a closed terminal set, so that what is being written is written to its end."""
    stop, before = threading.Event(), {}
    if threading.current_thread() is threading.main_thread():
        for number in {signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)}:
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup
                before[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _sounddevice():
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # the latter where PortAudio is missing
        raise ValueError(f"a microphone needs sounddevice and the PortAudio library ({' '.join(str(error).split())}); pip install "
                         "'acoustic-nb[microphone]', and on Linux install PortAudio with the system's packages (libportaudio2)"
                         ) from error
    return sounddevice


def _write_clip(path, sound, sample_rate):
    import soundfile

    draft = Path(f"{path}.part")
    soundfile.write(draft, np.clip(sound, -1, 1), sample_rate, format="FLAC", subtype="PCM_24")
    os.replace(draft, path)


def _clock():
    return f"{datetime.now():%H:%M:%S}"
