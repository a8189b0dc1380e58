"""Tables of a batch: which comparisons to run and with what, a row each, from CSV or YAML; a grid multiplies the rows.

Columns are those of ``COLUMNS``, whatever their case, and any parameter of the notebooks. Paths, also with ``*``, are relative to
the table's folder, times are seconds in the file, an empty cell is the default; a table that names no recordings is about the demo.
Row 1 is the first one below the header. Whether recordings exist and values fit a notebook is not looked at here. All that is wrong
in a table is told at once.
"""

import math
import os
import re
from collections import Counter
from dataclasses import dataclass
from datetime import date
from itertools import product
from pathlib import Path

import yaml

from acoustic_nb.inputs import DEMO, Inputs
from acoustic_nb.manifests import read_table, read_text
from acoustic_nb.parameters import nearest

COLUMNS = ("name", "normal", "anomalous", "dataset", "machine", "start_s", "end_s", "events", "skip_broken")
SOUND = ("normal", "anomalous", "dataset")
SEVERAL = ("normal", "anomalous", "events")  # may hold more than one path
NOT_FOR_THE_DEMO = ("machine", "start_s", "end_s", "events", "channel", "sample_rate")
KIND = "table of a batch"


@dataclass(frozen=True)
class Row:
    """One comparison to run.

    Attributes
    ----------
    where : str
        For messages: ``jobs.csv, row 40 (line 41), window_s 0.5``, the last part only with a grid; ``jobs.yaml, row 3``.
    name : str
        Empty where none is given; several rows may have the same.
    inputs : Inputs
        With absolute paths; the demo where the row names no recordings.
    parameters : dict
        ``{name: value}``, all that is set.
    varied : dict
        Those of them that columns or the grid set: what tells the runs of a batch apart.
    """

    where: str
    name: str
    inputs: Inputs
    parameters: dict
    varied: dict


def read_rows(path, *, known, grid=(), parameters=None):
    """The rows of a batch, checked, once for every combination of the grid's values.

    Parameters
    ----------
    path : str or path
        ``.yaml`` or ``.yml``: a list of mappings of plain values; ``01`` is a number there and ``"01"`` a text, which names
        and paths need to be; normal, anomalous and events may be lists of texts. Else CSV in UTF-8 with comma, semicolon or tab
        between the fields; without commas there, a number may have a decimal comma. What a CSV says of a
        parameter stays text.
        Several paths in one cell have ``;`` between them, unless the whole cell is the name of a file or folder.
    known : collection of str
        The parameters of the notebooks, without those that the run sets itself.
    grid : sequence of str
        ``name=value,value``, so no value holds a comma; values stay text. The first of them varies slowest.
    parameters : dict, optional
        Set for all rows. A cell that is not empty wins over it; what the grid sets may be set nowhere else.

    Returns
    -------
    rows : list of Row
        Without those that have a problem; empty where header or grid have one.
    problems : list of str
        One line each, in the order of the rows, after those of header and grid.

    Raises
    ------
    ValueError
        One line, where the file is missing, empty, or neither CSV nor a list of mappings.
    """
    path, parameters = Path(path).expanduser(), dict(parameters or {})
    is_yaml = path.suffix.lower() in (".yaml", ".yml")
    header, table, wrong, decimal_comma = _yaml_table(path) if is_yaml else _csv_table(path)
    for column, where in header.items():
        if column not in COLUMNS and column not in known:
            wrong.append(f"{where}: column {column!r} is not known{nearest(column, [*known, *COLUMNS])}; rename or delete it, "
                         f"a column is {', '.join(COLUMNS)} or what `acoustic-nb params` lists")
    if not table:
        wrong.append(f"{path}: has no rows; add one for each comparison")
    clear = not wrong  # else cells of one column may stand under the name of another
    combinations = _combinations(grid, known, header, parameters, wrong)
    rows, problems = [], []
    some_are_named = any(_is_filled(cells or {}, column) for _, cells, _ in table for column in SOUND)
    for where, cells, found in table:
        given = {column: value for column, value in (cells or {}).items() if _is_filled(cells, column)}
        values = {}
        for column, value in given.items():
            try:
                values[column] = _value(column, value, path.parent, decimal_comma)
            except ValueError as error:  # kept, and told with all the others
                found.append(f"{where}, column {column}: got {_shown(value)}, but {error}")
        if cells is not None and clear:
            found += [f"{where}, {problem}" for problem in _contradictions(given, values, varied=combinations[0])]
            if some_are_named and not found and not any(column in given for column in SOUND):
                found.append(f"{where}: names no recordings, though others do; where the demo is meant, write demo under normal "
                             "and anomalous")
        problems += found
        if not found:
            columns = {name: value for name, value in values.items() if name not in COLUMNS}
            inputs = Inputs(**{name: value for name, value in values.items() if name in COLUMNS[1:]})
            rows += [Row("".join([where, *(f", {name} {value}" for name, value in combination.items())]), values.get("name", ""),
                         inputs, {**parameters, **columns, **combination}, {**columns, **combination})
                     for combination in combinations]
    return [] if wrong else rows, wrong + problems


