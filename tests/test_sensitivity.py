"""Sensitivity: events of known RMS in a steady hum, so that the level at which they are found follows in closed form."""

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sounds import as_recording, noise, sine

from acoustic_nb.detectors import detector_class
from acoustic_nb.event_sounds import EventSound, _around_peak, background, find_event
from acoustic_nb.features import extract_features
from acoustic_nb.judging import make_judge
from acoustic_nb.mixtures import LEVELS_DB, mix, mixture_to_hear
from acoustic_nb.sensitivity import found_shares, half_found_db, half_found_text, sensitivity_sentence, sensitivity_table
from acoustic_nb.stretches import Event
from acoustic_nb.synth import click_sound, demo_pair, fault_sound
from acoustic_nb.units import split_recordings

RATE = 8000
HUM_RMS = 0.1 / np.sqrt(2)
BEEP_S = 0.2


class Level:
    """Score: the RMS level of the window in dB."""

    def score(self, windows):
        return windows.level_db


class Sequences:
    """Score: mean over all sequences of ten windows that hold this one of their mean level."""

    sequence_length_ = 10

    def score(self, windows):
        score = np.empty(len(windows))
        for name in set(windows.recording):
            rows = np.flatnonzero(windows.recording == name)
            of_sequence = np.convolve(windows.level_db[rows], np.ones(10) / 10, mode="valid")
            for k, row in enumerate(rows):
                score[row] = of_sequence[max(0, k - 9):k + 1].mean()
        return score


def hum(duration_s, *, amplitude=0.1, seed=None, offset=0.0):
    sound = sine(200, duration_s=duration_s, sample_rate=RATE, amplitude=amplitude) + np.float32(offset)
    return sound if seed is None else sound + noise(duration_s, sample_rate=RATE, amplitude=0.03, seed=seed)


def recording(samples, **more):
    return as_recording(samples, sample_rate=RATE, **more)


def split_of(recordings):
    return split_recordings(extract_features(recordings), recordings)


def beep(duration_s=BEEP_S, rate=RATE):
    samples = sine(1000, duration_s=duration_s, sample_rate=rate, amplitude=0.3)
    return EventSound(samples, rate, "x", 0.0, duration_s, 0.0, "A beep.")


@pytest.fixture(scope="module")
def pair():
    return with_anomalous(hum(40))


@pytest.fixture(scope="module")
def noisy():
    recordings = [recording(hum(60, seed=1), name="n"), recording(hum(40, seed=2), name="x", label=1)]
    split = split_of(recordings)
    return recordings, split, mix(split, recordings, beep(), levels_db=(10, 0))


@pytest.fixture(scope="module")
def demo():
    recordings = demo_pair(0, normal_s=40.0, anomalous_s=20.0, sample_rate=RATE)
    return recordings, split_of(recordings)


def rise_db(level_db):
    """How much louder one second is with a beep of 0.2 s at this level than without."""
    return 10 * np.log10(1 + 10 ** (level_db / 10) * BEEP_S)


def test_the_level_at_which_half_are_found_in_closed_form(pair):
    recordings, split = pair
    mixtures = mix(split, recordings, beep(), levels_db=range(-1, 4))
    # 1 dB above the hum: 1 + 0.2 * 10 ** (level / 10) = 10 ** 0.1, at 1.12 dB; every event lies in one window wholly
    threshold = 20 * np.log10(HUM_RMS) + 1
    assert rise_db(1) < 1 < rise_db(2)
    shares = found_shares(Level(), mixtures, make_judge(split, recordings), threshold)
    assert shares["level_db"].tolist() == [*range(3, -2, -1), -np.inf]
    assert shares["n"].tolist() == [20] * 6
    assert shares["share"].tolist() == [1.0] * 2 + [0.0] * 4
    assert half_found_db(shares) == pytest.approx(1.5)
    flagged_anyway = found_shares(Level(), mixtures, make_judge(split, recordings), threshold - 1.1)
    assert flagged_anyway["share"].tolist() == [1.0] * 6
    # flagged is strictly above the threshold: one loudest window is not above itself
    loudest = mixtures.mixed[-1].level_db.max()
    assert found_shares(Level(), mixtures, make_judge(split, recordings), loudest)["share"].iloc[-2] == 0.0


