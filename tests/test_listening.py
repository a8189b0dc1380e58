"""Live sound: each window is scored when its last sample is there, as it would be in a file, and nothing grows; no sound card."""

import json
import os
import signal
import sys
import threading
import tracemalloc
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import soundfile
from bundles_for_tests import SAMPLE_RATE, kept
from sounds import as_recording, noise

from acoustic_nb.alarms import Limits
from acoustic_nb.detectors import DETECTORS
from acoustic_nb.features import extract_features
from acoustic_nb.listening import LatestSound, listen_to
from acoustic_nb.microphone import microphone_blocks, watch_input
from acoustic_nb.scored import EVENT_COLUMNS
from acoustic_nb.scoring import score_recording
from acoustic_nb.synth import demo_pair

LIMITS = Limits(events_per_hour=1000.0, share=None, sentence="as given")
BLOCK = 80  # 10 ms
WINDOW, HOP = SAMPLE_RATE, SAMPLE_RATE // 2
NEEDED = {"lstm_autoencoder": 4}  # windows until the first score


@pytest.fixture(scope="module")
def sound():
    """Twenty seconds of the machine, the second half broken."""
    return np.concatenate([each.samples for each in demo_pair(5, normal_s=10.0, anomalous_s=10.0, sample_rate=SAMPLE_RATE)])


def in_blocks(sound, lengths=(BLOCK,)):
    first, number = 0, 0
    while first < len(sound):
        yield sound[first:first + lengths[number % len(lengths)]]
        first += lengths[number % len(lengths)]
        number += 1


def heard(blocks, bundle, **more):
    """What came out: per window its score, its start, samples fed until it was known; the events with their sound."""
    windows, events, fed = [], [], [0]

    def counted():
        for block in blocks:
            fed[0] += len(block)
            yield block

    def on_window(piece, *, heard_s, is_open, alarm):
        own = piece.around.take(piece.own)
        windows.extend((score, start_s, fed[0], heard_s, is_open, alarm)
                       for score, start_s in zip(piece.scores, own.start_s, strict=True))

    alarm = listen_to(counted(), bundle, **{"limits": LIMITS, "on_window": on_window, **more},
                      on_event=lambda event, clip: events.append((event, clip, fed[0])))
    return np.array([row[:4] for row in windows]).reshape(-1, 4).T, events, alarm, windows


def as_a_file(bundle, sound):
    """Scores of the same sound in a file: with those after each window left out where scores depend on them."""
    windows = extract_features([as_recording(sound, sample_rate=SAMPLE_RATE)], **bundle.feature_settings)
    windows = bundle.windows(windows.values, windows.level_db, name="file")
    return bundle.detector.score(windows, newest=True) if bundle.detector.context else bundle.detector.score(windows)


# ---- scores and when they are known

@pytest.mark.parametrize("name", DETECTORS)
def test_scores_are_those_of_a_file_and_known_with_the_last_sample(name, sound):
    bundle = kept(name)
    (scores, start_s, fed, heard_s), *_ = heard(in_blocks(sound), bundle)
    np.testing.assert_allclose(scores, as_a_file(bundle, sound), rtol=1e-6)
    if not bundle.detector.context:
        recording = as_recording(sound, sample_rate=SAMPLE_RATE)
        np.testing.assert_allclose(scores, score_recording(bundle, recording).scores, rtol=1e-6)
    np.testing.assert_allclose(start_s, 0.5 * np.arange(39))
    last_sample = np.round(start_s * SAMPLE_RATE) + WINDOW
    first = NEEDED.get(name, 1) - 1
    assert bundle.detector.context == first
    late = fed - last_sample
    assert (late[first:] == 0).all()  # blocks of 10 ms end where windows do: not one more is waited for
    assert (fed[:first] == fed[first]).all() and late[0] == first * HOP
    np.testing.assert_allclose(heard_s[first:], fed[first:] / SAMPLE_RATE)


@pytest.mark.parametrize("name", ["gmm", "lstm_autoencoder"])
@pytest.mark.parametrize("lengths", [(1000, 1, 777, 0, 12_345), (200_000,)])
def test_the_lengths_of_blocks_change_nothing(name, lengths, sound):
    bundle = kept(name)
    (scores, start_s, _, heard_s), events, *_ = heard(in_blocks(sound, lengths), bundle)
    (expected, *_), same, *_ = heard(in_blocks(sound), bundle)
    np.testing.assert_allclose(scores, expected, rtol=1e-6)
    assert [event for event, _, _ in events] == [event for event, _, _ in same]
    assert (heard_s - start_s - 1.0 < (0.5 + 1e-9) * (1 + 3 * (name == "lstm_autoencoder"))).all()


