"""Watching a folder: every recording is scored once, whatever comes between, and only what is complete."""

import gc
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from bundles_for_tests import SAMPLE_RATE, files_of, kept, write
from sounds import noise

from acoustic_nb import watch_tables, watching
from acoustic_nb.alarms import Limits, decide
from acoustic_nb.audio import load_recording
from acoustic_nb.recent_alarm import RecentAlarm
from acoustic_nb.scored import EVENT_COLUMNS
from acoustic_nb.scoring import score_recording
from acoustic_nb.synth import demo_pair
from acoustic_nb.watching import Settling, watch_folder

LIMITS = Limits(events_per_hour=600.0, share=None, sentence="as given")
ROUGH = "naïve {Pumpe} 1, \"laut\".wav"
TESTS = Path(__file__).parent


@pytest.fixture(scope="module")
def sounds():
    """Eight clips of 5 s, half of them of a broken machine."""
    normal, broken = (recording.samples for recording in demo_pair(3, normal_s=20.0, anomalous_s=20.0, sample_rate=SAMPLE_RATE))
    return [sound for pair in zip(np.split(normal, 4), np.split(broken, 4), strict=True) for sound in pair]


@pytest.fixture
def folder(tmp_path, sounds):
    """Four clips, one of them in a sub-folder."""
    folder = tmp_path / "Aufnahmen ü"
    (folder / "Tag 1").mkdir(parents=True)
    for number, (name, sound) in enumerate(zip(["a.wav", "b.flac", f"Tag 1/{ROUGH}", "c.WAV"], sounds, strict=False)):
        put(folder / name, sound, age_s=100 - number)
    return folder


def put(path, sound, *, age_s):
    soundfile.write(path, sound, SAMPLE_RATE)
    os.utime(path, (1e9 - age_s, 1e9 - age_s))


def watch(folder, to, *, once=True, settle_s=0.0, bundle=None, limits=LIMITS, **more):
    return watch_folder(folder, bundle or kept("gmm"), to, limits=limits, settle_s=settle_s, poll_s=0.0, once=once, **more)


def tables(to):
    """Events and files heard; what a row says but when."""
    events, heard = (pd.read_csv(to / name, keep_default_na=False, na_values=[""]) for name in ("events.csv", "recordings.csv"))
    return events, heard


# ---- what is written

def test_each_file_is_scored_as_by_itself_and_said_in_one_line(folder, tmp_path):
    lines = []
    watch(folder, tmp_path / "out", say=lines.append)
    events, heard = tables(tmp_path / "out")
    assert list(events) == [*EVENT_COLUMNS, "path", "heard_at"]
    assert heard["path"].tolist() == [str(folder / name) for name in ("a.wav", "b.flac", f"Tag 1/{ROUGH}", "c.WAV")]
    for row, line in zip(heard.itertuples(), lines, strict=True):
        alone = score_recording(kept("gmm"), load_recording(row.path))
        own = events[events["path"] == row.path]
        assert (row.events, row.windows, row.duration_s) == (len(alone.events), len(alone.scores), 5.0)
        assert row.highest_score == pytest.approx(alone.scores.max(), rel=1e-12)
        assert (row.smallest_p, row.flagged_share) == pytest.approx((alone.smallest_p, alone.flagged_share))
        assert own["start_s"].tolist() == [event.start_s for event in alone.events]
        assert own["reasons"].tolist() == ["; ".join(event.reasons) for event in alone.events]
        assert set(own["heard_at"]) <= {row.heard_at}
        assert f" {Path(row.path).relative_to(folder).as_posix()}: " in line and "\n" not in line
        assert ("no event in 5 s" in line) == (not alone.events) and ("UNLIKE" in line) == bool(alone.unlike)
    assert heard["events"].sum() > 2


def test_what_was_heard_is_not_scored_again_and_a_changed_file_is(folder, tmp_path, sounds, monkeypatch):
    watch(folder, tmp_path / "out")
    before = tables(tmp_path / "out")
    monkeypatch.setattr(watching, "load_recording", lambda *_, **__: pytest.fail("scored twice"))
    watch(folder, tmp_path / "out")
    for table, again in zip(before, tables(tmp_path / "out"), strict=True):
        pd.testing.assert_frame_equal(table, again)
    monkeypatch.undo()
    put(folder / "a.wav", sounds[5], age_s=7)
    watch(folder, tmp_path / "out")
    events, heard = tables(tmp_path / "out")
    pd.testing.assert_frame_equal(events[:len(before[0])], before[0])  # those of the earlier content stay
    assert heard["path"].tolist() == [*before[1]["path"], str(folder / "a.wav")]
    assert len(events) - len(before[0]) == heard["events"].iloc[-1] > 0


