"""The notebooks as they are committed: clean, thin, and the same where they share."""

import ast
from pathlib import Path

import nbformat
import pytest

from acoustic_nb.detectors import DETECTORS

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
DETECTOR_PATHS, (COMPARISON, SENSITIVITY, SCORE) = PATHS[:-3], PATHS[-3:]
SHARED_PARAMETERS = ["normal", "anomalous", "dataset", "machine", "channel", "sample_rate", "window_s", "hop_s", "n_mfcc", "level",
                     "clip_score", "false_alarm_rate", "rotations", "seed", "seeds", "run_dir"]


def cells(path, kind="code"):
    return [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == kind]


def parameters(path):
    return next(cell for cell in cells(path) if "parameters" in cell.metadata.get("tags", []))


def test_one_notebook_per_detector_one_that_compares_one_that_looks_for_faint_events_and_one_that_scores():
    assert [path.stem.split("_", 1)[1] for path in PATHS] == [*DETECTORS, "comparison", "sensitivity", "score"]
    assert [path.stem[:2] for path in PATHS] == [f"{k:02d}" for k in range(1, 10)]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_committed_clean(path):
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    assert not any(cell.outputs or cell.execution_count for cell in cells(path))
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.kernelspec.language == "python"


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_thin_and_explained(path):
    notebook = nbformat.read(path, 4)
    for before, cell in zip(notebook.cells, notebook.cells[1:], strict=False):
        if cell.cell_type == "code" and before.cell_type == "code":
            pytest.fail(f"no sentence before:\n{cell.source}")
    for cell in cells(path):
        tree = ast.parse(cell.source)
        assert not any(isinstance(node, ast.FunctionDef | ast.ClassDef | ast.For | ast.While | ast.Try) for node in ast.walk(tree))
        imports = sum(node.end_lineno - node.lineno + 1 for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom))
        assert len(cell.source.splitlines()) - imports <= (22 if "parameters" in cell.metadata.get("tags", []) else 17)
    assert notebook.cells[0].source.startswith("# ")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_the_parameters_cell_is_literals_one_per_line(path):
    tree = ast.parse(parameters(path).source)
    assert len(tree.body) == len(parameters(path).source.splitlines())
    for line in tree.body:
        assert isinstance(line, ast.AnnAssign)
        assert type(ast.literal_eval(line.value)).__name__ == line.annotation.id


@pytest.mark.parametrize("path", DETECTOR_PATHS, ids=lambda path: path.stem)
def test_shared_parameters_come_first(path):
    names = [line.target.id for line in ast.parse(parameters(path).source).body]
    assert names[:len(SHARED_PARAMETERS)] == SHARED_PARAMETERS
    first = parameters(DETECTOR_PATHS[0]).source.splitlines()
    assert parameters(path).source.splitlines()[:len(SHARED_PARAMETERS)] == first[:len(SHARED_PARAMETERS)]


def test_the_sensitivity_takes_the_sound_and_the_cut_like_the_detectors():
    lines = parameters(SENSITIVITY).source.splitlines()
    assert [line for line in parameters(DETECTOR_PATHS[0]).source.splitlines()[:len(SHARED_PARAMETERS)]
            if line.partition(":")[0] not in ("rotations", "seeds")] == lines[:len(SHARED_PARAMETERS) - 2]


@pytest.mark.parametrize("path", DETECTOR_PATHS[1:], ids=lambda path: path.stem)
def test_shared_cells_are_the_same_text(path):
    def shared(of):
        return [cell.source for cell in nbformat.read(of, 4).cells if "shared" in cell.metadata.get("tags", [])]

    first, this = shared(DETECTOR_PATHS[0]), shared(path)
    assert len(first) >= 18
    for expected, found in zip(first, this, strict=True):
        assert found == expected


@pytest.mark.parametrize("path", DETECTOR_PATHS, ids=lambda path: path.stem)
def test_every_notebook_fits_its_own_detector_in_sight(path):
    source = "\n".join(cell.source for cell in cells(path))
    name = path.stem.split("_", 1)[1]
    assert f'detector_name, title = "{name}"' in source
    for step in ("load_recordings(", "cached_features(", "split_recordings(", "make_judge(", "detector.fit(split.train",
                 "detector.score(split.test)", "detector.score(split.calibration)", "calibrate(", "evaluate(",
                 "run.save_detector("):
        assert step in source
    assert ("detector.fit(split.train)" in source) == (name == "svm")


def test_the_comparison_fits_nothing():
    source = "\n".join(cell.source for cell in cells(COMPARISON))
    assert ".fit(" not in source
    assert "detectors import" not in source
