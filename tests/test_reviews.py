"""Reviews: marks by hand, thresholds that can be counted on fingers, labels that a next run finds."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from acoustic_nb.audio import Recording
from acoustic_nb.labels import events_beside, read_events
from acoustic_nb.reviews import read_marks, review_table, save_marks
from acoustic_nb.scored import FoundEvent, ScoredRecording, events_table

THRESHOLD = 18.0
# split conformal prediction at 10 %: of 19 scores the 18th, since (19 + 1) * 0.9 = 18
BUNDLE = SimpleNamespace(calibration_scores=np.arange(1.0, 20.0), calibration=SimpleNamespace(threshold=THRESHOLD),
                         false_alarm_rate=0.1)


def scored(name, scores, events, *, hop_s=1.0):
    """Windows of 1 s; ``events`` as (first window, last window): what the detector found, from its windows."""
    scores, start_s = np.asarray(scores, dtype=float), hop_s * np.arange(len(scores))
    recording = Recording(name=name, label=None, path=f"{name}.wav", sample_rate=8000, native_sample_rate=8000,
                          n_frames=round(8000 * (start_s[-1] + 1)))
    found = []
    for first, last in events:
        peak = first + int(scores[first:last + 1].argmax())
        begin_s, end_s = start_s[first], start_s[last] + 1
        found.append(FoundEvent(name, begin_s + 0.125, end_s - 0.25, begin_s + 0.5, begin_s, end_s, start_s[peak], scores[peak],
                                (1 + (BUNDLE.calibration_scores >= scores[peak]).sum()) / 20, True,
                                (f"hiss in {name} at {first}", "and more"), 1000.0, 2000.0))
    return ScoredRecording(recording, start_s, scores, np.zeros(len(scores)), 1.0, THRESHOLD, 0.05, tuple(found))


def two():
    """Worst first: 1 is 40 of b, 2 is 30 of a, 3 is 25 of a, 4 is 19 of b with p of two of twenty."""
    a = scored("a", [1, 30, 2, 3, 25, 4], [(1, 1), (4, 4)])
    b = scored("b", [5, 19, 6, 40, 22, 7], [(1, 1), (3, 4)])
    assert events_table([a, b])[["recording", "peak_score"]].values.tolist() == [["b", 40], ["a", 30], ["a", 25], ["b", 19]]
    return [a, b]


# ---- marks

def test_marks_are_numbers_of_events():
    events = events_table(two())
    assert read_marks(events, real="1, 4", false="2") == {1: "real", 4: "real", 2: "false"}
    assert read_marks(events, real=" 3 ,,3, ", false="") == {3: "real"}
    assert read_marks(events) == {} and read_marks(events, real=2) == {2: "real"}  # papermill hands a number over as one


@pytest.mark.parametrize(("marks", "message"), [
    ({"real": "0"}, "real = '0': there is no event '0', the 4 events are numbered from 1; name them as 1, 4, 7"),
    ({"false": "1, 5"}, "false = '1, 5': there is no event '5', the 4 events"), ({"real": "-1"}, "no event '-1'"),
    ({"real": "1.0"}, "no event '1.0'"), ({"real": "1 2"}, "no event '1 2'"), ({"false": "all"}, "no event 'all'"),
    ({"real": "²"}, "no event '²'"),
    ({"real": "1, 2", "false": "3, 2"}, "event 2 is marked as real and as false; it can only be one of them")])
def test_marks_that_are_none_are_refused(marks, message):
    with pytest.raises(ValueError, match=message):
        read_marks(events_table(two()), **marks)


def test_without_events_there_is_nothing_to_mark():
    still = events_table([scored("still", [1, 2], [])])
    assert read_marks(still) == {}
    with pytest.raises(ValueError, match="the 0 events are numbered"):
        read_marks(still, real="1")


# ---- thresholds

def test_without_marks_there_is_the_threshold_as_it_is():
    table = review_table(BUNDLE, two(), {})
    assert table.index.tolist() == ["as it is"]
    assert table.loc["as it is"].to_dict() == {
        "threshold": 18.0, "real_found": 0, "false_left": 0, "unmarked_left": 4, "flagged_calibration": pytest.approx(1 / 19),
        "calibration_windows": 19}


def test_above_the_false_ones_none_of_them_is_left():
    table = review_table(BUNDLE, two(), {1: "real", 3: "false", 4: "false"})  # 40; 25 and 19; 30 has no mark
    assert table[["threshold", "real_found", "false_left", "unmarked_left"]].loc["as it is"].tolist() == [18, 1, 2, 1]
    row = table.loc["above the false ones"]
    assert row[["threshold", "real_found", "false_left", "unmarked_left"]].tolist() == [25, 1, 0, 1]
    assert (row["flagged_calibration"], row["calibration_windows"]) == (0.0, 19)


def test_a_real_event_below_a_false_one_would_be_lost_and_that_is_said():
    row = review_table(BUNDLE, two(), {1: "false", 2: "real", 4: "real"}).loc["above the false ones"]
    assert row[["threshold", "real_found", "false_left", "unmarked_left"]].tolist() == [40, 0, 0, 0]


def test_calibrated_anew_from_recordings_all_of_whose_events_are_marked():
    """Of a all is marked: 30 real, 25 false. Its windows but the second are normal: 1, 2, 3, 25, 4. Of b one event has no mark.

    19 and 5 scores are 24; (24 + 1) * 0.9 = 22.5, so the 23rd is the threshold: 19, the last before 25.
    """
    marks = {2: "real", 3: "false", 4: "real"}
    table = review_table(BUNDLE, two(), marks)
    assert table.index.tolist() == ["as it is", "above the false ones", "calibrated anew"]
    row = table.loc["calibrated anew"]
    assert (row["threshold"], row["calibration_windows"]) == (19.0, 24)
    assert row[["real_found", "false_left", "unmarked_left"]].tolist() == [1, 1, 1]  # 30; 25; 40. The real 19 is not above 19
    assert row["flagged_calibration"] == 0.0


def test_where_every_event_is_marked_all_recordings_count():
    """b gives 5, 6, 7 and its false event of two windows, 40 and 22; its real one, 19, is out. a gives 1, 2, 3, 4 (both real).

    19 and 4 and 5 are 28; 29 * 0.9 = 26.1: the 27th, which is 22.
    """
    row = review_table(BUNDLE, two(), {1: "false", 2: "real", 3: "real", 4: "real"}).loc["calibrated anew"]
    assert (row["threshold"], row["calibration_windows"]) == (22.0, 28)


def test_a_recording_without_events_says_nothing_about_normal_sound():
    """Nobody has listened to it: nothing in it was marked."""
    still = scored("still", [15.0] * 50, [])
    marks = {2: "real", 3: "real"}
    assert review_table(BUNDLE, [*two(), still], marks).equals(review_table(BUNDLE, two(), marks))
    assert "calibrated anew" not in review_table(BUNDLE, [*two(), still], {1: "real"}).index  # no recording has all marked


def test_windows_that_reach_into_a_real_event_do_not_count():
    """Windows of 1 s every 0.5 s; the event is flagged from 1.5 to 3 s (windows 3 and 4).

    Windows 2 (1 to 2 s) and 5 (2.5 to 3.5 s) reach into it; 1 (0.5 to 1.5 s) and 6 (3 to 4 s) touch it. The sound itself, 2.1 to
    2.4 s, does not matter.
    """
    one = scored("a", [101, 102, 1, 30, 31, 2, 103, 104], [(3, 4)], hop_s=0.5)
    one = replace(one, events=(replace(one.events[0], start_s=2.1, end_s=2.4),))
    few = SimpleNamespace(calibration_scores=np.array([1.0]), calibration=SimpleNamespace(threshold=18.0), false_alarm_rate=0.5)
    # 1, 101, 102, 103, 104 at 50 %: the third of five
    row = review_table(few, [one], {1: "real"}).loc["calibrated anew"]
    assert (row["threshold"], row["calibration_windows"]) == (102.0, 5)


def test_what_is_false_everywhere_raises_the_threshold_and_keeps_the_rate():
    """100 new normal windows that all score higher than calibration did: of 119 the 108th, the 89th of the new ones."""
    loud = scored("loud", np.arange(100.0, 200.0), [(0, 99)])
    table = review_table(BUNDLE, [loud], {1: "false"})
    assert table["threshold"].tolist() == [18.0, 199.0, 188.0]


# ---- what is kept

def test_marks_and_labels_are_kept_and_read_back(tmp_path):
    both = two()
    paths = save_marks(both, {1: "real", 2: "real", 3: "real", 4: "false"}, tmp_path / "Prüfung {1}")
    assert [path.relative_to(tmp_path).as_posix() for path in paths] == ["Prüfung {1}/b_labels.txt", "Prüfung {1}/a_labels.txt"]
    of_b, of_a = (read_events(path) for path in paths)
    assert [(event.start_s, event.end_s, event.label) for event in of_a] == [
        (1.125, 1.75, "hiss in a at 1; and more"), (4.125, 4.75, "hiss in a at 4; and more")]
    assert [(event.start_s, event.end_s) for event in of_b] == [(3.125, 4.75)]  # the other one is false
    table = pd.read_csv(tmp_path / "Prüfung {1}" / "marks.csv")
    assert table[["event", "recording", "peak_score", "mark"]].values.tolist() == [
        [1, "b", 40, "real"], [2, "a", 30, "real"], [3, "a", 25, "real"], [4, "b", 19, "false"]]


def test_beside_its_recording_the_next_run_finds_it(tmp_path):
    path, = save_marks(two(), {2: "real"}, tmp_path)
    assert events_beside(tmp_path / "a.wav") == path and events_beside(tmp_path / "b.wav") is None


def test_recordings_in_folders_have_their_labels_in_folders(tmp_path):
    several = [scored(name, [1, 30 + k], [(1, 1)]) for k, name in enumerate(("tag 1/a", "tag 2/a", "Lüfter {1}"))]
    paths = save_marks(several, dict.fromkeys((1, 2, 3), "real"), tmp_path)
    assert {path.relative_to(tmp_path).as_posix() for path in paths} == {
        "tag 1/a_labels.txt", "tag 2/a_labels.txt", "Lüfter {1}_labels.txt"}
    for day in ("tag 1", "tag 2"):
        event, = read_events(events_beside(tmp_path / day / "a.wav"))
        assert event.label.startswith(f"hiss in {day}/a")


def test_without_marks_nothing_is_written_and_nothing_is_lost(tmp_path):
    assert save_marks(two(), {}, tmp_path / "new") == [] and not (tmp_path / "new").exists()
    save_marks(two(), {1: "real"}, tmp_path / "old")
    before = {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()}
    assert save_marks(two(), {}, tmp_path / "old") == []
    assert {path.name: path.read_bytes() for path in (tmp_path / "old").iterdir()} == before and len(before) == 2


def test_labels_are_in_order_of_time(tmp_path):
    path, = save_marks(two(), {1: "real", 4: "real"}, tmp_path)  # the worst is the later one
    assert [line.split("\t")[0] for line in path.read_text(encoding="utf-8").splitlines()] == ["1.125000", "3.125000"]


def test_only_false_marks_make_no_label(tmp_path):
    assert save_marks(two(), {1: "false"}, tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["marks.csv"]


def test_what_is_not_real_any_more_has_no_label_any_more(tmp_path):
    several = [*two(), scored("day/c", [1, 50], [(1, 1)])]  # 50 is the first now
    save_marks(several, {1: "real", 2: "real", 3: "real"}, tmp_path)
    assert {path.name for path in tmp_path.rglob("*_labels.txt")} == {"a_labels.txt", "b_labels.txt", "c_labels.txt"}
    (tmp_path / "notes.txt").write_text("mine")
    save_marks(several, {1: "false", 2: "false", 3: "real"}, tmp_path)
    assert {path.name for path in tmp_path.rglob("*.*")} == {"a_labels.txt", "marks.csv", "notes.txt"}
    assert pd.read_csv(tmp_path / "marks.csv")["mark"].tolist() == ["false", "false", "real"]
