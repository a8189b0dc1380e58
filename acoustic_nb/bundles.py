"""Bundles: a fitted detector with all that scoring new sound needs, read back from the files that ``keeping`` has made of it.

Loading executes nothing that is in a bundle, and finds out by trying whether this installation computes the same: known sound must
give the features that it gave where the bundle was made, and known windows the same scores.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from acoustic_nb.archives import BundleError, read_npz
from acoustic_nb.bundle_files import read_bundle_files
from acoustic_nb.clips import POOLINGS
from acoustic_nb.detectors import DETECTORS, detector_class
from acoustic_nb.features import FeatureTable, feature_names, feature_pieces
from acoustic_nb.framing import MAX_SAMPLE_RATE, MIN_SAMPLE_RATE, N_FFT, window_lengths
from acoustic_nb.machine import versions
from acoustic_nb.model_files import unpack_state
from acoustic_nb.octaves import BandLevels
from acoustic_nb.situations import Situation
from acoustic_nb.thresholds import calibrate, check_rate

FORMAT = 1
KNOWN_S = 2.0
FEATURES_AGREE = {"rtol": 1e-4, "atol": 1e-3}
SCORES_AGREE = {"rtol": 1e-3, "atol": 1e-6}
KEYS = ("title", "settings", "features", "sample_rate", "channel", "judged_by", "clip_score", "false_alarm_rate", "threshold",
        "channels_at_once", "held_out_recordings", "made", "run", "versions", "state", "situation", "bands",
        "recordings")
ABOUT_LIBRARIES = ("acoustic-nb", "python", "numpy", "scipy", "librosa", "numba", "scikit-learn", "tensorflow", "keras")


@dataclass(frozen=True, eq=False)
class Bundle:
    """A detector that is ready to score.

    Attributes
    ----------
    id : str
        SHA-256 over its files but the card: two bundles with the same one score the same.
    name, title : str
        Of the detector: ``gmm``, ``Gaussian mixture``.
    detector : Detector
        Fitted.
    mean, scale : ndarray, shape (n_features,)
        Of the normal training windows: features are standardised with them.
    calibration_scores, newest_scores : ndarray, shape (n,)
        Scores of the windows that set the threshold, in order of time; the latter as they are known the moment a window is heard.
    held_out : DataFrame
        The normal test windows: recording, start_s, end_s, score, newest_score, channels.
    whole_scores, whole_units : ndarray, shape (n_recordings,)
        Where whole recordings are judged: scores and units of those that set their threshold; else empty.
    bands, moment_bands : BandLevels
        Octave bands of normal training windows, over the whole window and in their loudest moments.
    situation : Situation
        What the training sound was like.
    false_alarm_rate : float
        Wanted, of windows (and of recordings); the thresholds follow from it.
    about : dict
        All of ``bundle.json``: feature settings, run, recordings, versions.
    card : str
        ``MODEL_CARD.md``: what it has learned from, how it was judged, the verdict of its run.
    """

    id: str
    name: str
    title: str
    detector: object
    mean: np.ndarray
    scale: np.ndarray
    calibration_scores: np.ndarray
    newest_scores: np.ndarray
    held_out: pd.DataFrame
    whole_scores: np.ndarray
    whole_units: np.ndarray
    bands: BandLevels
    moment_bands: BandLevels
    situation: Situation
    false_alarm_rate: float
    about: dict
    card: str

    @property
    def sample_rate(self):
        """At which features are computed, in Hz."""
        return self.about["sample_rate"]

    @property
    def window_s(self):
        """Length of a window."""
        return self.about["features"]["window_s"]

    @property
    def feature_settings(self):
        """What ``features.feature_pieces`` takes: window_s, hop_s, n_mfcc, level."""
        return {name: self.about["features"][name] for name in ("window_s", "hop_s", "n_mfcc", "level")}

    @property
    def feature_names(self):
        """Names of the features, in order."""
        return feature_names(self.about["features"]["n_mfcc"])

    @property
    def calibration(self):
        """The threshold of windows and its small print, a ``thresholds.Calibration``."""
        return calibrate(self.calibration_scores, self.false_alarm_rate, channels=self.about["channels_at_once"])

    @property
    def newest_calibration(self):
        """The same for scores that are known the moment a window is heard."""
        return calibrate(self.newest_scores, self.false_alarm_rate, channels=self.about["channels_at_once"])

    @property
    def whole_calibration(self):
        """The same for whole recordings; None where windows are judged."""
        if self.about["judged_by"] != "recording":
            return None
        return calibrate(self.whole_scores, self.false_alarm_rate, units=self.whole_units)

    def at_rate(self, false_alarm_rate):
        """The same detector with the thresholds of another wanted false-alarm rate; a ValueError where that is no rate."""
        check_rate(false_alarm_rate)
        return replace(self, false_alarm_rate=false_alarm_rate)

    def windows(self, values, level_db, *, name, first_s=0.0, first_row=0, duration_s=np.inf):
        """Windows of a new recording as a standardised FeatureTable.

        Parameters
        ----------
        values : ndarray, shape (n_windows, n_features)
            Not standardised.
        level_db : ndarray, shape (n_windows,)
        name : str
            Of the recording, which counts as normal in columns nobody reads here.
        first_s : float
            Where the recording begins in its file.
        first_row : int
            How many windows of it came before.
        duration_s : float
            Of the recording, where it may be shorter than a window.
        """
        rows = np.arange(first_row, first_row + len(values))
        _, hop = window_lengths(self.sample_rate, window_s=self.window_s, hop_s=self.about["features"]["hop_s"])
        start_s, label = first_s + rows * hop / self.sample_rate, np.zeros(len(values), dtype=int)
        settings = self.feature_settings
        return FeatureTable(
            values=(values - self.mean) / self.scale, feature_names=self.feature_names, label=label, recording_label=label.copy(),
            recording=np.full(len(values), name), start_s=start_s, end_s=start_s + min(self.window_s, duration_s),
            level_db=level_db, window_s=self.window_s, hop_s=settings["hop_s"], sample_rate=self.sample_rate,
            level=settings["level"])


def load_bundle(path):
    """The detector in a bundle, ready to score.

    Parameters
    ----------
    path : path
        The folder ``bundle``, the zip file, or the folder of the detector in a run.

    Returns
    -------
    Bundle

    Raises
    ------
    BundleError
        One line that says why it cannot be used: a missing, changed or unknown file, content that no bundle has, or an installation
        that computes something else.
    """
    files, bundle_id = read_bundle_files(path)
    about = _read_about(path, files)
    try:
        arrays = read_npz(files["arrays.npz"], f"{path}, arrays.npz")
        state = unpack_state(about["state"], _named(arrays, "state_"), files, path=path)
        detector = detector_class(about["detector"])(**about["settings"]).restore(state)
        names = np.array(about["held_out_recordings"], dtype=object)
        held_out = pd.DataFrame({
            "recording": names[arrays["held_out_recording"]], "start_s": arrays["held_out_start_s"],
            "end_s": arrays["held_out_end_s"], "score": arrays["held_out_score"], "newest_score": arrays["held_out_newest_score"],
            "channels": about["channels_at_once"]})
        bundle = Bundle(
            id=bundle_id, name=about["detector"], title=about["title"], detector=detector, held_out=held_out,
            **{name: BandLevels(**_named(arrays, f"{name}_"), relative=about["bands"]["relative"])
               for name in ("bands", "moment_bands")},
            situation=Situation.from_parts(about["situation"], _named(arrays, "situation_")),
            false_alarm_rate=about["false_alarm_rate"], about=about,
            card=files["MODEL_CARD.md"].decode("utf-8", "replace"),
            **{name: arrays[name] for name in ("mean", "scale", "calibration_scores", "newest_scores", "whole_scores",
                                               "whole_units")})
        _check_same_here(path, bundle, arrays)
    except BundleError:
        raise
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, MemoryError, OverflowError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise BundleError(f"{path}: its parts do not fit together ({what}); keep the detector again with this version of "
                          "acoustic_nb") from error
    return bundle


def _read_about(path, files):
    """``bundle.json``, its format known."""
    try:
        about = json.loads(files["bundle.json"].decode())
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path}: bundle.json cannot be read ({' '.join(str(error).split())}); get the bundle again") from None
    about = about if isinstance(about, dict) else {}
    if about.get("format") != FORMAT:
        found, made = about.get("format"), about.get("versions")
        made_by = made.get("acoustic-nb") if isinstance(made, dict) else None
        raise BundleError(f"{path}: has format {found!r}, this version of acoustic_nb reads {FORMAT}; it was made by acoustic_nb "
                          f"{made_by}, use that version, or keep the detector again with this one")
    if about.get("detector") not in tuple(DETECTORS):
        raise BundleError(f"{path}: holds a detector {about.get('detector')!r}, but there are {', '.join(DETECTORS)}; use the "
                          "version of acoustic_nb that has it")
    if missing := [name for name in KEYS if name not in about]:
        raise BundleError(f"{path}: bundle.json lacks {', '.join(missing)}; get the bundle again, or keep the detector again")
    channel, rate, run = about["channel"], about["sample_rate"], about["run"]
    fits = {
        "title": isinstance(about["title"], str), "made": isinstance(about["made"], str),
        "run": isinstance(run, dict) and isinstance(run.get("name"), str),
        "channel": channel in ("mean", "all") or type(channel) is int and channel >= 1,
        "sample_rate": type(rate) is int and MIN_SAMPLE_RATE <= rate <= MAX_SAMPLE_RATE,
        "judged_by": about["judged_by"] in ("window", "recording"), "clip_score": about["clip_score"] in POOLINGS,
        "recordings": isinstance(about["recordings"], list) and all(map(_is_identity, about["recordings"]))}
    if wrong := [name for name, fitting in fits.items() if not fitting]:
        raise BundleError(f"{path}: bundle.json says {wrong[0]} = {str(about[wrong[0]])[:100]!r}, which no run writes; get the "
                          "bundle again")
    return about


def _is_identity(recording):
    """Whether this says of a recording what scoring asks."""
    return (isinstance(recording, dict) and all(isinstance(recording.get(key), str) for key in ("name", "content_sha256"))
            and isinstance(recording.get("parts"), list) and all(isinstance(part, str) for part in recording["parts"]))


def _check_same_here(path, bundle, arrays):
    """Refuse a bundle whose features or scores this installation would compute differently."""
    if not (bundle.scale > 0).all():
        raise BundleError(f"{path}: standard deviations of features must be above 0, the smallest is {bundle.scale.min():g}; "
                          "get the bundle again")
    about = bundle.about
    made = about["versions"] | {"format": about["format"]}
    here = versions()
    other = ", ".join(f"{package} {made[package]} there and {here[package]} here" for package in ABOUT_LIBRARIES
                      if package in made and made[package] != here[package]) or "all libraries have the same version"
    if list(bundle.feature_names) != about["features"]["names"]:
        raise BundleError(f"{path}: was made with the features {', '.join(about['features']['names'])}, and this version computes "
                          f"{', '.join(bundle.feature_names)}; keep the detector again with this version ({other})")
    known = features_of_known_sound(bundle.sample_rate, **bundle.feature_settings)
    if known.shape != arrays["known_features"].shape or not np.allclose(known, arrays["known_features"], **FEATURES_AGREE):
        worst = _worst(known, arrays["known_features"])
        raise BundleError(f"{path}: a known sound gives other features here than where the bundle was made (by up to {worst:.3g}), "
                          f"so its scores would mean something else; keep the detector again here ({other})")
    values = arrays["reference_values"]
    scores = bundle.detector.score(bundle.windows(values, np.zeros(len(values)), name="reference"))
    if not np.allclose(scores, arrays["reference_scores"], **SCORES_AGREE):
        worst = _worst(scores, arrays["reference_scores"])
        raise BundleError(f"{path}: known windows score differently here (by up to {worst:.3g}); use the libraries that it was "
                          f"made with, or keep the detector again here ({other})")
    if not np.isclose(bundle.calibration.threshold, about["threshold"], rtol=1e-9):
        raise BundleError(f"{path}: says a threshold of {about['threshold']:.6g}, but its calibration scores give "
                          f"{bundle.calibration.threshold:.6g}; get the bundle again")


def _worst(found, expected):
    """The largest difference of two arrays, infinite where their shapes differ."""
    return float(np.abs(found - expected).max()) if found.shape == expected.shape else np.inf


def features_of_known_sound(sample_rate, *, window_s, hop_s, n_mfcc, level):
    """Features of one window, or its first seconds, of a sound that a formula gives: a sweep, and a few decaying clicks."""
    known_s = min(window_s, KNOWN_S)
    time_s = np.arange(max(round(known_s * sample_rate), N_FFT)) / sample_rate
    sweep = 0.1 * np.sin(2 * np.pi * (100 + (0.2 * sample_rate - 50) * time_s / known_s) * time_s)
    clicks = 0.3 * np.exp(-(time_s % (known_s / 3)) / 0.01) * np.cos(2 * np.pi * 2500 * time_s)
    (row,) = feature_pieces([(sweep + clicks).astype(np.float32)], name="known sound", sample_rate=sample_rate, window_s=window_s,
                            hop_s=hop_s, n_mfcc=n_mfcc, level=level, at_once=1)
    return row[0, :-1]


def _named(arrays, prefix):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
