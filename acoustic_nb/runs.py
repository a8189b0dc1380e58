"""Runs: one dated folder per run, what is in it, and how it is read back.

A file is either complete or not there: everything is written beside its place first and then put into it. JSON is
strict: numpy numbers become plain ones, and a number that is not finite (an undefined metric) becomes null.
"""

import errno
import json
import math
import os
import shutil
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from acoustic_nb.bundle_files import write_bundle_files
from acoustic_nb.detectors import DETECTORS

STATUSES = ("queued", "running", "ok", "skipped", "failed", "timeout", "dead")
LONGEST_NAME_BYTES = 120
NO_ROOM = {number: os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)}  # of a disk that is full, or a user's share


@dataclass(frozen=True)
class Run:
    """A run folder.

    Attributes
    ----------
    folder : Path
        Absolute.
    """

    folder: Path

    @classmethod
    def create(cls, runs_dir, name):
        """Make a new folder ``<date>_<time>_<name>`` in ``runs_dir``; never one that is there already."""
        folder = make_dated_folder(runs_dir, name)
        for part in ("status", "reports"):
            (folder / part).mkdir()
        return cls(folder)

    @classmethod
    def open(cls, folder):
        """The run in ``folder``; a FileNotFoundError that says what is there instead where it is none."""
        folder = Path(folder).absolute()
        if not folder.exists():
            raise FileNotFoundError(f"{folder}: no such run; `acoustic-nb list` shows the runs there are")
        if not folder.is_dir():
            raise FileNotFoundError(f"{folder}: is a file, but a run is a folder; name the folder that holds run.json")
        if not (folder / "run.json").is_file() or not (folder / "status").is_dir():
            inside = ", ".join(sorted(path.name for path in folder.iterdir())[:5]) or "nothing"
            raise FileNotFoundError(f"{folder}: is not a run, a run has run.json and status/, but this holds {inside}")
        return cls(folder)

    def read_manifest(self):
        """``run.json`` as a dict: what was asked for, with what, and how it went."""
        return _read_json(self.folder / "run.json")

    def write_manifest(self, manifest):
        """Replace ``run.json``."""
        write_json(self.folder / "run.json", manifest)

    def write_status(self, job, status, *, error=None, seconds=None, **more):
        """Replace a job's status file.

        Parameters
        ----------
        job : str
            Name of the job: the notebook's stem without its number.
        status : str
            One of ``STATUSES``.
        error : str, optional
            One line.
        seconds : float, optional
            How long the job took.
        """
        if status not in STATUSES:
            raise ValueError(f"a status is one of {', '.join(STATUSES)}, got {status!r}")
        entry = {"job": job, "status": status, "error": error, "seconds": seconds, **more}
        write_json(self.folder / "status" / f"{job}.json", entry)

    def status(self, job):
        """What a job's status file says."""
        return _read_json(self.folder / "status" / f"{job}.json")

    def statuses(self):
        """What every job's status file says: ``{job: {"status", "error", "seconds", ...}}``; empty for a scratch run."""
        return {path.stem: _read_json(path) for path in sorted((self.folder / "status").glob("*.json"))}

    def save_detector(self, name, *, scores, items, metrics, figures, bundle=None):
        """Write the results of one detector, and the detector itself, all or nothing; earlier ones are replaced.

        Parameters
        ----------
        name : str
        scores : DataFrame
            One row per window: recording, start_s, end_s, part, label, score, flagged.
        items : DataFrame
            One row per window or recording that the detector is judged by: recording, part, label, score, flagged, ...
        metrics : dict
        figures : dict
            Figure name -> anything with ``savefig``; becomes ``figures/<name>.png``.
        bundle : dict, optional
            ``{file name: bytes}`` from ``keeping.make_bundle``; becomes ``bundle/`` and ``bundle.zip``.
        """
        with replacing(self.folder / name) as folder:
            scores.to_csv(folder / "scores.csv", index=False)
            items.to_csv(folder / "items.csv", index=False)
            write_json(folder / "metrics.json", metrics)
            if bundle is not None:
                write_bundle_files(folder / "bundle", bundle)
            _save_figures(folder, figures)

    def load_detector(self, name):
        """Scores and items (DataFrames, ``recording`` as str) and metrics (dict) of one detector.

        Raises
        ------
        FileNotFoundError
            If this run holds no complete results of that detector.
        """
        if name not in self.detectors():
            raise FileNotFoundError(f"{self.folder}: holds no results of {name}, only of "
                                    f"{', '.join(self.detectors()) or 'no detector'}; run its notebook first")
        folder = self.folder / name
        tables = [_read_csv(folder / f"{table}.csv", text=("recording", "part", "unit", "section", "domain"))
                  for table in ("scores", "items")]
        return *tables, self.load_metrics(name)

    def load_metrics(self, name):
        """What one detector has kept beside its tables, a dict; it is one of ``detectors()``."""
        return _read_json(self.folder / name / "metrics.json")

    def detectors(self):
        """Names of the detectors with complete results, in the order of their notebooks; new ones after the six."""
        names = [path.parent.name for path in self.folder.glob("*/metrics.json")
                 if all((path.parent / f"{table}.csv").is_file() for table in ("scores", "items"))
                 and not path.parent.name.startswith(".")]
        rank = {name: place for place, name in enumerate(DETECTORS)}
        return sorted(names, key=lambda name: (rank.get(name, len(rank)), name))

    def save_comparison(self, *, summary, pairs, verdict, figures):
        """Write the comparison, all or nothing: DataFrames with a row per detector and per pair, ``{"kind", "text"}``, figures."""
        with replacing(self.folder / "comparison") as folder:
            summary.to_csv(folder / "summary.csv", index=False)
            pairs.to_csv(folder / "pairs.csv", index=False)
            write_json(folder / "verdict.json", verdict)
            _save_figures(folder, figures)

    def save_sensitivity(self, *, table, shares, event, figures):
        """Write what came of faint events, all or nothing: DataFrames with a row per detector and per level, a dict, figures."""
        with replacing(self.folder / "sensitivity") as folder:
            table.to_csv(folder / "table.csv", index=False)
            shares.to_csv(folder / "shares.csv", index=False)
            write_json(folder / "event.json", event)
            _save_figures(folder, figures)

    def sensitivity(self):
        """What is kept of the event and the answer of the sensitivity notebook, a dict; None where it was not run."""
        path = self.folder / "sensitivity" / "event.json"
        return _read_json(path) if path.is_file() else None

    def summary(self):
        """The comparison's table as a DataFrame, one row per detector; None before there is one."""
        path = self.folder / "comparison" / "summary.csv"
        return _read_csv(path, text=("detector", "title")) if path.is_file() else None

    def verdict(self):
        """The comparison's ``{"kind", "text"}``; None before there is one."""
        path = self.folder / "comparison" / "verdict.json"
        return _read_json(path) if path.is_file() else None

    def take(self, job, other, stem):
        """Copy what another run keeps of a job; its status last, so that the job is ok only when all is there.

        Parameters
        ----------
        job : str
        other : Run
        stem : str
            Of the job's notebook.
        """
        status = other.status(job)
        files = (f"{stem}.ipynb", f"reports/{stem}.html", *status["kept"])
        try:
            for file in files:
                (self.folder / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(other.folder / file, self.folder / file)
            self.write_status(**{"taken_from": "/".join(other.folder.parts[-2:]), **status})
        except OSError:
            for file in files:
                (self.folder / file).unlink(missing_ok=True)
            self.forget(job)
            raise

    def forget(self, name):
        """Delete the results of one job, so that a job that fails now cannot be mistaken for its earlier success."""
        shutil.rmtree(self.folder / name, ignore_errors=True)


def make_dated_folder(runs_dir, name):
    """Make and return a new folder ``<date>_<time>_<name>`` in ``runs_dir``; never one that is there already."""
    stem = f"{datetime.now():%Y-%m-%d_%H%M%S}_{clean_name(name)}"
    runs_dir = Path(runs_dir).absolute()
    runs_dir.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        folder = runs_dir / (stem if number == 1 else f"{stem}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        return folder


def open_run(run_dir):
    """The run that a notebook writes to: an existing folder, or a new scratch one.

    Raises
    ------
    NotADirectoryError
        If there is a file of that name.
    """
    folder = Path(run_dir).absolute()
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file, but run_dir names a folder; choose another run_dir")
    folder.mkdir(parents=True, exist_ok=True)
    return Run(folder)


def clean_name(name):
    """A name as it can stand in a folder's name: letters of any language stay, path separators become ``-``.

    Examples
    --------
    >>> clean_name("../Lüfter {1} 'neu'")
    "Lüfter {1} 'neu'"
    """
    forbidden = '/\\<>:"|?*' if os.name == "nt" else "/\\"
    text = unicodedata.normalize("NFC", str(name))
    text = "".join("-" if letter in forbidden or not letter.isprintable() else letter for letter in text)
    text = text.strip().lstrip(".-").encode()[:LONGEST_NAME_BYTES].decode(errors="ignore").rstrip(" .-")
    if not text:
        raise ValueError(f"a run needs a name with at least one letter or digit, got {str(name)!r}")
    return text


@contextmanager
def replacing(target):
    """A folder that is filled beside its place and put there on success; on an error nothing of it stays."""
    new, old = (target.with_name(f".{target.name}.{os.getpid()}.{what}") for what in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    new.mkdir()
    try:
        yield new
        if target.exists():
            os.replace(target, old)
        os.replace(new, target)
    finally:
        for leftover in (new, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _save_figures(folder, figures):
    """A figure that has been shown (``plots.show``) is not drawn again: the file is the picture in the notebook."""
    (folder / "figures").mkdir()
    for name, figure in figures.items():
        path = folder / "figures" / f"{name}.png"
        if hasattr(figure, "acoustic_nb_png"):
            path.write_bytes(figure.acoustic_nb_png)
        else:
            figure.savefig(path, dpi=110, bbox_inches="tight")


def _read_csv(path, *, text):
    import pandas as pd

    # a recording may be called "007" or "nan"; only an empty field is a missing number
    table = pd.read_csv(path, dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=[""])
    return table.fillna(dict.fromkeys(set(text) & set(table), ""))


def _read_json(path):
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path, value):
    """A value as a JSON file that is either the old or the new one; what is not finite becomes null."""
    text = json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.write_text(text, encoding="utf-8")
        os.replace(new, path)
    finally:
        new.unlink(missing_ok=True)


def _plain(value):
    """The same in JSON types."""
    if hasattr(value, "tolist"):  # numpy numbers and arrays
        value = value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
