"""The event finder: piece by piece the same events as ``merge_windows`` finds in whole arrays, each with its peak and reasons."""

from dataclasses import replace

import numpy as np
import pytest
from bundles_for_tests import SAMPLE_RATE, kept

from acoustic_nb import event_finder
from acoustic_nb.event_finder import EventFinder
from acoustic_nb.events import merge_windows
from acoustic_nb.moments import Moment
from acoustic_nb.scoring import ScoredWindows, scored_windows
from acoustic_nb.synth import machine_sound

THRESHOLD = 1.0
CALIBRATION = np.arange(1, 20) / 10  # 0.1 to 1.9
SOUND = machine_sound(100.0, sample_rate=SAMPLE_RATE, seed=8).astype(np.float32)


def part(start_s, duration_s):
    first = max(0, round(start_s * SAMPLE_RATE))
    return SOUND[first:first + round(duration_s * SAMPLE_RATE)]


def finder(bundle, **settings):
    return EventFinder(bundle, part, name="new", calibration_scores=CALIBRATION, threshold=THRESHOLD, **settings)


def pieces_of(bundle, scores, cuts, *, values=None, first_s=0.0):
    """Windows with given scores, in pieces; a few windows of the piece before stand around each, as with sequences."""
    values = np.tile(bundle.mean, (len(scores), 1)) if values is None else values
    whole = bundle.windows(values, np.zeros(len(scores)), name="new", first_s=first_s)
    for first, end in zip([0, *cuts], [*cuts, len(scores)], strict=True):
        around = max(0, first - 3)
        if end > first:
            yield ScoredWindows(whole.take(np.arange(around, min(end + 2, len(scores)))), slice(first - around, end - around),
                                scores[first:end])


def events_of(a_finder, pieces):
    return [event for piece in pieces for event in a_finder.add(piece)] + a_finder.finish()


@pytest.fixture
def quick(monkeypatch):
    """Leave the placing in the sound out, which has its own tests."""
    monkeypatch.setattr(event_finder, "refine", lambda part, rate, *, start_s, end_s, peak_start_s, window_s, **_: Moment(
        start_s, end_s, peak_start_s + window_s / 2, False))
    monkeypatch.setattr(event_finder, "band_levels_db", lambda sound, rate: kept("kmeans").bands.mean_db)
    monkeypatch.setattr(event_finder, "moment_levels_db", lambda sound, rate: kept("kmeans").moment_bands.mean_db)


@pytest.mark.parametrize("gap_s", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shortest_s", [0.0, 1.6])
def test_events_are_those_of_the_whole_wherever_the_pieces_are_cut(gap_s, shortest_s, quick):
    bundle, n_found = kept("kmeans"), 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(1, 50))
        scores = rng.random(n) + (rng.random(n) < rng.uniform(0, 0.6))
        cuts = np.sort(rng.integers(0, n + 1, int(rng.integers(0, 15)))) if seed % 2 else np.arange(1, n)
        start_s = 0.5 * np.arange(n)
        expected = merge_windows(start_s, start_s + 1.0, scores > THRESHOLD, gap_s=gap_s, shortest_s=shortest_s)
        events = events_of(finder(bundle, gap_s=gap_s, shortest_s=shortest_s), pieces_of(bundle, scores, cuts))
        assert [(event.windows_start_s, event.windows_end_s) for event in events] == expected
        for event in events:
            inside = np.flatnonzero((start_s >= event.windows_start_s) & (start_s + 1.0 <= event.windows_end_s))
            peak = inside[np.argmax(scores[inside])]
            assert (event.peak_start_s, event.peak_score) == (start_s[peak], scores[peak])
            assert event.p_value == pytest.approx((1 + np.sum(scores[peak] <= CALIBRATION)) / 20)
            assert event.recording == "new" and event.reasons
        n_found += len(events)
    assert n_found > 12


@pytest.mark.parametrize("seed", range(12))
def test_where_hop_and_gap_are_no_whole_samples_it_agrees_too(seed, quick):
    """Windows stand hop samples apart, which is up to half a sample off hop_s."""
    rng, bundle = np.random.default_rng(seed), kept("kmeans")
    hop_s, window_s = 0.25 + 0.49 / SAMPLE_RATE, 0.5
    bundle = replace(bundle, about={**bundle.about, "features": {**bundle.about["features"], "window_s": window_s, "hop_s": hop_s}})
    scores = rng.random(40) + (rng.random(40) < 0.3)
    start_s = 2000 * np.arange(40) / SAMPLE_RATE
    gap_s = 0.25 * rng.integers(0, 4) - 1e-4 + rng.uniform(0, 0.49) / SAMPLE_RATE  # next to what just touches
    gap_s = max(gap_s, 0.0)
    expected = merge_windows(start_s, start_s + window_s, scores > THRESHOLD, gap_s=gap_s)
    events = events_of(finder(bundle, gap_s=gap_s), pieces_of(bundle, scores, np.arange(1, 40)))
    assert [(event.windows_start_s, event.windows_end_s) for event in events] == expected