def test_what_is_no_finished_recording_is_left_alone(folder, tmp_path, sounds):
    for name in (".hidden.wav", "x.wav.part", "x.part.wav", "x.tmp.wav", "x~.wav", "notes.txt", "x.wav~"):
        (folder / name).write_bytes((folder / "a.wav").read_bytes())
    (folder / ".trash").mkdir()
    put(folder / ".trash" / "old.wav", sounds[0], age_s=3)
    watch(folder, folder / "out")
    assert len(tables(folder / "out")[1]) == 4
    put(folder / "out" / "clip.wav", sounds[0], age_s=3)  # what lies in `to` is a result
    watch(folder, folder / "out")
    assert len(tables(folder / "out")[1]) == 4


def test_an_empty_folder_is_watched_and_a_missing_one_is_not(tmp_path):
    (tmp_path / "empty").mkdir()
    assert watch(tmp_path / "empty", tmp_path / "out") is False
    assert [len(table) for table in tables(tmp_path / "out")] == [0, 0]
    with pytest.raises(ValueError, match="nowhere: no such folder, but a folder is watched"):
        watch(tmp_path / "nowhere", tmp_path / "out")


def test_a_broken_file_is_told_once_and_tried_again_when_it_has_changed(folder, tmp_path, sounds, capsys):
    (folder / "b.flac").write_bytes(b"")
    (folder / "new.m4a").write_bytes(b"not sound")
    soundfile.write(folder / "c.WAV", sounds[0][:100], SAMPLE_RATE)  # too short for a frame
    watch(folder, tmp_path / "out")
    assert "not scored: " + str(folder / "b.flac") + ": is an empty file of 0 bytes" in capsys.readouterr().err
    heard = tables(tmp_path / "out")[1].set_index("path")
    assert heard.loc[str(folder / "b.flac"), "trouble"].endswith("copy or record it again")
    assert "a frame needs 2048" in heard.loc[str(folder / "c.WAV"), "trouble"]
    assert heard["trouble"].notna().sum() == 3 and heard["events"].notna().sum() == 2
    watch(folder, tmp_path / "out")
    assert "not scored" not in capsys.readouterr().err
    put(folder / "b.flac", sounds[1], age_s=1)
    watch(folder, tmp_path / "out")
    heard = tables(tmp_path / "out")[1]
    assert len(heard) == 6 and pd.isna(heard["trouble"].iloc[-1]) and heard["windows"].iloc[-1] == 9


# ---- only complete files

def test_a_file_has_settled_when_it_stayed_as_it_is():
    settling = Settling(2.0)
    assert settling.complete({"a": (10, 5), "b": (10, 3)}, 100.0) == []
    assert settling.complete({"a": (11, 5), "b": (10, 3)}, 101.0) == []   # a has grown
    assert settling.complete({"a": (11, 5), "b": (10, 3)}, 102.0) == ["b"]
    assert settling.complete({"a": (11, 6)}, 102.9) == []                 # a was written again
    assert settling.complete({}, 104.0) == []                             # and has gone
    assert settling.complete({"a": (11, 6), "c": (1, 1)}, 105.0) == []    # a is new
    assert settling.complete({"a": (11, 6), "c": (1, 1)}, 107.0) == ["c", "a"]  # the one that changed first comes first


def test_a_growing_file_is_left_until_it_has_stopped(folder, tmp_path, sounds, monkeypatch):
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        with open(folder / "a.wav", "ab") as file:
            file.write(bytes(1000))

    monkeypatch.setattr(watching.time, "sleep", sleep)
    clock = iter([0.0, 2.0])
    monkeypatch.setattr(watching.time, "monotonic", lambda: next(clock))
    watch(folder, tmp_path / "out", settle_s=2.0)
    assert naps == [2.0]
    assert sorted(Path(path).name for path in tables(tmp_path / "out")[1]["path"]) == sorted(["b.flac", ROUGH, "c.WAV"])


@pytest.mark.parametrize("when", ["it is heard", "it is said to be broken"])
def test_a_file_that_changes_while_it_is_heard_is_dropped_and_taken_later(folder, tmp_path, monkeypatch, when):
    listened = []

    def load_and_change(path, **settings):
        recording = load_recording(path, **settings)
        listened.append(Path(path).name)
        if listened == ["a.wav"]:
            os.utime(path, (1e9, 1e9))
            if when != "it is heard":
                raise ValueError("half a file")
        return recording

    monkeypatch.setattr(watching, "load_recording", load_and_change)
    watch(folder, tmp_path / "out")
    heard = tables(tmp_path / "out")[1]
    assert listened == ["a.wav", "b.flac", ROUGH, "c.WAV", "a.wav"] == ["a.wav", *(Path(path).name for path in heard["path"])]
    assert heard["trouble"].isna().all() and heard["modified_ns"].iloc[-1] == 10**18


