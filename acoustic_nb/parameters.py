"""Notebooks and what can be set in them, read from the notebooks themselves."""

import ast
import difflib
import math
import re
import sys
from contextlib import suppress
from pathlib import Path

COMPARISON, SENSITIVITY, SCORE = "comparison", "sensitivity", "score"
AFTERWARDS = (COMPARISON, SENSITIVITY)  # what reads the results of the detectors
GIVEN_BY_THE_RUN = ("normal", "anomalous", "dataset", "machine", "run_dir")
CHECKOUT = Path(__file__).absolute().parent.parent


# papermill loads jsonschema, which takes a second to build a grammar for addresses (IRI), which it checks in no notebook
sys.modules.setdefault("rfc3987_syntax", None)


def in_checkout():
    """Whether this package lies in a source tree, notebooks beside it, rather than being installed from a wheel."""
    return (CHECKOUT / "pyproject.toml").is_file() and (CHECKOUT / "notebooks").is_dir()


def notebooks_folder():
    """The folder of the notebooks: the checkout's, else the copy inside the installed package."""
    return CHECKOUT / "notebooks" if in_checkout() else Path(__file__).absolute().parent / "notebooks"


def find_notebooks(folder=None):
    """The notebooks ``<number>_<job>.ipynb`` of a folder, by number: ``{job: path}``."""
    folder = Path(folder or notebooks_folder()).absolute()
    found = {match[1]: path for path in sorted(folder.glob("*.ipynb")) if (match := re.fullmatch(r"\d+_(\w+)", path.stem))}
    if not found:
        raise FileNotFoundError(f"{folder}: holds no notebooks like 01_kmeans.ipynb; install the package again")
    return found


def choose_jobs(notebooks, only=None, *, sensitivity=False):
    """The notebooks to run: ``{job: path}``.

    The detectors named in ``only`` (all if None) and the comparison; the sensitivity where it is asked for, by ``sensitivity``
    or in ``only``.
    """
    notebooks = {job: path for job, path in notebooks.items() if job != SCORE}  # it is for other recordings, after a run
    for name in only or ():
        if name not in notebooks:
            raise ValueError(f"there is no detector {name!r}{nearest(name, notebooks)}; "
                             f"there are {', '.join(job for job in notebooks if job != COMPARISON)}")
    detectors = [job for job in notebooks if job not in AFTERWARDS and (only is None or job in only)]
    chosen = {*detectors, *[COMPARISON] * bool(detectors), *[SENSITIVITY] * (sensitivity or SENSITIVITY in (only or ()))}
    if not chosen:
        raise ValueError("no detector is chosen; name at least one, for example --only gmm")
    return {job: path for job, path in notebooks.items() if job in chosen}


def notebook_parameters(path):
    """What can be set in a notebook, from its cell tagged ``parameters``.

    Returns
    -------
    dict
        ``{name: {"type": "float", "default": 1.0, "help": "seconds"}}``, types str, int, float, bool.
    """
    import papermill
    from papermill.utils import any_tagged_cell

    notebook = papermill.iorw.load_notebook_node(str(path))
    if not any_tagged_cell(notebook, "parameters"):
        raise ValueError(f"{path}: has no cell tagged 'parameters', so nothing can be passed to it; tag its first code cell")
    found = {}
    for name, entry in papermill.inspect_notebook(literal_path(path)).items():
        default = ast.literal_eval(entry["default"])
        found[name] = {"type": type(default).__name__, "default": default, "help": entry["help"].strip()}
        if entry["inferred_type_name"] == "float" and type(default) is int:
            found[name].update(type="float", default=float(default))
    return found


def check_parameters(listed, given):
    """Turn what the user set into values of the right type, for each notebook that lists them.

    Parameters
    ----------
    listed : dict
        ``{job: notebook_parameters(path)}``.
    given : dict
        ``{name: value}``; text is read as the type that the notebook's default has.

    Returns
    -------
    dict
        ``{job: {name: value}}``.

    Raises
    ------
    ValueError
        If no notebook lists a name, it is set by the run itself, or a value does not fit.
    """
    known = {name for parameters in listed.values() for name in parameters} - set(GIVEN_BY_THE_RUN)
    for name in given:
        if name in GIVEN_BY_THE_RUN:
            raise ValueError(f"{name} is set by the run itself, not with -p; use --normal, --anomalous, --dataset, --machine or "
                             "--runs-dir")
        if name not in known:
            raise ValueError(f"no notebook of this run has a parameter {name!r}{nearest(name, known)}; "
                             "`acoustic-nb params` lists all")
    return {job: {name: _converted(name, value, parameters[name]) for name, value in given.items() if name in parameters}
            for job, parameters in listed.items()}


def _converted(name, value, parameter):
    kind, default = parameter["type"], parameter["default"]
    with suppress(ValueError, OverflowError):
        if kind == "bool":
            words = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
            if str(value).lower() in words:
                return words[str(value).lower()]
        elif kind == "str" and isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value)
        elif kind in ("int", "float") and isinstance(value, (str, int, float)) and not isinstance(value, bool):
            number = float(value)
            if kind == "int" and number.is_integer():
                return int(value)
            if kind == "float" and math.isfinite(number):
                return number
    rule = {"bool": "true or false", "str": "a text", "int": "a whole number", "float": "a number"}
    if kind not in rule:
        raise ValueError(f"{name} cannot be set from outside: its default {default!r} is no number, text, true or false; "
                         "change it in the notebook")
    raise ValueError(f"{name} is {rule[kind]} such as {str(default).lower() if kind == 'bool' else default}, got {value!r}")


def nearest(name, known):
    """`, did you mean ...?` with the known name that looks most like it; empty where none does."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f", did you mean {close[0]!r}?" if close else ""


def literal_path(path):
    """The path as papermill wants it, which fills in braces."""
    return str(path).replace("{", "{{").replace("}", "}}")
