"""The structure: imports run one way, heavy libraries stay where they belong, and importing the package is light."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import acoustic_nb

PACKAGE = Path(acoustic_nb.__file__).parent
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts).replace(".__init__", ""): path
           for path in sorted(PACKAGE.rglob("*.py")) if "notebooks" not in path.parts}
# what each module may import of the package; a module that is not listed here has not been thought about
ALLOWED = {
    "__init__": set(), "quiet": set(), "whole": set(), "progress": set(), "parameters": set(),
    # sound and what is known of it
    "landmarks": set(), "audit": {"landmarks"}, "stretches": set(), "labels": {"stretches", "whole"},
    "audio": {"audit", "quiet"}, "synth": {"audio"},
    "manifests": set(), "layouts": {"manifests"}, "catalogue": {"audio"},
    "inputs": {"audio", "catalogue", "layouts", "manifests"},
    "datasets": {"audio", "catalogue", "framing", "inputs", "labels", "landmarks", "progress", "stretches", "synth", "units"},
    # windows and what they are for
    "framing": set(), "kernel": {"framing"}, "features": {"framing", "kernel", "stretches"},
    "cache": {"progress"}, "feature_cache": {"cache", "features", "framing", "progress"},
    "splits": {"audio", "features", "framing"},
    "parts": {"audio"}, "units": {"audio", "framing", "parts", "splits", "stretches"},
    # scores and what they are worth
    "thresholds": set(), "evaluation": set(), "clips": set(),
    "alarms": {"events", "intervals", "paired"}, "sections": {"evaluation"}, "events": {"stretches"},
    "dependence": {"thresholds"}, "intervals": {"dependence", "evaluation"}, "weighted": {"evaluation"},
    "bootstrap": {"dependence", "evaluation", "weighted"}, "paired": {"dependence", "evaluation"},
    "judging": {"clips", "parts"}, "controls": {"detectors", "features", "splits"}, "chance": {"evaluation"},
    "leakage": {"detectors"}, "level_shifts": {"cache", "feature_cache", "features", "progress"},
    "rotations": {"evaluation", "judging", "thresholds", "units"}, "seeds": {"evaluation"},
    "left_out": {"detectors", "evaluation", "judging", "rotations", "splits", "units"},
    "event_sounds": {"synth"}, "mixtures": {"audio", "detectors", "event_sounds", "features", "stretches"},
    "sensitivity": {"mixtures", "stretches"}, "refits": {"detectors", "progress", "rotations"},
    # for people
    "overviews": {"cache", "progress"}, "plots": {"audio"}, "trust_plots": {"plots"}, "players": {"cache"}, "tables": set(),
    "comparison": {"catalogue", "detectors", "intervals", "paired", "splits"},
    "advice": {"intervals"}, "wording": {"advice", "intervals"}, "verdict": {"intervals", "wording"},
    "concluding": {"intervals", "verdict", "wording"},
    # a kept detector and new sound
    "octaves": set(), "reasons": set(), "moments": {"stretches"}, "situations": set(), "scored": {"audio"},
    "event_plots": {"plots"},
    "archives": set(), "bundle_files": {"archives"}, "model_files": {"archives"}, "model_card": {"archives", "bundle_files"},
    "bundles": {"archives", "bundle_files", "clips", "detectors", "features", "framing", "machine", "model_files", "octaves",
                "situations", "thresholds"},
    "keeping": {"archives", "bookkeeping", "bundles", "detectors", "machine", "model_card", "model_files", "octaves", "situations",
                "thresholds"},
    "event_finder": {"events", "moments", "octaves", "reasons", "scored", "thresholds"},
    "scoring": {"clips", "event_finder", "features", "framing", "scored", "situations", "thresholds"},
    "score_page": {"events", "index_page", "overviews", "pages", "players", "plots", "progress", "whole"},
    "scorings": {"alarms", "audio", "bookkeeping", "datasets", "inputs", "labels", "model_card", "progress", "runs", "score_page",
                 "scored", "scoring", "stretches", "synth"},
    "reviews": {"labels", "scored", "scorings", "stretches", "thresholds"},
    "recent_alarm": {"alarms"}, "watch_tables": {"scored"},
    "watching": {"audio", "layouts", "recent_alarm", "runners", "scoring", "scorings", "watch_tables"},
    "listening": {"event_finder", "features", "framing", "recent_alarm", "scoring", "scorings"},
    "microphone": {"audio", "listening", "runs", "situations", "watch_tables"},
    # runs
    "runs": {"bundle_files", "detectors"}, "pages": set(), "report": {"pages", "whole"}, "index_page": {"audio", "pages", "whole"},
    "machine": {"parameters"},
    "worker": {"inputs", "loading", "parameters", "report", "runs"}, "workers": {"machine", "runs"}, "runners": set(),
    "loading": {"cache", "catalogue", "clips", "datasets", "event_sounds", "feature_cache", "features", "inputs", "level_shifts",
                "mixtures", "overviews", "seeds", "thresholds", "units"},
    "plan": {"catalogue", "machine", "parameters"},
    "bookkeeping": {"catalogue", "index_page", "inputs", "machine", "model_card", "parameters", "progress"},
    "reuse": {"machine", "parameters", "runs"}, "ranks": set(),
    "batch_table": {"inputs", "manifests", "parameters"},
    "batch_plan": {"bookkeeping", "datasets", "inputs", "loading", "plan", "progress", "reuse", "runs"},
    "batch_job": {"machine", "reuse", "runners", "runs", "workers"}, "dask_engine": {"batch_job"},
    "batch_work": {"batch_job", "inputs", "parameters", "plan", "progress", "reuse", "runners", "runs"},
    "batch_page": {"detectors", "index_page", "intervals", "pages", "parameters", "ranks", "whole"},
    "batches": {"batch_page", "batch_plan", "batch_table", "batch_work", "bookkeeping", "dask_engine", "machine",
                "parameters", "plan", "progress", "reuse", "runners", "runs", "whole"},
    "execute": {"bookkeeping", "catalogue", "inputs", "loading", "machine", "plan", "progress", "runners", "runs", "workers"},
    "machines": {"execute", "loading", "pages", "runs", "sections", "whole"},
    "cli": {"alarms", "batches", "bundles", "cache", "catalogue", "datasets", "execute", "inputs", "layouts",
            "machine", "machines", "microphone", "model_card", "parameters", "runners", "runs", "scored", "scorings", "units",
            "watching"},
}
ONLY_IN = {
    "keras": {"detectors.conv_autoencoder", "detectors.lstm_autoencoder", "detectors.gan", "detectors._training"},
    "tensorflow": {"detectors.conv_autoencoder", "detectors.lstm_autoencoder", "detectors.gan", "detectors._training"},
    "papermill": {"parameters", "worker"}, "distributed": {"dask_engine"}, "nbconvert": {"report"},
    "librosa": {"kernel"}, "numba": {"features", "kernel"}, "soundfile": {"audio", "players", "cli", "microphone"},
    "skops": {"model_files"}, "sounddevice": {"microphone"},
}


def imports(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def of_package(path):
    for name in imports(path):
        parts = name.split(".")
        if parts[0] == "acoustic_nb" and len(parts) > 1:
            yield parts[1]


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_one_way(module):
    found = {name for name in of_package(MODULES[module]) if name in {key.split(".")[0] for key in MODULES}}
    if module.startswith("detectors"):
        assert found <= {"detectors", "features", "quiet"}, found
    else:
        assert found == ALLOWED[module], found


def test_no_module_imports_what_imports_it():
    order = list(TopologicalSorter(ALLOWED).static_order())
    assert order[-1] == "cli"  # nothing imports the command line
    assert set(order) == {module for module in MODULES if not module.startswith("detectors.")}
    # what knows files and jobs is not known to what knows sound, windows and scores
    runs = {"runs", "pages", "report", "index_page", "machine", "worker", "workers", "runners", "loading", "plan", "bookkeeping",
            "reuse", "batch_table", "batch_plan", "batch_job", "batch_work", "batch_page", "batches", "dask_engine", "execute",
            "machines", "bundles", "keeping", "score_page", "scorings", "reviews", "watching", "listening", "microphone", "cli"}
    assert not [module for module, imported in ALLOWED.items() if module not in runs and imported & runs]


@pytest.mark.parametrize("library", ONLY_IN)
def test_each_heavy_library_has_its_place(library):
    users = {module for module, path in MODULES.items() if library in {name.split(".")[0] for name in imports(path)}}
    assert users <= ONLY_IN[library]
    assert users


def loaded_after(statement):
    code = f"import sys; {statement}; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_importing_the_package_is_light():
    heavy = {"tensorflow", "keras", "papermill", "nbconvert", "matplotlib", "librosa", "sklearn", "scipy", "pandas", "seaborn",
             "distributed", "skops"}
    assert not loaded_after("import acoustic_nb, acoustic_nb.detectors, acoustic_nb.cli") & heavy


def test_the_three_plain_detectors_do_not_load_tensorflow():
    assert not loaded_after("from acoustic_nb.detectors import KMeansDetector, SVMDetector, GMMDetector") & {"tensorflow", "keras"}


def test_public_names_are_there_and_not_hidden_by_a_module():
    assert not set(acoustic_nb._HOME) & set(MODULES)
    for name in acoustic_nb.__all__:
        assert getattr(acoustic_nb, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = acoustic_nb.nonsense


@pytest.mark.parametrize("module", MODULES)
def test_every_public_name_has_a_docstring(module):
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    assert ast.get_docstring(tree)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            assert ast.get_docstring(node), node.name
