"""Kept detectors for tests: fitted on a minute of the demo's machine at 8 kHz, and how it is made worse on purpose."""

import functools
import json
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np

from acoustic_nb.bundle_files import read_bundle_files, write_bundle_files
from acoustic_nb.bundles import load_bundle
from acoustic_nb.detectors import detector_class
from acoustic_nb.features import extract_features
from acoustic_nb.judging import make_judge
from acoustic_nb.keeping import make_bundle
from acoustic_nb.model_files import read_npz, write_npz
from acoustic_nb.runs import Run
from acoustic_nb.synth import demo_pair
from acoustic_nb.thresholds import calibrate
from acoustic_nb.units import split_recordings

SAMPLE_RATE = 8000
RATE = 0.1
QUICK = {"lstm_autoencoder": {"sequence_length": 4, "units": 8, "epochs": 2}, "conv_autoencoder": {"epochs": 2},
         "gan": {"epochs": 2}}
METRICS = {"sentence": "Two recordings were cut.", "interval": {"low": 0.61, "high": 0.95, "n_eff": 11.0, "enough": True},
           "metrics": {"roc_auc": 0.87, "recall": 0.5, "false_alarm_rate": 0.08, "false_events_per_hour": float("nan")},
           "intervals": {"recall": (0.3, 0.7), "false_alarm_rate": (0.01, 0.2), "false_events_per_hour": (0.0, 1.0)},
           "controls": {"level_auc": 0.52}}


@functools.cache
def demo():
    """The two recordings that detectors learn from, and their split."""
    recordings = demo_pair(normal_s=60.0, anomalous_s=40.0, sample_rate=SAMPLE_RATE)
    return recordings, split_recordings(extract_features(recordings), recordings)


@functools.cache
def fitted(name):
    _, split = demo()
    detector = detector_class(name)(**QUICK.get(name, {}))
    return detector.fit(split.train if detector.supervised else split.train.normal())


@functools.cache
def files_of(name):
    """The files of a kept detector, ``{name: bytes}``."""
    recordings, split = demo()
    return made_from(name, recordings, split, run=Run(Path("/nowhere/a_run")))


def made_from(name, recordings, split, *, run, detector=None):
    """The files that ``make_bundle`` makes of a detector."""
    detector = detector or fitted(name)
    scores, calibration_scores = detector.score(split.test), detector.score(split.calibration)
    return make_bundle(name, name.upper(), detector, split, recordings, scores=scores, calibration_scores=calibration_scores,
                       calibration_items=make_judge(split, recordings)(split.calibration, calibration_scores), clip_score="mean",
                       false_alarm_rate=RATE, run=run,
                       metrics={**METRICS, **dict.fromkeys(("alarm", "calibration"), asdict(calibrate(calibration_scores, RATE)))})


@functools.cache
def kept(name):
    """The detector after it was written and read back: a Bundle."""
    with tempfile.TemporaryDirectory() as folder:
        return load_bundle(write(Path(folder) / "bundle", files_of(name)))


def write(folder, files):
    """Write the files of a bundle, hashes and all; returns the folder."""
    write_bundle_files(folder, files)
    return folder


def changed(folder, *, about=None, arrays=None):
    """Rewrite a bundle after ``about(dict)`` or ``arrays(dict)`` has changed something in place; its hashes are right again."""
    files, _ = read_bundle_files(folder)
    if about:
        facts = json.loads(files["bundle.json"])
        files["bundle.json"] = json.dumps(about(facts) or facts).encode()
    if arrays:
        held = {name: np.array(array) for name, array in read_npz(files["arrays.npz"], "arrays").items()}
        arrays(held)
        files["arrays.npz"] = write_npz(held)
    return write(folder, files)