def test_a_stream_that_ends_before_a_score_gives_none(sound):
    for name, needed in (("gmm", WINDOW), ("lstm_autoencoder", WINDOW + 3 * HOP)):
        for length, n_scores in ((0, 0), (500, 0), (needed - 1, 0), (needed, NEEDED.get(name, 1))):
            (scores, *_), events, alarm, _ = heard(in_blocks(sound[:length]), kept(name))
            assert len(scores) == n_scores
            assert alarm is False


# ---- events

@pytest.mark.parametrize(("gap_s", "shortest_s"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.2)])
def test_events_are_those_of_a_file_with_their_sound(sound, gap_s, shortest_s):
    bundle = kept("gmm")
    recording = as_recording(sound, sample_rate=SAMPLE_RATE, name="live")
    expected = score_recording(bundle, recording, gap_s=gap_s, shortest_s=shortest_s).events
    _, events, *_ = heard(in_blocks(sound), bundle, gap_s=gap_s, shortest_s=shortest_s)
    assert len(events) == len(expected) > 0
    for (event, clip, fed), same in zip(events, expected, strict=True):
        for column in ("recording", "windows_start_s", "windows_end_s", "peak_start_s", "p_value", "reasons", "low_hz", "high_hz"):
            assert getattr(event, column) == getattr(same, column)
        assert event.peak_score == pytest.approx(same.peak_score, rel=1e-6)
        first, end = (max(0, round((time_s) * SAMPLE_RATE)) for time_s in (event.start_s - 1.0, event.end_s + 1.0))
        np.testing.assert_array_equal(clip, sound[first:end])
        assert fed <= min(len(sound), (event.windows_end_s + 1.0 + gap_s + 0.5) * SAMPLE_RATE)


def test_a_machine_that_stays_broken_is_told_again_and_again_and_counts_once():
    bundle, loud = kept("gmm"), noise(60.0, sample_rate=SAMPLE_RATE, amplitude=0.5)
    _, events, alarm, windows = heard(in_blocks(loud, (HOP,)), bundle, keep_s=12.0, limits=Limits(1.0, None, ""))
    spans = [(event.windows_start_s, event.windows_end_s) for event, _, _ in events]
    assert len(spans) > 5 and spans[0][0] == 0.0 and spans[-1][1] == 60.0
    assert all(begin_s <= end_s for (_, end_s), (begin_s, _) in zip(spans, spans[1:], strict=False))  # end to end
    assert max(end_s - begin_s for begin_s, end_s in spans) <= 12.0 - 3.0
    assert all(len(clip) > 0 for _, clip, _ in events)
    assert not alarm  # one event within an hour, as the limit allows
    assert heard(in_blocks(loud, (HOP,)), bundle, keep_s=12.0, limits=Limits(0.5, None, ""))[2]


def test_the_alarm_comes_when_the_last_hour_exceeds_the_limits():
    bundle, loud = kept("gmm"), noise(60.0, sample_rate=SAMPLE_RATE, amplitude=0.5)
    *_, alarm, windows = heard(in_blocks(loud, (HOP,)), bundle, limits=Limits(100.0, 0.01, ""))
    alarms = [row[5] for row in windows]
    assert alarm and alarms.index(True) == 72  # with the 73rd of 7200 flagged windows, more than a hundredth of an hour
    assert all(alarms[72:])


def test_what_is_kept_must_be_long_enough():
    with pytest.raises(ValueError, match="keep_s = 3: with these windows and events at least 5 s of sound must be kept"):
        listen_to([], kept("gmm"), limits=LIMITS, on_event=print, keep_s=3.0)
    with pytest.raises(ValueError, match="at least 64 s of sound"):
        listen_to([], kept("gmm"), limits=LIMITS, on_event=print, shortest_s=60.0)
    with pytest.raises(ValueError, match="gap_s is a number of seconds"):
        listen_to([], kept("gmm"), limits=LIMITS, on_event=print, gap_s=-1.0)


def test_the_latest_sound_is_kept_and_no_more():
    lately = LatestSound(1.0, 10)
    assert [len(block) for block in lately.passing([np.arange(7.0), np.arange(7.0, 25.0)], 4)] == [4, 3, 4, 4, 4, 4, 2]
    assert lately.heard_s == 2.5
    np.testing.assert_array_equal(lately.part(1.5, 1.0), np.arange(15, 25))
    np.testing.assert_array_equal(lately.part(2.2, 9.0), [22, 23, 24])  # the rest has not come yet
    assert len(lately.part(1.4, 1.0)) == len(lately.part(2.5, 1.0)) == len(lately.part(9.0, 1.0)) == 0
    np.testing.assert_array_equal(LatestSound(1.0, 10).part(-0.5, 1.0), [])


