"""Watching a folder: every recording is scored once, whatever comes between, and only what is complete."""

import gc
import io
import json
import os
import signal
import subprocess
import sys
import threading
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from bundles_for_tests import SAMPLE_RATE, files_of, kept, write
from scipy.stats import binom
from sounds import noise

from acoustic_nb import watch_tables, watching
from acoustic_nb.alarms import Limits, Seen, decide
from acoustic_nb.audio import load_recording
from acoustic_nb.cli import main
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


def watch(folder, to, *, once=True, settle_s=0.0, poll_s=0.0, bundle=None, limits=LIMITS, **more):
    return watch_folder(folder, bundle or kept("gmm"), to, limits=limits, settle_s=settle_s, poll_s=poll_s, once=once, **more)


def tables(to):
    """Events and files heard; what a row says but when."""
    events, heard = (pd.read_csv(to / name, keep_default_na=False, na_values=[""]) for name in ("events.csv", "recordings.csv"))
    return events, heard


def starts_s(scored):
    return [event.start_s for event in scored.events]


class Clock:
    """Time that passes only while the watch sleeps: at each nap the next thing happens, if any; after the last it is stopped."""

    def __init__(self, *happens):
        self.now_s, self.happens = 0.0, list(happens)

    def monotonic(self):
        return self.now_s

    def sleep(self, seconds):
        self.now_s += seconds
        if not self.happens:
            raise KeyboardInterrupt
        if happens := self.happens.pop(0):
            happens()


def watch_for(monkeypatch, folder, to, *happens, **more):
    """Watch with a look each second and files that settle within two: at which second which line or trouble was told."""
    clock, told = Clock(*happens), []
    monkeypatch.setattr(watching, "time", clock)
    watch(folder, to, once=False, settle_s=2.0, poll_s=1.0, say=lambda line: told.append((clock.now_s, line)),
          on_trouble=lambda reason: told.append((clock.now_s, reason)), **more)
    monkeypatch.undo()
    return told[1:]


# ---- what is written

def test_each_file_is_scored_as_by_itself_and_said_in_one_line(folder, tmp_path):
    lines = []
    watch(folder, tmp_path / "out", say=lines.append)
    events, heard = tables(tmp_path / "out")
    assert list(events) == [*EVENT_COLUMNS, "path", "heard_at"]
    assert heard["path"].tolist() == [str(folder / name) for name in ("a.wav", "b.flac", f"Tag 1/{ROUGH}", "c.WAV")]
    assert lines[0] == f"watching {folder} with the GMM of a_run, tables in {tmp_path / 'out'}; as given"
    for row, line in zip(heard.itertuples(), lines[1:], strict=True):
        alone = score_recording(kept("gmm"), load_recording(row.path))
        own = events[events["path"] == row.path]
        assert (row.events, row.windows, row.duration_s) == (len(alone.events), len(alone.scores), 5.0)
        assert row.highest_score == pytest.approx(alone.scores.max(), rel=1e-12)
        assert (row.smallest_p, row.flagged_share) == pytest.approx((alone.smallest_p, alone.flagged_share))
        assert own["start_s"].tolist() == starts_s(alone)
        assert row.content == load_recording(row.path).audit["content"]
        assert own["reasons"].tolist() == ["; ".join(event.reasons) for event in alone.events]
        assert set(own["heard_at"]) <= {row.heard_at}
        assert f" {Path(row.path).relative_to(folder).as_posix()}: " in line and "\n" not in line
        assert ("no event in 5 s" in line) == (not alone.events) and ("UNLIKE" in line) == bool(alone.unlike)
    assert heard["events"].sum() > 2


