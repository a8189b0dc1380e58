"""Manifests: which recordings there are and what is known of them before anybody has listened, as rows of a CSV file.

A header names the columns: path and label, and where wanted group, split, start_s, end_s, machine, section, domain, channel,
events. Paths are relative to the manifest's folder, times are seconds in the file. Row 1 is the first one below the header.
"""

import csv
import difflib
import io
import math
import os
from dataclasses import dataclass
from pathlib import Path

COLUMNS = ("path", "label", "group", "split", "start_s", "end_s", "machine", "section", "domain", "channel", "events", "layout")
LABELS = {"normal": 0, "0": 0, "anomalous": 1, "abnormal": 1, "anomaly": 1, "1": 1}
SPLITS = ("train", "calibration", "test")


@dataclass(frozen=True)
class Entry:
    """One row of a manifest: one recording, or one part of one.

    Attributes
    ----------
    path : str
        Audio file, absolute.
    label : int
        0 normal, 1 anomalous.
    group, split, machine, section, domain
        As in ``audio.Recording``; empty where nothing is known.
    start_s, end_s : float
        The part to use; None is the start, or the end, of the file.
    channel : str or int or None
        ``"mean"``, ``"all"``, a number from 1, or None where the row leaves it to the run.
    events : str
        Path of a file of event labels; empty: looked for beside the recording.
    layout : str
        How the data set was recognised, see ``layouts``; empty in a manifest that a person wrote.
    where : str
        Where this was said, for messages: ``manifest.csv, row 3``; empty where it came from a folder.
    """

    path: str
    label: int
    group: str = ""
    split: str = ""
    machine: str = ""
    section: str = ""
    domain: str = ""
    start_s: float | None = None
    end_s: float | None = None
    channel: str | int | None = None
    events: str = ""
    layout: str = ""
    where: str = ""

def read_manifest(path):
    """The rows of a CSV file, checked; no recording is opened.

    Parameters
    ----------
    path : str or path
        In UTF-8, with comma, semicolon or tab between the fields; without commas there, a number may have a decimal comma.

    Returns
    -------
    entries : list of Entry
        In the order of the rows, paths absolute. There may be one label only.
    ignored_columns : list of str
        Columns that mean nothing here; a nameless one as ``column 3``.

    Raises
    ------
    ValueError
        One line that names file, row and column, the value and the rule. Also where two rows use the same sound.
    """
    path = Path(path).expanduser()
    delimiter, ((_, header), *rows) = read_table(path)
    names = _column_names(path, header)
    entries = []
    for number, (line, fields) in enumerate(rows, start=1):
        if len(fields) != len(header):
            raise ValueError(f"{path.name}, row {number} (line {line}): has {len(fields)} fields, but the header has "
                             f"{len(header)}; fill up the row, or put quotes around a field that holds the delimiter")
        entries.append(_entry(path, number, line, dict(zip(names, fields, strict=True)), decimal_comma=delimiter != ","))
    if not entries:
        raise ValueError(f"{path}: has a header but no rows; add one row for each recording")
    _refuse_shared_sound(entries)
    return entries, [name for name in names if name not in COLUMNS]


def read_table(path, kind="manifest", columns="at least path,label"):
    """A CSV file, field by field as text; nothing in it is checked but that it is CSV.

    Parameters
    ----------
    path : path
        In UTF-8, with comma, semicolon or tab between the fields: the one that makes the most of the first line.
    kind, columns : str
        What the file is and which columns it needs, for messages.

    Returns
    -------
    delimiter : str
    rows : list of (int, list of str)
        Number of the line that it begins on and fields, the header first; only of rows that hold something.

    Raises
    ------
    ValueError
        One line, where there is no such file, or it is empty or no CSV in UTF-8.
    """
    text = read_text(path, kind)
    first = next((line for line in io.StringIO(text, newline="") if line.strip()), "")
    delimiter = max(",;\t", key=lambda mark: len(next(csv.reader([first], delimiter=mark))))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows, line = [], 1
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                rows.append((line, fields))
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(f"{path}, line {line}: is no CSV ({error}); check the quotes from there on") from error
    if not rows:
        raise ValueError(f"{path}: is empty; the first line of a {kind} names its columns, {columns}")
    return delimiter, rows


