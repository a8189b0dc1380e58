"""Situations: a synthetic machine whose sound is changed in one known way each time, and rules at numbers set by hand."""

import json
import tracemalloc
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from sounds import as_recording, noise, random_table

from acoustic_nb.audio import resampled
from acoustic_nb.detectors import GMMDetector
from acoustic_nb.features import extract_features, join
from acoustic_nb.situations import Situation, SituationCheck, learn_situation
from acoustic_nb.splits import block_split
from acoustic_nb.synth import click_sound, demo_pair, machine_sound

RATE = 16000
RATE_TOLD, BANDWIDTH, LEVEL, BACKGROUND = "It was recorded at", "Its sound reaches up to", "It is ", "What is heard all the time"
SCORES, LEVELS = "Its scores", "Its levels"


def machine(sound, *, name="new", label=0):
    return as_recording(sound, sample_rate=RATE, name=name, label=label)


@lru_cache
def broken_windows(level):
    return extract_features([demo_pair(99, normal_s=1, anomalous_s=30)[1]], level=level)


def learned(sound, *, level="kept"):
    recording = machine(sound, name="Prüfstand {1}")
    split = block_split(join([extract_features([recording], level=level), broken_windows(level)]))
    detector = GMMDetector().fit(split.train.normal())
    situation = learn_situation(split, [recording], detector.score(split.calibration), detector.score(split.test))
    return split, detector, situation


def told(knowing, recording, *, piece=40):
    split, detector, situation = knowing
    windows = split.standardise(extract_features([resampled(recording, RATE)], level=situation.level))
    check, scores = SituationCheck(situation), detector.score(windows)
    for first in range(0, len(windows), piece):
        rows = slice(first, first + piece)
        check.add(windows.values[rows], windows.level_db[rows], scores[rows])
    return check.sentences(recording)


def of_kinds(sentences, *kinds):
    """Whether there is one sentence of each kind, in this order, and no other."""
    return len(sentences) == len(kinds) and all(map(str.startswith, sentences, kinds))


