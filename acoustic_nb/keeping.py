"""Keeping: a detector of a run becomes the files of a bundle."""

import json
import platform

import numpy as np
import pandas as pd

from acoustic_nb.archives import write_npz
from acoustic_nb.bookkeeping import now
from acoustic_nb.bundles import ABOUT_LIBRARIES, FORMAT, features_of_known_sound
from acoustic_nb.detectors.base import kept_settings
from acoustic_nb.machine import git_commit, versions
from acoustic_nb.model_card import model_card
from acoustic_nb.model_files import pack_state
from acoustic_nb.octaves import band_levels_db, learn_bands, moment_levels_db
from acoustic_nb.situations import learn_situation
from acoustic_nb.thresholds import calibrate

BAND_WINDOWS, REFERENCE_WINDOWS = 60, 40


def make_bundle(name, title, detector, split, recordings, *, scores, calibration_scores, calibration_items, clip_score,
                false_alarm_rate, run, metrics):
    """All that a bundle holds, as files.

    Parameters
    ----------
    name, title : str
        Of the detector.
    detector : Detector
        Fitted on ``split``.
    split : Split
    recordings : list of Recording
        Those that the windows are of.
    scores, calibration_scores : array
        Of ``split.test`` and of ``split.calibration``.
    calibration_items : DataFrame
        From the judge.
    clip_score : str
        How window scores become a recording's.
    false_alarm_rate : float
    run : Run
        That keeps it.
    metrics : dict
        What the run keeps of the detector, for the card.

    Returns
    -------
    dict
        ``{file name: bytes}``, for ``Run.save_detector``.
    """
    test, calibration, n_mfcc = split.test, split.calibration, len(split.test.feature_names) - 4
    normal = test.recording_label == 0
    reference = _reference_windows(calibration, detector.context)
    facts, state, files = pack_state(detector.state())
    situation, known = learn_situation(split, recordings, calibration_scores, scores).to_parts()
    relative = test.level == "removed"
    bands = {name: learn_bands(_some_sounds(split, recordings), test.sample_rate, relative=relative, levels=levels)
             for name, levels in (("bands", band_levels_db), ("moment_bands", moment_levels_db))}
    whole = split.judged_by == "recording"
    beside = calibration_items["channels"].mean() if "channels" in calibration_items else 1.0
    newest, newest_test = ((detector.score(part, newest=True) for part in (calibration, test)) if detector.context
                           else (calibration_scores, scores))
    names, recording = np.unique(test.recording[normal], return_inverse=True)
    arrays = {
        "mean": split.mean, "scale": split.scale, "calibration_scores": calibration_scores, "newest_scores": newest,
        "held_out_recording": recording, "held_out_start_s": test.start_s[normal], "held_out_end_s": test.end_s[normal],
        "held_out_score": scores[normal], "held_out_newest_score": newest_test[normal],
        "whole_scores": calibration_items["score"].to_numpy(float) if whole else np.empty(0),
        "whole_units": pd.factorize(calibration_items["unit"])[0] if whole else np.empty(0, dtype=int),
        "reference_values": reference.values * split.scale + split.mean, "reference_scores": detector.score(reference),
        "known_features": features_of_known_sound(test.sample_rate, window_s=test.window_s, hop_s=test.hop_s, n_mfcc=n_mfcc,
                                                   level=test.level),
        **{f"{name}_{what}": getattr(learned, what) for name, learned in bands.items()
           for what in ("edges_hz", "mean_db", "spread_db")},
        **{f"situation_{key}": value for key, value in known.items()}, **{f"state_{key}": value for key, value in state.items()}}
    manifest = run.read_manifest() if (run.folder / "run.json").is_file() else {}
    channels = {recording.channel for recording in recordings}
    about = {
        "format": FORMAT, "detector": name, "title": title, "supervised": detector.supervised, "settings": kept_settings(detector),
        "features": {"window_s": test.window_s, "hop_s": test.hop_s, "n_mfcc": n_mfcc, "level": test.level,
                     "names": list(test.feature_names)},
        "sample_rate": test.sample_rate, "channel": channels.pop() if len(channels) == 1 else "all", "judged_by": split.judged_by,
        "clip_score": clip_score, "false_alarm_rate": false_alarm_rate,
        "threshold": calibrate(calibration_scores, false_alarm_rate).threshold, "channels_at_once": float(beside),
        "held_out_recordings": [f"normal {number}" for number in range(1, len(names) + 1)], "made": now(),
        "run": {"name": run.folder.name, "created": manifest.get("created"), "seed": manifest.get("seed"),
                "git_commit": git_commit()},
        "versions": {package: version for package, version in versions().items() if package in ABOUT_LIBRARIES},
        "platform": platform.platform(),
        "recordings": [_identity(recording, split, detector) for recording in recordings], "state": facts, "situation": situation,
        "bands": {"relative": relative}}
    return {"bundle.json": (json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode(),
            "arrays.npz": write_npz(arrays), "MODEL_CARD.md": model_card(about, metrics, None).encode(), **files}


def _reference_windows(calibration, context):
    """A few neighbouring windows of what set the threshold: enough for a sequence."""
    rows = np.flatnonzero(calibration.recording == calibration.recording[0])
    rows = rows[np.argsort(calibration.start_s[rows], kind="stable")]
    return calibration.take(rows[:max(REFERENCE_WINDOWS, 2 * context + 1)])


def _some_sounds(split, recordings):
    """The samples of some normal training windows, evenly spread."""
    normal, by_name = split.train.normal(), {recording.name: recording for recording in recordings}
    for row in np.unique(np.linspace(0, len(normal) - 1, BAND_WINDOWS).round().astype(int)):
        yield by_name[normal.recording[row]].part(normal.start_s[row], normal.window_s)


def _identity(recording, split, detector):
    """What a receiver may know of a recording: not where it lies on the sender's disk."""
    unheard = ("train",) if recording.label and not detector.supervised else ()
    parts = sorted({block.part for block in split.blocks if block.recording == recording.name and block.part not in unheard})
    name = "/".join(recording.name.split("/")[-2:])  # files far apart have half a path in their names
    return {"name": name, "label": recording.facts()["label"], "start_s": recording.start_s,
            "duration_s": recording.duration_s, "native_sample_rate": recording.native_sample_rate, "parts": parts,
            "content_sha256": recording.audit["content"]}
