"""Event labels: where in a recording the anomaly is to be heard, as files that a person makes or opens in another program.

Times are seconds from the start of the audio file. A stretch holds its start but not its end; where both are equal it
is a point. Three formats are read, told apart by their content: Audacity label track, Raven selection table, CSV. The first
two are written, so that ``read_events`` gives back the same times to the last bit.
"""

import csv
import math
from pathlib import Path

import numpy as np

from acoustic_nb.stretches import Event
from acoustic_nb.whole import write_whole

BEGIN, END, DELTA = "Begin Time (s)", "End Time (s)", "Delta Time (s)"
LOW, HIGH = "Low Freq (Hz)", "High Freq (Hz)"
CSV_COLUMNS = {"start_s", "end_s", "label"}
FORMATS = (f"an Audacity label track (start, tab, end, tab, text), a Raven selection table (tabs, with the columns {BEGIN} and "
           f"{END}), or a CSV file with the header start_s,end_s,label (or semicolons)")


def read_events(path):
    """The events in a file of labels, sorted by start.

    Parameters
    ----------
    path : str or path
        UTF-8 text. Numbers may have a decimal comma. An Audacity line that begins with a backslash (the frequencies of
        the label above) is passed over; a Raven selection counts once, however many views list it.

    Returns
    -------
    tuple of Event
        At least one; white space in a label is one space.

    Raises
    ------
    ValueError
        If the file is missing, is none of the three formats, holds no event, or a time is not a number, not finite,
        negative, or an end lies before its start. The message names the file and the line.
    """
    lines = _read_lines(Path(path))
    first = next((line for line in lines if line.strip()), "")
    fields = [field.strip() for field in first.split("\t")]
    delimiter = next((mark for mark in ",;" if {"start_s", "end_s"} <= _csv_columns(first, mark) <= CSV_COLUMNS), "")
    if BEGIN in fields and (END in fields or DELTA in fields):
        rows = _raven_rows(lines, path)
    elif delimiter:
        rows = _csv_rows(lines, path, delimiter)
    elif not first or (len(fields) > 1 and _number(fields[0]) is not None):
        rows = _audacity_rows(lines, path)
    else:
        raise ValueError(f"{path}, line {lines.index(first) + 1}: {_shown(first)} begins none of the three formats; use {FORMATS}")
    events = [_event(f"{path}, line {number}", start, end, label) for number, start, end, label in rows]
    if not events:
        raise ValueError(f"{path}: holds no event, at least one is needed; label one, or remove the file")
    return tuple(sorted(events, key=lambda event: (event.start_s, event.end_s)))


def events_beside(audio_path):
    """The file of event labels that lies beside an audio file; None where there is none.

    For ``pump.wav``: ``pump.txt``, ``pump.csv``, ``pump.wav.txt``, ``pump.wav.csv``, ``pump_labels.txt``, ``pump.labels.txt``
    or ``pump.Table.1.selections.txt``. Where there is more than one, a ValueError names them.
    """
    audio_path = Path(audio_path)
    stem, name = audio_path.stem, audio_path.name
    names = dict.fromkeys([f"{stem}.txt", f"{stem}.csv", f"{name}.txt", f"{name}.csv", f"{stem}_labels.txt",
                           f"{stem}.labels.txt", f"{stem}.Table.1.selections.txt"])
    found = [audio_path.with_name(other) for other in names if audio_path.with_name(other).is_file()]
    if len(found) > 1:
        raise ValueError(f"{audio_path}: has {len(found)} files of event labels beside it, "
                         f"{' and '.join(path.name for path in found)}, but one is used; keep one of them")
    return found[0] if found else None


def check_inside(events, *, path, end_s):
    """Refuse events that begin after the recording's end, since they were made for another one.

    Parameters
    ----------
    events : sequence of Event
    path : path
        File of the labels, for the message.
    end_s : float
        Where the audio file ends. A microsecond is allowed for: programs round to six decimals.
    """
    for event in events:
        if event.start_s > end_s + 1e-6:
            raise ValueError(f"{path}: an event begins at {event.start_s} s, but the recording ends at {end_s} s; "
                             "check that these labels belong to this recording")


def write_audacity(events, path):
    """Write events as an Audacity label track, in the order given.

    Parameters
    ----------
    events : sequence of Event
        Or anything else with ``start_s``, ``end_s`` and ``label``. White space in a label, tabs and line ends too, becomes one
        space. Of no events the file is empty; Audacity opens it, ``read_events`` refuses it.
    path : str or path
        The file is there whole or not at all. Times have six decimals as Audacity writes them, and more where a float needs more.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        If a time is negative or not finite, or an end lies before its start.
    """
    return _write_table(path, _texts(events))