@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_a_level_is_what_it_says_whatever_the_event_was_and_the_offset_is(offset):
    recordings = [recording(hum(60, offset=offset), name="n"), recording(hum(40, offset=offset), name="x", label=1)]
    split = split_of(recordings)
    for event in (beep(), replace(beep(), samples=beep().samples / 50)):
        mixtures = mix(split, recordings, event, levels_db=(12, -3), trials=8)
        for level_db in (12, -3):
            before, after = mixtures.windows, mixtures.at(level_db)
            added = 10 ** (after.level_db / 10) - 10 ** (before.level_db / 10)
            whole = np.zeros(len(before), dtype=bool)
            for trial in mixtures.trials.itertuples():
                of_trial = before.recording == trial.trial
                whole |= of_trial & (before.start_s <= trial.start_s + 1e-9) & (trial.end_s <= before.end_s + 1e-9)
            assert whole.sum() >= 8
            np.testing.assert_allclose(added[whole], HUM_RMS**2 * 10 ** (level_db / 10) * BEEP_S, rtol=2e-3)


def test_an_event_over_an_edge_is_added_to_both_windows_in_part(pair):
    # windows of 1 s every 1 s: the energy in the two windows adds up to that of the event
    recordings, _ = pair
    split = split_recordings(extract_features(recordings, hop_s=1.0), recordings)
    fading = replace(beep(), samples=beep().samples * np.linspace(1, 0, round(BEEP_S * RATE), dtype=np.float32))
    mixtures = mix(split, recordings, fading, levels_db=(10,))
    added = 10 ** (mixtures.at(10).level_db / 10) - 10 ** (mixtures.windows.level_db / 10)
    by_trial = pd.Series(added).groupby(mixtures.windows.recording).sum()
    np.testing.assert_allclose(by_trial, HUM_RMS**2 * 10 * BEEP_S, rtol=2e-3)
    assert len(mixtures.touched) > len(mixtures.trials)