@pytest.fixture(scope="module")
def halves():
    sound = machine_sound(120, sample_rate=RATE, seed=3)
    return sound[:len(sound) // 2], sound[len(sound) // 2:]


@pytest.fixture(scope="module")
def knowing(halves):
    return learned(halves[0])


@pytest.fixture(scope="module")
def blind(halves):
    return learned(halves[0], level="removed")


@pytest.mark.parametrize("seed", range(12))
def test_the_same_machine_on_another_day_is_silent(seed):
    assert told(learned(machine_sound(60, sample_rate=RATE, seed=seed)),
                machine(machine_sound(45, sample_rate=RATE, seed=1000 + seed))) == ()


def test_the_other_half_is_silent_and_so_is_the_half_it_knows(halves, knowing, blind):
    for each in (knowing, blind):
        assert told(each, machine(halves[1])) == ()
        assert told(each, machine(halves[0])) == ()


@pytest.mark.parametrize(("gain_db", "how"), [(6.0206, "louder"), (-6.0206, "softer")])
def test_six_decibels_are_told_and_the_numbers_are_right(halves, knowing, blind, gain_db, how):
    sentence, *more = told(knowing, machine(halves[1] * 10 ** (gain_db / 20)))
    assert sentence.startswith(f"It is {how} than what the detector knows")
    assert sentence.endswith("check gain, place and distance of the microphone.")
    windows = np.lib.stride_tricks.sliding_window_view(halves[1], RATE)[::RATE // 2]
    median_db = np.median(10 * np.log10(np.mean(windows**2, axis=1))) + gain_db
    assert f"its median level is {median_db:.1f} dBFS" in sentence
    assert not more or of_kinds(more, BACKGROUND)  # louder features are other features
    assert told(blind, machine(halves[1] * 10 ** (gain_db / 20))) == ()


def test_blind_features_hear_of_a_level_that_is_far_off(halves, blind):
    (sentence,) = told(blind, machine(halves[1] / 20))  # 26 dB
    assert "softer" in sentence
    assert "the features are blind to level, but not to the noise or clipping" in sentence
    assert "20 dB are allowed for" in sentence


def low_passed(sound, cutoff_hz):
    spectrum = np.fft.rfft(sound)
    spectrum[np.fft.rfftfreq(len(sound), 1 / RATE) > cutoff_hz] = 0
    return np.fft.irfft(spectrum, len(sound))


def test_a_filter_is_told_as_bandwidth_not_as_rate(halves, knowing):
    sentences = told(knowing, machine(low_passed(halves[1], 3000)))
    assert of_kinds(sentences, BANDWIDTH, BACKGROUND)
    heard_khz = float(sentences[0].removeprefix(BANDWIDTH).split()[0])
    assert 2.9 < heard_khz < 3.1
    assert "knows up to 8 kHz (15 % more or less is allowed for)" in sentences[0]


def test_a_lower_rate_is_told_once(halves, knowing):
    slow = low_passed(halves[1], 3900)[::2].copy()
    sentences = told(knowing, as_recording(slow, sample_rate=8000))
    assert sentences[0] == (
        "It was recorded at 8 kHz, the detector knows 16 kHz: there is nothing above 4 kHz to hear; record at 16 kHz or more.")
    assert not any(sentence.startswith(BANDWIDTH) for sentence in sentences)
    both = told(knowing, as_recording(low_passed(halves[1], 1500)[::2].copy(), sample_rate=8000))
    assert of_kinds(both[:2], RATE_TOLD, BANDWIDTH)


def test_another_machine_is_another_background(halves, knowing):
    faster = np.interp(np.arange(0, len(halves[1]) - 1, 1.5), np.arange(len(halves[1])), halves[1])
    sentences = told(knowing, machine(faster))
    assert of_kinds(sentences, BACKGROUND)
    assert "listen to it" in sentences[0]
    hiss = told(knowing, machine(noise(45, sample_rate=RATE, amplitude=0.07)))
    assert of_kinds(hiss, BACKGROUND)
    assert ": 100 % of its windows are unlike every window that the detector knows (up to 90 % are allowed for; of known normal "\
        "sound it is 1 %)" in hiss[0]


@pytest.mark.parametrize("level", ["knowing", "blind"])
def test_a_fault_in_sparse_clicks_is_no_other_background(halves, level, request):
    sound, click = halves[1].copy(), click_sound(sample_rate=RATE)
    for start in range(RATE, len(sound) - len(click), 3 * RATE):
        sound[start:start + len(click)] += 20 * sound.std() * click
    each = request.getfixturevalue(level)
    windows = each[0].standardise(extract_features([machine(sound)], level=each[2].level))
    assert 0.3 < np.mean(cdist(windows.values, each[2].windows).min(axis=1) > each[2].far) < 0.8  # it is there to be heard
    assert told(each, machine(sound)) == ()


def test_the_demo_fault_is_no_other_background():
    normal, anomalous = demo_pair(5, normal_s=90, anomalous_s=60)
    assert told(learned(normal.samples), anomalous) == ()


@pytest.mark.parametrize(("turn", "how"), [(1, "rise"), (-1, "fall")])
def test_noise_that_grows_is_a_drift(halves, knowing, turn, how):
    grows = np.linspace(0, 0.5, len(halves[1]))[::turn] * halves[1].std()
    sentences = told(knowing, machine(halves[1] + grows * np.random.default_rng(0).standard_normal(len(grows))))
    (drift,) = [sentence for sentence in sentences if sentence.startswith(SCORES)]
    assert f"{SCORES} {how} while it runs: median " in drift
    assert not any(sentence.startswith(LEVELS) for sentence in sentences)


def test_a_growing_gain_is_a_drift_of_level(halves, knowing, blind):
    sound = machine(halves[1] * 10 ** (np.linspace(-6, 6, len(halves[1])) / 20))
    assert of_kinds(told(knowing, sound), LEVELS)  # its scores fall and rise again: the middle is as loud as usual
    assert told(blind, sound) == ()


# rules at numbers set by hand: one known window at 0, levels of -40 to -30 dBFS, scores of which half lie between 1 and 2
KNOWN = Situation(sample_rate=22050, native_sample_rates=(22050,), bandwidth_hz=(8000.0, 10000.0), level="kept",
                  level_db=np.linspace(-40, -30, 101), windows=np.zeros((1, 2)), far=1.0, usual_scores=(1.5, 1.0, 2.0))
SOUND = as_recording(noise(1))


def by_hand(known=KNOWN, *, distances=(), levels_db=-35.0, scores=1.5, native=22050, bandwidth_hz=9000.0):
    check = SituationCheck(known)
    distances = np.asarray(distances, dtype=float)
    values = np.column_stack([0.6 * distances, 0.8 * distances])
    check.add(values, np.broadcast_to(levels_db, len(values)), np.broadcast_to(scores, len(values)))
    return check.sentences(replace(SOUND, native_sample_rate=native, audit={"bandwidth_hz": bandwidth_hz}))


@pytest.mark.parametrize(("native", "bandwidth_hz", "kinds"), [
    (22050, 9000, []), (22050, 6801, []), (22050, 6799, [BANDWIDTH]), (44100, 22050, [RATE_TOLD]),  # no more than 11025 Hz count
    (16000, 8000, [RATE_TOLD]), (15999, 7999, [RATE_TOLD]), (8000, 4000, [RATE_TOLD]), (8000, 3401, [RATE_TOLD]),
    (8000, 3399, [RATE_TOLD, BANDWIDTH])])
def test_rate_and_bandwidth_by_hand(native, bandwidth_hz, kinds):
    assert of_kinds(by_hand(native=native, bandwidth_hz=bandwidth_hz), *kinds)


@pytest.mark.parametrize(("rate", "told"), [(22050, False), (44100, False), (48000, False), (32000, True), (44101, True)])
def test_a_rate_that_is_none_of_the_known_ones_is_told(rate, told):
    """The detector hears 22.05 kHz and knows files of 44.1 and 48 kHz."""
    sentences = by_hand(replace(KNOWN, native_sample_rates=(44100, 48000)), native=rate, bandwidth_hz=9000)
    assert sentences == told * (
        f"It was recorded at {rate / 1000:.4g} kHz and brought to 22.05 kHz, the detector knows recordings at 44.1 kHz or 48 kHz: "
        "near 11.03 kHz it sounds different, and some features hear that; record at 44.1 kHz or 48 kHz.",)


def test_more_bandwidth_than_known_is_told():
    narrow = replace(KNOWN, bandwidth_hz=(4000.0, 5000.0))
    assert by_hand(narrow, bandwidth_hz=5749) == ()
    assert "reaches up to 5.751 kHz, that of the recordings which the detector knows up to 4 kHz to 5 kHz" in by_hand(
        narrow, bandwidth_hz=5751)[0]


@pytest.mark.parametrize(("level", "levels_db", "kinds"), [
    ("kept", -28.2, []), ("kept", -28.0, [LEVEL]), ("kept", -41.8, []), ("kept", -42.0, [LEVEL]),  # -39.9 and -30.1 are the edges
    ("removed", -10.2, []), ("removed", -10.0, [LEVEL]), ("kept", [-60, -35, -35], []), ("kept", [-20, -20, -35], [LEVEL])])
def test_level_by_hand(level, levels_db, kinds):
    assert of_kinds(by_hand(replace(KNOWN, level=level), distances=[0] * 3, levels_db=levels_db), *kinds)


@pytest.mark.parametrize(("n_far", "n", "kinds"), [(18, 20, []), (19, 20, [BACKGROUND]), (4, 4, []), (5, 5, [BACKGROUND])])
def test_background_by_hand(n_far, n, kinds):
    sentences = by_hand(distances=[1.001] * n_far + [0.999] * (n - n_far))
    assert of_kinds(sentences, *kinds)
    assert not kinds or f": {round(100 * n_far / n)} % of its windows" in sentences[0]


def test_drift_by_hand():
    still, rising = [0] * 36, np.repeat(np.linspace(0, 3.3, 12), 3)  # first third 0.45, last 2.85
    assert of_kinds(by_hand(distances=still, scores=rising), SCORES)
    assert "rise while it runs: median 0.45 in the first third and 2.85 in the last" in by_hand(distances=still, scores=rising)[0]
    assert "fall while it runs: median 2.85 in the first" in by_hand(distances=still, scores=rising[::-1])[0]
    assert by_hand(distances=still, scores=rising / 2.45) == ()           # 0.98 apart, 1 is usual
    assert by_hand(distances=still, scores=rising - 0.86) == ()           # up to 1.99: no higher than is usual
    assert of_kinds(by_hand(distances=still, scores=rising - 0.84), SCORES)
    # 1.5 and 8 in the thirds of both; squared differences of the ranks add up to 70 and to 54: rho is 0.755 and 0.811
    assert by_hand(distances=still, scores=np.repeat([0, 1, 2, 3, 8, 6, 11, 4, 7, 5, 9, 10], 3)) == ()
    assert of_kinds(by_hand(distances=still, scores=np.repeat([0, 1, 2, 3, 8, 6, 9, 4, 7, 5, 11, 10], 3)), SCORES)
    assert by_hand(distances=still[:29], scores=rising[:29] * 2) == ()    # too few windows
    assert of_kinds(by_hand(distances=still[:30], scores=rising[:30] * 2), SCORES)


def test_drift_of_level_by_hand():
    still, rising = [0] * 36, np.repeat(np.linspace(-1, 1, 12), 3)        # first third and last 16/11 apart
    assert by_hand(distances=still, levels_db=-35 + rising * 3.4) == ()   # 4.95 dB, the known range from quartile to quartile is 5
    assert of_kinds(by_hand(distances=still, levels_db=-35 + rising * 3.5), LEVELS)
    steady = replace(KNOWN, level_db=np.linspace(-35.5, -34.5, 101))
    assert by_hand(steady, distances=still, levels_db=-35 + rising * 2) == ()   # 2.9 dB
    assert of_kinds(by_hand(steady, distances=still, levels_db=-35 + rising * 2.1), LEVELS)
    assert by_hand(replace(steady, level="removed"), distances=still, levels_db=-35 + rising * 13) == ()


def test_no_window_at_all_says_what_the_file_says():
    assert by_hand(native=8000, bandwidth_hz=4000)[0].startswith(RATE_TOLD)
    with pytest.raises(ValueError, match="need one row per window, got 2, 2 and 1"):
        SituationCheck(KNOWN).add(np.zeros((2, 2)), np.zeros(2), np.zeros(1))


def test_what_is_learned_agrees_with_the_tables():
    normal, anomalous = random_table(2000, seed=1), random_table(300, label=1, name="broken", seed=2, shift=9)
    split = block_split(join([normal, anomalous]))
    scores = {part: np.arange(len(getattr(split, part))) * 1.0 + 1000 * getattr(split, part).recording_label
              for part in ("calibration", "test")}
    recordings = [replace(SOUND, name=name, label=label, native_sample_rate=native, audit={"bandwidth_hz": bandwidth_hz})
                  for name, label, native, bandwidth_hz in (("a", 0, 48000, 2e4), ("b", 0, 44100, 9e3), ("c", 1, 8000, 3e3))]
    known = learn_situation(split, recordings, scores["calibration"], scores["test"])
    train, held_out = split.train.normal(), np.concatenate([split.calibration.values, split.test.normal().values])
    assert (known.sample_rate, known.native_sample_rates, known.bandwidth_hz) == (22050, (44100, 48000), (9000.0, 11025.0))
    assert known.windows.shape == (500, 17)
    assert np.array_equal(known.windows[[0, -1]], train.values[[0, -1]])
    distances = cdist(held_out, known.windows).min(axis=1)
    assert np.mean(distances > known.far + 1e-9) <= 0.01 < np.mean(distances > known.far - 1e-9)
    usual = np.concatenate([scores["calibration"], scores["test"][split.test.recording_label == 0]])
    assert known.usual_scores == tuple(np.percentile(usual, [50, 25, 75]))
    levels_db = np.concatenate([part.normal().level_db for part in (split.train, split.calibration, split.test)])
    assert known.level_db.shape == (500,)
    assert np.array_equal(known.level_db, np.sort(known.level_db))
    assert (known.level_db[0], known.level_db[-1]) == (levels_db.min(), levels_db.max())
    assert abs(np.median(known.level_db) - np.median(levels_db)) < 0.01
    with pytest.raises(ValueError, match="3 scores do not fit .* windows of calibration; give one for each window"):
        learn_situation(split, recordings, scores["calibration"][:3], scores["test"])
    with pytest.raises(ValueError, match="no normal recording among 1; give those"):
        learn_situation(split, recordings[2:], scores["calibration"], scores["test"])


def test_a_situation_comes_back_from_its_parts(halves, knowing):
    facts, arrays = knowing[2].to_parts()
    back = Situation.from_parts(json.loads(json.dumps(facts)), {name: array.copy() for name, array in arrays.items()})
    for name, value in vars(knowing[2]).items():
        assert type(getattr(back, name)) is type(value)
        assert np.array_equal(getattr(back, name), value)
    louder = machine(halves[1] * 3)
    assert told((*knowing[:2], back), louder) == told(knowing, louder) != ()


def test_pieces_do_not_matter(halves, knowing):
    louder = machine(halves[1] * 3)
    assert told(knowing, louder, piece=1) == told(knowing, louder, piece=7) == told(knowing, louder, piece=1000)


def test_a_day_of_windows_is_twelve_bytes_each():
    known = replace(KNOWN, windows=np.random.default_rng(0).standard_normal((500, 17)))
    values, zeros, check = np.random.default_rng(1).standard_normal((10800, 17)), np.zeros(10800), SituationCheck(known)
    check.add(values, zeros, zeros)
    tracemalloc.start()
    try:
        for _ in range(16):  # 172,800 windows
            check.add(values, zeros, zeros)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 12 * 172800 <= kept < 1.15 * 12 * 172800  # an array that grows has some room to spare
    assert peak < 8e6