def test_what_was_heard_is_not_scored_again_and_a_changed_file_takes_its_place(folder, tmp_path, sounds, monkeypatch):
    watch(folder, tmp_path / "out")
    before = tables(tmp_path / "out")
    monkeypatch.setattr(watching, "load_recording", lambda *_, **__: pytest.fail("scored twice"))
    watch(folder, tmp_path / "out")
    for table, again in zip(before, tables(tmp_path / "out"), strict=True):
        pd.testing.assert_frame_equal(table, again)
    monkeypatch.undo()
    put(folder / "a.wav", sounds[5], age_s=7)
    watch(folder, tmp_path / "out")
    for table, earlier in zip(tables(tmp_path / "out"), before, strict=True):
        others = earlier[earlier["path"] != str(folder / "a.wav")].reset_index(drop=True)
        assert len(others) < len(earlier)
        pd.testing.assert_frame_equal(table[:len(others)], others)  # those of the other files stay
        assert table["path"][len(others):].tolist() == [str(folder / "a.wav")]
    events, heard = tables(tmp_path / "out")
    assert starts_s(score_recording(kept("gmm"), load_recording(folder / "a.wav"))) == [events["start_s"].iloc[-1]]
    assert (heard["events"].iloc[-1], heard["heard_at"].iloc[-1]) == (1, events["heard_at"].iloc[-1])


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
    assert len(heard) == 5 and pd.isna(heard["trouble"].iloc[-1]) and heard["windows"].iloc[-1] == 9
    assert heard["trouble"].notna().sum() == 2  # what it was is no longer told


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


def encoded(sound, name):
    file = io.BytesIO()
    soundfile.write(file, sound, SAMPLE_RATE, format=Path(name).suffix[1:])
    return file.getvalue()


def add_bytes(path, piece):
    with open(path, "ab") as file:
        file.write(piece)


@pytest.mark.parametrize("name", ["copied ü.wav", "copied.aiff"])
def test_a_file_that_is_copied_with_pauses_is_scored_once_and_whole(tmp_path, sounds, monkeypatch, capsys, name):
    path, pause = tmp_path / "in" / name, [None] * 40
    path.parent.mkdir()
    whole = encoded(sounds[3], name)
    happens = [(lambda piece=whole[first:first + 25_000]: add_bytes(path, piece), *pause) for first in range(0, len(whole), 25_000)]
    assert len(happens) == 4  # 80 kB
    told = watch_for(monkeypatch, path.parent, tmp_path / "out", *(thing for piece in happens for thing in piece))
    events, heard = tables(tmp_path / "out")
    assert [at_s for at_s, _ in told] == [3 * 41 + 1 + 2] and f" {name}: 2 events in 5 s" in told[0][1]
    assert heard["path"].tolist() == [str(path)] and heard["trouble"].isna().all() and heard["bytes"].tolist() == [len(whole)]
    assert events["start_s"].tolist() == starts_s(score_recording(kept("gmm"), load_recording(path)))
    assert "not scored" not in capsys.readouterr().err


def test_a_copy_that_does_not_go_on_is_told_after_a_minute_and_scored_when_it_does(tmp_path, sounds, monkeypatch, capsys):
    path = tmp_path / "in" / "copied.wav"
    path.parent.mkdir()
    whole = encoded(sounds[3], path)
    path.write_bytes(whole[:30_000])
    told = watch_for(monkeypatch, path.parent, tmp_path / "out", *[None] * 69, lambda: add_bytes(path, whole[30_000:]), *[None] * 5)
    reason = f"{path}: its header promises {len(whole)} bytes, but 30000 are there: it is not complete, or was cut; copy it again"
    assert told[0] == (60.0, reason) and reason in capsys.readouterr().err
    assert told[1][0] == 72.0 and " copied.wav: 2 events" in told[1][1] and len(told) == 2
    events, heard = tables(tmp_path / "out")
    assert len(heard) == 1 and heard["trouble"].isna().all() and len(events) == 2