def _csv_table(path):
    """Columns and where they are named; where, cells and problems of every row; problems of the header; whether 1,5 is a number."""
    delimiter, ((_, header), *lines) = read_table(path, KIND, "such as normal,anomalous")
    names = [_column(name) for name in header]
    wrong = [f"{path}: has {count} columns named {name!r}; rename or delete all but one"
             for name, count in Counter(names).items() if name and count > 1]
    nameless, table = {}, []
    for number, (line, fields) in enumerate(lines, start=1):
        where = f"{path.name}, row {number} (line {line})"
        if len(fields) != len(names):
            table.append((where, None, [f"{where}: has {len(fields)} fields, but the header has {len(names)}; fill up the row, or "
                                        "put quotes around a field that holds the delimiter"]))
            continue
        table.append((where, {name: field for name, field in zip(names, fields, strict=True) if name}, []))
        for k, (name, field) in enumerate(zip(names, fields, strict=True), start=1):
            if not name and field.strip():
                nameless.setdefault(k, f"{where}: column {k} has no name, but holds {field!r}; name it in the header, or empty it")
    return dict.fromkeys(filter(None, names), path), table, [*wrong, *nameless.values()], delimiter != ","


def _yaml_table(path):
    """The same of a YAML file."""
    text = read_text(path, KIND, "YAML")
    wanted = "a list of rows, each begun with `- ` and with one `name: value` per line"
    try:
        found, node = yaml.safe_load(text), yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # the day 2026-13-01 is a plain ValueError
        mark = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ValueError(f"{path}{f', line {mark.line + 1}' if mark else ''}: is no YAML ({what}); write {wanted}") from error
    if not isinstance(found, list):
        raise ValueError(f"{path}: holds {_shown(found)}, but a {KIND} is {wanted}")
    header, table = {}, []
    for number, row in enumerate(found, start=1):
        where = f"{path.name}, row {number}"
        if not isinstance(row, dict):
            raise ValueError(f"{where}: is {_shown(row)}, but a {KIND} is {wanted}")
        counts = Counter(_column(key.value) for key, _ in node.value[number - 1].value)  # of the same, the dict has the last only
        table.append((where, {_column(str(key)): value for key, value in row.items()},
                      [f"{where}: has {name!r} {count} times; delete all but one" for name, count in counts.items() if count > 1]))
        for column in table[-1][1]:
            header.setdefault(column, where)
    return header, table, [], False


def _column(name):
    return name.strip().lower() if name.strip().lower() in COLUMNS else name.strip()


def _combinations(grid, known, header, parameters, wrong):
    """What to set together, a dict for each combination of the grid's values; appends what is wrong with it."""
    parts = [text.partition("=") for text in grid]
    values = {name.strip(): [value.strip() for value in text.split(",")] for name, _, text in parts}
    names = Counter(name.strip() for name, _, _ in parts)
    for text, (name, equals, _) in zip(grid, parts, strict=True):
        name = name.strip()
        if not (name and equals):
            problem = "takes a name and its values, --grid window_s=0.5,1.0"
        elif name in COLUMNS:
            problem = f"{name} belongs to the recordings; write it in a column of the table"
        elif name not in known:
            problem = f"no notebook has a parameter {name!r}{nearest(name, known)}; `acoustic-nb params` lists all"
        elif names[name] > 1:
            problem = f"{name} is there {names[name]} times; put all its values into one, with commas between them"
        elif not all(values[name]):
            problem = "a value is empty; write one between every two commas"
        elif len(set(values[name])) < len(values[name]):
            problem = f"has the value {Counter(values[name]).most_common(1)[0][0]!r} more than once; delete all but one"
        elif name in header or name in parameters:
            other = "a column of the table" if name in header else "set with -p or --params"
            problem = f"{name} is {other} too, so it is not clear which one is meant; leave out one of them"
        else:
            continue
        wrong.append(f"--grid {text!r}: {problem}")
        values.pop(name, None)
    return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def _is_filled(cells, column):
    value = cells.get(column)
    return value is not None and not (isinstance(value, str) and not value.strip())


