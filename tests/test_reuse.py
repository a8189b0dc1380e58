"""Reuse: what a job is known by changes with all that its results depend on, and with nothing else."""

import json
from dataclasses import replace

import nbformat
import pandas as pd
import pytest
import soundfile
from batches_for_tests import PARAMETERS
from sounds import as_recording, noise

from acoustic_nb import reuse
from acoustic_nb.comparison import COMPARED, load_results
from acoustic_nb.datasets import listen
from acoustic_nb.inputs import Inputs, find_entries
from acoustic_nb.plan import Notebooks
from acoustic_nb.reuse import features_key, finished_jobs, is_whole, job_keys, made_by, package_sha256
from acoustic_nb.runs import Run, open_run
from acoustic_nb.stretches import Event

OWN = {"01_kmeans": "n_clusters: int = 8\n", "04_gmm": "covariance_type: str = 'full'\n", "07_comparison": "pairs: int = 3\n"}
ALL = {"kmeans", "gmm", "comparison"}
KERNEL = {"name": "python3", "language": "python", "display_name": "Python 3"}


@pytest.fixture(autouse=True)
def program():
    """What the keys remember of source and versions is asked for anew in every test, and after it."""
    reuse._program.cache_clear()
    yield
    reuse._program.cache_clear()


@pytest.fixture
def folder(tmp_path):
    """Three notebooks that share most parameters and have one of their own each."""
    folder = tmp_path / "notebooks {1} ä"
    folder.mkdir()
    for name, own in OWN.items():
        cell = nbformat.v4.new_code_cell(PARAMETERS + own, metadata={"tags": ["parameters"]}, id="parameters")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": KERNEL}), folder / f"{name}.ipynb")
    return folder


@pytest.fixture
def recordings():
    return [as_recording(noise(1.0, seed=label), label=label, name=name) for label, name in enumerate(("heil", "kaputt"))]


@pytest.fixture
def keys(folder, recordings):
    """The keys with what is changed: parameters, recordings, what was left out."""
    notebooks = Notebooks.choose(folder)

    def keys(parameters=None, heard=None, left_out=()):
        return job_keys(notebooks.plan(parameters or {}), heard or recordings, list(left_out))

    return keys


def changed(before, after):
    assert set(before) == set(after) == ALL
    return {job for job in before if before[job] != after[job]}


def test_a_key_is_32_hexadecimal_digits_of_its_own_and_the_same_every_time(keys):
    found = keys()
    assert found == keys() and len(set(found.values())) == 3
    assert all(len(key) == 32 and set(key) <= set("0123456789abcdef") for key in found.values())


# ---- parameters and notebooks

@pytest.mark.parametrize(("name", "value"), [
    ("channel", "1"), ("sample_rate", "8000"), ("window_s", 2.0), ("hop_s", 0.25), ("n_mfcc", 20), ("level", "removed"),
    ("clip_score", "max"), ("false_alarm_rate", 0.1), ("seed", 1)])
def test_every_parameter_that_all_notebooks_list_changes_all_keys(keys, name, value):
    assert changed(keys(), keys({name: value})) == ALL


@pytest.mark.parametrize(("name", "value", "jobs"), [
    ("n_clusters", 9, {"kmeans", "comparison"}), ("covariance_type", "tied", {"gmm", "comparison"}), ("pairs", 4, {"comparison"})])
def test_a_parameter_that_a_notebook_does_not_list_leaves_its_key_alone(keys, name, value, jobs):
    assert changed(keys(), keys({name: value})) == jobs


@pytest.mark.parametrize(("one", "other"), [
    ({"window_s": "0.5"}, {"window_s": 0.5}), ({"window_s": "2"}, {"window_s": 2}), ({"window_s": 2}, {"window_s": 2.0}),
    ({"seed": "3"}, {"seed": 3}), ({"sample_rate": "8000"}, {"sample_rate": 8000}),
    ({"window_s": 1.0, "seed": 0}, {}),  # what is the default need not be said
    ({"seed": 3, "window_s": 0.5}, {"window_s": 0.5, "seed": 3})])
def test_values_that_mean_the_same_make_the_same_keys(keys, one, other):
    assert keys(one) == keys(other)


@pytest.mark.parametrize(("name", "jobs"), [("01_kmeans", {"kmeans", "comparison"}), ("07_comparison", {"comparison"})])
def test_a_single_byte_of_a_notebook_changes_its_key_and_that_of_what_reads_its_results(keys, folder, name, jobs):
    before = keys()
    with open(folder / f"{name}.ipynb", "ab") as file:
        file.write(b" ")
    assert changed(before, keys()) == jobs