def test_looked_at_once_a_cut_file_is_told_at_once(folder, tmp_path, sounds):
    (folder / "c.WAV").write_bytes((folder / "c.WAV").read_bytes()[:60_000])
    troubles = []
    watch(folder, tmp_path / "out", on_trouble=troubles.append)
    events, heard = tables(tmp_path / "out")
    assert troubles == [f"{folder / 'c.WAV'}: its header promises 80044 bytes, but 60000 are there: it is not complete, or was "
                        "cut; copy it again"]
    assert heard.set_index("path")["trouble"].dropna().to_dict() == {str(folder / "c.WAV"): troubles[0]}
    assert len(heard) == 4 and str(folder / "c.WAV") not in set(events["path"])
    watch(folder, tmp_path / "out", on_trouble=troubles.append)
    assert len(troubles) == 1


def test_a_file_that_goes_while_others_are_heard_is_no_trouble(folder, tmp_path, monkeypatch):
    real = watching.score_recording

    def score_and_remove(*given, **settings):
        (folder / "b.flac").unlink(missing_ok=True)
        return real(*given, **settings)

    monkeypatch.setattr(watching, "score_recording", score_and_remove)
    clock, troubles = Clock(None, None, None), []
    monkeypatch.setattr(watching, "time", clock)
    watch(folder, tmp_path / "out", once=False, on_trouble=troubles.append)
    assert clock.happens == [] and troubles == []
    assert [Path(path).name for path in tables(tmp_path / "out")[1]["path"]] == ["a.wav", ROUGH, "c.WAV"]


def streamed(sound, promised):
    """A WAV whose length is not known yet: so much as ``promised`` for the whole and its samples."""
    whole = bytearray(encoded(sound, "a.wav"))
    assert whole[36:40] == b"data"
    whole[4:8] = whole[40:44] = promised.to_bytes(4, "little")
    return bytes(whole)


def test_what_a_recorder_streams_is_scored_though_its_header_does_not_know_the_length(tmp_path, sounds, monkeypatch):
    path = tmp_path / "in" / "stream.wav"
    path.parent.mkdir()
    path.write_bytes(streamed(sounds[3], 0xFFFFFFFF))
    told = watch_for(monkeypatch, path.parent, tmp_path / "out", *[None] * 4)
    assert [at_s for at_s, _ in told] == [2.0] and " stream.wav: 2 events in 5 s" in told[0][1]


def test_a_recorder_that_writes_the_length_at_its_end_is_told_until_then(tmp_path, sounds, monkeypatch):
    path = tmp_path / "in" / "late.wav"
    path.parent.mkdir()
    path.write_bytes(streamed(sounds[3], 0))
    told = watch_for(monkeypatch, path.parent, tmp_path / "out", *[None] * 4,
                     lambda: put(path, sounds[3], age_s=1), *[None] * 4)
    assert [at_s for at_s, _ in told] == [2.0, 7.0] and "holds no samples (zero frames)" in told[0][1]
    assert " late.wav: 2 events in 5 s" in told[1][1]
    assert len(tables(tmp_path / "out")[1]) == 1


# ---- the same sound, and a file that changes

def test_a_touched_file_is_there_once(folder, tmp_path):
    watch(folder, tmp_path / "out")
    before = tables(tmp_path / "out")
    os.utime(folder / "c.WAV", (1e9, 1e9))  # the last of them
    watch(folder, tmp_path / "out")
    for table, expected in zip(tables(tmp_path / "out"), before, strict=True):
        pd.testing.assert_frame_equal(table.drop(columns=["heard_at", "modified_ns", "alarm"], errors="ignore"),
                                      expected.drop(columns=["heard_at", "modified_ns", "alarm"], errors="ignore"))
    assert table["modified_ns"].iloc[-1] == 10**18 and expected["events"].iloc[-1] > 0