def _contradictions(given, values, varied):
    """What the cells of a row, each fine by itself, must not say together."""
    two = [column for column in ("normal", "anomalous") if column in given]
    demo = [column for column in two if values.get(column) == (DEMO,)]
    if "dataset" in given and two:
        yield (f"column dataset: got {_shown(given['dataset'])}, but a dataset names its own normal and anomalous recordings; "
               "give either the dataset or the two")
    elif len(two) == 1:
        other = "anomalous" if two == ["normal"] else "normal"
        yield f"column {two[0]}: got {_shown(given[two[0]])}, but it needs {other} beside it; give both, or none for the demo"
    elif len(demo) == 1:
        yield f"column {demo[0]}: got 'demo', but only both make the demo; write demo into normal and anomalous, or into neither"
    elif "dataset" not in given and len(demo) == len(two):
        for name in NOT_FOR_THE_DEMO:
            if name in given or name in varied:
                value = f"column {name}: got {_shown(given[name])}" if name in given else f"--grid {name}: is set"
                yield f"{value}, but the demo is taken as it is; name recordings in this row, or leave {name} out"
    if "end_s" in values and values["end_s"] <= values.get("start_s", 0):
        yield (f"column end_s: got {_shown(given['end_s'])}, but it must be later than start_s = {values.get('start_s', 0):g}; "
               "both are seconds in the file")


def _value(column, value, folder, decimal_comma):
    """A cell as Inputs or a notebook takes it; a ValueError that goes on after `but` where it cannot be one."""
    def full(name):
        # a name may begin or end with a space, but more often the space was typed after a delimiter
        choices = [os.path.abspath(folder / os.path.expanduser(each)) for each in (name, name.strip())]
        return next(filter(os.path.exists, choices), choices[-1])

    texts = value if column in SEVERAL and isinstance(value, list) else [value]
    if not all(isinstance(text, str | int | float) for text in texts):
        raise ValueError("a value is one number, one text, true or false; write it so, a text in quotes")
    if column in ("start_s", "end_s"):
        try:
            seconds = float(str(value).replace(",", ".") if decimal_comma else str(value))
        except ValueError:
            seconds = math.nan
        if not (math.isfinite(seconds) and seconds >= 0):
            raise ValueError("a time is a number of seconds in the file from 0 on, such as 12.5; leave it empty to use all of it")
        return seconds
    if column == "skip_broken":
        words = {"true": True, "yes": True, "false": False, "no": False}
        if str(value).strip().lower() not in words:
            raise ValueError("it is true or false, yes or no; leave it empty for false")
        return words[str(value).strip().lower()]
    if column not in COLUMNS:
        text = value.strip() if isinstance(value, str) else value
        return text.replace(",", ".") if decimal_comma and re.fullmatch(r"[+-]?\d*,\d+", str(text)) else text
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"{column} is a text; put quotes around it")
    if column == "name":
        return " ".join(value.split())
    if column == "machine":
        return value.strip()
    if column == "dataset":
        return full(value)
    if [text.strip() for text in texts] == [DEMO] and column != "events":
        return (DEMO,)
    if isinstance(value, str) and not os.path.exists(full(value)):
        texts = [text for text in value.split(";") if text.strip()]
    if not texts or not all(text.strip() for text in texts):
        raise ValueError("it names no file; write paths, or leave it empty")
    return tuple(map(full, texts))


def _shown(value):
    """A value for a message, on one line and never long by being nested."""
    if isinstance(value, str | int | float):
        return repr(value)
    if isinstance(value, date):
        return f"{value} (a date)"
    return {dict: "a mapping", list: "a list", type(None): "nothing"}.get(type(value), f"a {type(value).__name__}")
