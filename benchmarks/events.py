"""Events: how many of known times are found at the same number of false events, beside the package audio-anomaly.

    python -m benchmarks.events [--seeds 1] [--window-s 1.0]

Run it from the folder of the project, as ``make bench-events`` does after it has installed audio-anomaly. All sound is the
demo's machine, recordings of 10 min at 16 kHz, each from a seed of its own: one to learn from, six held out that set the
thresholds, and for each kind of event one that tests, with 20 events in it, which is judged anew for each level of them.

A level is the RMS of an event over its own length relative to the RMS of the recording, as in ``acoustic_nb.mixtures``. The
detectors that learn from normal sound alone have their defaults. audio-anomaly has the same recording to learn from, as its
reference, and its defaults; a window's score is the highest of its frames (50 ms) in the window, so that both are judged by the
same windows, merged and matched by ``acoustic_nb.events``.
"""

import argparse
import platform
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.signal.windows import tukey

from acoustic_nb.audio import in_memory
from acoustic_nb.detectors import DETECTORS, detector_class
from acoustic_nb.event_sounds import rms_of
from acoustic_nb.events import event_report
from acoustic_nb.features import extract_features, join
from acoustic_nb.machine import cores, git_commit, versions
from acoustic_nb.splits import standardised_split
from acoustic_nb.stretches import Event
from acoustic_nb.synth import click_sound, machine_sound, rattle_sound
from acoustic_nb.thresholds import calibrate
from benchmarks.feature_speed import BENCH_PACKAGES, find_bench_packages

RATE = 16000
RECORDING_S = 600.0
HELD_OUT = 6
KINDS, LEVELS_DB = ("click", "tone", "rattle"), (6, 0, -6, -12, -18, -24)
TONE_HZ, TONE_S, RATTLE_S = 2200.0, 0.5, 1.0
PLACES = 20  # events per recording
RATES, SHOWN_RATE = (5, 20, 60), 20  # false events per hour of held-out normal sound
FOREIGN, FOREIGN_SENSITIVITY, FALSE_ALARM_RATE = "audio-anomaly", 3.0, 0.05
DEFAULT = "default"


def main():
    """Print one table: the share of events found by kind and level, one column per method."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description="Print one table of events found.")
    parser.add_argument("--seeds", type=int, default=1, help="how often all is done, each time on other sound (1)")
    parser.add_argument("--window-s", type=float, default=1.0, help="length of a window; the hop is half of it (1.0)")
    given = parser.parse_args()
    begun = time.monotonic()
    version = audio_anomaly().__version__
    seeds = range(given.seeds)
    with ProcessPoolExecutor(cores(), initializer=audio_anomaly) as pool:
        sounds = hear_all(pool, seeds, given.window_s)
    results = pd.concat([judged(seed, *sound) for seed, sound in zip(seeds, sounds, strict=True)])
    about = ", ".join(f"{name} {versions()[name]}" for name in ("acoustic-nb", "numpy", "scikit-learn", "tensorflow"))
    print(f"{platform.platform()}, {cores()} cores, Python {platform.python_version()}; {about}, {FOREIGN} {version}; commit "
          f"{(git_commit() or 'none')[:12]}. Windows of {given.window_s:g} s; {PLACES * given.seeds} events per row; "
          f"{time.monotonic() - begun:.0f} s.\n")
    print("\n".join(table_rows(results)))


def audio_anomaly():
    """The package audio-anomaly, installed beside the environment or in it."""
    find_bench_packages()
    if not find_spec("audio_anomaly"):
        raise ModuleNotFoundError(f"{FOREIGN} is neither installed nor in {BENCH_PACKAGES}, but it is what detectors are compared "
                                  "with; `make bench-events` puts it there")
    import audio_anomaly

    return audio_anomaly


def hear_all(pool, seeds, window_s):
    """Per seed the windows to learn from, and windows and audio-anomaly's scores of what is held out and of what tests."""
    parts = [np.random.SeedSequence(seed).spawn(1 + HELD_OUT + len(KINDS)) for seed in seeds]
    learned = list(pool.map(partial(learn, window_s), [streams[0] for streams in parts]))
    at_work = [([pool.submit(hear_events, monitor, window_s, kind, stream)
                 for kind, stream in zip(KINDS, streams[1 + HELD_OUT:], strict=True)],
                [pool.submit(hear_normal, monitor, window_s, number, stream)
                 for number, stream in enumerate(streams[1:1 + HELD_OUT], 1)])
               for (_, monitor), streams in zip(learned, parts, strict=True)]
    return [(windows, [each.result() for each in held_out], [heard for each in tests for heard in each.result()])
            for (windows, _), (tests, held_out) in zip(learned, at_work, strict=True)]


def learn(window_s, stream):
    """Windows of normal sound, and audio-anomaly's monitor with the same sound as its reference."""
    sound = machine_sound(RECORDING_S, sample_rate=RATE, seed=stream).astype(np.float32)
    return windows_of("learned", sound, window_s), audio_anomaly().Monitor(sound, sample_rate=RATE)


def hear_normal(monitor, window_s, number, stream):
    sound = machine_sound(RECORDING_S, sample_rate=RATE, seed=stream).astype(np.float32)
    windows = windows_of(f"normal {number}", sound, window_s)
    return windows, window_scores(monitor, sound, windows)