@pytest.mark.parametrize("how", ["copied", "in another format"])
@pytest.mark.parametrize("restart", [False, True])
def test_the_same_sound_under_another_name_is_told_and_not_scored(folder, tmp_path, monkeypatch, how, restart):
    new = folder / ("new.flac" if how == "in another format" else "new.wav")

    def appears():
        if how == "in another format":
            soundfile.write(new, *soundfile.read(folder / "a.wav"))
        else:
            new.write_bytes((folder / "a.wav").read_bytes())

    if restart:
        watch(folder, tmp_path / "out", limits=Limits(0.0, None, ""))
        before = tables(tmp_path / "out")
        appears()
        told = watch_for(monkeypatch, folder, tmp_path / "out", *[None] * 4, limits=Limits(0.0, None, ""))
    else:
        found = []
        told = watch_for(monkeypatch, folder, tmp_path / "out", None, None, lambda: found.append(tables(tmp_path / "out")), appears,
                         *[None] * 4, limits=Limits(0.0, None, ""))[4:]
        before = found[0]
    events, heard = tables(tmp_path / "out")
    assert [text for _, text in told] == [f"{new}: holds the same sound as {folder / 'a.wav'}, which was scored"]
    pd.testing.assert_frame_equal(events, before[0])
    pd.testing.assert_frame_equal(heard[:4], before[1], check_dtype=False)  # the row of the new one has no numbers
    row = heard.iloc[-1]
    assert (row["path"], row["trouble"], str(row["alarm"])) == (str(new), told[0][1], "False") and len(heard) == 5
    assert row["content"] == before[1]["content"].iloc[0] and pd.isna(row["events"])


@pytest.mark.parametrize("restart", [False, True])
def test_a_file_of_another_name_takes_its_row_and_events_along(folder, tmp_path, monkeypatch, restart):
    """As recorders do that rotate: today's sound gets a name of its own, and another takes the place."""
    def rotates():
        os.replace(folder / "a.wav", folder / "monday.wav")
        os.replace(folder / "c.WAV", folder / "a.wav")

    if restart:
        watch(folder, tmp_path / "out")
        before = tables(tmp_path / "out")
        rotates()
        watch_for(monkeypatch, folder, tmp_path / "out", *[None] * 4)
    else:
        found = []
        watch_for(monkeypatch, folder, tmp_path / "out", None, None, lambda: found.append(tables(tmp_path / "out")), rotates,
                  *[None] * 4)
        before = found[0]
    events, heard = tables(tmp_path / "out")
    names = {str(folder / "a.wav"): str(folder / "monday.wav"), str(folder / "c.WAV"): str(folder / "a.wav")}
    expected = before[1].assign(path=before[1]["path"].replace(names)).set_index("path")
    heard = heard.set_index("path")
    assert sorted(heard.index) == sorted(expected.index) and heard["trouble"].isna().all() and before[1]["events"].sum() > 0
    for column in ("content", "events", "highest_score"):
        assert heard[column].to_dict() == expected[column].to_dict()
    moved = before[0].assign(path=before[0]["path"].replace(names))
    found, expected = (sorted(zip(each["path"], each["peak_score"], strict=True)) for each in (events, moved))
    assert found == expected


def test_a_file_that_grows_with_a_right_header_ends_with_its_own_events_only(folder, tmp_path, sounds, monkeypatch):
    path, sound = folder / "growing.wav", np.concatenate([sounds[1], sounds[3], sounds[5]])

    def grows(to_s):
        return lambda: soundfile.write(path, sound[:round(to_s * SAMPLE_RATE)], SAMPLE_RATE)

    told = watch_for(monkeypatch, folder, tmp_path / "out",
                     *(thing for to_s in (5.0, 8.5, 12.0, 15.0) for thing in (grows(to_s), None, None, None)))
    lines = [line for _, line in told if " growing.wav: " in line]
    assert [line.split(" in ")[1].split(" s")[0] for line in lines] == ["5", "8", "12", "15"]  # each was scored
    events, heard = tables(tmp_path / "out")
    alone = score_recording(kept("gmm"), load_recording(path))
    assert len(heard) == 5 and heard["path"].iloc[-1] == str(path) and heard["duration_s"].iloc[-1] == 15.0
    own = events[events["path"] == str(path)]
    assert own["start_s"].tolist() == starts_s(alone) and len(alone.events) > 1
    assert set(own["heard_at"]) == {heard["heard_at"].iloc[-1]}
    assert len(events) == heard["events"].sum()
    expected = tmp_path / "expected"
    watch(folder, expected)
    for table, same in zip((events, heard), tables(expected), strict=True):  # as if it had always been whole
        pd.testing.assert_frame_equal(table.drop(columns=["heard_at", "alarm"], errors="ignore"),
                                      same.drop(columns=["heard_at", "alarm"], errors="ignore"))


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