def test_memory_is_the_same_after_one_minute_and_after_ten():
    bundle, peaks = kept("gmm"), []
    features = bundle.about["features"] | {"hop_s": 1.0}
    bundle = replace(bundle, about=bundle.about | {"features": features})
    minute = noise(60.0, sample_rate=SAMPLE_RATE, amplitude=0.05)
    minute[20 * SAMPLE_RATE:25 * SAMPLE_RATE] *= 10  # an event in each

    def blocks():
        for number in range(11):
            if number == 1:
                tracemalloc.start()
            elif number:
                peaks.append(tracemalloc.get_traced_memory()[1])
                tracemalloc.reset_peak()
            yield from in_blocks(minute, (1600,))

    events = []
    try:
        listen_to(blocks(), bundle, limits=LIMITS, on_event=lambda event, clip: events.append(event.start_s), keep_s=15.0)
    finally:
        tracemalloc.stop()
    assert len(peaks) == 9 and len(events) >= 11
    assert max(peaks[5:]) < 1.05 * max(peaks[:2]) + 20_000  # bytes; 9 minutes of samples would be 17 million


# ---- a microphone that is none

class FakeSound:
    """What of sounddevice is used: an input with two channels that gives blocks from another thread, as PortAudio does."""

    PortAudioError = type("PortAudioError", (Exception,), {})

    def __init__(self, sound, *, then=None, overflow_at=()):
        self.sound, self.then, self.overflow_at, self.asked = sound, then, overflow_at, {}

    def query_devices(self, device, kind):
        if device == "none":
            raise ValueError("No input device matching 'none'")
        return {"max_input_channels": 2}

    def InputStream(self, *, callback, samplerate, channels, blocksize, **asked):  # noqa: N802  its name there
        if samplerate != SAMPLE_RATE:
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")
        self.asked = {"channels": channels, "blocksize": blocksize, **asked}
        return _FakeStream(self, callback, channels, blocksize)


class _FakeStream:
    active = True

    def __init__(self, fake, callback, channels, blocksize):
        self.fake, self.callback, self.channels, self.blocksize = fake, callback, channels, blocksize

    def __enter__(self):
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def __exit__(self, *_):
        self.thread.join()

    def _run(self):
        both = np.column_stack([self.fake.sound, np.zeros(len(self.fake.sound))]).astype(np.float32)[:, :self.channels]
        for number, block in enumerate(in_blocks(both, (self.blocksize,))):
            self.callback(block, len(block), None, SimpleNamespace(input_overflow=number in self.fake.overflow_at))
        if self.fake.then:
            self.fake.then()
        self.active = False


@pytest.fixture
def plugged_in(monkeypatch):
    def plug(*given, **more):
        fake = FakeSound(*given, **more)
        monkeypatch.setitem(sys.modules, "sounddevice", fake)
        return fake
    return plug


def unplugged(blocks):
    """The blocks until the fake input ends, which is an unplugged microphone."""
    found = []
    with pytest.raises(ValueError, match="gives no more sound; check its plug"):
        for block in blocks:
            found.append(block)  # noqa: PERF402
    return found


def test_blocks_are_the_sound_of_the_channel(plugged_in, sound):
    fake = plugged_in(sound[:SAMPLE_RATE])
    blocks = unplugged(microphone_blocks("Mikrofon ü", SAMPLE_RATE))
    np.testing.assert_array_equal(np.concatenate(blocks), sound[:SAMPLE_RATE])
    assert fake.asked == {"channels": 1, "blocksize": 160, "device": "Mikrofon ü", "dtype": "float32"}
    np.testing.assert_array_equal(np.concatenate(unplugged(microphone_blocks(0, SAMPLE_RATE, 2))), np.zeros(SAMPLE_RATE))
    np.testing.assert_allclose(np.concatenate(unplugged(microphone_blocks(0, SAMPLE_RATE, "mean"))), sound[:SAMPLE_RATE] / 2)


def test_lost_sound_is_told(plugged_in, sound, capsys):
    plugged_in(np.tile(sound, 2), overflow_at=(3,))  # 40 s at once, of which 10 s can wait
    fetched = len(np.concatenate(unplugged(microphone_blocks(0, SAMPLE_RATE)))) / SAMPLE_RATE
    told = capsys.readouterr().err.splitlines()
    assert sum("some sound was lost: this computer does not keep up" in line for line in told) == 1
    assert fetched + 0.02 * sum("0.02 s of sound was lost" in line for line in told) == pytest.approx(40.0)