# ---- stops and starts

KILLED = """
import os, signal, sys
sys.path.insert(0, {tests!r})
from acoustic_nb.alarms import Limits
from acoustic_nb.bundles import load_bundle
from acoustic_nb.watching import watch_folder
bundle, fsync = load_bundle({bundle!r}), os.fsync
for place, half in {kills}:
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == (signal.SIGKILL if place else 0)
        continue
    calls = 0
    def killing(number):
        global calls
        calls += 1
        if calls == place:
            if half:
                os.ftruncate(number, os.fstat(number).st_size - half)
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(number)
    os.fsync = killing
    watch_folder({folder!r}, bundle, {to!r}, limits=Limits(600.0, None, ""), settle_s=0.0, once=True, say=lambda _: None)
    os._exit(0)
"""


def test_killed_at_any_point_and_started_again_it_ends_with_the_same_tables(tmp_path, sounds):
    folder = tmp_path / "in"
    folder.mkdir()
    for number, sound in enumerate(sounds):
        put(folder / f"{number},\n\"ü.wav", sound, age_s=100 - number)
    watch(folder, tmp_path / "undisturbed")
    bundle = write(tmp_path / "bundle", files_of("gmm"))
    # the first start writes three files before it looks, the later ones two; then a file's events, and its row. The n-th time
    # that something is written for good, whole or less its last bytes, the process is killed; then once more
    kills = [(1, 30), (2, 0), (3, 0), (3, 1), (4, 0), (4, 1), (4, 30), (5, 0), (5, 30), (0, 0)]
    code = KILLED.format(tests=str(TESTS), bundle=str(bundle), kills=kills, folder=str(folder), to=str(tmp_path / "out"))
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=100)
    for table, expected in zip(tables(tmp_path / "out"), tables(tmp_path / "undisturbed"), strict=True):
        pd.testing.assert_frame_equal(table.drop(columns="heard_at"), expected.drop(columns="heard_at"))
    assert len(expected) == 8


def test_a_start_cuts_what_a_killed_process_has_left(folder, tmp_path):
    to = tmp_path / "out"
    watch(folder, to)
    whole = [(to / name).read_bytes() for name in ("events.csv", "recordings.csv")]
    _, heard = tables(to)
    assert heard["events"].iloc[-1] > 0
    lost = heard["path"].iloc[-1]
    (to / "recordings.csv").write_bytes(whole[1][:-5])  # the row of the last file is half there, its events are
    watched = []
    watch(folder, to, say=watched.append)
    assert len(watched) == 1 and Path(lost).name in watched[0]
    events, again = tables(to)
    assert again["path"].tolist() == heard["path"].tolist()
    assert len(events) == heard["events"].sum() and not events.duplicated([*EVENT_COLUMNS]).any()


def test_a_stop_in_the_middle_of_writing_leaves_no_half(folder, tmp_path, monkeypatch):
    to, append, written = tmp_path / "out", watch_tables._append, []

    def stopped(path, text):
        written.append(path.name)
        if written.count("recordings.csv") == 2:
            with open(path, "a") as file:
                file.write(text[:20])
            raise KeyboardInterrupt
        append(path, text)

    monkeypatch.setattr(watch_tables, "_append", stopped)
    watch(folder, to)  # a stop is no error
    events, heard = tables(to)
    assert len(heard) == 1 and set(events["path"]) <= set(heard["path"])
    assert (to / "recordings.csv").read_text().endswith("\n")
    monkeypatch.undo()
    watch(folder, to)
    assert len(tables(to)[1]) == 4


def test_sigterm_ends_it_after_a_file_and_it_is_no_error(folder, tmp_path, sounds, capsys):
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    heard = []

    def say(line):
        heard.append(line)
        if len(heard) == 4:
            put(folder / "later.wav", sounds[4], age_s=1)
        if len(heard) == 5:
            os.kill(os.getpid(), signal.SIGTERM)

    watch(folder, tmp_path / "out", once=False, say=say)
    assert len(heard) == len(tables(tmp_path / "out")[1]) == 5 and "later.wav" in heard[-1]
    assert "stopped; go on with the same command" in capsys.readouterr().err
    assert handlers == (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT))


def test_a_full_disk_ends_it_with_whole_tables(folder, tmp_path, monkeypatch):
    def full(path, text, append=watch_tables._append):
        append(path, text)
        if path.name == "recordings.csv":
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(watch_tables, "_append", full)
    with pytest.raises(OSError, match="No space left"):
        watch(folder, tmp_path / "out")
    assert [len(table) for table in tables(tmp_path / "out")] == [0, 0]