def write_raven(events, path, *, bands=None):
    """Write events as a Raven selection table, in the order given, all of channel 1.

    Parameters
    ----------
    events, path
        As for ``write_audacity``; of no events the table is its header.
    bands : sequence of (low_hz, high_hz), optional
        The frequencies of each event; without them the table has no columns for frequencies.

    Returns
    -------
    Path

    Raises
    ------
    ValueError
        As for ``write_audacity``, and where a band is not finite and rising from 0 or above, or their number is another.
    """
    if bands is not None and len(bands) != len(events):
        raise ValueError(f"{len(bands)} bands do not fit {len(events)} events; give one for each, or none at all")
    for low_hz, high_hz in () if bands is None else bands:
        if not 0 <= low_hz <= high_hz < math.inf:
            raise ValueError(f"the band from {low_hz} to {high_hz} Hz does not rise from 0 or above; give its low end first")
    frequencies = [()] * len(events) if bands is None else [tuple(map(_decimal, band)) for band in bands]
    header = ("Selection", "View", "Channel", BEGIN, END, *((LOW, HIGH) if bands is not None else ()), "Annotation")
    rows = ((str(number), "Spectrogram 1", "1", start, end, *band, label)
            for number, ((start, end, label), band) in enumerate(zip(_texts(events), frequencies, strict=True), 1))
    return _write_table(path, (header, *rows))


def _texts(events):
    """Start, end and label of each event as text; what ``read_events`` would refuse is refused here."""
    for number, event in enumerate(events, 1):
        start, end = _decimal(event.start_s), _decimal(event.end_s)
        yield start, end, _event(f"event {number}", start, end, event.label).label


def _decimal(value):
    """The shortest decimals that give this float again, six at least and never as 1e-07."""
    return np.format_float_positional(float(value), min_digits=6)


def _write_table(path, rows):
    return write_whole(path, "".join("\t".join(row) + "\n" for row in rows))


def _read_lines(path):
    if not path.is_file():
        raise ValueError(f"{path}: no such file of event labels; check the path")
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: is not UTF-8 text; save the labels as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _audacity_rows(lines, path):
    """Each event's line number, start, end and label, as text; the same from the two below."""
    for number, line in enumerate(lines, 1):
        if line.strip() and not line.startswith("\\"):
            fields = line.split("\t")
            if len(fields) < 2:
                raise ValueError(f"{path}, line {number}: {_shown(line)} has no end; a label is start, tab, end, tab, text")
            yield number, fields[0], fields[1], " ".join(fields[2:])


def _raven_rows(lines, path):
    seen = {}
    for number, row in _table(lines, path, "\t"):
        begin = row[BEGIN]
        end = row[END] if END in row else str(sum(_seconds(row[name], f"{path}, line {number}") for name in (BEGIN, DELTA)))
        selection = row.get("Selection", "").strip() or (begin, end)
        if selection not in seen:
            yield number, begin, end, row.get("Annotation", "")
        elif seen[selection] != (begin, end):
            raise ValueError(f"{path}, line {number}: selection {selection} had other times in a line above, but a number stands "
                             "for one selection; number the selections anew")
        seen[selection] = begin, end


def _csv_rows(lines, path, delimiter):
    for number, row in _table(lines, path, delimiter):
        yield number, row["start_s"], row["end_s"], row.get("label", "")


def _table(lines, path, delimiter):
    """Line number and fields by column name of each row below the header; quotes mean nothing in a table with tabs."""
    quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
    reader = csv.reader((f"{line}\n" for line in lines), delimiter=delimiter, quoting=quoting, strict=True)
    try:
        (_, header), *rows = [(reader.line_num, row) for row in reader if any(field.strip() for field in row)]
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: is not a row of a table ({error}); check the quotes") from error
    for number, fields in rows:
        if any(field.strip() for field in fields[len(header):]):
            raise ValueError(f"{path}, line {number}: has {len(fields)} fields, but the header names {len(header)}; a label with "
                             "commas needs quotes, and numbers with decimal commas need semicolons between them")
        yield number, dict(zip([name.strip() for name in header], fields + [""] * len(header), strict=False))


def _csv_columns(line, delimiter):
    return {name.strip() for row in csv.reader([line[:200]], delimiter=delimiter) for name in row} - {""}


def _event(where, start, end, label):
    start_s, end_s = _seconds(start, where), _seconds(end, where)
    if start_s < 0:
        raise ValueError(f"{where}: the event begins at {start_s} s, but times count from the start of the file; use 0 or more")
    if end_s < start_s:
        raise ValueError(f"{where}: the event ends at {end_s} s, before its start at {start_s} s; swap the two")
    return Event(start_s, end_s, _one_line(label))


def _seconds(text, where):
    value = _number(text)
    if value is None:
        raise ValueError(f"{where}: {_shown(text)} is not a number, but a time is one, in seconds; write it as 12.5 or 12,5")
    if not math.isfinite(value):
        raise ValueError(f"{where}: {_shown(text)} is not a finite number of seconds; write it as 12.5 or 12,5")
    return value


def _number(text):
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        return None


def _shown(text):
    shown = repr(text[:60])
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _one_line(text):
    return " ".join(text.split())