@pytest.mark.parametrize("name", ["normal", "anomalous", "dataset", "machine", "run_dir"])
def test_what_the_run_sets_itself_does_not_matter(folder, recordings, name):
    notebooks = Notebooks.choose(folder)
    before = job_keys(notebooks.plan({}), recordings, [])
    for entries in notebooks.listed.values():
        entries[name]["default"] = "/somewhere/else"
    assert job_keys(notebooks.plan({}), recordings, []) == before


def test_a_comparison_is_known_by_the_detectors_chosen_with_it(folder, recordings):
    every = Notebooks.choose(folder)
    whole, part = (job_keys(notebooks.plan({}), recordings, []) for notebooks in (every, every.only(("kmeans", "comparison"))))
    assert set(part) == {"kmeans", "comparison"}
    assert part["kmeans"] == whole["kmeans"] and part["comparison"] != whole["comparison"]


def test_the_order_of_notebooks_and_parameters_does_not_matter(folder, recordings):
    notebooks = Notebooks.choose(folder)
    plan = notebooks.plan({})
    turned = Notebooks(*({job: each[job] for job in reversed(each)} for each in (notebooks.jobs, notebooks.listed))).plan({})
    for job, entries in turned.listed.items():
        turned.listed[job] = {name: entries[name] for name in reversed(entries)}
    assert list(turned.jobs) != list(plan.jobs) and list(turned.listed["gmm"]) != list(plan.listed["gmm"])
    assert job_keys(turned, recordings, []) == job_keys(plan, recordings, [])


def test_the_folder_of_the_notebooks_does_not_matter(keys, folder, recordings, tmp_path):
    before = keys()
    moved = folder.rename(tmp_path / "elsewhere")
    assert job_keys(Notebooks.choose(moved).plan({}), recordings, []) == before


# ---- recordings

@pytest.mark.parametrize(("field", "value"), [
    ("name", "other"), ("label", 0), ("start_s", 0.5), ("n_frames", 22049), ("sample_rate", 8000), ("native_sample_rate", 44100),
    ("channel", 1), ("group", "day 1"), ("split", "test"), ("machine", "fan"), ("section", "00"), ("domain", "source"),
    ("events", (Event(0.1, 0.2, ""),)), ("layout", "dcase2021")])
def test_whatever_is_known_of_a_recording_changes_all_keys(keys, recordings, field, value):
    assert getattr(recordings[1], field) != value
    assert changed(keys(), keys(heard=[recordings[0], replace(recordings[1], **{field: value})])) == ALL


@pytest.mark.parametrize("event", [Event(0.1, 0.3, "knock"), Event(0.0, 0.2, "knock"), Event(0.1, 0.2, "rattle")])
def test_times_and_words_of_events_change_all_keys(keys, recordings, event):
    one, other = ([recordings[0], replace(recordings[1], events=(each,))] for each in (Event(0.1, 0.2, "knock"), event))
    assert changed(keys(heard=one), keys(heard=other)) == ALL


def test_a_single_sample_changes_all_keys(keys, recordings):
    sound = recordings[0].sound.copy()
    sound[1000] = -sound[1000]
    other = as_recording(sound, label=0, name="heil")
    assert other.facts() == recordings[0].facts()  # its sound alone tells it apart
    assert changed(keys(), keys(heard=[other, recordings[1]])) == ALL


@pytest.mark.parametrize(("field", "value"), [
    ("path", "/elsewhere/heil.wav"), ("where", "manifest.csv, row 7"), ("events_path", "/elsewhere/heil.txt")])
def test_where_a_recording_lies_does_not_matter(keys, recordings, field, value):
    assert getattr(recordings[0], field) != value
    assert keys(heard=[replace(recordings[0], **{field: value}), recordings[1]]) == keys()


def test_recordings_that_are_moved_keep_their_keys(keys, tmp_path):
    found = []
    for place in ("Prüf stand", "archive/{1} [a]"):
        (tmp_path / place).mkdir(parents=True)
        for label, name in enumerate(("heil", "kaputt")):
            soundfile.write(tmp_path / place / f"{name}.wav", noise(2.0, sample_rate=8000, seed=label), 8000)
        inputs = Inputs((f"{tmp_path / place}/heil.wav",), (f"{tmp_path / place}/kaputt.wav",))
        heard, _ = listen(find_entries(inputs), inputs)
        found.append(keys(heard=heard))
        assert heard[0].path.startswith(str(tmp_path / place))
    assert found[0] == found[1]