def test_places_lie_in_the_test_block_are_the_same_for_all_levels_and_come_from_the_seed(noisy):
    recordings, split, mixtures = noisy
    (block,) = [block for block in split.blocks if (block.part, block.label) == ("test", 0)]
    trials = mixtures.trials
    assert (trials["start_s"] >= block.start_s).all() and (trials["end_s"] <= block.end_s + 1e-9).all()
    np.testing.assert_allclose(trials["end_s"] - trials["start_s"], BEEP_S)
    slot_s = (block.end_s - block.start_s - BEEP_S) / 20
    np.testing.assert_array_equal(((trials["start_s"] - block.start_s) // slot_s).astype(int), np.arange(20))
    assert trials["trial"].is_unique
    for level_db in (10, 0):
        np.testing.assert_array_equal(mixtures.mixed[level_db].start_s, mixtures.windows.start_s[mixtures.touched])
    again, other = (mix(split, recordings, beep(), levels_db=(3,), seed=seed).trials for seed in (0, 1))
    pd.testing.assert_frame_equal(again, trials)
    assert (other["start_s"] != trials["start_s"]).all()


def test_several_test_blocks_share_the_places_by_their_length_and_each_is_its_own_measure():
    recordings = [recording(hum(60), name="n"), recording(hum(40, amplitude=0.01), name="m"), recording(hum(40), name="x", label=1)]
    table = extract_features(recordings)
    mixtures = mix(split_recordings(table, recordings), recordings, beep(), levels_db=(10,))
    assert mixtures.trials["recording"].value_counts().tolist() == [12, 8]
    before, after = mixtures.windows, mixtures.at(10)
    rise = pd.Series(after.level_db - before.level_db).groupby(before.recording).max()
    np.testing.assert_allclose(rise, rise_db(10), atol=0.01)
    # elsewhere in another turn
    turned = split_recordings(table, recordings, rotations=3, rotation=2)
    blocks = [block for block in turned.blocks if (block.part, block.label) == ("test", 0)]
    for trial in mix(turned, recordings, beep(), levels_db=(10,), trials=6).trials.itertuples():
        assert any(block.recording == trial.recording and block.start_s <= trial.start_s and trial.end_s <= block.end_s + 1e-9
                   for block in blocks)


def test_only_touched_windows_change(noisy):
    _, split, mixtures = noisy
    windows, loud = mixtures.windows, mixtures.at(10)
    changed = np.flatnonzero(np.abs(loud.values - windows.values).max(axis=1) > 1e-6)
    np.testing.assert_array_equal(changed, np.sort(mixtures.touched))
    touching = np.zeros(len(windows), dtype=bool)
    for trial in mixtures.trials.itertuples():
        touching |= (windows.recording == trial.trial) & (windows.start_s < trial.end_s) & (windows.end_s > trial.start_s)
    np.testing.assert_array_equal(changed, np.flatnonzero(touching))
    test = dict(zip(split.test.normal().start_s, split.test.normal().values, strict=True))
    for row in range(len(windows)):
        np.testing.assert_array_equal(windows.values[row], test[windows.start_s[row]])
    assert mixtures.at(-np.inf) is windows
    assert not windows.label.any()


def test_nothing_mixed_in_changes_nothing(noisy):
    recordings, split, mixtures = noisy
    silent = mix(split, recordings, beep(), levels_db=(-300,)).at(-300)
    np.testing.assert_allclose(silent.values, mixtures.windows.values, atol=1e-9)


def test_a_sequence_detector_hears_what_it_would_hear_in_the_whole_block(noisy):
    _, split, mixtures = noisy
    block, mixed = split.test.normal(), mixtures.at(10)
    in_trials = Sequences().score(mixed)
    for trial in mixtures.trials["trial"]:
        rows = mixtures.touched[mixtures.windows.recording[mixtures.touched] == trial]
        at = np.searchsorted(block.start_s, mixed.start_s[rows])
        level_db = block.level_db.copy()
        level_db[at] = mixed.level_db[rows]
        np.testing.assert_allclose(in_trials[rows], Sequences().score(replace(block, level_db=level_db))[at])


def test_whole_recordings_are_found_by_their_pooled_score():
    amplitudes = [0.1] * 8 + [0.05, 0.1, 0.2, 0.4]  # of twelve normal ones the last four test
    recordings = [recording(hum(3 + 0.1 * k, amplitude=amplitude), name=f"n{k}") for k, amplitude in enumerate(amplitudes)]
    recordings += [recording(hum(4 + 0.1 * k), name=f"x{k}", label=1) for k in range(4)]
    split, levels_db = split_of(recordings), (22, 14, 2, 0)
    judge, threshold = make_judge(split, recordings, how="max"), 20 * np.log10(0.2 / np.sqrt(2)) + 1
    mixtures = mix(split, recordings, beep(), levels_db=levels_db)
    assert mixtures.trials["trial"].tolist() == ["n8", "n9", "n10", "n11"]
    assert "into 4 normal test recordings, once into each; 20 were wanted, there is too little normal" in mixtures.sentence
    expected = [sum(20 * np.log10(amplitude / np.sqrt(2)) + rise_db(level_db) > threshold for amplitude in amplitudes[8:])
                for level_db in (*levels_db, -np.inf)]
    assert expected == [4, 3, 2, 1, 1]
    assert found_shares(Level(), mixtures, judge, threshold)["found"].tolist() == expected
    assert mix(split, recordings, beep(), levels_db=(0,), trials=3).trials["trial"].tolist() == ["n8", "n10", "n11"]
    with pytest.raises(ValueError, match=r"lasts 3\.85 s, and the normal test sound has 2 places for it, but 3 are needed"):
        mix(split, recordings, beep(3.85))


def test_the_interval_is_the_exact_one(pair):
    recordings, split = pair
    shares = found_shares(Level(), mix(split, recordings, beep(), levels_db=(20, -20)), make_judge(split, recordings), -20)
    all_of_20 = 0.025 ** (1 / 20)  # the share that finds 20 of 20 with probability 0.025
    np.testing.assert_allclose(shares[["share", "low", "high"]], [[1, all_of_20, 1], [0, 0, 1 - all_of_20], [0, 0, 1 - all_of_20]],
                               atol=1e-12)


def shares_of(levels_db, share, without=0.0, n=20):
    return pd.DataFrame({"level_db": [*map(float, levels_db), -np.inf], "n": n, "share": [*share, without]})


@pytest.mark.parametrize(("levels_db", "share", "half_db"), [
    ((5, 0, -5, -10), (1, 1, 0, 0), -2.5), ((0, -10), (0.9, 0.1), -5.0), ((0, -10), (1.0, 0.2), -6.25),
    ((-10, 0), (0.2, 1.0), -6.25),
    ((0, -10), (1.0, 0.5), -10.0), ((10, 0), (0.5, 0.0), 10.0),
    # loud events are found less again: 0.8 and 0.6 become 0.7 each, and the half lies 5/7 up from 0
    ((10, 5, 0), (0.6, 0.8, 0.0), 25 / 7),
    # 0.4 and 0.6 in the wrong order become 0.5 each, and the softer of the two is the first to reach it
    ((10, 5, 0, -5), (1.0, 0.4, 0.6, 0.0), 0.0)])
def test_the_half_by_hand(levels_db, share, half_db):
    shares = shares_of(levels_db, share)
    assert half_found_db(shares) == pytest.approx(half_db)
    assert half_found_text(shares) == f"{half_db:.1f} dB"


@pytest.mark.parametrize(("share", "without", "text"), [
    ((1.0, 0.6), 0.1, "below -10 dB"), ((0.4, 0.1), 0.1, "above 20 dB"),
    ((1.0, 0.6), 0.5, "none: 50% of the places are flagged without any event")])
def test_no_half_is_said_in_words(share, without, text):
    shares = shares_of((20, -10), share, without)
    assert np.isnan(half_found_db(shares))
    assert half_found_text(shares) == text


def test_the_most_sensitive_detector_comes_first():
    table = sensitivity_table({
        "none": shares_of((10, 0), (1.0, 0.9), 0.7), "above": shares_of((10, 0), (0.1, 0.0)),
        "late": shares_of((10, 0), (0.6, 0.0)),
        "early": shares_of((10, 0), (1.0, 0.1), 0.05, n=7), "below": shares_of((10, 0), (1.0, 0.8), 0.2)})
    assert table["detector"].tolist() == ["below", "early", "late", "above", "none"]
    assert table["half_found_db"].round(2).tolist()[1:3] == [4.44, 8.33]
    assert table["half_found_db"].isna().tolist() == [True, False, False, True, True]
    assert table["without_event"].tolist() == [0.2, 0.05, 0.0, 0.0, 0.7]
    assert table["trials"].tolist() == [20, 7, 20, 20, 20]


def burst(samples, start_s, *, amplitude, length_s=0.1):
    """With a stretch of 1 kHz in place of what was there."""
    first, samples = round(start_s * RATE), samples.copy()
    samples[first:first + round(length_s * RATE)] = sine(1000, duration_s=length_s, sample_rate=RATE, amplitude=amplitude)
    return samples


def with_anomalous(samples, **more):
    """Recordings, and a split of others that are as long: which sound is looked for where does not depend on features."""
    return [recording(hum(60), name="n"), recording(samples, name="x", label=1, **more)], split_at_hand()


@cache
def split_at_hand():
    return split_of([recording(hum(60), name="n"), recording(hum(40), name="x", label=1)])


def test_a_given_event_is_cut_where_it_was_said_and_faded():
    recordings, split = with_anomalous(burst(hum(40), 30, amplitude=0.4) + np.float32(0.2))
    (block,) = [block for block in split.blocks if (block.part, block.label) == ("test", 1)]
    louder = 1 + 15 * 0.1 / (block.end_s - block.start_s)  # the power of the block for the burst in it
    event = find_event(recordings, split, start_s=30.0, end_s=30.1)
    assert (event.recording, event.start_s, event.end_s, len(event.samples)) == ("x", 30.0, 30.1, 800)
    assert event.recorded_level_db == pytest.approx(10 * np.log10(16 / louder), abs=0.02)  # the offset does not count
    assert "as it was given. As" in event.sentence and "background" in event.sentence
    cut = sine(1000, duration_s=0.1, sample_rate=RATE, amplitude=0.4)
    ramp = np.sin(np.pi / 2 * (np.arange(40) + 0.5) / 40) ** 2  # 5 ms
    np.testing.assert_allclose(event.samples, cut * np.concatenate([ramp, np.ones(720), ramp[::-1]]), atol=1e-4)
    in_training = find_event(recordings, split, start_s=5.0, end_s=6.0)
    assert "a supervised detector may have heard it in training" in in_training.sentence


@pytest.mark.parametrize(("start_s", "end_s", "message"), [
    (31, 30, "from event_start_s = 31 to event_end_s = 30 must end after it starts"), (-1, 3, r"lie inside x, 0 to 40\.00 s"),
    (39, 41, "choose seconds of that file"),
    (3, 3, "must end after"), (3, 3.005, r"shorter than the 0\.01 s"),
    (np.nan, 5, "from event_start_s = nan to event_end_s = 5 must end"),
    (20.0, 20.5, "20 to 20.5 s are silent")])
def test_a_given_event_that_is_none_is_refused(start_s, end_s, message):
    samples = hum(40)
    samples[20 * RATE:21 * RATE] = 0
    recordings, split = with_anomalous(samples)
    with pytest.raises(ValueError, match=message) as error:
        find_event(recordings, split, start_s=start_s, end_s=end_s)
    assert "\n" not in str(error.value)


def test_of_labelled_events_the_loudest_one_that_tests_is_taken():
    samples = hum(40)
    for start_s, amplitude in ((5, 0.9), (25, 0.2), (30, 0.5), (35, 0.3)):
        samples = burst(samples, start_s, amplitude=amplitude)
    events = tuple(Event(start_s, start_s + 0.1) for start_s in (5.0, 25.0, 30.0, 35.0))
    event = find_event(*with_anomalous(samples, events=events))
    assert (event.start_s, event.end_s) == (30.0, 30.1)
    assert "of the 3 labelled events in what tests, the one with the highest RMS" in event.sentence


def test_a_long_label_is_cut_to_a_window_around_its_peak_and_a_point_widened():
    samples = burst(hum(40), 30, amplitude=0.5, length_s=0.002)
    long = find_event(*with_anomalous(samples, events=(Event(24.0, 38.0),)))
    assert (long.start_s, long.end_s) == pytest.approx((29.5, 30.5), abs=0.002)
    point = find_event(*with_anomalous(samples, events=(Event(30.0, 30.0), Event(5.0, 5.0))))
    assert (point.start_s, point.end_s) == (29.75, 30.25)


def test_a_label_that_hardly_reaches_into_what_tests_is_none():
    samples = burst(hum(40), 30, amplitude=0.5)
    recordings, split = with_anomalous(samples)
    (block,) = [block for block in split.blocks if (block.part, block.label) == ("test", 1)]
    labelled = [recordings[0], replace(recordings[1], events=(Event(block.start_s - 0.5, block.start_s + 0.1),))]
    assert "a guess" in find_event(labelled, split).sentence


def test_without_labels_the_highest_peak_that_tests_is_a_guess():
    samples = burst(burst(hum(40), 5, amplitude=0.9), 30, amplitude=0.4, length_s=0.002)
    event = find_event(*with_anomalous(samples))
    assert (event.start_s, event.end_s) == pytest.approx((29.75, 30.25), abs=0.002)
    assert "a guess, since no event is labelled" in event.sentence


def test_hours_are_looked_through_in_pieces(monkeypatch):
    rng = np.random.default_rng(0)
    sound = (0.2 + 0.1 * rng.standard_normal(5 * 8000)).astype(np.float32)
    sound[31_234] = 1.3
    recording = as_recording(sound, sample_rate=8000, start_s=2.0)
    read, part = [], type(recording).part
    monkeypatch.setattr(type(recording), "part", lambda self, start_s, duration_s: read.append(duration_s)
                        or part(self, start_s, duration_s))
    monkeypatch.setattr("acoustic_nb.event_sounds.READ_S", 0.3)
    within = sound[8000:36_800].astype(float)
    assert background(recording, 3.0, 6.6) == pytest.approx((within.mean(), within.std()), rel=1e-9)
    begin_s, end_s, peak = _around_peak(recording, 3.0, 6.6, 0.5)
    assert (begin_s, end_s) == pytest.approx((2 + 31_234 / 8000 - 0.25, 2 + 31_234 / 8000 + 0.25))
    assert peak == pytest.approx((1.3 - within.mean()) / within.std(), rel=1e-6)
    assert max(read) <= 0.3


def test_short_clips_are_events_as_a_whole_and_peaks_count_relative_to_their_clip():
    recordings = [recording(hum(3 + 0.1 * k), name=f"n{k}") for k in range(10)]
    loud, sharp = hum(0.4, amplitude=0.9), burst(hum(0.4), 0.2, amplitude=0.5, length_s=0.002)
    recordings += [recording(sound, name=f"x{k}", label=1) for k, sound in enumerate((hum(0.5), hum(0.6), loud, sharp))]
    event = find_event(recordings, split_of(recordings))
    assert (event.recording, event.start_s, len(event.samples)) == ("x3", 0.0, round(0.4 * RATE))


def test_the_demo_gives_a_clean_click(demo):
    recordings, split = demo
    event = find_event(recordings, split)
    np.testing.assert_array_equal(event.samples, click_sound(sample_rate=RATE).astype(np.float32))
    assert "16 dB above its RMS" in event.sentence and "without any background" in event.sentence
    assert event.recording == "" and np.isnan(event.recorded_level_db)
    no_fault = [replace(each, event_times_s=()) for each in recordings]
    assert "a guess" in find_event(no_fault, split).sentence


@pytest.mark.parametrize("rate", [16000, 44100])
def test_a_click_is_the_one_of_the_fault(rate):
    click = click_sound(sample_rate=rate)
    assert click[0] == click.max() == 1.0
    at_s = np.arange(len(click)) / rate
    np.testing.assert_allclose(click, (np.exp((-1 / 0.012 + 2j * np.pi * 3100) * at_s)).real, atol=1e-12)
    assert 20 * np.log10(np.sqrt(np.mean(click**2))) == pytest.approx(-16, abs=0.1)
    sound, times_s = fault_sound(20, sample_rate=rate, seed=0)
    lonely = next(a for a, b in zip(times_s, times_s[1:], strict=False) if b - a > 0.2)
    first = round(lonely * rate)
    strength = sound[first:first + len(click)] @ click / (click @ click)
    rest = sound[first:first + len(click)] - strength * click
    assert 0.35 < strength < 1.05 and np.abs(rest).max() < 0.2  # what is left is the rattle, 30 dB below


def test_kmeans_on_the_demo(demo):
    recordings, split = demo
    mixtures = mix(split, recordings, find_event(recordings, split), levels_db=(20, 0, -40))
    detector = detector_class("kmeans")().fit(split.train.normal())
    shares = found_shares(detector, mixtures, make_judge(split, recordings), np.quantile(detector.score(split.calibration), 0.95))
    assert shares["share"].iloc[0] == 1.0
    assert shares["share"].iloc[2] == shares["share"].iloc[3] < 0.5
    assert -40 < half_found_db(shares) < 20


@pytest.mark.parametrize(("settings", "message"), [
    ({"levels_db": ()}, "different finite levels in dB"), ({"levels_db": (3, 3)}, r"got \(3\.0, 3\.0\)"),
    ({"levels_db": (0, -np.inf)}, "finite levels"), ({"trials": 2}, "trials is how often the event is mixed in, at least 3, got 2"),
    ({"sequence_length": 0}, "sequence_length must be at least 1, got 0")])
def test_settings_that_make_no_sense_are_refused(pair, settings, message):
    recordings, split = pair
    with pytest.raises(ValueError, match=message):
        mix(split, recordings, beep(), **settings)


def test_events_that_do_not_fit_are_refused_and_fewer_places_are_said(pair):
    recordings, split = pair
    with pytest.raises(ValueError, match="the event has 16000 Hz and the windows 8000 Hz"):
        mix(split, recordings, beep(rate=16000))
    block_s = sum(block.end_s - block.start_s for block in split.blocks if (block.part, block.label) == ("test", 0))
    with pytest.raises(ValueError, match="has 2 places for it, but 3 are needed; choose a shorter event"):
        mix(split, recordings, beep(block_s - 1.2))
    few = mix(split, recordings, beep(block_s - 2.2), levels_db=(0,))
    assert len(few.trials) == 4
    assert "20 were wanted" in few.sentence


def test_a_detector_that_cannot_be_judged_is_refused(noisy):
    recordings, split, mixtures = noisy
    far, broken = Sequences(), Level()
    far.sequence_length_, broken.score = 12, lambda windows: np.where(windows.start_s > 45, np.nan, 0.0)
    with pytest.raises(ValueError, match="sequences of 12 windows, but .* at most 10; call mix with sequence_length=12"):
        found_shares(far, mixtures, make_judge(split, recordings), 0.0)
    with pytest.raises(ValueError, match="scores at 10 dB are NaN or infinite"):
        found_shares(broken, mixtures, make_judge(split, recordings), 0.0)


def test_the_default_levels_fall_from_20_to_minus_40():
    assert LEVELS_DB[0] == 20 and LEVELS_DB[-1] == -40 and len(LEVELS_DB) == 13


def test_the_first_trial_can_be_heard(noisy):
    recordings, split, mixtures = noisy
    heard = mixture_to_hear(mixtures, recordings, beep(), 10, duration_s=3.0)
    trial, normal = mixtures.trials.iloc[0], recordings[0]
    begin_s = max(0.0, (trial.start_s + trial.end_s) / 2 - 1.5)
    assert heard.duration_s == pytest.approx(3.0)
    added = heard.samples - normal.part(begin_s, 3.0)
    first = round((trial.start_s - begin_s) * RATE)
    (block,) = [block for block in split.blocks if (block.part, block.label) == ("test", 0)]
    background = normal.part(block.start_s, block.end_s - block.start_s).std()
    inside = added[first:first + round(BEEP_S * RATE)]
    assert 20 * np.log10(inside.std() / background) == pytest.approx(10, abs=0.05)
    assert np.abs(np.delete(added, slice(first, first + len(inside)))).max() < 1e-6


def test_the_answer_in_a_sentence():
    table = pd.DataFrame({"detector": ["A", "B", "C"], "half_found_db": [-12.0, 3.0, np.nan],
                          "half_found": ["-12.0 dB", "3.0 dB", "above 20 dB"]})
    assert sensitivity_sentence(table) == (
        "Half of the events are found by A at -12.0 dB, B at 3.0 dB; not within these levels by C.")
    assert sensitivity_sentence(table[:2]) == "Half of the events are found by A at -12.0 dB, B at 3.0 dB."
    assert sensitivity_sentence(table[2:]) == "No detector has a level at which half are found."
