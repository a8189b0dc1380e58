"""Splits: no sample in two parts, nothing learned from what is judged, and a clear word on too short a recording."""

import numpy as np
import pytest
from sounds import as_recording, noise, random_table

from acoustic_nb.features import join, window_table
from acoustic_nb.framing import window_starts
from acoustic_nb.splits import block_split, gap_windows, needed_duration_s

SETTINGS = [(1.0, 0.5), (1.0, 1.0), (1.0, 0.2), (1.0, 0.3), (2.0, 0.7), (0.5, 0.5)]


def two_recordings(seconds=60.0, *, window_s=1.0, hop_s=0.5, shift=0.0):
    n_windows = int((seconds - window_s) / hop_s + 1e-9) + 1
    return join([random_table(n_windows, window_s=window_s, hop_s=hop_s),
                 random_table(n_windows, label=1, name="anomalous", seed=1, window_s=window_s, hop_s=hop_s, shift=shift)])


def seconds_used(table, recording, step_s=0.01):
    """Every hundredth of a second that the table's windows of a recording cover: marked one by one."""
    used = np.zeros(100_000, dtype=bool)
    for start, end in zip(table.start_s[table.recording == recording], table.end_s[table.recording == recording], strict=True):
        used[round(start / step_s):round(end / step_s)] = True
    return used


@pytest.mark.parametrize(("window_s", "hop_s"), SETTINGS)
def test_no_sound_is_in_two_parts_and_gaps_are_a_window_long(window_s, hop_s):
    split = block_split(two_recordings(80, window_s=window_s, hop_s=hop_s))
    assert split.shared_windows() == 0
    for name in ("normal", "anomalous"):
        parts = [seconds_used(part, name) for part in (split.train, split.calibration, split.test)]
        assert not (parts[0] & parts[1]).any()
        assert not (parts[0] & parts[2]).any()
        assert not (parts[1] & parts[2]).any()
    for before, after in zip(split.blocks, split.blocks[1:], strict=False):
        if before.recording == after.recording:
            assert after.start_s - before.end_s >= window_s - 1e-9


def test_shared_windows_sees_an_overlap():
    split = block_split(two_recordings())
    object.__setattr__(split, "calibration", split.test.take([0, 3]))
    assert split.shared_windows() == 5  # windows 0 and 3 and the three that overlap them by half: 1, 2 and 4


def test_shares_are_those_of_the_protocol():
    # 119 windows of 1 s every 0.5 s; two gaps of 3 windows leave 113, one gap leaves 116
    split = block_split(two_recordings(60))
    assert [(b.part, b.n_windows) for b in split.blocks] == [
        ("train", 56), ("calibration", 23), ("test", 34), ("train", 58), ("test", 58)]
    assert (split.blocks[0].start_s, split.blocks[0].end_s, split.blocks[1].start_s) == (0.0, 28.5, 29.5)
    assert split.blocks[2].end_s == split.blocks[4].end_s == 60.0
    assert split.shortest_block == 23


def test_parts_hold_the_labels_they_may():
    split = block_split(two_recordings())
    assert set(split.calibration.label) == {0}
    assert set(split.train.label) == set(split.test.label) == {0, 1}


def test_scaling_comes_from_normal_training_windows_alone():
    split = block_split(two_recordings(shift=0.0))
    assert np.allclose(split.train.normal().values.mean(axis=0), 0)
    assert np.allclose(split.train.normal().values.std(axis=0), 1)
    other = block_split(two_recordings(shift=1000.0))  # moves anomalous and normal test values, and the normal training ones
    assert np.allclose(other.mean, split.mean)
    assert np.allclose(other.train.normal().values, split.train.normal().values)


def test_test_windows_cannot_move_the_scaler():
    table = two_recordings()
    values = table.values.copy()
    values[60:119] += 1e6  # calibration and test of the normal recording
    assert np.allclose(block_split(table.with_values(values)).mean, block_split(table).mean)


def test_a_constant_feature_does_no_harm():
    table = two_recordings()
    values = table.values.copy()
    values[:, 3] = 7.0
    split = block_split(table.with_values(values))
    assert (split.test.values[:, 3] == 0).all()
    assert np.isfinite(split.test.values).all()


@pytest.mark.parametrize(("window_s", "hop_s"), SETTINGS)
@pytest.mark.parametrize("label", [0, 1])
def test_the_missing_seconds_are_exactly_what_is_missing(window_s, hop_s, label):
    enough = needed_duration_s(label, window_s=window_s, hop_s=hop_s, sample_rate=22050)
    plenty = random_table(500, label=1 - label, name="plenty", window_s=window_s, hop_s=hop_s)
    n_windows = round((enough - window_s) / hop_s) + 1
    block_split(join([plenty, random_table(n_windows, label=label, name="short", window_s=window_s, hop_s=hop_s)]))
    with pytest.raises(ValueError, match=f"short: .* {3 * hop_s:.1f} s are missing"):
        block_split(join([plenty, random_table(n_windows - 3, label=label, name="short", window_s=window_s, hop_s=hop_s)]))


def test_35_seconds_are_enough_by_default():
    assert needed_duration_s(0, window_s=1.0, hop_s=0.5, sample_rate=16000) <= 35
    split = block_split(two_recordings(35))
    assert min(len(split.test.normal()), len(split.test.anomalous())) >= 10