def test_what_was_left_out_changes_all_keys(keys):
    before = keys(left_out=[("/set/a.wav", "is empty")])
    assert changed(keys(), before) == changed(before, keys(left_out=[("/set/a.wav", "is a folder")])) == ALL
    assert changed(before, keys(left_out=[("/set/b.wav", "is empty")])) == ALL


def test_the_folder_of_what_was_left_out_does_not_matter(keys):
    assert keys(left_out=[("/set/a.wav", "is empty")]) == keys(left_out=[("/archive/set/a.wav", "is empty")])


# ---- source and versions

@pytest.mark.parametrize(("name", "value"), [("package_sha256", "another source"), ("versions", {"numpy": "9.9"})])
def test_source_and_versions_change_all_keys(keys, folder, monkeypatch, name, value):
    jobs = Notebooks.choose(folder).jobs
    before, made = keys(), made_by(jobs)
    reuse._program.cache_clear()
    monkeypatch.setattr(reuse, name, lambda: value)
    assert changed(before, keys()) == ALL and made_by(jobs) != made


def test_the_source_is_every_file_that_results_or_pages_are_made_by(tmp_path, monkeypatch):
    monkeypatch.setattr(reuse, "PACKAGE", tmp_path)
    for name in ("a.py", "sub/b.py", "templates/page.html.j2", "templates/style.css"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    seen = [package_sha256()]
    for name in ("a.pyc", "notes.txt", "sub/.b.py.swp"):
        (tmp_path / name).write_text("x")
        assert package_sha256() == seen[0]
    for name in ("a.py", "sub/b.py", "templates/page.html.j2", "templates/style.css", "sub/new.py"):
        (tmp_path / name).write_text("y")
        seen.append(package_sha256())
    (tmp_path / "a.py").rename(tmp_path / "c.py")
    seen.append(package_sha256())
    assert len(set(seen)) == 7


def test_what_a_batch_was_made_by_changes_with_each_notebook(folder):
    jobs = Notebooks.choose(folder).jobs
    before = made_by(jobs)
    assert made_by(dict(reversed(jobs.items()))) == before
    assert made_by({job: path for job, path in jobs.items() if job != "gmm"}) != before
    jobs["gmm"].write_text(jobs["gmm"].read_text() + "\n")
    assert made_by(jobs) != before


def test_what_made_a_batch_is_known_by_paths_as_text_too(folder):
    jobs = Notebooks.choose(folder).jobs
    assert made_by({job: str(path) for job, path in jobs.items()}) == made_by(jobs)


def test_source_and_versions_are_those_when_the_process_first_asked(folder, monkeypatch):
    jobs = Notebooks.choose(folder).jobs
    before = made_by(jobs)
    monkeypatch.setattr(reuse, "package_sha256", lambda: "another source")
    assert made_by(jobs) == before


# ---- features

SETTINGS = {"window_s": 1.0, "hop_s": 0.5, "n_mfcc": 13, "level": "kept", "seed": 0, "rotations": 1, "clip_score": "mean"}


@pytest.mark.parametrize(("name", "value"), [("window_s", 2.0), ("hop_s", 0.25), ("n_mfcc", 20), ("level", "removed")])
def test_features_are_known_by_what_they_are_computed_with(recordings, name, value):
    assert features_key(recordings, {**SETTINGS, name: value}) != features_key(recordings, SETTINGS)


def test_features_are_known_by_the_sound_and_its_rate(recordings):
    before = features_key(recordings, SETTINGS)
    assert features_key(recordings[:1], SETTINGS) != before
    assert features_key([recordings[0], replace(recordings[1], sample_rate=8000)], SETTINGS) != before
    assert features_key([recordings[0], as_recording(noise(1.0, seed=7), label=1, name="kaputt")], SETTINGS) != before


def test_features_do_not_depend_on_names_folders_or_what_a_detector_does_with_them(recordings):
    other = [replace(each, name=f"other {each.name}", path=f"/elsewhere/{each.name}") for each in recordings]
    settings = {**dict(reversed(SETTINGS.items())), "seed": 3, "clip_score": "max"}
    assert features_key(other, settings) == features_key(recordings, SETTINGS)


def test_for_the_sensitivity_alone_less_is_computed(recordings):
    alone = {name: value for name, value in SETTINGS.items() if name != "rotations"}
    assert features_key(recordings, alone) != features_key(recordings, SETTINGS)


# ---- what earlier batches have done

def made_run(runs_dir, batch, name, jobs, *, is_batch=True):
    """A run of a batch with ``{job: (status, key)}``."""
    run = Run(runs_dir / batch / name)
    (run.folder / "status").mkdir(parents=True)
    if is_batch:
        (runs_dir / batch / "batch.json").write_text(json.dumps({"name": batch}), encoding="utf-8")
    for job, (status, key) in jobs.items():
        run.write_status(job, status, **({"key": key} if key else {}))
    return run


def test_what_is_ok_or_skipped_is_done_by_whatever_batch(tmp_path):
    first = made_run(tmp_path, "2026-01-01_x", "Lüfter {1}", {"kmeans": ("ok", "k1"), "gmm": ("skipped", "g1")})
    second = made_run(tmp_path, "2026-01-02_ä", "pump", {"kmeans": ("ok", "k2")})
    third = made_run(tmp_path, "2026-01-02_ä", "valve", {"kmeans": ("ok", "k3")})
    assert finished_jobs(tmp_path) == {"k1": first, "g1": first, "k2": second, "k3": third}


@pytest.mark.parametrize("status", ["queued", "running", "failed", "timeout", "dead"])
def test_what_is_not_done_is_not_found_nor_what_has_read_its_results(tmp_path, status):
    run = made_run(tmp_path, "b", "pump", {"kmeans": ("ok", "k"), "gmm": (status, "g"), "comparison": ("ok", "c"),
                                           "sensitivity": ("ok", "s")})
    assert finished_jobs(tmp_path) == {"k": run}


@pytest.mark.parametrize("status", ["ok", "skipped"])
def test_a_comparison_counts_where_all_detectors_are_done(tmp_path, status):
    run = made_run(tmp_path, "b", "pump", {"kmeans": ("ok", "k"), "gmm": (status, "g"), "comparison": ("ok", "c"),
                                           "sensitivity": ("failed", "s")})
    assert finished_jobs(tmp_path) == {"k": run, "g": run, "c": run}


def test_what_is_no_batch_or_has_no_keys_is_passed_over(tmp_path):
    made_run(tmp_path, "single", "pump", {"kmeans": ("ok", "k1")}, is_batch=False)
    made_run(tmp_path, "b", "old", {"kmeans": ("ok", None)})
    (tmp_path / "b" / "not a run").mkdir()
    (tmp_path / "note.txt").touch()
    assert finished_jobs(tmp_path) == finished_jobs(tmp_path / "nowhere") == {}


def test_runs_are_named_in_full_from_any_folder(tmp_path, monkeypatch):
    run = made_run(tmp_path / "runs", "b", "pump", {"kmeans": ("ok", "k")})
    monkeypatch.chdir(tmp_path)
    assert finished_jobs("runs") == {"k": run} and run.folder.is_absolute()


# ---- whether it is still there

def whole_run(folder, job, stem, status="ok", kept=()):
    run = made_run(folder, "b", "Lüfter {1}", {})
    for file in (f"{stem}.ipynb", f"reports/{stem}.html", *kept):
        (run.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (run.folder / file).touch()
    run.write_status(job, status, key="k", kept=list(kept))
    return run


KEPT = {
    ("kmeans", "01_kmeans"): ("kmeans/figures/Verlauf {1} ä.png", "kmeans/items.csv", "kmeans/metrics.json", "kmeans/scores.csv"),
    ("comparison", "07_comparison"): ("comparison/pairs.csv", "comparison/summary.csv", "comparison/verdict.json"),
    ("own idea", "09_own idea"): ("own idea/notes.txt",)}


@pytest.mark.parametrize(("job", "stem", "lost"), [
    (job, stem, lost) for (job, stem), kept in KEPT.items()
    for lost in ("", *kept, f"{stem}.ipynb", f"reports/{stem}.html", f"status/{job}.json")])
def test_a_job_is_whole_with_its_notebook_its_report_and_all_that_it_says_it_has_kept(tmp_path, job, stem, lost):
    run = whole_run(tmp_path, job, stem, kept=KEPT[job, stem])
    if lost:
        (run.folder / lost).unlink()
    assert is_whole(run, job, stem) == (not lost)


def test_a_job_of_which_nobody_has_said_what_it_kept_is_not_whole(tmp_path):
    run = whole_run(tmp_path, "kmeans", "01_kmeans")
    run.write_status("kmeans", "ok", key="k")
    assert not is_whole(run, "kmeans", "01_kmeans")


def test_a_notebook_of_another_number_is_another_file(tmp_path):
    assert not is_whole(whole_run(tmp_path, "kmeans", "01_kmeans"), "kmeans", "02_kmeans")


@pytest.mark.parametrize(("job", "status"), [("kmeans", "skipped"), ("kmeans", "ok"), ("comparison", "ok")])
def test_what_has_kept_nothing_is_whole_without_results(tmp_path, job, status):
    assert is_whole(whole_run(tmp_path, job, "01_x", status), job, "01_x")


def test_what_is_there_beside_what_was_kept_does_not_matter(tmp_path):
    run = whole_run(tmp_path, "kmeans", "01_kmeans", kept=("kmeans/scores.csv",))
    (run.folder / "kmeans" / "more.txt").touch()
    assert is_whole(run, "kmeans", "01_kmeans")
    (run.folder / "kmeans" / "scores.csv").unlink()  # another of the same name elsewhere is not it
    (run.folder / "scores.csv").touch()
    assert not is_whole(run, "kmeans", "01_kmeans")


def test_a_folder_in_the_place_of_a_file_is_not_what_was_kept(tmp_path):
    run = whole_run(tmp_path, "kmeans", "01_kmeans", kept=("kmeans/scores.csv",))
    (run.folder / "kmeans" / "scores.csv").unlink()
    (run.folder / "kmeans" / "scores.csv").mkdir()
    assert not is_whole(run, "kmeans", "01_kmeans")


def test_a_run_that_is_gone_is_not_whole(tmp_path):
    assert not is_whole(Run(tmp_path / "gone"), "kmeans", "01_kmeans")


# ---- results that were taken from elsewhere, side by side

TABLE = pd.DataFrame({"recording": ["a", "b"], "start_s": 0.0, "end_s": 1.0, "part": "test", "label": [0, 1], "score": [1.0, 2.0],
                      "flagged": [False, True]})


@pytest.fixture
def keep(tmp_path):
    """Keep what a detector has made of recordings, and look at it beside that of the others."""
    run = open_run(tmp_path / "run {1} ä")

    def keep(name, recordings):
        metrics = {"parameters": dict.fromkeys(COMPARED, "the same"), "blocks": [1, 2],
                   "recordings": [recording.facts() for recording in recordings]}
        run.save_detector(name, scores=TABLE, items=TABLE, metrics=metrics, figures={})
        return load_results(run)

    return keep


def test_results_of_recordings_that_lie_elsewhere_belong_together(keep, recordings):
    moved = [replace(each, path=f"/archive/{each.path}") for each in recordings]
    assert [each.facts()["path"] for each in moved] != [each.facts()["path"] for each in recordings]
    keep("kmeans", recordings)
    found = keep("gmm", moved)
    assert list(found) == ["kmeans", "gmm"]
    assert [found[name]["recordings"][0]["path"] for name in found] == ["heil.wav", "/archive/heil.wav"]  # each as it was


@pytest.mark.parametrize("changed", [
    {"name": "other"}, {"n_frames": 11025}, {"label": 0}, {"start_s": 0.5}, {"channel": 1}, {"sample_rate": 8000},
    {"native_sample_rate": 44100}, {"group": "day 1"}, {"split": "test"}, {"machine": "fan"}, {"section": "00"},
    {"events": (Event(0.1, 0.2, ""),)}])
def test_results_of_recordings_that_differ_in_more_than_their_place_do_not(keep, recordings, changed):
    other = [recordings[0], replace(recordings[1], **changed)]
    keep("kmeans", recordings)
    with pytest.raises(ValueError, match="kmeans and gmm were judged on different recordings or cuts; run both notebooks again"):
        keep("gmm", other)


@pytest.mark.parametrize("change", [lambda each: each[:1], lambda each: [*each, each[0]], lambda each: each[::-1]])
def test_results_of_fewer_more_or_other_recordings_do_not_belong_together(keep, recordings, change):
    keep("kmeans", recordings)
    with pytest.raises(ValueError, match="were judged on different recordings or cuts"):
        keep("gmm", change(recordings))
