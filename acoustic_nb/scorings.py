"""Scorings: new recordings, found, listened to, scored, and written down in a folder with a page for people.

::

    <date>_<time>_<name>/
      index.html        open this first
      recordings.csv    a row per recording: share flagged, highest score, smallest p-value, events, alarm, what is unlike training
      events.csv        a row per event, worst first
      scores.csv        a row per window
      score.json        all of it but the windows, with detector, settings and limits
      labels/           per recording an Audacity label track and a Raven selection table of its events
"""

import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from acoustic_nb.alarms import decide, limits_of
from acoustic_nb.audio import AudioError, resampled
from acoustic_nb.bookkeeping import now, surroundings
from acoustic_nb.datasets import listen, too_short
from acoustic_nb.inputs import DEMO, Inputs, as_paths, found_alone
from acoustic_nb.labels import write_audacity, write_raven
from acoustic_nb.model_card import verdict_of
from acoustic_nb.progress import progress_bar
from acoustic_nb.runs import clean_name, make_dated_folder, replacing, write_json
from acoustic_nb.score_page import write_score_page
from acoustic_nb.scored import events_table
from acoustic_nb.scoring import score_recording, too_few_windows
from acoustic_nb.stretches import Event
from acoustic_nb.synth import demo_pair

SCORING = "score.json"
DEMO_SEED = 1  # another day of the same machine: the demo that a run learns from has seed 0


def load_new(bundle, paths, *, skip_broken=False):
    """New recordings as a detector hears them.

    Parameters
    ----------
    bundle : Bundle
        Says which channel to take, and at which rate.
    paths : str, path or list
        Files, folders, globs; ``"demo"`` makes two recordings of the machine that the demo's detectors know.
    skip_broken : bool
        Go on without files that cannot be used.

    Returns
    -------
    recordings : list of Recording
        Each with a name of its own.
    left_out : list of (path, reason)
    """
    paths = tuple(str(path) for path in as_paths(paths))
    if paths == (DEMO,):
        return [_new(recording, bundle) for recording in demo_pair(DEMO_SEED)], []
    if not paths:
        raise ValueError("there is nothing to score; name files, folders or globs")
    inputs = Inputs(normal=paths, anomalous=paths, skip_broken=skip_broken)
    found = found_alone(inputs)
    recordings, left_out = listen(found, inputs, channel=bundle.about["channel"])
    recordings = [_new(recording, bundle) for recording in recordings]
    short = {recording.path: reason for recording in recordings
             if (reason := too_short(recording, bundle.sample_rate) or too_few_windows(bundle, recording))}
    if short and (not skip_broken or len(short) == len(recordings)):
        path, reason = next(iter(short.items()))
        raise AudioError(f"{path}: {reason}")
    return [recording for recording in recordings if recording.path not in short], left_out + list(short.items())


def score_all(bundle, recordings, *, gap_s=0.0, shortest_s=0.0):
    """Score recordings one after another, with a progress bar; a list of ScoredRecording."""
    check_merging(gap_s, shortest_s)
    hop_s = bundle.feature_settings["hop_s"]
    scored = []
    expected = sum(max(1, int((each.duration_s - bundle.window_s) / hop_s) + 1) for each in recordings)
    with progress_bar(total=expected, desc="scoring", unit=" windows") as bar:
        for recording in recordings:
            bar.set_postfix_str(recording.name, refresh=False)
            scored.append(score_recording(bundle, recording, gap_s=gap_s, shortest_s=shortest_s, progress=bar.update))
    return scored


def check_merging(gap_s, shortest_s):
    """Refuse, with ValueError, lengths of time that are none."""
    for name, value in (("gap_s", gap_s), ("shortest_s", shortest_s)):
        if not 0 <= value < float("inf"):
            raise ValueError(f"{name} is a number of seconds of at least 0, got {value:g}")


def recordings_table(scored, alarm):
    """One row per recording as a DataFrame, in the order given.

    Columns: recording, path, duration_s, windows, flagged_share, highest_score, smallest_p, events, events_per_hour, alarm, unlike
    (sentences, one text, empty where the recording is as the training sound was); where recordings are judged also score, p_value
    and flagged of the whole.
    """
    rows = []
    for each in scored:
        whole = {f"whole_{name}": value for name, value in each.whole.items()}
        rows.append({
            "recording": each.recording.name, "path": each.recording.path, "duration_s": each.recording.duration_s,
            "windows": len(each.scores), "flagged_share": each.flagged_share, "highest_score": float(each.scores.max()),
            "smallest_p": each.smallest_p, "events": len(each.events), "events_per_hour": each.events_per_hour,
            "alarm": alarm.by_recording[each.recording.name], "unlike": " ".join(each.unlike), **whole})
    return pd.DataFrame(rows)


def scores_table(scored):
    """One row per window as a DataFrame: recording, start_s, end_s, score, flagged, level_db."""
    return pd.concat([pd.DataFrame({
        "recording": each.recording.name, "start_s": each.start_s, "end_s": each.end_s, "score": each.scores,
        "flagged": each.flagged, "level_db": each.level_db}) for each in scored], ignore_index=True)


