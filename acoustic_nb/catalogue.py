"""Catalogue: what a run knows of its recordings, as ``recordings.csv``: a manifest with what listening to them has shown.

Whoever reads it need not listen again to files that have not changed. It can be used as a manifest of its own.
"""

import csv
import os
import re
from pathlib import Path

import numpy as np
import pandas as pd

from acoustic_nb.audio import LABEL_NAMES

CATALOGUE = "recordings.csv"
LEFT_OUT = "left_out.csv"
FEW = 5
AUDIT_COLUMNS = {"file_channels": int, "level_dbfs": float, "peak": float, "peak_dbfs": float, "clipped_percent": float,
                 "silent_percent": float, "dc_offset": float, "bandwidth_hz": float, "warning": str, "content": str}


def write_catalogue(recordings, path):
    """Write ``recordings.csv``: one row per recording, whole or not at all."""
    rows = []
    for recording in recordings:
        end_s = recording.audit["cut_end_s"]
        rows.append({
            "path": recording.path, "label": recording.label_name, "group": recording.group, "split": recording.split,
            "start_s": repr(recording.start_s), "end_s": "" if end_s is None else repr(end_s),
            "machine": recording.machine, "section": recording.section, "domain": recording.domain,
            "channel": recording.channel, "events": recording.events_path, "layout": recording.layout,
            "known_as": recording.name, "heard": _heard(recording.channel, recording.start_s, end_s),
            "native_hz": recording.native_sample_rate, "n_frames": recording.n_frames,
            "duration_s": f"{recording.duration_s:.3f}",
            **{name: recording.audit[name] for name in AUDIT_COLUMNS}, "file_s": recording.audit["file_s"],
            "bytes": recording.audit["bytes"], "modified_ns": recording.audit["modified_ns"]})
    _write(pd.DataFrame(rows), path)


def write_left_out(left_out, path):
    """Write ``left_out.csv`` beside a catalogue: files that could not be used, and why."""
    _write(pd.DataFrame(left_out, columns=["path", "reason"]), path)


def left_out_before(catalogue):
    """What the run that wrote this catalogue had left out: a list of (path, reason)."""
    path = Path(catalogue).with_name(LEFT_OUT)
    if not path.is_file():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [(row["path"], row["reason"]) for row in csv.DictReader(file)]


def is_catalogue(columns):
    """Whether columns of a manifest are those that a catalogue has beside the ordinary ones."""
    return {"heard", "modified_ns", *AUDIT_COLUMNS} <= set(columns)