def read_text(path, kind="manifest", form="CSV"):
    """The text of a file in UTF-8, without its byte order mark; a ValueError of one line where there is none.

    ``kind`` says for messages what the file is and ``form`` what it is written in.
    """
    if not path.is_file():
        what = f"is a folder, but a {kind} is a {form} file" if path.is_dir() else f"no such {kind}"
        raise ValueError(f"{path}: {what}; check the path (the current folder is {os.getcwd()})")
    content = path.read_bytes()
    if content.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in content:
        raise ValueError(f"{path}: is UTF-16 or no text at all, but a {kind} is text in UTF-8; "
                         "save it so, in Excel as \"CSV UTF-8\"")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[:error.start].count(b"\n") + 1
        raise ValueError(f"{path}, line {line}: byte 0x{content[error.start]:02x} is not UTF-8; "
                         f"save the {kind} so, in Excel as \"CSV UTF-8\"") from error


def _column_names(path, header):
    """The header's names, the known ones as this package spells them."""
    names = [name.strip() or f"column {k}" for k, name in enumerate(header, start=1)]
    names = [name.lower() if name.lower() in COLUMNS else name for name in names]
    for name in names:
        near = difflib.get_close_matches(name.lower(), COLUMNS, 1, cutoff=0.75)
        if names.count(name) > 1:
            raise ValueError(f"{path}: has {names.count(name)} columns named {name!r}; rename or delete all but one")
        if near and name not in COLUMNS:
            raise ValueError(f"{path}: column {name!r} is not known, did you mean {near[0]!r}? "
                             "Rename it; a column for your own use needs a name less alike")
    for name in ("path", "label"):
        if name not in names:
            raise ValueError(f"{path}: has no column {name!r}, its columns are {', '.join(map(repr, names))}; "
                             "path and label are needed, with comma, semicolon or tab between them")
    return names


def _entry(manifest, number, line, fields, *, decimal_comma):
    """One row, checked field by field."""
    text = {name: fields.get(name, "").strip() for name in COLUMNS}

    def refuse(column, rule):
        got = f"got {text[column]!r}" if text[column] else "is empty"
        raise ValueError(f"{manifest.name}, row {number} (line {line}), column {column}: {got}, but {rule}")

    def file(column):
        # a name may begin or end with a space, but more often the space was typed after a comma
        choices = [os.path.abspath(manifest.parent / os.path.expanduser(name)) for name in (fields[column], text[column])]
        found = next((choice for choice in choices if os.path.isfile(choice)), None)
        return found or refuse(column, f"there is no such file ({choices[-1]}); paths are relative to the manifest's folder")

    def seconds(column):
        try:
            value = float(text[column].replace(",", ".") if decimal_comma else text[column])
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value >= 0):
            refuse(column, "a time is a number of seconds in the file from 0 on, such as 12.5; leave it empty to use all of it")
        return value

    label, split, channel = (text[name].lower() for name in ("label", "split", "channel"))
    if label not in LABELS:
        refuse("label", "a label is normal or anomalous")
    if split and split not in SPLITS:
        refuse("split", f"a split is {', '.join(SPLITS)} or empty")
    if channel.isdecimal() and int(channel) >= 1:
        channel = int(channel)
    elif channel not in ("", "mean", "all"):
        refuse("channel", "a channel is mean, all or a whole number from 1")
    if not text["path"]:
        refuse("path", "every row names a file")
    start_s = seconds("start_s") if text["start_s"] else None
    end_s = seconds("end_s") if text["end_s"] else None
    if end_s is not None and end_s <= (start_s or 0):
        refuse("end_s", f"it must be later than start_s = {start_s or 0:g}; both are seconds in the file")
    names = {name: text[name] for name in ("group", "machine", "section", "domain", "layout")}
    return Entry(path=file("path"), label=LABELS[label], split=split, start_s=start_s, end_s=end_s, channel=channel or None,
                 events=file("events") if text["events"] else "", where=f"{manifest.name}, row {number}", **names)


def _refuse_shared_sound(entries):
    """No two rows may use the same sound; only channels that are both numbers are known to be different ones."""
    files = {}
    for k, entry in enumerate(entries):
        end_s = math.inf if entry.end_s is None else entry.end_s
        files.setdefault(os.path.realpath(entry.path), []).append((entry.start_s or 0.0, end_s, k))
    for parts in map(sorted, files.values()):
        for n, (start_s, end_s, k) in enumerate(parts):
            for next_start_s, next_end_s, m in parts[n + 1:]:
                if next_start_s >= end_s:
                    break
                first, second = entries[min(k, m)], entries[max(k, m)]
                if first.channel == second.channel or {type(first.channel), type(second.channel)} != {int}:
                    same = (start_s, end_s) == (next_start_s, next_end_s)
                    what = "is the same part of" if same else f"overlaps from {next_start_s:g} s on within"
                    raise ValueError(f"{second.where}, column path: {what} {first.path} as row {min(k, m) + 1}; "
                                     "use each part of a file and channel in one row only")
