"""Watching a folder: recordings are scored once each as they appear, and what was found is added to one table.

A file is known by its path, size and time of change, and by its sound: it is scored when size and time have stayed for a while,
when it holds what its header promises, and when nothing with the same sound was scored before. A file that cannot be scored is told
and left until it changes; one that has changed takes the place of what it was.
"""

import os
import sys
import time
from contextlib import suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from acoustic_nb.audio import AudioError, channel_count, cut_short, load_recording, resampled
from acoustic_nb.layouts import AUDIO, UNREADABLE
from acoustic_nb.recent_alarm import RecentAlarm
from acoustic_nb.runners import stoppable
from acoustic_nb.scoring import score_recording
from acoustic_nb.scorings import check_merging
from acoustic_nb.watch_tables import WatchTables

UNFINISHED = (".part", ".tmp", "~")
CUT_S = 60.0  # so long a file that holds less than its header promises is waited for


def watch_folder(folder, bundle, to, *, gap_s=0.0, shortest_s=0.0, limits, settle_s=2.0, poll_s=1.0, once=False, say=print,
                 on_trouble=None):
    """Score the recordings in a folder, those that are there and those that come, until Ctrl-C or SIGTERM.

    Parameters
    ----------
    folder : path
        With all below it, but what is hidden, ends with ``.part``, ``.tmp`` or ``~``, or lies in ``to``.
    bundle : Bundle
    to : path
        Folder of events.csv, recordings.csv and watch.json. What is listed there is not scored again.
    gap_s, shortest_s : float
        As for ``events.merge_windows``.
    limits : alarms.Limits
        Clips too short for them are judged with those before them, see ``recent_alarm``.
    settle_s : float
        A file is complete when size and time of change have stayed for so long.
    poll_s : float
        Time between two looks.
    once : bool
        Score what is complete now, then return.
    say : callable
        Takes a line for each file.
    on_trouble : callable, optional
        Takes the reason why a file was not scored; beside it is told on stderr.

    Returns
    -------
    bool
        Whether there was an alarm since this call.

    Raises
    ------
    ValueError
        If there is no such folder, or ``to`` cannot be used: see ``WatchTables``.
    """
    folder, to = Path(os.path.abspath(folder)), Path(os.path.abspath(to))
    if not folder.is_dir():
        raise ValueError(f"{folder}: {'is a file' if folder.exists() else 'no such folder'}, but a folder is watched; check the "
                         f"path (the current folder is {os.getcwd()})")
    check_merging(gap_s, shortest_s)
    about = {"detector": bundle.title, "run": bundle.about["run"]["name"], "bundle": bundle.id,
             "false_alarm_rate": bundle.false_alarm_rate, "gap_s": gap_s, "shortest_s": shortest_s,
             "alarm_events_per_hour": limits.events_per_hour, "alarm_share": limits.share}
    settling, recent, alarm, told = Settling(settle_s), RecentAlarm(limits), False, set()
    with suppress(KeyboardInterrupt), stoppable(lambda: f"stopped; go on with the same command, {to} knows what was heard"), \
            WatchTables(to, about) as tables:
        known, sounds = {}, {}
        for row in tables.heard():
            known[row["path"]] = (int(row["bytes"]), int(row["modified_ns"]))
            if not row["trouble"]:
                sounds[row["content"]] = row["path"]
                _is_alarm(recent, row)
        say(f"watching {folder} with the {bundle.title} of {bundle.about['run']['name']}, tables in {to}; {limits.sentence}")
        looks = 0
        while not (once and looks == 2):
            if looks:
                time.sleep(settle_s if once else poll_s)
            found, problems = _look(folder, to)
            for problem in sorted(problems - told):
                print(problem, file=sys.stderr)
            looks, told = looks + 1, problems
            for path in settling.complete({path: state for path, state in found.items() if known.get(path) != state},
                                          time.monotonic()):
                with suppress(OSError):  # what cannot be opened is told below, what has gone is not
                    if not once and time.monotonic() - settling.since_s(path) < CUT_S and os.path.getsize(path) and cut_short(path):
                        continue  # may still be coming
                same = partial(_scored_before, sounds, known, path)
                heard, events = _hear(path, found[path], bundle, same, name=Path(path).relative_to(folder).as_posix(),
                                      gap_s=gap_s, shortest_s=shortest_s)
                if _state(path) != found[path]:
                    continue  # it has changed meanwhile, and will settle again
                at, trouble = datetime.now().astimezone(), heard.get("trouble")
                content = "" if trouble else heard["content"]
                again = path in known or content in sounds  # it has changed, or is a file of another name by now
                if again:  # what it was counts no more
                    recent = RecentAlarm(limits)
                    for row in tables.heard():
                        if path != row["path"] and not row["trouble"] and row["content"] != content:
                            _is_alarm(recent, row)
                    sounds = {sound: other for sound, other in sounds.items() if other != path}
                heard["alarm"] = not trouble and _is_alarm(recent, heard)
                tables.add(events, path=path, heard_at=at.isoformat(timespec="milliseconds"), heard=heard, again=again)
                if content:
                    sounds[content] = path
                known[path], alarm = found[path], alarm or heard["alarm"]
                if trouble:
                    print(f"{at:%H:%M:%S} not scored: {trouble}", file=sys.stderr)
                    if on_trouble:
                        on_trouble(trouble)
                else:
                    say(f"{at:%H:%M:%S} {_line(Path(path).relative_to(folder).as_posix(), heard, events)}")
    return alarm