def score_files(bundle, paths, runs_dir, *, name=None, gap_s=0.0, shortest_s=0.0, alarm_events_per_hour=None, alarm_share=None,
                skip_broken=False, command=""):
    """Score new recordings and write down what was found.

    Parameters
    ----------
    bundle : Bundle
    paths : list of str
        As for ``load_new``.
    runs_dir : path
        Takes the folder ``<date>_<time>_<name>``.
    name : str, optional
        By default that of the recording, or how many there are.
    gap_s, shortest_s
        As for ``events.merge_windows``.
    alarm_events_per_hour, alarm_share
        As for ``alarms.find_limits``.
    skip_broken : bool
    command : str
        What the user typed; recorded.

    Returns
    -------
    folder : Path
    scored : list of ScoredRecording
    alarm : Alarm
    limits : Limits
    left_out : list of (path, reason)
    """
    check_merging(gap_s, shortest_s)
    limits = limits_of(bundle, gap_s=gap_s, shortest_s=shortest_s, events_per_hour=alarm_events_per_hour, share=alarm_share)
    recordings, left_out = load_new(bundle, paths, skip_broken=skip_broken)
    scored = score_all(bundle, recordings, gap_s=gap_s, shortest_s=shortest_s)
    alarm = decide(scored, limits)
    if bundle.whole_calibration:
        n_whole = sum(each.whole["flagged"] for each in scored)
        alarm = replace(alarm, sentences=(*alarm.sentences, f"as a whole {n_whole} of {len(scored)} recordings are flagged, which "
                                          f"by itself is no alarm; {bundle.whole_calibration}"))
    about = {"gap_s": gap_s, "shortest_s": shortest_s, "command": command, "left_out": left_out}
    title = name or (f"{scored[0].recording.name} by {bundle.name}" if len(scored) == 1 else
                     f"{len(scored)} recordings by {bundle.name}")
    folder = make_dated_folder(runs_dir, title)
    try:
        write_scoring(folder, bundle, scored, alarm, limits, about)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return folder, scored, alarm, limits, left_out


def write_scoring(folder, bundle, scored, alarm, limits, about):
    """Write all files of a scoring, all or nothing. ``about``: gap_s, shortest_s, command, left_out.

    An earlier scoring in the folder is replaced; anything else that is there is not ours to remove, and a ValueError.
    """
    if folder.exists() and not (folder.is_dir() and ((folder / SCORING).is_file() or not any(folder.iterdir()))):
        raise ValueError(f"{folder}: holds something else than a scoring, which would be lost; choose a new folder")
    with replacing(folder) as new:
        _write_files(new, bundle, scored, alarm, limits, about)


def _write_files(folder, bundle, scored, alarm, limits, about):
    table, events = recordings_table(scored, alarm), events_table(scored)
    table.to_csv(folder / "recordings.csv", index=False)
    events.to_csv(folder / "events.csv")
    scores_table(scored).to_csv(folder / "scores.csv", index=False)
    write_labels(folder / "labels", scored)
    kept = _about_bundle(bundle)
    write_json(folder / SCORING, {
        "made": now(), **about, "bundle": kept, "limits": asdict(limits), "alarm": asdict(alarm),
        "recordings": [{**row, "unlike": list(each.unlike)} for row, each in zip(table.to_dict("records"), scored, strict=True)],
        "events": [asdict(event) for each in scored for event in each.events], **surroundings()})
    write_score_page(
        folder / "index.html", scored,
        about={**kept, **{what: about[what] for what in ("left_out", "gap_s", "shortest_s")},
               "calibration_scores": sorted(bundle.calibration_scores.tolist())},
        alarm={"alarm": alarm.alarm, "sentences": [*alarm.sentences, limits.sentence], "by_recording": alarm.by_recording})


def label_places(folder, names):
    """Where files of labels for recordings go: ``{name: path without an ending}``, each below ``folder`` as its name says.

    What a file's name cannot hold is replaced; names that are the same then are numbered.
    """
    places = {}
    for name in names:
        parts = [part if re.search(r"\w", part) else f"recording {part}" for part in name.split("/") if part]
        place = Path(folder, *map(clean_name, parts))
        number, first = 1, place
        while place in places.values():
            number += 1
            place = first.with_name(f"{first.name} ({number})")
        places[name] = place
    return places


def write_labels(folder, scored):
    """The events of each recording that has some as an Audacity label track and a Raven selection table; returns the former."""
    paths = []
    for name, place in label_places(folder, [each.recording.name for each in scored if each.events]).items():
        each = next(each for each in scored if each.recording.name == name)
        events = [Event(event.start_s, event.end_s, f"{event.reasons[0]} (score {event.peak_score:.3g}, p {event.p_value:.2g})")
                  for event in each.events]
        paths.append(write_audacity(events, place.with_name(f"{place.name}.txt")))
        bands = [(event.low_hz, event.high_hz) for event in each.events]
        write_raven(events, place.with_name(f"{place.name}.Table.1.selections.txt"), bands=bands)
    return paths


def _new(recording, bundle):
    return replace(resampled(recording, bundle.sample_rate), label=None)


def _about_bundle(bundle):
    about, whole = bundle.about, bundle.whole_calibration
    return {"title": bundle.title, "detector": bundle.name, "bundle": bundle.id, "run": about["run"]["name"], "made": about["made"],
            "verdict": verdict_of(bundle.card), "calibration": str(bundle.calibration),
            "whole_calibration": str(whole) if whole else None, "false_alarm_rate": bundle.false_alarm_rate,
            "threshold": bundle.calibration.threshold}
