"""Runs: files that are whole or not there, names that stay what they are, nothing ever overwritten."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pytest

from acoustic_nb.runs import Run, clean_name, open_run


class Figure:
    """Anything with ``savefig`` is a figure."""

    def __init__(self, broken=False):
        self.broken = broken

    def savefig(self, path, **settings):
        self.settings = settings
        path.write_bytes(b"half a picture")
        if self.broken:
            raise OSError("disk full")


def scores(recording="a"):
    return pd.DataFrame({"recording": [recording] * 2, "start_s": [0.0, 0.5], "end_s": [1.0, 1.5], "part": ["test"] * 2,
                         "label": [0, 1], "score": [0.1, 1 / 3], "flagged": [False, True]})


def items(recording="a"):
    """Two recordings that are judged."""
    return pd.DataFrame({"recording": [recording, "b"], "label": [0, 1], "score": [0.2, 2 / 3], "windows": [2, 3],
                         "unit": [recording, "day 1"], "section": ["00", ""], "domain": ["", "target"],
                         "part": ["test"] * 2, "flagged": [False, True]})


def test_runs_of_the_same_second_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        runs = list(pool.map(lambda _: Run.create(tmp_path, "x"), range(24)))
    assert len({run.folder for run in runs}) == len(list(tmp_path.iterdir())) == 24


def test_a_folder_is_called_after_date_time_and_name(tmp_path):
    folder = Run.create(tmp_path, "lauf \"ä\" {x} 'q'").folder
    assert folder.name[4] == "-" and folder.name[10] == "_" and folder.name[17:] == "_lauf \"ä\" {x} 'q'"


@pytest.mark.parametrize("name, cleaned", [
    ("../../etc", "etc"), (".hidden", "hidden"), ("a/b\\c", "a-b-c"), ("Lüfter 風扇", "Lüfter 風扇"), (" x\ny ", "x-y"),
    ("a\0b", "a-b"), ("u\u0308ber", "über")])
def test_a_name_cannot_leave_its_folder(name, cleaned):
    assert clean_name(name) == cleaned


@pytest.mark.parametrize("name", ["", "..", "///", " . "])
def test_a_name_of_nothing_is_refused(name):
    with pytest.raises(ValueError, match="needs a name"):
        clean_name(name)


def test_a_long_name_still_fits_a_file_system(tmp_path):
    assert Run.create(tmp_path, "風" * 300).folder.is_dir()


def test_open_says_what_is_there_instead(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(FileNotFoundError, match="no such run"):
        Run.open(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="is a file"):
        Run.open(tmp_path / "notes.txt")
    with pytest.raises(FileNotFoundError, match=r"this holds notes\.txt"):
        Run.open(tmp_path)


def test_a_manifest_comes_back_and_is_strict_json(tmp_path):
    run = Run.create(tmp_path, "x")
    run.write_manifest({"seed": np.int64(3), "list": (np.float32(0.5), True), "undefined": float("nan"), "name": "ä"})
    assert Run.open(run.folder).read_manifest() == {"seed": 3, "list": [0.5, True], "undefined": None, "name": "ä"}
    assert "NaN" not in (run.folder / "run.json").read_text()


def test_a_manifest_that_cannot_be_written_leaves_the_old_one(tmp_path):
    run = Run.create(tmp_path, "x")
    run.write_manifest({"a": 1})
    with pytest.raises(TypeError):
        run.write_manifest({"a": object()})
    assert run.read_manifest() == {"a": 1}
    assert sorted(path.name for path in run.folder.iterdir()) == ["reports", "run.json", "status"]


def test_statuses_are_those_written(tmp_path):
    run = Run.create(tmp_path, "x")
    run.write_status("gmm", "failed", error="ValueError: no", seconds=1.5, cell=3)
    assert run.statuses() == {"gmm": {"job": "gmm", "status": "failed", "error": "ValueError: no", "seconds": 1.5, "cell": 3}}
    with pytest.raises(ValueError, match="'done'"):
        run.write_status("gmm", "done")
    assert open_run(tmp_path / "scratch").statuses() == {}


@pytest.mark.parametrize("recording", ["a", "007", "nan", "1e5", "Lüfter, links \"alt\""])
def test_results_come_back_exactly(tmp_path, recording):
    run = open_run(tmp_path / "scratch" / "deep")
    run.save_detector("gmm", scores=scores(recording), items=items(recording),
                      metrics={"roc_auc": np.float64(0.1) * 3, "curve": np.arange(3)}, figures={"roc": Figure()})
    table, judged, metrics = run.load_detector("gmm")
    for found, expected in ((table, scores(recording)), (judged, items(recording))):
        pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)
        assert found["score"].dtype == float and found["flagged"].dtype == bool
    assert metrics == {"roc_auc": 0.1 * 3, "curve": [0, 1, 2]}
    assert (run.folder / "gmm" / "figures" / "roc.png").is_file()


def test_results_are_all_or_nothing(tmp_path):
    run = open_run(tmp_path / "scratch")
    with pytest.raises(OSError, match="disk full"):
        run.save_detector("gmm", scores=scores(), items=items(), metrics={}, figures={"a": Figure(), "b": Figure(broken=True)})
    assert run.detectors() == [] and list(run.folder.iterdir()) == []
    run.save_detector("gmm", scores=scores(), items=items(), metrics={"version": 1}, figures={"a": Figure()})
    with pytest.raises(OSError, match="disk full"):
        run.save_detector("gmm", scores=scores(), items=items(), metrics={"version": 2}, figures={"b": Figure(broken=True)})
    assert run.load_detector("gmm")[2] == {"version": 1}
    run.save_detector("gmm", scores=scores(), items=items(), metrics={"version": 3}, figures={"c": Figure()})
    assert run.load_detector("gmm")[2] == {"version": 3}
    assert [path.name for path in (run.folder / "gmm" / "figures").iterdir()] == ["c.png"]
    assert [path.name for path in run.folder.iterdir()] == ["gmm"]


def test_a_figure_that_was_shown_is_kept_as_it_was_shown(tmp_path):
    shown, other = Figure(broken=True), Figure()
    shown.acoustic_nb_png = b"the picture in the notebook"
    open_run(tmp_path).save_detector("gmm", scores=scores(), items=items(), metrics={}, figures={"shown": shown, "other": other})
    figures = tmp_path / "gmm" / "figures"
    assert (figures / "shown.png").read_bytes() == b"the picture in the notebook"
    assert (figures / "other.png").read_bytes() == b"half a picture" and other.settings == {"dpi": 110, "bbox_inches": "tight"}


@pytest.mark.parametrize("lost", ["scores.csv", "items.csv", "metrics.json"])
def test_detectors_are_named_in_the_order_of_their_notebooks(tmp_path, lost):
    run = open_run(tmp_path)
    for name in ("zebra", "gan", "svm", "kmeans"):
        run.save_detector(name, scores=scores(), items=items(), metrics={}, figures={})
    (run.folder / "svm" / lost).unlink()
    assert run.detectors() == ["kmeans", "gan", "zebra"]
    with pytest.raises(FileNotFoundError, match="no results of svm, only of kmeans, gan, zebra"):
        run.load_detector("svm")


def test_the_comparison_comes_back(tmp_path):
    run = open_run(tmp_path)
    assert run.summary() is None and run.verdict() is None
    summary = pd.DataFrame({"detector": ["gmm", "svm"], "roc_auc": [0.1 * 3, np.nan]})
    run.save_comparison(summary=summary, pairs=summary, verdict={"kind": "no_evidence", "text": "ä"}, figures={"roc": Figure()})
    pd.testing.assert_frame_equal(run.summary(), summary, check_dtype=False, check_exact=True)
    assert run.verdict() == {"kind": "no_evidence", "text": "ä"}
    assert json.loads((tmp_path / "comparison" / "verdict.json").read_text(encoding="utf-8"))["text"] == "ä"
    assert run.detectors() == []


def test_the_sensitivity_is_no_detector(tmp_path):
    run = open_run(tmp_path)
    table = pd.DataFrame({"detector": ["GMM"], "half_found_db": [-12.0]})
    run.save_sensitivity(table=table, shares=table, event={"sentence": "ä"}, figures={"detection": Figure()})
    assert pd.read_csv(tmp_path / "sensitivity" / "table.csv")["half_found_db"].tolist() == [-12]
    assert (tmp_path / "sensitivity" / "figures" / "detection.png").exists()
    assert run.detectors() == []


def test_a_run_dir_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="choose another run_dir"):
        open_run(tmp_path / "file")