def test_an_anomalous_recording_is_cut_as_one_whatever_its_windows_hold():
    held = np.zeros(119, int)
    held[[3, 90]] = 1
    table = join([random_table(119), random_table(119, label=1, name="fault", held=held)])
    split = block_split(table)
    assert split.train.recording_label.tolist() == [0] * 56 + [1] * 58
    assert split.calibration.recording_label.tolist() == [0] * 23
    assert (split.train.label.sum(), split.test.label.sum()) == (1, 1)
    assert [block.label for block in split.blocks] == [0, 0, 0, 1, 1]
    # its quiet windows do not move the scaler
    np.testing.assert_allclose(split.mean, table.values[:56].mean(axis=0))
    assert split.judged_by == "window"


def test_several_recordings_are_each_cut_in_time():
    table = join([random_table(119, name="a"), random_table(119, name="b", seed=1), random_table(119, label=1, name="c", seed=2)])
    split = block_split(table)
    assert [(block.recording, block.part) for block in split.blocks] == [
        (name, part) for name in "ab" for part in ("train", "calibration", "test")] + [("c", "train"), ("c", "test")]
    assert len(split.train.normal()) == 2 * 56
    assert split.shared_windows() == 0


def test_one_class_alone_is_refused():
    with pytest.raises(ValueError, match="there is no anomalous recording"):
        block_split(random_table(100))


def test_other_windows_come_in_the_units_of_the_split():
    table = two_recordings(shift=2.0)
    split = block_split(table)
    rows = [3, 200, 0]
    of_split = split.standardise(table.take(rows))
    train = table.values[:56]  # the normal training windows
    np.testing.assert_allclose(of_split.values, (table.values[rows] - train.mean(axis=0)) / train.std(axis=0))
    assert of_split.recording.tolist() == ["normal", "anomalous", "normal"]
    # what the test part was made of gives the test part
    raw = table.take([np.flatnonzero((table.recording == name) & (table.start_s == start_s))[0]
                      for name, start_s in zip(split.test.recording, split.test.start_s, strict=True)])
    np.testing.assert_array_equal(split.standardise(raw).values, split.test.values)


def test_order_of_rows_does_not_matter():
    table = two_recordings()
    shuffled = table.take(np.random.default_rng(0).permutation(len(table)))
    np.testing.assert_array_equal(block_split(shuffled).test.values, block_split(table).test.values)


@pytest.mark.parametrize(("window_s", "hop_s", "gap"), [(1, 1, 1), (1, 0.5, 3), (1, 0.25, 7), (2, 0.5, 7), (1, 0.1, 19)])
def test_gap_in_windows(window_s, hop_s, gap):
    assert gap_windows(window_s, hop_s, 16000) == gap


@pytest.mark.parametrize("rotations", [2, 3, 4])
def test_rotations_move_the_test_block_through_the_recording(rotations):
    table, tested = two_recordings(120), np.zeros(100_000, dtype=int)
    for rotation in range(rotations):
        split = block_split(table, rotations=rotations, rotation=rotation)
        assert split.shared_windows() == 0
        parts = [seconds_used(part, "normal") for part in (split.train, split.calibration, split.test)]
        assert np.sum(parts, axis=0).max() == 1
        tested += parts[2]
        lengths = np.array([part.sum() for part in parts]) / 100
        assert lengths[2] == pytest.approx(120 / rotations, rel=0.12)
        assert lengths[0] / lengths[1] == pytest.approx(5 / 2, rel=0.2)
        assert all(block.n_windows >= 10 for block in split.blocks)
        assert np.allclose(split.train.normal().values.mean(axis=0), 0)
    assert tested.max() == 1
    assert tested[:12_000].mean() > 0.85


def test_one_rotation_is_the_plain_cut():
    np.testing.assert_array_equal(block_split(two_recordings(), rotations=1).test.values, block_split(two_recordings()).test.values)


def test_a_wrapped_block_is_two_stretches_with_true_seconds():
    split = block_split(two_recordings(120), rotations=3, rotation=1)
    stretches = [(block.start_s, block.end_s) for block in split.blocks if block.part == "train" and block.label == 0]
    assert len(stretches) == 2
    assert stretches[0][0] == 0.0
    assert stretches[1][1] == 120.0


@pytest.mark.parametrize(("rotations", "rotation", "message"), [
    (0, 0, "rotations is at least 1"), (2, 2, "rotation 2 of 2 does not exist"), (12, 0, "too few for 12 rotations")])
def test_impossible_rotations_are_refused(rotations, rotation, message):
    with pytest.raises(ValueError, match=message):
        block_split(two_recordings(), rotations=rotations, rotation=rotation)


@pytest.mark.parametrize("sample_rate", [11025, 16000, 22050])
def test_the_gap_is_a_window_long_where_a_hop_is_no_whole_number_of_samples(sample_rate):
    hop = round(0.3001 * sample_rate)
    n_windows = len(window_starts(40 * sample_rate, window=sample_rate, hop=hop))
    recordings = [as_recording(noise(40, sample_rate=sample_rate), sample_rate=sample_rate, label=label, name=str(label))
                  for label in (0, 1)]
    blocks = block_split(join([window_table(recording, np.zeros((n_windows, 17)), np.zeros(n_windows), window_s=1.0, hop_s=0.3001,
                                            n_mfcc=13) for recording in recordings])).blocks
    for before, after in zip(blocks, blocks[1:], strict=False):
        if before.recording == after.recording:
            assert round((after.start_s - before.end_s) * sample_rate) >= sample_rate