def test_killed_while_a_changed_file_takes_its_own_place(tmp_path, sounds):
    folder, again = tmp_path / "in", [(2, -1), (3, -1), (5, -1), (7, -1), (1, -1)]
    folder.mkdir()
    for number, (which, _) in enumerate(again):
        put(folder / f"{number}.wav", sounds[which], age_s=100 - number)
    watch(folder, tmp_path / "out")
    earlier = tables(tmp_path / "out")
    for number, (which, sign) in enumerate(again):
        put(folder / f"{number}.wav", sign * sounds[which], age_s=50 - number)
    watch(folder, tmp_path / "undisturbed")
    expected = tables(tmp_path / "undisturbed")
    assert (expected[1]["events"] > 0).all() and (earlier[1]["events"] > 0).all()
    bundle = write(tmp_path / "bundle", files_of("gmm"))
    # a start writes three drafts before it looks; a file its events and its row, then again three drafts to take out what it was
    kills = [(4, 0), (5, 30), (5, 0), (6, 0), (7, 30), (8, 0), (0, 0)]
    code = KILLED.format(tests=str(TESTS), bundle=str(bundle), kills=kills, folder=str(folder), to=str(tmp_path / "out"))
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=100)
    events, heard = tables(tmp_path / "out")
    for table, same in zip((events, heard), expected, strict=True):
        pd.testing.assert_frame_equal(table.drop(columns=["heard_at", "alarm"], errors="ignore"),
                                      same.drop(columns=["heard_at", "alarm"], errors="ignore"))
    assert set(zip(events["path"], events["heard_at"], strict=True)) == set(zip(heard["path"], heard["heard_at"], strict=True))


def test_stopped_between_the_new_row_and_taking_out_the_old_one(folder, tmp_path, sounds, monkeypatch):
    to = tmp_path / "out"
    watch(folder, to)
    put(folder / "a.wav", -sounds[0], age_s=1)
    clean, cleaned = watch_tables.WatchTables._clean, []

    def stopped(tables):
        cleaned.append(True)
        if len(cleaned) == 2:
            raise KeyboardInterrupt
        clean(tables)

    monkeypatch.setattr(watch_tables.WatchTables, "_clean", stopped)
    watch(folder, to)
    events, heard = tables(to)
    assert heard["path"].tolist().count(str(folder / "a.wav")) == 2 and len(heard) == 5  # both are there
    monkeypatch.undo()
    lines = []
    watch(folder, to, say=lines.append)
    assert len(lines) == 1  # nothing is scored again
    again = tables(to)
    pd.testing.assert_frame_equal(again[1], heard[1:].reset_index(drop=True))
    pd.testing.assert_frame_equal(again[0], events[1:].reset_index(drop=True))


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
    assert len(watched) == 2 and Path(lost).name in watched[1]
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
        if len(heard) == 5:
            put(folder / "later.wav", sounds[4], age_s=1)
        if len(heard) == 6:
            os.kill(os.getpid(), signal.SIGTERM)

    watch(folder, tmp_path / "out", once=False, say=say)
    assert len(heard) - 1 == len(tables(tmp_path / "out")[1]) == 5 and "later.wav" in heard[-1]
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
    assert list(json.loads((tmp_path / "out" / "watch.json").read_text()))[:3] == ["detector", "run", "bundle"]
    for more, name in (({"bundle": kept("kmeans")}, "detector 'GMM', not 'KMEANS'"), ({"gap_s": 1.0}, "gap_s 0.0, not 1.0"),
                       ({"bundle": kept("gmm").at_rate(0.01)}, "false_alarm_rate 0.1, not 0.01"),
                       ({"limits": Limits(1.0, None, "")}, "alarm_events_per_hour 600.0, not 1.0")):
        with pytest.raises(ValueError, match=f"was begun with {name}.*choose another folder"):
            watch(folder, tmp_path / "out", **more)
    of_run = kept("gmm")
    of_run = replace(of_run, about=of_run.about | {"run": of_run.about["run"] | {"name": "b_run"}})
    with pytest.raises(ValueError, match="was begun with run 'a_run', not 'b_run'"):
        watch(folder, tmp_path / "out", bundle=of_run)
    with pytest.raises(ValueError, match="gap_s is a number of seconds of at least 0, got -1"):
        watch(folder, tmp_path / "out", gap_s=-1.0)
    (tmp_path / "out" / "watch.json").write_text("{half")
    with pytest.raises(ValueError, match=r"watch\.json: is no JSON .*choose another folder"):
        watch(folder, tmp_path / "out")


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