def test_an_event_is_told_as_soon_as_nothing_can_join_it(quick):
    bundle = kept("kmeans")
    scores = np.array([0, 2, 3, 0, 0, 0, 0, 0, 0, 0.0])  # windows 1 and 2: 0.5 to 2.0 s; the window at 2.0 s still touches
    for gap_s, told_after in ((0.0, 4), (0.5, 5), (1.2, 6)):  # the next window starts at 2.5, at 3.0, at 3.5 s
        a_finder, told = finder(bundle, gap_s=gap_s), []
        for number, piece in enumerate(pieces_of(bundle, scores, np.arange(1, 10))):
            told += [number] * len(a_finder.add(piece))
            assert a_finder.is_open == (1 <= number < told_after)
        assert told == [told_after]
        assert a_finder.finish() == []


def test_what_is_still_open_ends_with_the_recording_and_once(quick):
    a_finder, bundle = finder(kept("kmeans")), kept("kmeans")
    assert not [event for piece in pieces_of(bundle, np.array([0, 0, 2.0]), []) for event in a_finder.add(piece)]
    (event,) = a_finder.finish()
    assert (event.windows_start_s, event.windows_end_s) == (1.0, 2.0)
    assert a_finder.finish() == [] and not a_finder.is_open


def test_a_score_at_the_threshold_is_not_flagged(quick):
    assert events_of(finder(kept("kmeans")), pieces_of(kept("kmeans"), np.array([0, 1.0, 0.5]), [])) == []


def test_reasons_are_those_of_the_peak_window(quick):
    """K-means with one centre: a feature's contribution is its squared distance to the mean, so the one that was moved is named."""
    bundle = kept("kmeans")
    values = np.tile(bundle.mean, (6, 1))
    values[2, bundle.feature_names.index("zero_crossing_rate")] += 5 * bundle.scale[-1]
    values[3, bundle.feature_names.index("contrast_db")] -= 9 * bundle.scale[-2]
    for peak, word, other in ((2, "zero-crossing rate", "contrast"), (3, "spectral contrast", "zero-crossing")):
        scores = np.array([0, 0, 2, 2, 2, 0.0])
        scores[peak] = 4.0
        for cuts in ([], [3], [1, 2, 3, 4, 5]):
            (event,) = events_of(finder(bundle), pieces_of(bundle, scores, cuts, values=values))
            assert word in event.reasons[0] and not any(other in reason for reason in event.reasons)
            assert "above" in event.reasons[0] if peak == 2 else "below" in event.reasons[0]


@pytest.mark.parametrize("seed", range(4))
def test_with_sequences_the_contributions_are_those_of_the_whole_recording(seed, quick, monkeypatch):
    rng, bundle = np.random.default_rng(seed), kept("lstm_autoencoder")
    rows = np.column_stack([rng.standard_normal((50, 17)) * bundle.scale + bundle.mean, np.zeros(50)])
    whole = bundle.windows(rows[:, :-1], rows[:, -1], name="new")
    scores, contributions = bundle.detector.score(whole), bundle.detector.contributions(whole)
    threshold, seen = np.quantile(scores, 0.8), []
    monkeypatch.setattr("acoustic_nb.scoring.WINDOWS_AT_ONCE", 5)
    monkeypatch.setattr(event_finder, "reasons", lambda deviations, parts, *_, **__: seen.append((deviations, parts)) or ("why",))
    a_finder = EventFinder(bundle, part, name="new", calibration_scores=scores, threshold=threshold)
    events = events_of(a_finder, scored_windows(bundle, np.split(rows, [7, 9, 20, 33, 41]), name="new"))
    expected = merge_windows(whole.start_s, whole.end_s, scores > threshold)
    assert [(event.windows_start_s, event.windows_end_s) for event in events] == expected and len(expected) > 2
    for event, (deviations, parts) in zip(events, seen, strict=True):
        peak = round(event.peak_start_s / 0.5)
        np.testing.assert_allclose(parts, contributions[peak], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(deviations, whole.values[peak])


def test_it_is_placed_in_the_sound_and_its_band_is_named():
    bundle, start = kept("kmeans"), round(50.3 * SAMPLE_RATE)
    burst = np.sin(2 * np.pi * 3000 * np.arange(round(0.2 * SAMPLE_RATE)) / SAMPLE_RATE)
    sound = SOUND.copy()
    sound[start:start + len(burst)] += burst

    def with_burst(start_s, duration_s):
        first = max(0, round(start_s * SAMPLE_RATE))
        return sound[first:first + round(duration_s * SAMPLE_RATE)]

    scores = np.zeros(150)
    scores[99:101] = 2.0, 3.0  # 49.5 to 50.5 and 50.0 to 51.0 s
    a_finder = EventFinder(bundle, with_burst, name="new", calibration_scores=CALIBRATION, threshold=THRESHOLD, last_s=100.0)
    (event,) = events_of(a_finder, pieces_of(bundle, scores, [60, 100]))
    assert event.refined and (event.windows_start_s, event.windows_end_s) == (49.5, 51.0)
    assert event.start_s == pytest.approx(50.3, abs=0.02) and event.end_s == pytest.approx(50.5, abs=0.02)
    assert event.start_s <= event.peak_s <= event.end_s
    assert (event.low_hz, event.high_hz) == (2000.0, 4000.0) and "2 to 4 kHz" in event.reasons[0]
    assert event.p_value == pytest.approx(1 / 20)