class Settling:
    """Tells which files have stopped changing.

    Parameters
    ----------
    settle_s : float
        For how long they must have stayed as they are.
    """

    def __init__(self, settle_s):
        self.settle_s = settle_s
        self._since = {}

    def since_s(self, path):
        """Since when a path that is waited for has been as it is, by the same clock."""
        return self._since[path][1]

    def complete(self, found, now_s):
        """The paths that have been in the same state for long enough, those that changed first before the others.

        Parameters
        ----------
        found : dict
            ``{path: (size in bytes, time of change in ns)}`` of all files that are waited for.
        now_s : float
            By a clock that never goes back.
        """
        self._since = {path: self._since.get(path) if self._since.get(path, (None,))[0] == state else (state, now_s)
                       for path, state in found.items()}
        settled = [path for path, (_, since_s) in self._since.items() if now_s - since_s >= self.settle_s]
        return sorted(settled, key=lambda path: (found[path][1], path))


def _look(folder, to):
    """The audio files below a folder with their states, and what could not be looked into, a line each."""
    found, problems = {}, set()

    def note(error):
        problems.add(f"{error.filename}: cannot be listed ({error.strerror}); it is looked at again until it can")

    for place, below, names in os.walk(folder, onerror=note):
        below[:] = [name for name in below if not name.startswith(".") and Path(place, name) != to]
        for name in names:
            stem, ending = os.path.splitext(name)
            if ending[1:].lower() in AUDIO + UNREADABLE and not name.startswith(".") and not stem.endswith(UNFINISHED):
                path = os.path.join(place, name)
                if state := _state(path):
                    found[path] = state
    return found, problems


def _state(path):
    """Size in bytes and time of change in ns; None where there is no such file."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return state.st_size, state.st_mtime_ns


def _scored_before(sounds, known, path, content):
    """The other file with this sound that was scored and is still there; None where there is none."""
    other = sounds.get(content, path)
    return other if other != path and _state(other) == known[other] else None


def _hear(path, state, bundle, scored_before, *, name, gap_s, shortest_s):
    """What recordings.csv says of a file, and its events. A file that cannot be scored is a trouble, told there.

    ``scored_before(content)`` is the other file that holds the same sound, or None.
    """
    heard = {"bytes": state[0], "modified_ns": state[1]}
    try:
        if cut := cut_short(path) if state[0] else "":
            raise AudioError(f"{path}: {cut}")
        channel = bundle.about["channel"]
        channels = range(1, channel_count(path) + 1) if channel == "all" else [channel]
        scored = []
        for each in channels:
            recording = load_recording(path, channel=each, name=f"{name} [channel {each}]" if len(channels) > 1 else name)
            heard.setdefault("content", recording.audit["content"])
            if other := scored_before(heard["content"]):
                raise AudioError(f"{path}: holds the same sound as {other}, which was scored")
            scored.append(score_recording(bundle, resampled(recording, bundle.sample_rate), gap_s=gap_s, shortest_s=shortest_s))
    except (ValueError, OSError) as error:
        return heard | {"trouble": " ".join(str(error).split())}, []
    events = [event for each in scored for event in each.events]
    n_windows, duration_s = sum(len(each.scores) for each in scored), sum(each.recording.duration_s for each in scored)
    whole = max((each.whole for each in scored), key=lambda whole: whole.get("score", 0))
    return heard | {
        "duration_s": duration_s, "windows": n_windows, "flagged_share": sum(each.flagged.sum() for each in scored) / n_windows,
        "highest_score": max(each.scores.max() for each in scored), "smallest_p": min(each.smallest_p for each in scored),
        "events": len(events), "events_per_hour": 3600 * len(events) / duration_s,
        "unlike": " ".join(dict.fromkeys(sentence for each in scored for sentence in each.unlike)),
        **{f"whole_{what}": value for what, value in whole.items()}}, events


def _is_alarm(recent, heard):
    """Whether a row of recordings.csv is part of an alarm."""
    seconds, n_windows, n_events = float(heard["duration_s"]), int(heard["windows"]), int(heard["events"])
    n_flagged = round(float(heard["flagged_share"]) * n_windows)
    return recent.add(seconds, n_windows, n_flagged, n_events) and n_flagged > 0


def _line(name, heard, events):
    said = [f"UNLIKE what the detector knows: {heard['unlike']}"] if heard["unlike"] else []
    if events:
        worst = max(events, key=lambda event: event.peak_score)
        said.append(f"{len(events)} event{'s' * (len(events) > 1)} in {heard['duration_s']:.0f} s, {heard['flagged_share']:.1%} of "
                    f"windows flagged; the highest at {worst.peak_s:.1f} s (p {worst.p_value:.2g}): {worst.reasons[0]}")
    else:
        said.append(f"no event in {heard['duration_s']:.0f} s")
    return f"{' '.join(name.split())}: {' | '.join(said)}{' | ALARM' * heard['alarm']}"
