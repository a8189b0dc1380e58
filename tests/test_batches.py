"""Batches end to end, by the command line: what is checked, planned, taken over and shown. Stub notebooks, and once real ones."""

import json
import os
import shutil
import sys
from functools import partial
from urllib.parse import unquote

import pandas as pd
import psutil
import pytest
import soundfile
from batches_for_tests import PARAMETERS, Place, cluster, dask_workers, wait_for_marks, wait_until
from bs4 import BeautifulSoup
from sounds import noise

from acoustic_nb import batches
from acoustic_nb.cli import main
from acoustic_nb.parameters import notebooks_folder
from acoustic_nb.runs import Run


@pytest.fixture
def place(tmp_path):
    place = Place(tmp_path / "place")
    place.notebook("01_first")
    place.notebook("02_second")
    place.notebook("07_comparison")
    return place


# ---- before anything starts

def test_everything_that_is_wrong_is_told_at_once_and_nothing_is_left_behind(place):
    fine, broken = "Lüfter {1} heil.wav", "kaputt.wav"
    (place.folder / "noise.wav").write_bytes(b"RIFF no sound")
    rows = [f"row {number},{fine},{broken},{number},kept" for number in range(1, 41)]
    rows[2] = f"gone,{fine},nowhere.wav,3,kept"
    rows[16] = f"broken,noise.wav,{broken},17,kept"
    rows[29] = f"two,{fine},gone too.wav,much,kept"
    rows[39] = f"level,{fine},{broken},40,quiet"
    place.table.write_text("\n".join(["name,normal,anomalous,seed,level", *rows]), encoding="utf-8")
    code, out, err = place.run(place.table, "--grid", "hop_s=0.5,1", "--dry-run")
    assert code == 2 and "Traceback" not in err and not place.runs_dir.exists()
    told = [line for line in err.splitlines() if line.startswith("jobs.csv, row")]
    assert len(told) == 5 and all("(and 1 more)" in line for line in told)
    for words in (["row 3 (line 4)", "nowhere.wav"], ["row 17 (line 18)", "noise.wav"], ["row 30 (line 31)", "gone too.wav"],
                  ["row 30 (line 31)", "seed is a whole number such as 0, got 'much'"], ["row 40 (line 41)", "level", "'quiet'"]):
        assert any(all(word in line for word in words) for line in told), (words, told)
    assert err.splitlines()[-1] == f"acoustic-nb: {place.table}: 5 things are wrong, see above; nothing was started"


@pytest.mark.parametrize("words, message", [
    (["--grid", "windw_s=1"], "no notebook has a parameter 'windw_s', did you mean 'window_s'?"),
    (["--grid", "seed=4,5"], "seed is a column of the table too"),
    (["--only", "frist"], "there is no detector 'frist', did you mean"),
    (["-p", "hop_s", "x"], "hop_s is a number such as 0.5, got 'x'"), (["--workers", "0"], "at least 1 worker is needed"),
    (["--name", "///"], "needs a name"), (["--scheduler", "tcp://x:1", "--workers", "2"], "leave out --workers"),
    (["--timeout", "-1"], "--timeout is a positive number"), (["--scheduler", "tls://127.0.0.1:1"], "is neither the address"),
    (["--scheduler", "nowhere"], "nor a scheduler file that is there")])
def test_a_wrong_option_is_refused_in_one_line_and_leaves_nothing_behind(place, monkeypatch, capsys, words, message):
    monkeypatch.setattr(batches, "start_batch", partial(batches.start_batch, notebooks=place.notebooks))
    assert main(["batch", str(place.table), *words, "--runs-dir", str(place.runs_dir)]) == 2
    assert message in capsys.readouterr().err
    assert not place.runs_dir.exists() or not list(place.runs_dir.iterdir())


def test_an_address_that_is_none_of_this_computer_is_refused(place):
    code, out, err = place.run(place.table, "--host", "203.0.113.7")
    assert code == 2 and "--host 203.0.113.7: Dask cannot listen there" in err and "Traceback" not in err
    assert not list(place.runs_dir.iterdir())


