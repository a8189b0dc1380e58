"""The plan of a batch: small files of noise, every problem of all rows at once, and what is to be run."""

import gc
import hashlib
import weakref
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
import soundfile
from batches_for_tests import PARAMETERS
from sounds import noise

from acoustic_nb import batch_plan, bookkeeping, datasets
from acoustic_nb.audio import in_memory
from acoustic_nb.batch_plan import plan_runs
from acoustic_nb.batch_table import read_rows
from acoustic_nb.inputs import Inputs
from acoustic_nb.parameters import GIVEN_BY_THE_RUN
from acoustic_nb.plan import Notebooks

RATE, LONG_S = 16000, 20.0  # 19.5 s can be cut in windows of 1 s
OWN = {"01_kmeans": "n_clusters: int = 8\n", "04_gmm": "covariance_type: str = 'full'\n", "07_comparison": ""}
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with recordings, a data set of two machines, and notebooks; no test changes it."""
    folder = tmp_path_factory.mktemp("Prüf stand {1}")
    lengths_s = {"Lüfter {1} heil": LONG_S, "kaputt": LONG_S, "P heil": LONG_S + 1, "P kaputt": LONG_S, "kurz": 3.0}
    for seed, (name, length_s) in enumerate(lengths_s.items()):
        soundfile.write(folder / f"{name}.wav", noise(length_s, sample_rate=RATE, seed=seed), RATE)
    soundfile.write(folder / "stumm.wav", np.zeros(RATE), RATE)
    (folder / "kopie.wav").write_bytes((folder / "Lüfter {1} heil.wav").read_bytes())
    (folder / "liste.csv").write_text("path,label,machine\nLüfter {1} heil.wav,normal,fan\nkaputt.wav,anomalous,fan\n"
                                      "P heil.wav,normal,pump ä\nP kaputt.wav,anomalous,pump ä\n", encoding="utf-8")
    (folder / "notebooks").mkdir()
    for name, own in OWN.items():
        cell = nbformat.v4.new_code_cell(PARAMETERS + own, metadata={"tags": ["parameters"]})
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL}),
                       folder / "notebooks" / f"{name}.ipynb")
    return SimpleNamespace(folder=folder, notebooks=Notebooks.choose(folder / "notebooks"))


@pytest.fixture
def plan(place):
    """Plan a table that is given as text: runs and problems."""
    def plan(text, grid=(), parameters=None):
        (place.folder / "jobs.csv").write_text(text, encoding="utf-8")
        known = {name for entries in place.notebooks.listed.values() for name in entries} - set(GIVEN_BY_THE_RUN)
        rows, problems = read_rows(place.folder / "jobs.csv", known=known, grid=grid, parameters=parameters)
        assert problems == []
        return plan_runs(rows, place.notebooks)

    return plan


@pytest.fixture
def heard(monkeypatch):
    """What was listened to: a list of (inputs, channel, seed)."""
    heard, listen = [], datasets.listen

    def counted(found, inputs, *, channel, seed):
        heard.append((inputs, channel, seed))
        return listen(found, inputs, channel=channel, seed=seed)

    monkeypatch.setattr(batch_plan, "listen", counted)
    return heard


@pytest.fixture
def demos(monkeypatch):
    """Demos of some seconds; weak references to the sound of all that were made."""
    demos = []

    def made(seed):
        pair = short_pair(seed)
        demos.extend(weakref.ref(recording.sound) for recording in pair)
        return pair

    monkeypatch.setattr(datasets, "demo_pair", made)
    return demos


def short_pair(seed):
    """What stands in for the demo: seconds of noise instead of minutes of a machine."""
    return [in_memory(noise(LONG_S, sample_rate=RATE, seed=10 * seed + label), name=f"demo_{label}", label=label, sample_rate=RATE)
            for label in (0, 1)]


PAIR = "Lüfter {1} heil.wav,kaputt.wav"


def good(planned):
    runs, problems = planned
    assert problems == []
    return runs


# ---- what a run is

def test_a_run_by_hand(plan, place):
    run, = good(plan(f"name,normal,anomalous,window_s,seed\nPrüfling {{1}},{PAIR},0.5,3\n", parameters={"n_clusters": "5"}))
    paths = [str(place.folder / name) for name in PAIR.split(",")]
    assert (run.name, run.inputs, run.duration_s) == ("Prüfling {1}", Inputs((paths[0],), (paths[1],)), 40.0)
    assert run.varied == {"window_s": 0.5, "seed": 3}
    assert [type(value) for value in run.varied.values()] == [float, int]
    assert run.given == {"n_clusters": "5", "window_s": "0.5", "seed": "3"}  # as it was set
    assert run.plan.given == {"kmeans": {"n_clusters": 5, "window_s": 0.5, "seed": 3}, "gmm": {"window_s": 0.5, "seed": 3},
                              "comparison": {"window_s": 0.5, "seed": 3}}
    assert [(each.path, each.label, each.sample_rate) for each in run.recordings] == [(paths[0], 0, RATE), (paths[1], 1, RATE)]
    assert [(fact["path"], fact["sha256"]) for fact in run.facts] == [
        (path, hashlib.sha256(Path(path).read_bytes()).hexdigest()) for path in paths]
    assert run.left_out == [] and set(run.keys) == {"kmeans", "gmm", "comparison"}


def test_a_grid_makes_a_run_for_every_combination_with_typed_values(plan):
    runs = good(plan(f"normal,anomalous\n{PAIR}\n", grid=["window_s=0.5,1", "sample_rate=native,8000", "n_clusters=3,4"]))
    assert [list(run.varied.values()) for run in runs] == [
        [0.5, "native", 3], [0.5, "native", 4], [0.5, "8000", 3], [0.5, "8000", 4],
        [1.0, "native", 3], [1.0, "native", 4], [1.0, "8000", 3], [1.0, "8000", 4]]
    assert all([type(value) for value in run.varied.values()] == [float, str, int] for run in runs)
    assert {run.name for run in runs} == {"Lüfter {1} heil_kaputt"}
    assert [run.recordings[0].sample_rate for run in runs] == [16000, 16000, 8000, 8000] * 2
    assert len({run.keys["kmeans"] for run in runs}) == 8
    assert len({run.keys["gmm"] for run in runs}) == len({run.features for run in runs}) == 4  # n_clusters is no matter of theirs


def test_rows_that_say_the_same_have_the_same_keys_whatever_they_are_called(plan):
    first, second = good(plan(f"name,normal,anomalous,window_s\na,{PAIR},\nb,{PAIR},1.0\n"))
    assert first.keys == second.keys and first.features == second.features and first.name != second.name


@pytest.mark.parametrize(("name", "names"), [("", ["liste_fan", "liste_pump ä"]), ("Halle 2", ["Halle 2_fan", "Halle 2_pump ä"])])
def test_a_data_set_of_two_machines_makes_two_runs(plan, name, names):
    fan, pump = good(plan(f"name,dataset\n{name},liste.csv\n"))
    assert [run.name for run in (fan, pump)] == names
    assert [run.inputs.machine for run in (fan, pump)] == ["fan", "pump ä"]
    assert [[each.name for each in run.recordings] for run in (fan, pump)] == [["Lüfter {1} heil", "kaputt"],
                                                                               ["P heil", "P kaputt"]]
    assert (fan.duration_s, pump.duration_s) == (40.0, 41.0)
    assert not set(fan.keys.values()) & set(pump.keys.values())


@pytest.mark.parametrize(("name", "called"), [("", "liste_fan"), ("Halle 2", "Halle 2")])
def test_a_row_may_name_one_of_the_machines(plan, name, called):
    run, = good(plan(f"name,dataset,machine\n{name},liste.csv,fan\n"))
    assert (run.name, run.inputs.machine) == (called, "fan")


def test_the_demo_is_made_again_by_the_run_and_keeps_no_samples(plan, demos):
    runs = good(plan("name\nx\ny\n", grid=["seed=1,2,3"]))
    assert [(run.name, run.recordings, run.duration_s) for run in runs] == [("x", [], 40.0)] * 3 + [("y", [], 40.0)] * 3
    gc.collect()
    assert len(demos) >= 6 and not any(sound() is not None for sound in demos)
    assert [fact["sha256"] for fact in runs[1].facts] == [hashlib.sha256(each.samples).hexdigest() for each in short_pair(2)]
    assert runs[0].keys["kmeans"] != runs[1].keys["kmeans"] and runs[0].features != runs[1].features
    assert [run.keys for run in runs[:3]] == [run.keys for run in runs[3:]]


def test_of_the_demos_of_many_rows_only_the_last_is_held_in_memory(plan, demos, monkeypatch):
    alive, made = [], datasets.demo_pair

    def counted(seed):
        alive.append(sum(sound() is not None for sound in demos))
        return made(seed)

    monkeypatch.setattr(datasets, "demo_pair", counted)
    good(plan("name\nx\n", grid=["seed=1,2,3,4,5"]))
    assert len(alive) == 5 and max(alive) <= 2  # the pair before, at most


# ---- what is listened to

@pytest.mark.parametrize(("grid", "times"), [
    ([], 1), (["seed=1,2,3", "window_s=0.5,1.0"], 1), (["sample_rate=native,8000"], 1), (["channel=mean,1"], 2)])
def test_recordings_are_listened_to_once_however_many_rows_share_them(plan, heard, grid, times):
    runs = good(plan(f"name,normal,anomalous\na,{PAIR}\nb,{PAIR}\n", grid=grid))
    assert len(heard) == len(set(heard_but_the_seed(heard))) == times and len(runs) % (2 * times) == 0


def heard_but_the_seed(heard):
    return [(inputs, channel) for inputs, channel, _ in heard]


def test_other_parts_and_files_are_other_recordings(plan, heard):
    good(plan("normal,anomalous,start_s,end_s\n" + f"{PAIR},,\n{PAIR},0.25,\n{PAIR},0.25,\n{PAIR},0.25,19.9\n"
              "P heil.wav,kaputt.wav,,\n"))
    assert len(heard) == len(set(heard)) == 4


def test_each_machine_is_listened_to_once(plan, heard):
    runs = good(plan("dataset,machine\nliste.csv,\nliste.csv,fan\nliste.csv,\n"))
    assert [run.name for run in runs] == ["liste_fan", "liste_pump ä", "liste_fan", "liste_fan", "liste_pump ä"]
    assert [inputs.machine for inputs, _, _ in heard] == ["fan", "pump ä"]


def test_a_demo_is_made_once_for_rows_with_its_seed(plan, heard, demos):
    good(plan("name\nx\n", grid=["seed=1,2", "window_s=0.5,1.0"]))
    assert [seed for _, _, seed in heard] == [1, 2] and len(demos) == 4


def test_files_are_read_for_their_sha_once(plan, monkeypatch):
    read, sha256 = [], bookkeeping.file_sha256
    monkeypatch.setattr(bookkeeping, "file_sha256", lambda path: read.append(path) or sha256(path))
    runs = good(plan(f"normal,anomalous\n{PAIR}\nP heil.wav,kaputt.wav\n", grid=["seed=1,2"]))
    assert len(read) == len(set(read)) == 3 and len(runs) == 4
    assert runs[0].facts[1]["sha256"] == runs[3].facts[1]["sha256"]


def test_what_cannot_be_listened_to_is_not_tried_again_for_every_row(plan, heard):
    runs, problems = plan("normal,anomalous\nstumm.wav,kaputt.wav\n", grid=["seed=1,2,3"])
    assert runs == [] and len(problems) == 1
    assert len(heard) == 1


def test_what_cannot_be_used_is_left_out_where_the_row_allows_it(plan, place):
    run, without = good(plan(f"normal,anomalous,skip_broken\nLüfter {{1}} heil.wav; stumm.wav,kaputt.wav,yes\n{PAIR},\n"))
    (path, reason), = run.left_out
    assert path == str(place.folder / "stumm.wav") and reason.startswith("digital silence")
    assert [each.name for each in run.recordings] == ["Lüfter {1} heil", "kaputt"]
    assert without.left_out == [] and without.facts == run.facts
    assert not set(without.keys.values()) & set(run.keys.values())  # its notebooks say what was left out


# ---- what is wrong

WRONG = [  # rows below the first one, and what is wrong with them
    ("b,weg.wav,kaputt.wav,,", ["weg.wav: no such"]),
    ("c,kurz.wav,kaputt.wav,,", ["kurz: lasts 3.0 s but 19.5 s are needed"]),
    (f"d,{PAIR},lang,", ["window_s is a number such as 1.0, got 'lang'"]),
    ("e,kaputt.wav,kaputt.wav,,", ["kaputt.wav: is given as normal and as anomalous"]),
    ("f,Lüfter {1} heil.wav,kopie.wav,,", ["holds the same audio as"]),
    ("g,stumm.wav,kaputt.wav,,", ["stumm.wav: digital silence"]),
    (f"h,{PAIR},-2,", ["window_s must be a positive number"]),
    (f"...,{PAIR},,", ["a run needs a name with at least one letter or digit, got '...'"]),
    ("i,fort.wav,kaputt.wav,x,y", ["window_s is a number such as 1.0, got 'x'", "seed is a whole number such as 0, got 'y'",
                                   "fort.wav: no such"]),
]


@pytest.mark.parametrize("grid", [[], ["n_clusters=3,4,5"]])
def test_everything_that_is_wrong_in_any_row_is_told_at_once_and_once(plan, grid):
    runs, problems = plan("\n".join(["name,normal,anomalous,window_s,seed", f"a,{PAIR},,", *(row for row, _ in WRONG), ""]), grid)
    where = ", n_clusters 3 (and 2 more)" if grid else ""
    expected = [(f"jobs.csv, row {number} (line {number + 1}){where}: ", part)
                for number, (_, parts) in enumerate(WRONG, start=2) for part in parts]
    assert len(problems) == len(expected) == 11
    for problem, (row, part) in zip(problems, expected, strict=True):
        assert problem.startswith(row) and part in problem and "\n" not in problem, problem
    assert {run.name for run in runs} == {"a"} and len(runs) == (3 if grid else 1)


@pytest.mark.parametrize("rows", [f"{PAIR},-1\n", f"{PAIR},0\n{PAIR},-1\n", f"{PAIR},0\n{PAIR},4294967296\n", ",,-1\n"],
                         ids=["new", "heard", "heard, too large", "demo"])
def test_a_seed_that_is_none_is_told_whether_or_not_the_recordings_have_been_heard_before(plan, rows):
    runs, problems = plan(f"normal,anomalous,seed\n{rows}")
    assert len(problems) == 1 and "seed must be a whole number from 0 to 4294967295, got" in problems[0]
    assert len(runs) == rows.count("\n") - 1


def test_what_is_wrong_with_several_rows_is_told_once_with_the_first(plan):
    _, problems = plan(f"normal,anomalous,window_s\n{PAIR},x\n{PAIR},\nweg.wav,kaputt.wav,x\nweg.wav,kaputt.wav,\n{PAIR},x\n")
    assert [problem[:problem.index(": ")] for problem in problems] == [
        "jobs.csv, row 1 (line 2) (and 2 more)", "jobs.csv, row 3 (line 4) (and 1 more)"]


def test_what_is_wrong_with_a_machine_names_the_row(plan, place):
    rows = ["path,label,machine", "Lüfter {1} heil.wav,normal,fan", "kaputt.wav,anomalous,fan", "P heil.wav,normal,pump", ""]
    (place.folder / "halb.csv").write_text("\n".join(rows), encoding="utf-8")
    runs, problems = plan("dataset\nhalb.csv\n")
    assert [run.name for run in runs] == ["halb_fan"]
    assert len(problems) == 1 and problems[0].startswith("jobs.csv, row 1 (line 2): there is 1 normal recording and no anomalous")


def test_several_settings_of_a_row_that_are_out_of_range_are_all_told(plan):
    _, problems = plan(f"normal,anomalous,false_alarm_rate,n_mfcc\n{PAIR},7,0\n")
    assert len(problems) == 2 and any("7" in problem for problem in problems) and any("n_mfcc" in problem for problem in problems)