def test_a_missing_library_or_input_is_told_in_one_line(plugged_in, sound, monkeypatch):
    plugged_in(sound)
    with pytest.raises(ValueError, match="input 0: cannot be opened at 44100 Hz .Invalid sample rate"):
        next(microphone_blocks(0, 44100))
    with pytest.raises(ValueError, match="input 0: has 2 channels, got channel 3; choose one of them"):
        next(microphone_blocks(0, SAMPLE_RATE, 3))
    with pytest.raises(ValueError, match="No input device matching 'none'"):
        next(microphone_blocks("none", SAMPLE_RATE))
    monkeypatch.setitem(sys.modules, "sounddevice", None)  # not installed
    with pytest.raises(ValueError, match=r"PortAudio library .*; pip install 'acoustic-nb\[microphone\]'"):
        next(microphone_blocks(0, SAMPLE_RATE))


def test_an_input_is_watched_until_sigterm(plugged_in, sound, tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    slowly = threading.Event()
    plugged_in(sound[:9 * SAMPLE_RATE], then=lambda: slowly.wait(20))
    lines = []

    def say(line):
        lines.append(line)
        if " event of " in line:
            os.kill(os.getpid(), signal.SIGTERM)
            slowly.set()

    loud = sound.copy()[:9 * SAMPLE_RATE]
    loud[3 * SAMPLE_RATE:round(3.3 * SAMPLE_RATE)] += noise(0.3, sample_rate=SAMPLE_RATE, amplitude=0.9)
    for start in (1, 2):  # a second start adds to the table
        slowly.clear()
        plugged_in(loud, then=lambda: slowly.wait(20))
        alarm = watch_input(0, kept("gmm"), tmp_path / "out", limits=LIMITS, keep_s=8.0, say=say)
        assert alarm is False
        events = pd.read_csv(tmp_path / "out" / "events.csv")
        assert list(events) == [*EVENT_COLUMNS, "path", "heard_at"] and len(events) >= start
    assert signal.getsignal(signal.SIGTERM) == before
    begun, ended = (next(n for n, line in enumerate(lines) if text in line) for text in ("an event begins: score", " event of "))
    assert begun < ended and "listening to channel 1 at 8000 Hz" in lines[0]
    worst = events.loc[events["peak_score"].idxmax()]
    assert worst["windows_start_s"] <= 3.0 < worst["windows_end_s"] and worst["recording"].startswith("live 20")
    clip, rate = soundfile.read(worst["path"], dtype="float32")
    assert rate == SAMPLE_RATE and worst["path"].endswith(".flac")
    first = round(max(0.0, worst["start_s"] - 1.0) * SAMPLE_RATE)
    np.testing.assert_allclose(clip, np.clip(loud[first:first + len(clip)], -1, 1), atol=2e-7)
    assert len(clip) == round((worst["end_s"] + 1.0) * SAMPLE_RATE) - first


def test_what_is_unlike_is_said_of_the_first_seconds(plugged_in, tmp_path):
    plugged_in(noise(9.0, sample_rate=SAMPLE_RATE, amplitude=0.8))
    lines = []
    with pytest.raises(ValueError, match="gives no more sound"):
        watch_input(0, kept("gmm"), tmp_path / "out", limits=LIMITS, keep_s=8.0, say=lines.append)
    assert any("UNLIKE what the detector knows, over the first 8 s: It is louder" in line for line in lines)


@pytest.mark.parametrize("keep_s", [8.0, 20.0])
def test_an_alarm_is_not_said_before_the_first_impression_is_out(plugged_in, tmp_path, keep_s):
    plugged_in(noise(9.0, sample_rate=SAMPLE_RATE, amplitude=0.8))
    lines = []
    with pytest.raises(ValueError, match="gives no more sound"):
        watch_input(0, kept("gmm"), tmp_path / "out", limits=Limits(0.0, None, ""), keep_s=keep_s, say=lines.append)
    what = [next((word for word in ("an event begins", "UNLIKE", "ALARM") if word in line), "") for line in lines]
    assert "an event begins" in what[:2]  # an alarm, as no event is allowed
    if keep_s > 9.0:
        assert "ALARM" not in what  # 9 s are too few for an impression over 20
    else:
        assert what.count("ALARM") == 1 and what.index("ALARM") > max(n for n, word in enumerate(what) if word == "UNLIKE")


def test_the_tables_of_a_microphone_say_first_which_detector_of_which_run(plugged_in, tmp_path):
    plugged_in(noise(3.0, sample_rate=SAMPLE_RATE))
    with pytest.raises(ValueError, match="gives no more sound"):
        watch_input(0, kept("gmm"), tmp_path / "out", limits=LIMITS)
    about = json.loads((tmp_path / "out" / "watch.json").read_text())
    assert list(about)[:3] == ["detector", "run", "bundle"] and (about["detector"], about["run"]) == ("GMM", "a_run")