def test_what_is_no_batch_is_refused(place, capsys, tmp_path):
    for words, message in ((["batch"], "a batch needs a table"), (["batch", "--resume", tmp_path], "is no batch"),
                           (["batch", "nowhere.csv"], "nowhere.csv: no such"),
                           (["batch", "--resume", tmp_path, "--grid", "seed=1"], "takes no --grid"),
                           (["batch", place.table, "--resume", tmp_path], "takes no table")):
        assert main([*map(str, words), "--runs-dir", str(tmp_path / "none")]) == 2
        assert message in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_run_and_writes_nothing(place):
    code, out, err = place.run(place.table, "--grid", "window_s=0.5,1.0", "--dry-run", "--workers", "2")
    assert code == 0 and not place.runs_dir.exists()
    lines = out.splitlines()
    assert lines[0].startswith("6 runs, 18 notebooks: 0 were done by earlier batches, 18 to be run, about ")
    assert lines[0].endswith(" with 2 at once")
    assert lines[1] == "    pump {1} 'ä', seed 1, window_s 0.5: 2 recordings, 2 min" and len(lines) == 7


# ---- what comes of it

def test_a_batch_is_shown_and_taken_over_by_the_next(place):
    code, out, err = place.run(place.table)
    assert code == 0, err
    assert set(place.statuses().values()) == {"ok"} and set(place.marks().values()) == {1}
    first = place.batch
    table = pd.read_csv(first / "summary.csv")
    assert list(table["name"]) == ["pump {1} 'ä'"] * 3 and list(table["seed"]) == [1, 2, 3] and set(table["status_first"]) == {"ok"}
    page = BeautifulSoup((first / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert "9 of 9 notebooks done" in page.get_text()
    links = [link["href"] for link in page.find_all("a", href=True) if not link["href"].startswith("#")]
    assert len(links) > 9 and all((first / unquote(link)).is_file() for link in links)
    # the same rows: no job is run, and it is said; one more row and one more notebook: only these are run
    code, out, err = place.run(place.table)
    assert code == 0 and "9 were done by earlier batches, 0 to be run" in out and "9 notebooks taken from earlier batches" in out
    assert place.batch != first and set(place.marks().values()) == {1}
    for seed, run in place.runs().items():
        assert {status["taken_from"] for status in run.statuses().values()} == {
            f"{first.name}/{next(folder.name for folder in first.iterdir() if folder.name.endswith(f'seed {seed}'))}"}
        assert sorted(path.name for path in (run.folder / "reports").iterdir()) == [
            "01_first.html", "02_second.html", "07_comparison.html"]
    place.write_table(1, 2, 3, 4)
    place.notebook("03_third")
    code, out, err = place.run(place.table)
    assert code == 0 and "6 were done by earlier batches, 10 to be run" in out
    again = {key: number for key, number in place.marks().items() if number > 1}
    assert again == {(seed, "comparison"): 2 for seed in (1, 2, 3)}  # it reads the third, too
    assert {(1, "third"), (4, "first"), (4, "third")} <= set(place.marks())
    # the same sound in another place is the same, other sound and another notebook are not
    os.mkdir(place.folder / "moved")
    for name in ("jobs.csv", "kaputt.wav", "Lüfter {1} heil.wav"):
        shutil.copy(place.folder / name, place.folder / "moved")
    code, out, err = place.run(place.folder / "moved" / "jobs.csv", "--dry-run")
    assert "16 were done by earlier batches, 0 to be run" in out
    soundfile.write(place.folder / "moved" / "kaputt.wav", noise(45.0, sample_rate=8000, seed=7), 8000)
    code, out, err = place.run(place.folder / "moved" / "jobs.csv", "--dry-run")
    assert "0 were done by earlier batches, 16 to be run" in out
    place.notebook("01_first", "print('new')")
    code, out, err = place.run(place.table, "--dry-run")
    assert "8 were done by earlier batches, 8 to be run" in out


def test_jobs_that_are_the_same_within_a_batch_are_done_once(place):
    place.notebook("03_seedless", mark=False)
    path = place.notebooks / "03_seedless.ipynb"
    path.write_text(path.read_text().replace("seed: int = 0\\n", ""))
    assert "seed" in PARAMETERS
    code, out, err = place.run(place.table, "--only", "seedless,first", "--workers", "2")
    assert code == 0, err
    taken = [run.status("seedless").get("taken_from") for run in place.runs().values()]
    assert taken.count(None) == 1 and len(set(taken)) == 2
    assert place.marks() == {(seed, job): 1 for seed in (1, 2, 3) for job in ("first", "comparison")}


def test_the_overview_grows_with_the_batch(place):
    place.notebook("07_comparison", "while seed > 1 and not (here.parent.parent.parent / 'go').exists(): time.sleep(0.05)")
    process = place.start(place.table, "--workers", "1")
    try:
        wait_for_marks(place, process, "comparison", 2)
        wait_until(lambda: (place.batch / "index.html").exists() and "5 of 9 notebooks done" in
                   (place.batch / "index.html").read_text(encoding="utf-8"), process=process)
        text = BeautifulSoup((place.batch / "index.html").read_text(encoding="utf-8"), "html.parser").get_text(" ")
        assert "1 of 3 runs complete" in text and "1 running" in text
        assert list(pd.read_csv(place.batch / "summary.csv")["done"]) == [3, 2, 0]
        first, second, third = place.runs().values()
        assert (first.folder / "index.html").exists() and not (second.folder / "index.html").exists()
        (place.folder / "go").touch()
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0 and "9 of 9 notebooks done" in err
    assert list(pd.read_csv(place.batch / "summary.csv")["done"]) == [3, 3, 3]


def test_nothing_listens_but_on_this_computer_and_kernels_have_one_thread(place):
    place.notebook("01_first", "threads = [os.environ[f'{name}_NUM_THREADS'] for name in ('OMP', 'NUMBA', 'OPENBLAS')]\n"
                   "print(*threads, os.environ['TF_NUM_INTRAOP_THREADS'], file=open(here / 'n', 'w'))\n"
                   "while not (here.parent.parent.parent / 'go').exists(): time.sleep(0.05)")
    process = place.start(place.table, "--workers", "2")
    try:
        wait_for_marks(place, process, "first", 2)
        everything = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        places = {connection.laddr.ip for each in everything for connection in each.net_connections()
                  if connection.status == psutil.CONN_LISTEN}
        assert places == {"127.0.0.1"} and len(dask_workers(process)) == 2
        (place.folder / "go").touch()
        process.communicate(timeout=120)
    finally:
        process.kill()
    assert {path.read_text() for path in place.runs_dir.glob("*/*/n")} == {"1 1 1 1\n"}


def test_a_worker_with_another_version_is_refused(place, tmp_path):
    with cluster(1, place.folder) as (address, scheduler, workers):
        other = tmp_path / "other"
        shutil.copytree(os.path.dirname(sys.modules["acoustic_nb"].__file__), other / "acoustic_nb",
                        ignore=shutil.ignore_patterns("__pycache__"))
        with open(other / "acoustic_nb" / "quiet.py", "a") as file:
            file.write("\n# changed\n")
        code, out, err = place.run(place.table, "--scheduler", address, PYTHONPATH=str(other))
    assert code == 2 and "has another version of acoustic_nb" in err and "Traceback" not in err
    assert not list(place.runs_dir.iterdir())


# ---- runs of a batch by themselves

def test_a_batch_is_listed_as_one_and_removed_as_one(place, capsys):
    place.notebook("02_second", "if seed == 2: raise ValueError('no')")
    assert place.run(place.table)[0] == 1
    batch, name = place.batch, place.batch.name
    assert main(["list", "--runs-dir", str(place.runs_dir)]) == 0
    out = capsys.readouterr().out
    assert f"{name}  batch of 3 runs, 8/9 ok, 1 failed  " in out and len(out.splitlines()) == 2
    run = place.runs()[2]
    for words, message in ((["run", "--resume", name], "is a batch; go on with it by: acoustic-nb batch --resume"),
                           (["remove", run.folder, "--yes"], "belongs to a batch")):
        assert main([*map(str, words), "--runs-dir", str(place.runs_dir)]) == 2
        assert message in capsys.readouterr().err
    Run(run.folder).write_status("first", "queued")
    assert main(["list", "--runs-dir", str(place.runs_dir)]) == 0
    assert "interrupted, `acoustic-nb batch --resume` goes on" in capsys.readouterr().out
    assert main(["remove", name, "--yes", "--runs-dir", str(place.runs_dir)]) == 0
    assert not batch.exists()


def test_a_batch_is_not_gone_on_with_when_what_made_it_has_changed(place):
    assert place.run(place.table)[0] == 0
    manifest = json.loads((place.batch / "batch.json").read_text(encoding="utf-8"))
    (place.batch / "batch.json").write_text(json.dumps({**manifest, "made_by": "another"}), encoding="utf-8")
    code, out, err = place.run("--resume", place.batch)
    assert code == 2 and "was started with other notebooks, or another version" in err
    (place.batch / "batch.json").write_text(json.dumps(manifest), encoding="utf-8")
    shutil.copy(place.folder / "kaputt.wav", place.folder / "Lüfter {1} heil.wav")
    code, out, err = place.run("--resume", place.batch)
    assert code == 2 and "Lüfter {1} heil.wav: has changed since" in err


def test_a_batch_of_real_notebooks_equals_a_run_and_one_that_was_disturbed(tmp_path):
    """K-means and mixture: a batch, a batch whose workers are killed, and a run give the same scores."""
    place = Place(tmp_path / "place")
    place.notebooks = notebooks_folder()
    place.write_table(1)
    scores = []
    for disturbed in (False, True):
        place.runs_dir = tmp_path / f"runs {disturbed}"
        process = place.start(place.table, "--only", "kmeans,gmm", "--workers", "2")
        try:
            if disturbed:
                wait_until(lambda: list(place.runs_dir.glob("*/batch.json")) and "running" in kept(place).values(), process=process)
                for each in dask_workers(process):
                    each.kill()
            out, err = process.communicate(timeout=240)
        finally:
            process.kill()
        assert process.returncode == 0, err
        scores.append(results(next(place.runs_dir.glob("*/*/run.json")).parent))
    sound = ["--normal", str(place.folder / "Lüfter {1} heil.wav"), "--anomalous", str(place.folder / "kaputt.wav")]
    assert main(["run", *sound, "-p", "seed", "1", "--only", "kmeans,gmm", "--runs-dir", str(tmp_path / "runs")]) == 0
    scores.append(results(next((tmp_path / "runs").glob("*/run.json")).parent))
    assert len(scores[0]) == 4 and scores[0] == scores[1] == scores[2]


def test_what_was_done_on_a_copy_of_the_recordings_is_taken_as_a_whole_or_not_at_all(tmp_path):
    place = Place(tmp_path / "place")
    place.notebooks = notebooks_folder()
    place.write_table(1)
    assert place.run(place.table, "--only", "kmeans")[0] == 0
    shutil.copytree(place.folder, tmp_path / "copy")
    code, out, err = place.run(tmp_path / "copy" / "jobs.csv", "--only", "kmeans")
    assert code == 0 and "2 notebooks taken" in out
    code, out, err = place.run(tmp_path / "copy" / "jobs.csv", "--only", "kmeans,gmm")
    assert code == 0 and "0 were done by earlier batches, 3 to be run" in out, err
    run = Run(next(place.batch.glob("*/run.json")).parent)
    assert list(run.summary()["detector"].sort_values()) == ["gmm", "kmeans"]


def kept(place):
    runs = [Run(path.parent) for path in place.runs_dir.glob("*/*/status")]
    return {job: status["status"] for run in runs for job, status in run.statuses().items()}


def results(folder):
    files = [f"{name}/{table}.csv" for name in ("kmeans", "gmm") for table in ("scores", "items")]
    return {file: (folder / file).read_text() for file in files}