# ---- one table, one writer, one kind of events

def test_two_watches_on_one_table_are_refused(folder, tmp_path):
    refused = []

    def second(_):
        if not refused:
            with pytest.raises(ValueError, match="another watch is writing there; end it first, or choose another folder") as error:
                watch(folder, tmp_path / "out")
            refused.append(error)

    watch(folder, tmp_path / "out", say=second)
    assert refused
    watch(folder, tmp_path / "out")  # the first has let go


def test_another_bundle_or_other_settings_are_refused(folder, tmp_path):
    watch(folder, tmp_path / "out")
    for more, name in (({"bundle": kept("kmeans")}, "bundle"), ({"gap_s": 1.0}, "gap_s 0.0, not 1.0"),
                       ({"bundle": kept("gmm").at_rate(0.01)}, "false_alarm_rate 0.1, not 0.01"),
                       ({"limits": Limits(1.0, None, "")}, "alarm_events_per_hour 600.0, not 1.0")):
        with pytest.raises(ValueError, match=f"was begun with {name}.*choose another folder"):
            watch(folder, tmp_path / "out", **more)
    with pytest.raises(ValueError, match="gap_s is a number of seconds of at least 0, got -1"):
        watch(folder, tmp_path / "out", gap_s=-1.0)


def test_tables_of_something_else_are_not_touched(folder, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "events.csv").write_text("when,what\n1,2\n")
    with pytest.raises(ValueError, match="holds tables, but no watch.json"):
        watch(folder, tmp_path / "out")
    watch(folder, tmp_path / "own")
    (tmp_path / "own" / "events.csv").write_text("when,what\n1,2\n")
    with pytest.raises(ValueError, match="row 1 is when, what, which no watch has written"):
        watch(folder, tmp_path / "own")
    assert (tmp_path / "own" / "events.csv").read_text() == "when,what\n1,2\n"


# ---- alarms

def test_clips_count_together_and_the_sound_to_come_counts_as_normal():
    recent = RecentAlarm(Limits(events_per_hour=60.0, share=0.5, sentence=""))  # one event a minute: a minute counts
    assert not recent.add(10, 10, 4, 1)     # alone it would be 360 per hour
    assert not recent.add(10, 10, 0, 0)
    assert recent.add(10, 10, 0, 1)         # two within a minute
    for _ in range(3):
        assert recent.add(10, 10, 0, 0)
    assert not recent.add(10, 10, 0, 0)     # the first clip is more than a minute ago
    assert not recent.add(30, 10, 10, 0)
    assert recent.add(60, 10, 6, 1)         # alone: share 0.6
    assert not recent.add(60, 10, 4, 1)     # alone: as many as the limits allow
    assert not recent.add(10, 10, 0, 0)     # and none of both counts for this one


def test_of_given_limits_none_and_all():
    assert RecentAlarm(Limits(0.0, None, "")).add(1.0, 2, 1, 1)
    assert not RecentAlarm(Limits(0.0, None, "")).add(1.0, 2, 2, 0)
    recent = RecentAlarm(Limits(0.0, None, ""))
    for _ in range(20_000):
        recent.add(10.0, 20, 0, 0)
    assert len(recent._heard) <= 62  # a day in flat memory


def test_a_long_file_is_judged_as_score_judges_it(folder, tmp_path):
    for limit, share in ((719.0, None), (720.0, None), (1e5, 0.1), (1e5, 1.0)):
        limits = Limits(limit, share, "")
        found = watch(folder, tmp_path / f"{limit} {share}", limits=limits)
        _, heard = tables(tmp_path / f"{limit} {share}")
        alone = {row.path: decide([score_recording(kept("gmm"), load_recording(row.path))], limits).alarm
                 for row in heard.itertuples() if limit * row.duration_s >= 3600}
        for path, alarm in alone.items():
            assert bool(heard.set_index("path").loc[path, "alarm"]) == alarm
        assert found == heard["alarm"].any()


def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(24):
        put(folder / f"{number:03}.wav", noise(1.0, sample_rate=SAMPLE_RATE, seed=number), age_s=100 - number)
    held = []

    def say(_):
        if not held:
            tracemalloc.start()
        if len(held) in (9, 23):
            gc.collect()
        held.append(tracemalloc.get_traced_memory()[0])

    try:
        watch(folder, tmp_path / "out", say=say)
    finally:
        tracemalloc.stop()
    assert len(held) == 24
    assert held[-1] - held[9] < 14 * 3000  # bytes: names and states, not what was heard


def test_it_runs_beside_other_threads(folder, tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(watch(folder, tmp_path / "out")))
    thread.start()
    thread.join(60)
    assert found in ([True], [False]) and len(tables(tmp_path / "out")[1]) == 4