def hear_events(monitor, window_s, kind, stream):
    """Per level: windows, audio-anomaly's scores, and the events; all levels have the same background, events and places."""
    background, rng = (np.random.default_rng(each) for each in stream.spawn(2))
    normal = machine_sound(RECORDING_S, sample_rate=RATE, seed=background)
    events = [event / rms_of(event) for event in (event_sound(kind, rng) for _ in range(PLACES))]
    # in the middle half of its share of the recording: half a share or more from the next
    firsts = ((np.arange(PLACES) + rng.uniform(0.25, 0.75, PLACES)) * len(normal) / PLACES).astype(int)
    known = [Event(first / RATE, (first + len(event)) / RATE, kind) for first, event in zip(firsts, events, strict=True)]
    heard = []
    for level_db in LEVELS_DB:
        sound = normal.copy()
        for first, event in zip(firsts, events, strict=True):
            sound[first:first + len(event)] += 10 ** (level_db / 20) * rms_of(normal) * event
        sound = sound.astype(np.float32)
        windows = windows_of(f"{kind}, {level_db} dB", sound, window_s)
        heard.append((windows, window_scores(monitor, sound, windows), known))
    return heard


def event_sound(kind, rng):
    """One event of any level: the demo's click, a tone, or a rattle as the demo makes it, the last two faded in and out."""
    if kind == "click":
        return click_sound(sample_rate=RATE)
    n_samples = round((TONE_S if kind == "tone" else RATTLE_S) * RATE)
    time_s, faded = np.arange(n_samples) / RATE, tukey(n_samples, 0.1)
    if kind == "tone":
        return np.sin(2 * np.pi * TONE_HZ * time_s) * faded
    return rattle_sound(n_samples, sample_rate=RATE, rng=rng) * faded


def windows_of(name, sound, window_s):
    return extract_features([in_memory(sound, name=name, label=0, sample_rate=RATE)], window_s=window_s, hop_s=window_s / 2)


def window_scores(monitor, sound, windows):
    """audio-anomaly's score of each window: the highest of the frames that lie in it."""
    report = monitor.check(sound)
    half_s = report.frame_ms / 2000
    first = np.searchsorted(report.frame_times - half_s, windows.start_s - 1e-6)
    behind = np.searchsorted(report.frame_times + half_s, windows.end_s + 1e-6)
    return np.array([report.scores[begin:end].max() for begin, end in zip(first, behind, strict=True)])


def judged(seed, learned, held_out, tests):
    """One row per method, rate and recording that tests: found events, false events, and the hours that have none."""
    held_scores, test_scores = (np.concatenate([each[1] for each in part]) for part in (held_out, tests))
    known = {windows.recording[0]: events for windows, _, events in tests}
    split = standardised_split({"train": learned, "calibration": join([windows for windows, _ in held_out]),
                                "test": join([windows for windows, *_ in tests])}, (), judged_by="window")
    scores = {FOREIGN: (held_scores, test_scores)}
    for name in DETECTORS:
        detector = detector_class(name)(seed=seed)
        if not detector.supervised:
            detector.fit(split.train)
            scores[name] = detector.score(split.calibration), detector.score(split.test)
    rows = []
    for method, (held_scores, test_scores) in scores.items():
        by_default = FOREIGN_SENSITIVITY if method == FOREIGN else calibrate(held_scores, FALSE_ALARM_RATE).threshold
        thresholds = {rate: threshold_for(split.calibration, held_scores, rate) for rate in RATES} | {DEFAULT: by_default}
        for rate, threshold in thresholds.items():
            for name, events in known.items():
                at = split.test.recording == name
                _, numbers = event_report(split.test.take(at), test_scores[at] > threshold, {name: events})
                rows.append({"method": method, "rate": rate, "recording": name, "events": numbers["events"],
                             "found": numbers["events_found"], "false": numbers["false_events"],
                             "hours": numbers["normal_s"] / 3600})
    return pd.DataFrame(rows)


def threshold_for(windows, scores, per_hour):
    """The last threshold, from the highest score down, before normal windows have more false events per hour."""
    return next(threshold for threshold, lower in pairwise(np.unique(scores)[::-1])
                if event_report(windows, scores > lower, {})[1]["false_events_per_hour"] > per_hour)


def table_rows(results):
    """The lines of a markdown table."""
    methods = list(dict.fromkeys(results["method"]))
    rows = [f"| events found at {SHOWN_RATE} false events per hour | {' | '.join(methods)} |", "|---" * (1 + len(methods)) + "|"]
    shown = results[results["rate"] == SHOWN_RATE]
    for name, of_recording in shown.groupby("recording", sort=False):
        rows.append(f"| {name} | {' | '.join(map(found_share, by_method(of_recording, methods)))} |")
    words = {rate: f"thresholds for {rate} per hour" for rate in RATES}
    words[DEFAULT] = f"defaults: sensitivity {FOREIGN_SENSITIVITY:g}, {FALSE_ALARM_RATE:.0%} of windows"
    for rate, what in words.items():
        numbers = by_method(results[results["rate"] == rate], methods)
        rows.append(f"| all, {what}; false per hour here | "
                    f"{' | '.join(f'{found_share(each)}; {each.false / each.hours:.1f}' for each in numbers)} |")
    return rows


def by_method(results, methods):
    """Sums over seeds and recordings, one named tuple per method."""
    sums = results.groupby("method")[["events", "found", "false", "hours"]].sum()
    return list(sums.loc[methods].itertuples())


def found_share(numbers):
    return f"{numbers.found / numbers.events:.0%}"


if __name__ == "__main__":
    main()