def test_what_held_out_sound_has_shown_must_be_exceeded_by_more_than_chance():
    limits = Limits(7.0, None, "", seen_events=Seen(n_events=2, seconds=3600.0, share=0.1, n_windows=100, n_eff=50.0))
    alarms = {}
    for n_events in range(1, 12):
        alarms[n_events] = RecentAlarm(limits, 1800.0).add(1800.0, 3600, n_events, n_events)
        # the exact conditional test: of all events, so many in this third of the time
        assert alarms[n_events] == (n_events > 3.5 and binom.sf(n_events - 1, n_events + 2, 1 / 3) < 0.05)
    assert alarms[11] and not alarms[4]  # though the limit allows 3.5 in this time


@pytest.mark.parametrize(("rate", "broken", "status"), [(1e5, False, 0), (1e5, True, 1), (0.0, False, 3), (0.0, True, 3)])
def test_the_exit_status_tells_of_troubles_and_alarms(folder, tmp_path, capsys, monkeypatch, rate, broken, status):
    monkeypatch.setattr(watching, "time", Clock(None, None))
    bundle = write(tmp_path / "bundle", files_of("gmm"))
    if broken:
        (folder / "b.flac").write_bytes(b"")
    argv = ["watch", str(folder), str(bundle), "--once", "--to", str(tmp_path / "out"), "--alarm-events-per-hour", str(rate)]
    assert main(argv) == status
    told = capsys.readouterr()
    assert told.out.startswith(f"watching {folder} with the GMM of a_run, tables in {tmp_path / 'out'}; limits as given: ")
    assert ("not scored" in told.err) == broken
    assert len(tables(tmp_path / "out")[1]) == 4
    assert main(argv) == 0  # nothing new


def test_memory_does_not_grow_with_the_number_of_files(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(24):
        put(folder / f"{number:03}.wav", noise(1.0, sample_rate=SAMPLE_RATE, seed=number), age_s=100 - number)
    held = []

    def say(_):
        if len(held) == 1:  # the first line says what is watched
            tracemalloc.start()
        if len(held) in (10, 24):
            gc.collect()
        held.append(tracemalloc.get_traced_memory()[0] if tracemalloc.is_tracing() else 0)

    try:
        watch(folder, tmp_path / "out", say=say)
    finally:
        tracemalloc.stop()
    assert len(held) == 25
    assert held[-1] - held[10] < 14 * 3000  # bytes: names and states, not what was heard


def test_it_runs_beside_other_threads(folder, tmp_path):
    found = []
    thread = threading.Thread(target=lambda: found.append(watch(folder, tmp_path / "out")))
    thread.start()
    thread.join(60)
    assert found in ([True], [False]) and len(tables(tmp_path / "out")[1]) == 4
