"""Judging: items of two windows and two recordings, written down by hand."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sounds import random_table, recordings_of

from acoustic_nb.features import join
from acoustic_nb.judging import kept_items, make_judge, recording_items, window_items

# "b" before "a": the order is the one of the windows
WINDOWS = join([random_table(2, name="b", held=[0, 0]), random_table(3, name="a", label=1, held=[0, 1, 1])])
SCORES = np.array([1.0, 3.0, 4.0, 0.0, 8.0])
RECORDINGS = [replace(each, **more) for each, more in zip(
    recordings_of(WINDOWS)[::-1], ({"section": "01", "domain": "target"}, {"section": "00", "domain": "source"}), strict=True)]


def judge(judged_by, how="mean", recordings=RECORDINGS):
    return make_judge(SimpleNamespace(judged_by=judged_by), recordings, how=how)


def test_every_window_is_an_item():
    items = judge("window")(WINDOWS, SCORES)
    expected = pd.DataFrame({
        "recording": ["b", "b", "a", "a", "a"], "start_s": [0.0, 0.5, 0.0, 0.5, 1.0], "end_s": [1.0, 1.5, 1.0, 1.5, 2.0],
        "label": [0, 0, 0, 1, 1], "recording_label": [0, 0, 1, 1, 1], "score": SCORES,
        "unit": ["/nowhere/b.wav"] * 2 + ["/nowhere/a.wav"] * 3, "section": ["00"] * 2 + ["01"] * 3,
        "domain": ["source"] * 2 + ["target"] * 3, "channels": 1})
    pd.testing.assert_frame_equal(items, expected)


@pytest.mark.parametrize(("how", "scores"), [("mean", [2.0, 4.0]), ("max", [3.0, 8.0])])
def test_every_recording_is_an_item(how, scores):
    items = judge("recording", how)(WINDOWS, SCORES)
    # a recording is anomalous where its own label says so, whatever its windows hold
    expected = pd.DataFrame({"recording": ["b", "a"], "label": [0, 1], "windows": [2, 3], "score": scores,
                             "unit": ["/nowhere/b.wav", "/nowhere/a.wav"], "section": ["00", "01"], "domain": ["source", "target"]})
    pd.testing.assert_frame_equal(items, expected)


def test_the_pooling_is_not_asked_where_windows_are_judged():
    np.testing.assert_array_equal(judge("window", "max")(WINDOWS, SCORES)["score"], SCORES)


def test_the_unit_is_the_group_also_where_groups_are_few():
    three = [replace(RECORDINGS[1], name=name, group=f"day {name}") for name in "bcd"] + [replace(RECORDINGS[0], group="day a")]
    assert judge("recording", recordings=three)(WINDOWS, SCORES)["unit"].tolist() == ["day b", "day a"]
    two = [replace(each, group=f"day {each.name}") for each in RECORDINGS]  # too few to split by, yet not independent
    assert judge("recording", recordings=two)(WINDOWS, SCORES)["unit"].tolist() == ["day b", "day a"]


def test_items_without_anything_to_go_with_them():
    assert list(window_items(WINDOWS, SCORES)) == ["recording", "start_s", "end_s", "label", "recording_label", "score"]
    assert list(recording_items(WINDOWS, SCORES, how="mean")) == ["recording", "label", "windows", "score"]


def test_a_name_twice_is_refused():
    with pytest.raises(pd.errors.MergeError):
        window_items(WINDOWS, SCORES, about=pd.DataFrame({"recording": ["a", "a"], "unit": ["x", "y"]}))


def test_items_are_kept_with_part_and_flag():
    items = judge("recording")(WINDOWS, SCORES)
    kept = kept_items({"calibration": items[:1], "test": items}, threshold=2.0)
    assert kept["part"].tolist() == ["calibration", "test", "test"]
    assert kept["flagged"].tolist() == [False, False, True]  # strictly above
    assert kept.index.tolist() == [0, 1, 2]


def test_channels_of_the_same_seconds_are_counted():
    windows = join([random_table(4, name=name) for name in ("a, channel 1", "a, channel 2", "b", "c")])
    recordings = recordings_of(windows, channel={"a, channel 1": 1, "a, channel 2": 2})
    recordings = [replace(recording, path=f"/nowhere/{recording.name[0]}.wav") for recording in recordings]
    items = make_judge(SimpleNamespace(judged_by="window"), recordings)(windows, np.zeros(16))
    assert items.groupby("recording")["channels"].first().to_dict() == {"a, channel 1": 2, "a, channel 2": 2, "b": 1, "c": 1}