def known_recordings(path):
    """What a catalogue knows: ``{(path, channel, start_s, end_s): fields of Recording}`` of files as they were then.

    Empty for a manifest that is no catalogue. A row whose file, part or channel is another one since knows nothing.
    """
    with open(path, newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if not is_catalogue(reader.fieldnames or ()):
            return {}
        known = {}
        for row in reader:
            full = os.path.abspath(os.path.join(os.path.dirname(path), row["path"]))
            state = os.stat(full) if os.path.isfile(full) else None
            start_s, end_s = float(row["start_s"] or 0), float(row["end_s"]) if row["end_s"] else None
            unchanged = state and (str(state.st_size), str(state.st_mtime_ns)) == (row["bytes"], row["modified_ns"])
            if unchanged and row["heard"] == _heard(row["channel"], start_s, end_s):
                audit = {name: kind(row[name]) for name, kind in AUDIT_COLUMNS.items()}
                known[full, row["channel"], start_s, end_s] = {
                    "native_sample_rate": int(row["native_hz"]), "sample_rate": int(row["native_hz"]),
                    "n_frames": int(row["n_frames"]),
                    "audit": {**audit, "cut_end_s": end_s, "file_s": float(row["file_s"]), "bytes": state.st_size,
                              "modified_ns": state.st_mtime_ns}}
        return known


def audit_table(recordings):
    """What listening has shown, to be read by people: one row per recording.

    Parameters
    ----------
    recordings : list of Recording

    Returns
    -------
    DataFrame
        Index recording; label, used s (what is used of the file, in seconds), Hz (rate of the file), channels (of the file), level
        dBFS (RMS), peak dBFS, clipped %, silent %, DC (offset, of full scale), up to kHz (where sound ends); and of channel, group,
        split, section, domain and events those that occur.
    """
    rows = []
    for recording in recordings:
        audit = recording.audit
        cut = recording.start_s > 0 or audit["cut_end_s"] is not None
        rows.append({
            "recording": recording.name, "label": recording.label_name,
            "used s": f"{recording.start_s:.1f} to {recording.end_s:.1f} of {audit['file_s']:.1f}" if cut
                      else f"{recording.duration_s:.1f}",
            "Hz": recording.native_sample_rate, "channels": audit["file_channels"], "level dBFS": f"{audit['level_dbfs']:.1f}",
            "peak dBFS": f"{audit['peak_dbfs']:.1f}", "clipped %": f"{audit['clipped_percent']:.2f}",
            "silent %": f"{audit['silent_percent']:.0f}", "DC": f"{audit['dc_offset'] + 0.0:.3f}".replace("-0.000", "0.000"),
            "up to kHz": f"{audit['bandwidth_hz'] / 1000:.1f}",
            "channel": "" if recording.channel == "mean" else recording.channel,
            **{name: getattr(recording, name) for name in ("group", "split", "section", "domain")},
            "events": "" if recording.events is None else len(recording.events)})
    table = pd.DataFrame(rows).set_index("recording")
    occurring = ("channel", "group", "split", "section", "domain", "events")
    return table.drop(columns=[name for name in occurring if (table[name] == "").all()])


def audit_warnings(recordings):
    """What is suspicious in the audit, a line for each kind of warning with the recordings that it is about."""
    kinds = {}
    for recording in recordings:
        for warning in filter(None, recording.audit["warning"].split("; ")):
            kinds.setdefault(re.sub(r"[\d.]+", "#", warning), []).append((recording.name, warning))
    lines = []
    for about in kinds.values():
        names = ", ".join(name for name, _ in about[:FEW]) + (f" and {len(about) - FEW} more" if len(about) > FEW else "")
        lines.append(f"warning, {len(about)} of {len(recordings)} recordings: {about[0][1]} ({names})")
    lines += [f"warning, the labels differ: {difference}; record both alike, or a detector may find that instead of the machine"
              for difference in label_differences([recording.facts() for recording in recordings])]
    return "\n".join(lines) or "no warning"


def label_differences(facts):
    """How the two labels differ in what the recorder did: any detector would find that instead of the machine.

    Parameters
    ----------
    facts : list of dict
        From ``Recording.facts``.

    Returns
    -------
    list of str
        Parts of a sentence; empty where nothing is known to differ.
    """
    by_label = [[about for about in facts if about["label"] == label] for label in LABEL_NAMES]
    if not all(by_label) or not all("bandwidth_hz" in about for about in facts):
        return []
    found, rates = [], [sorted({about["native_sample_rate"] for about in own}) for own in by_label]
    if not set(rates[0]) & set(rates[1]):
        found.append(f"normal files have {_listed(rates[0])} Hz, anomalous ones {_listed(rates[1])} Hz")
    bands = [[min(about["bandwidth_hz"], min(map(min, rates)) / 2) / 1000 for about in own] for own in by_label]
    low, high = sorted(bands, key=min)
    if max(low) < 0.9 * min(high):
        which = LABEL_NAMES[bands.index(low)]
        found.append(f"sound in {which} files ends at {max(low):.1f} kHz or below, in all others it reaches {min(high):.1f} kHz")
    return found


def _listed(numbers):
    return ", ".join(map(str, numbers))


def audit_summary(recordings):
    """One row per label: recordings, minutes, rates, level and bandwidth from the smallest to the largest, warnings."""
    rows = {}
    for label, name in enumerate(LABEL_NAMES):
        own = [recording for recording in recordings if recording.label == label]
        levels = [recording.audit["level_dbfs"] for recording in own]
        lengths = [recording.duration_s for recording in own]
        rows[name] = {
            "recordings": len(own), "minutes": f"{sum(lengths) / 60:.1f}",
            "seconds each": f"{min(lengths):.1f} to {max(lengths):.1f}",
            "Hz": ", ".join(str(rate) for rate in sorted({recording.native_sample_rate for recording in own})),
            "level dBFS": f"{min(levels):.1f} to {max(levels):.1f}",
            "up to kHz": f"{min(each.audit['bandwidth_hz'] for each in own) / 1000:.1f} to "
                         f"{max(each.audit['bandwidth_hz'] for each in own) / 1000:.1f}",
            "with warnings": sum(bool(recording.audit["warning"]) for recording in own)} if own else {"recordings": 0}
    return pd.DataFrame(rows).T


def audit_text(recordings, left_out=(), *, at_most=40, labelled=True):
    """The audit for a terminal: every recording where they are few, else a summary; warnings, and what was left out."""
    table = audit_table(recordings) if len(recordings) <= at_most or not labelled else audit_summary(recordings)
    table = table if labelled else table.drop(columns="label")
    with pd.option_context("display.width", None, "display.max_columns", None, "display.max_colwidth", 80):
        return "\n".join([table.to_string(), audit_warnings(recordings),
                          *(f"left out: {path}: {reason}" for path, reason in left_out)])


def pick(recordings, n=2):
    """Up to ``n`` normal and ``n`` anomalous recordings to listen to, spread evenly over the list: a list of Recording."""
    chosen = []
    for label in (0, 1):
        own = [recording for recording in recordings if recording.label == label]
        rows = np.unique(np.linspace(0, len(own) - 1, min(n, len(own))).round().astype(int))
        chosen += [own[row] for row in rows]
    return chosen


def _heard(channel, start_s, end_s):
    """Which channel and part of a file was listened to, as text."""
    return f"{channel} from {start_s!r} to {end_s!r}"


def _write(table, path):
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        table.to_csv(draft, index=False)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
