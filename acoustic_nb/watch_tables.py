"""The tables of a watch: events.csv, and recordings.csv with a row for each file that was heard, both appended and never half.

A file's events are written before its row in recordings.csv. Whatever kills the process, the next one cuts away a half-written last
row and events of files that recordings.csv lacks, so that nothing is there twice and nothing is missing.
"""

import csv
import io
import json
import os
from pathlib import Path

from acoustic_nb.scored import EVENT_COLUMNS

EVENT_FILE_COLUMNS = (*EVENT_COLUMNS, "path", "heard_at")
HEARD_COLUMNS = ("path", "bytes", "modified_ns", "content", "heard_at", "duration_s", "windows", "flagged_share", "highest_score",
                 "smallest_p", "events", "events_per_hour", "alarm", "unlike", "whole_score", "whole_p_value", "whole_flagged",
                 "trouble")
AS_IN_FILES = {"encoding": "utf-8", "errors": "surrogateescape", "newline": "\n"}  # a file's name need not be UTF-8


class WatchTables:
    """The folder of one watch, while it is open its only writer: a context manager.

    Parameters
    ----------
    folder : path
        Made where it is missing.
    about : dict
        Bundle and settings, as JSON types; kept in watch.json.
    of_files : bool
        Whether events are of files that recordings.csv lists.

    Raises
    ------
    ValueError
        On entering: if another process writes there, another bundle or other settings did, or a table is none of a watch.
    """

    def __init__(self, folder, about, *, of_files=True):
        self.folder, self.about, self.of_files = Path(folder), about, of_files
        self.events_path, self.heard_path = self.folder / "events.csv", self.folder / "recordings.csv"

    def __enter__(self):
        from filelock import FileLock, Timeout

        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"{self.folder}: is a file, but a watch writes its tables into a folder; choose another one")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = FileLock(self.folder / "watch.lock")
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise ValueError(f"{self.folder}: another watch is writing there; end it first, or choose another folder") from None
        try:
            self._check_same()
            self._clean()
        except BaseException:
            self._lock.release()
            raise
        return self

    def _clean(self):
        """Leave whole rows only, of each file and of each sound the latest, and of events those of these files."""
        latest, scored = {}, {}
        if self.of_files:
            _cut(self.heard_path, HEARD_COLUMNS, lambda row: True)
            for row in self.heard():
                latest[row["path"]] = row["heard_at"]
                if not row["trouble"]:
                    scored[row["content"]] = row["path"]
            latest = {row["path"]: row["heard_at"] for row in self.heard() if latest[row["path"]] == row["heard_at"]
                      and (row["trouble"] or scored[row["content"]] == row["path"])}
            _cut(self.heard_path, HEARD_COLUMNS, lambda row: latest.get(row["path"]) == row["heard_at"])
        _cut(self.events_path, EVENT_FILE_COLUMNS, lambda row: not self.of_files or latest.get(row["path"]) == row["heard_at"])

    def __exit__(self, *_):
        self._lock.release()

    def heard(self):
        """The rows of recordings.csv, oldest first, one at a time: dicts of str."""
        rows = _rows(self.heard_path)
        columns = next(rows)[1]
        yield from (dict(zip(columns, row, strict=True)) for _, row in rows)

    def add(self, events, *, path, heard_at, heard=None, again=False):
        """Append the events of one file and then the file itself, both or none, also where a stop or a full disk comes between.

        Parameters
        ----------
        events : sequence of FoundEvent
        path : str
            Where their sound is.
        heard_at : str
            Date and time.
        heard : dict, optional
            The other columns of recordings.csv; those that are missing stay empty.
        again : bool
            The file was there before as something else, or its sound as another file: what was found then is taken out.
        """
        more = {"path": path, "heard_at": heard_at}
        rows = [[_cell(event, name) for name in EVENT_COLUMNS] + [path, heard_at] for event in events]
        new = [(self.events_path, rows)]
        if self.of_files:
            new.append((self.heard_path, [[(heard | more).get(name, "") for name in HEARD_COLUMNS]]))
        sizes = [(table, table.stat().st_size) for table, _ in new]
        try:
            for table, rows in new:
                if rows:
                    _append(table, _text(rows))
        except BaseException:
            for table, size in sizes:
                os.truncate(table, size)
            raise
        if again:
            self._clean()

    def _check_same(self):
        path = self.folder / "watch.json"
        if not path.exists():
            if self.events_path.exists() or self.heard_path.exists():
                raise ValueError(f"{self.folder}: holds tables, but no watch.json, so they are of something else; choose another "
                                 "folder")
            return _replace(path, json.dumps(self.about, indent=2, ensure_ascii=False) + "\n")
        try:
            before = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{path}: is no JSON ({error}), so nobody knows what the tables are of; choose another "
                             "folder") from None
        other = [name for name in self.about if before.get(name) != self.about[name]]
        if other:
            name = other[0]
            raise ValueError(f"{self.folder}: was begun with {name} {before.get(name)!r}, not {self.about[name]!r}, and one "
                             "table holds one kind of events; choose another folder, or go on as it was begun")
        return None


def _cell(event, name):
    return "; ".join(event.reasons) if name == "reasons" else getattr(event, name)


def _text(rows):
    file = io.StringIO()
    csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC).writerows(rows)
    return file.getvalue()


def _append(path, text):
    with open(path, "a", **AS_IN_FILES) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _replace(path, text):
    """Write a file in one step."""
    draft = path.with_name(f"{path.name}.part")
    draft.unlink(missing_ok=True)
    _append(draft, text)
    os.replace(draft, path)


def _rows(path):
    """The whole rows of a table, from its header on, as text and as a list of str; a half-written last one is left out."""
    text = ""
    with open(path, **AS_IN_FILES) as file:
        for line in file:
            text += line
            if line.endswith("\n") and text.count('"') % 2 == 0:  # else it goes on: names may hold line ends
                yield text, next(csv.reader([text]))
                text = ""


def _cut(path, columns, keep):
    """Make a table hold its header and those of its whole rows that ``keep`` wants; written anew only where it does not."""
    draft, header = path.with_name(f"{path.name}.part"), _text([columns])
    if not path.exists():
        return _replace(path, header)
    with open(draft, "w", **AS_IN_FILES) as file:
        for number, (text, row) in enumerate(_rows(path)):
            if len(row) != len(columns) or number == 0 and row != list(columns):
                raise ValueError(f"{path}: row {number + 1} is {', '.join(row)[:100]}, which no watch has written; take it out, or "
                                 "choose another folder")
            if number == 0 or keep(dict(zip(columns, row, strict=True))):
                file.write(text)
        file.flush()
        os.fsync(file.fileno())
    if draft.stat().st_size == path.stat().st_size:
        return draft.unlink()
    return os.replace(draft, path)
