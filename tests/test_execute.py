"""Executing: whatever a notebook does, the run says it truly, and can be gone on with. Stub notebooks, no sound."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from types import SimpleNamespace

import nbformat
import psutil
import pytest
from sounds import noise

from acoustic_nb import bookkeeping, execute, loading, machine, parameters, runners, worker
from acoustic_nb.audio import in_memory
from acoustic_nb.inputs import Inputs
from acoustic_nb.runs import Run

PARAMETERS = '''normal: str = "demo"
anomalous: str = "demo"
window_s: float = 1.0  # length of a window in seconds
seed: int = 0
run_dir: str = "scratch"
'''
MARK = "import os, pathlib; here = pathlib.Path(run_dir); (here / '{0}.mark').write_text(f'{{os.getpid()}} {{seed}}')\n"


def write_notebook(folder, name, code, parameters=PARAMETERS, tag="parameters"):
    cell = nbformat.v4.new_code_cell(parameters, metadata={"tags": [tag]})
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_code_cell(code)], metadata={
        "kernelspec": {"name": "python3", "language": "python", "display_name": "Python 3"}})
    folder.mkdir(exist_ok=True, parents=True)
    nbformat.write(notebook, folder / name)


def recordings(inputs=None, settings=None):
    """What ``load_inputs`` returns: two recordings of a second, and nothing left out."""
    return [in_memory(noise(1.0, seed=label), name=name, label=label, sample_rate=22050)
            for label, name in enumerate(("a", "b"))], []


def share_nothing(recordings, settings):
    pass


STUBS = {"load": recordings, "share": share_nothing}


def wait_until(true, seconds=40):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)


def is_alive(pid):
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def workers_of(folder):
    """Processes that have the folder's path in their command line, as every worker has."""
    wanted = json.dumps(str(folder))[1:-1]
    return [process.pid for process in psutil.process_iter(["cmdline"])
            if any(wanted in word for word in process.info["cmdline"] or ()) and process.pid != os.getpid()]


# ---- every way in which a notebook can end, in one run with an awkward name

@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    notebooks = folder / "note {books} 'n'"
    write_notebook(notebooks, "01_good.ipynb", MARK.format("good") + "print(os.getcwd(), os.environ['OMP_NUM_THREADS'])")
    write_notebook(notebooks, "02_raises.ipynb", "raise ValueError('no\\nluck')")
    write_notebook(notebooks, "03_dies.ipynb", "import os; os.kill(os.getpid(), 9)")
    write_notebook(notebooks, "04_slow.ipynb", "import time; time.sleep(60)")
    write_notebook(notebooks, "05_leaves.ipynb", "import sys; sys.exit()")
    write_notebook(notebooks, "05_too_few.ipynb", "from acoustic_nb.detectors.base import NotEnoughData\n"
                   "raise NotEnoughData('one clip,\\ntwo are needed')")
    write_notebook(notebooks, "06_orphans.ipynb", "import os; os.kill(os.getppid(), 9)")
    write_notebook(notebooks, "07_comparison.ipynb", "import json, pathlib\nhere = pathlib.Path(run_dir)\n"
                   "print({path.stem: json.loads(path.read_text())['status'] for path in here.glob('status/*')})\n"
                   "(here / 'comparison').mkdir()\n"
                   "(here / 'comparison/verdict.json').write_text('{\"kind\": \"k\", \"text\": \"t\"}')")
    write_notebook(notebooks, "Untitled.ipynb", "raise ValueError('not a job')")
    before = os.getcwd(), signal.getsignal(signal.SIGINT)
    run = execute.start_run(folder / "lauf \"ä\" {x} 'q'", name="lauf \"ä\" {x} 'q'", parameters={"seed": "7"},
                            notebooks=notebooks, timeout_s=3, workers=2, command="what was typed", **STUBS)
    assert (os.getcwd(), signal.getsignal(signal.SIGINT)) == before
    return run


def test_every_end_has_its_status(mixed):
    assert {job: status["status"] for job, status in mixed.statuses().items()} == {
        "good": "ok", "raises": "failed", "dies": "dead", "slow": "timeout", "leaves": "failed",
        "too_few": "skipped", "orphans": "dead", "comparison": "ok"}
    assert all(0 < status["seconds"] < 60 for status in mixed.statuses().values())


@pytest.mark.parametrize("job, error", [
    ("good", None), ("raises", "ValueError: no luck (cell [3])"), ("leaves", "SystemExit: the notebook ended itself (cell [3])"),
    ("dies", "DeadKernelError: the kernel died in cell [3]; if memory ran out, use --workers 1"),
    ("slow", "CellTimeoutError: cell [3] ran longer than 3 s; allow more with --timeout"),
    ("too_few", "one clip, two are needed"), ("orphans", "the job's process was killed by signal 9")])
def test_every_error_is_one_line_with_its_cell(mixed, job, error):
    assert mixed.statuses()[job]["error"] == error


def test_the_comparison_runs_last(mixed):
    printed = (mixed.folder / "07_comparison.ipynb").read_text()
    assert "queued" not in printed and printed.count("running") == 1  # its own


def test_executed_notebooks_and_reports_stay_also_where_a_job_failed(mixed):
    assert "no\\nluck" in (mixed.folder / "02_raises.ipynb").read_text()
    reported = {path.stem for path in (mixed.folder / "reports").iterdir()}
    # 06 lost its worker
    assert reported == {"01_good", "02_raises", "03_dies", "04_slow", "05_leaves", "05_too_few", "07_comparison"}
    assert (mixed.folder / "index.html").is_file()


def test_parameters_arrive_and_threads_are_shared_out(mixed):
    pid, seed = (mixed.folder / "good.mark").read_text().split()
    assert seed == "7" and not is_alive(int(pid))
    assert f" {max(1, machine.cores() // 2)}\\n" in (mixed.folder / "01_good.ipynb").read_text()


def test_run_json_tells_what_happened(mixed):
    manifest = mixed.read_manifest()
    assert manifest["jobs"] == {job: status["status"] for job, status in mixed.statuses().items()}
    assert list(manifest["jobs"]) == ["good", "raises", "dies", "slow", "leaves", "too_few", "orphans", "comparison"]
    assert manifest["parameters"] == {"window_s": 1.0, "seed": 7, "normal": "demo", "anomalous": "demo"}
    assert manifest["command"] == "what was typed" and manifest["seed"] == 7 and manifest["finished"]
    assert manifest["verdict"] == {"kind": "k", "text": "t"}
    assert [entry["duration_s"] for entry in manifest["inputs"]] == [1.0, 1.0]
    assert manifest["versions"]["python"] and manifest["versions"]["papermill"]


def test_nothing_is_left_over(mixed):
    assert not (mixed.folder / "runner").exists() and not workers_of(mixed.folder)
    assert not list(mixed.folder.rglob(".*"))


# ---- workers, which do one job after another

def test_a_worker_goes_on_and_nothing_passes_from_job_to_job(tmp_path):
    notebooks = tmp_path / "notebooks"
    spoil = ("import json, os, pathlib, sys, tempfile, warnings; here = pathlib.Path(run_dir)\n{}\n"
             "assert os.environ.pop('LEFT', None) is None and not os.path.exists(os.environ['IPYTHONDIR'] + '/left')\n"
             "print(tempfile.mkdtemp(), file=open(here / 'temporary', 'a'))\n"
             "told = [os.getpid(), os.getppid(), os.getcwd()]; (here / 'told-{}').write_text(json.dumps(told))\n"
             "open(os.environ['IPYTHONDIR'] + '/left', 'w').close(); os.environ['LEFT'] = '1'; os.chdir('/')\n")
    past_the_notebook = "os.write(1, b'\\n\\n'); import time; time.sleep(0.5)"
    write_notebook(notebooks, "01_a.ipynb", spoil.format(past_the_notebook, "a"))
    write_notebook(notebooks, "02_b.ipynb", spoil.format("", "b") + "raise ValueError('b')")
    write_notebook(notebooks, "07_comparison.ipynb", spoil.format("", "c"))
    run = execute.start_run(tmp_path / "runs", notebooks=notebooks, workers=1, **STUBS)
    assert {job: status["error"] for job, status in run.statuses().items()} == {
        "a": None, "b": "ValueError: b (cell [3])", "comparison": None}
    kernels, workers, folders = zip(*(json.loads((run.folder / f"told-{job}").read_text()) for job in "abc"), strict=True)
    assert len(set(kernels)) == 3 and len(set(workers)) == 1 and set(folders) == {str(notebooks)}
    assert not any(map(is_alive, {*kernels, *workers}))
    assert not any(map(os.path.exists, (run.folder / "temporary").read_text().splitlines()))


def test_a_killed_worker_takes_its_job_along_and_no_other(tmp_path):
    notebooks = tmp_path / "notebooks"
    says = "import os\nwith open(os.environ['TMPDIR'] + '/log', 'a') as log: print('words of {}', file=log)\n"
    write_notebook(notebooks, "01_a.ipynb", says.format("a"))
    write_notebook(notebooks, "02_b.ipynb", says.format("b") + "os.kill(os.getppid(), 9)")
    write_notebook(notebooks, "03_c.ipynb", says.format("c"))
    write_notebook(notebooks, "04_d.ipynb", "import os; os.kill(os.getppid(), 9)")
    write_notebook(notebooks, "05_e.ipynb", "1")
    run = execute.start_run(tmp_path / "runs", notebooks=notebooks, workers=1, **STUBS)
    killed = "the job's process was killed by signal 9"
    assert {job: (status["status"], status["error"]) for job, status in run.statuses().items()} == {
        "a": ("ok", None), "b": ("dead", f"{killed}: words of b"), "c": ("ok", None), "d": ("dead", killed), "e": ("ok", None)}


def test_a_worker_that_is_killed_before_its_job_takes_none_along(tmp_path):
    write_notebook(tmp_path / "notebooks", "01_a.ipynb", "1")
    write_notebook(tmp_path / "notebooks", "02_b.ipynb", "1")
    early = []

    def share(*arguments):
        early.extend(workers_of(tmp_path / "runs"))
        for pid in early:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(is_alive, early)))

    run = execute.start_run(tmp_path / "runs", notebooks=tmp_path / "notebooks", workers=2, load=recordings, share=share)
    assert len(early) == 2 and {status["status"] for status in run.statuses().values()} == {"ok"}


@pytest.mark.parametrize("save_s, seen", [(0, ["completed", "running"]), (60, ["pending", "pending"])])
def test_an_unfinished_notebook_is_written_when_it_is_due(tmp_path, monkeypatch, save_s, seen):
    write_notebook(tmp_path, "01_a.ipynb", "import shutil; shutil.copy(run_dir + '/done.ipynb', run_dir + '/seen.ipynb')")
    monkeypatch.setattr(worker, "SAVE_S", save_s)
    task = {"parameters": {"run_dir": str(tmp_path)}, "timeout_s": 60}
    assert worker._execute_notebook(tmp_path / "01_a.ipynb", tmp_path / "done.ipynb", task, tmp_path) == ("ok", None)
    found, last = (nbformat.read(tmp_path / f"{name}.ipynb", as_version=4).cells for name in ("seen", "done"))
    assert [cell.metadata.papermill.status for cell in found if cell.source != PARAMETERS] == seen
    assert {cell.metadata.papermill.status for cell in last} == {"completed"}


@pytest.mark.parametrize("validator", ["fastjsonschema", "jsonschema"])
def test_an_invalid_notebook_is_still_refused(tmp_path, validator):
    write_notebook(tmp_path, "01_good.ipynb", "1")
    code = ("import json, sys; from acoustic_nb.parameters import notebook_parameters; print(*notebook_parameters(sys.argv[1]))\n"
            "import nbformat; assert sys.modules['rfc3987_syntax'] is None\n"
            "notebook = json.load(open(sys.argv[1])); nbformat.validate(notebook); print('valid')\n"
            "notebook['cells'][0]['source'] = 1; nbformat.validate(notebook)")
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path / "01_good.ipynb")], capture_output=True, text=True,
                           env={**os.environ, "NBFORMAT_VALIDATOR": validator})
    assert ended.stdout.split() == ["normal", "anomalous", "window_s", "seed", "run_dir", "valid"]
    assert "ValidationError: 1 is not valid under any of the given schemas" in ended.stderr


# ---- ended half way, and gone on with

# a regular expression that runs for years and never lets another thread of its process have a turn
HANGS = MARK.format("hangs") + "import re\nif not (here / 'go').exists(): re.match(r'(a+)+$', 'a' * 60 + 'b')"
RUNNER = """
import sys
from functools import partial
import numpy as np
from acoustic_nb import cli, execute
from acoustic_nb.audio import in_memory
def load(*arguments):
    return [in_memory(np.random.default_rng(0).standard_normal(8000), name="x", label=0, sample_rate=8000)], []
execute.start_run = partial(execute.start_run, notebooks=sys.argv[1], load=load, share=lambda *arguments: None)
sys.exit(cli.main(["run", "--runs-dir", sys.argv[2], "--name", "cut short", "--workers", "2", "-p", "seed", "5"]))
"""


@pytest.fixture
def half_way(tmp_path):
    """A runner in a process of its own, as far as one job ok and one hanging; ended with the test in any case."""
    folder, notebooks = tmp_path, tmp_path / "notebooks"
    write_notebook(notebooks, "01_quick.ipynb", MARK.format("quick"))
    write_notebook(notebooks, "02_hangs.ipynb", HANGS)
    write_notebook(notebooks, "07_comparison.ipynb", MARK.format("comparison"))
    runner = subprocess.Popen([sys.executable, "-c", RUNNER, str(notebooks), str(folder / "runs")],
                              stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: list(folder.glob("runs/*/hangs.mark")))
        run = Run.open(next(folder.glob("runs/*")))
        wait_until(lambda: run.read_manifest()["jobs"]["quick"] == "ok")
        assert len(workers_of(run.folder)) == 2 and runners.is_running(run.folder)
        yield runner, run, notebooks, int((run.folder / "hangs.mark").read_text().split()[0])
    finally:
        runner.kill()
        runner.wait()


def go_on(run, notebooks):
    """Resume, and check that only what was unfinished ran."""
    before = {path: path.stat().st_mtime_ns for path in (run.folder / "quick.mark", run.folder / "01_quick.ipynb",
                                                         run.folder / "status" / "quick.json")}
    (run.folder / "go").touch()
    execute.resume_run(run, notebooks=notebooks, **STUBS)
    assert {job: status["status"] for job, status in run.statuses().items()} == {
        "quick": "ok", "hangs": "ok", "comparison": "ok"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (run.folder / "hangs.mark").read_text().split()[1] == "5"  # the parameter of the first start
    manifest = run.read_manifest()
    assert manifest["jobs"] == {"quick": "ok", "hangs": "ok", "comparison": "ok"} and len(manifest["resumed"]) == 1


def test_a_killed_runner_leaves_no_process_and_can_be_resumed(half_way):
    runner, run, notebooks, kernel = half_way
    runner.kill()
    runner.communicate()
    wait_until(lambda: not is_alive(kernel) and not workers_of(run.folder), 10)
    assert not runners.is_running(run.folder)
    assert run.statuses()["hangs"]["status"] == "running" and run.statuses()["comparison"]["status"] == "queued"
    go_on(run, notebooks)
    mark = (run.folder / "comparison.mark").stat().st_mtime_ns
    execute.resume_run(run, notebooks=notebooks, **STUBS)  # nothing left to do
    assert (run.folder / "comparison.mark").stat().st_mtime_ns == mark


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_runner_cleans_up_and_says_how_to_go_on(half_way, number):
    runner, run, notebooks, kernel = half_way
    with pytest.raises(ValueError, match=f"is running already, in process {runner.pid}"):
        execute.resume_run(run, notebooks=notebooks, timeout_s=3, **STUBS)
    runner.send_signal(number)
    said = runner.communicate(timeout=20)[1]
    assert runner.returncode == 130 and "Traceback" not in said
    assert f"acoustic-nb run --resume '{run.folder}'" in said
    assert not is_alive(kernel) and not workers_of(run.folder)
    assert run.statuses()["hangs"] == {"job": "hangs", "status": "queued", "error": "interrupted", "seconds": None}
    assert run.read_manifest()["jobs"] == {"quick": "ok", "hangs": "queued", "comparison": "queued"}
    assert run.read_manifest()["verdict"]["kind"] == "none"
    if number == signal.SIGINT:
        go_on(run, notebooks)


def test_the_comparison_runs_again_when_a_job_did(tmp_path):
    notebooks = tmp_path / "notebooks"
    write_notebook(notebooks, "01_first.ipynb", "import pathlib; assert pathlib.Path(run_dir, 'go').exists(), 'not yet'")
    write_notebook(notebooks, "07_comparison.ipynb", MARK.format("comparison"))
    run = execute.start_run(tmp_path / "runs", notebooks=notebooks, **STUBS)
    assert run.statuses()["first"]["error"] == "AssertionError: not yet (cell [3])"
    assert run.read_manifest()["verdict"]["text"].startswith("no verdict: ")
    kernel = (run.folder / "comparison.mark").read_text()
    (run.folder / "first").mkdir()  # what a job wrote before it failed is no result
    (run.folder / "go").touch()
    execute.resume_run(run, notebooks=notebooks, **STUBS)
    assert {status["status"] for status in run.statuses().values()} == {"ok"}
    assert (run.folder / "comparison.mark").read_text() != kernel and not (run.folder / "first").exists()


# ---- what is refused before anything starts

@pytest.fixture
def plain(tmp_path):
    write_notebook(tmp_path / "notebooks", "01_gmm.ipynb", "1", PARAMETERS + "covariance: str = 'full'  # kind\nsteps = 3\n")
    write_notebook(tmp_path / "notebooks", "02_svm.ipynb", "1", PARAMETERS + "fast: bool = True\nsizes: list = [1]\nc: float = 1\n")
    write_notebook(tmp_path / "notebooks", "07_comparison.ipynb", "1", 'run_dir: str = "x"')
    return tmp_path / "notebooks"


def listed(folder):
    return {job: parameters.notebook_parameters(path) for job, path in parameters.find_notebooks(folder).items()}


def test_parameters_are_read_from_the_notebook(plain):
    found = listed(plain)
    assert found["gmm"]["window_s"] == {"type": "float", "default": 1.0, "help": "length of a window in seconds"}
    assert found["gmm"]["covariance"] == {"type": "str", "default": "full", "help": "kind"}
    assert found["gmm"]["steps"]["type"] == "int" and found["svm"]["c"]["type"] == "float"
    assert list(found["comparison"]) == ["run_dir"]


def test_a_parameter_goes_to_the_notebooks_that_list_it(plain):
    given = parameters.check_parameters(listed(plain), {"window_s": "0.5", "steps": "4", "fast": "no", "covariance": "tied"})
    assert given == {"gmm": {"window_s": 0.5, "steps": 4, "covariance": "tied"}, "svm": {"window_s": 0.5, "fast": False},
                     "comparison": {}}
    assert type(given["gmm"]["steps"]) is int and given["svm"]["fast"] is False


@pytest.mark.parametrize("name, value, match", [
    ("windows_s", 1, "did you mean 'window_s'"), ("qqq", 1, "no parameter|has a parameter 'qqq'"),
    ("run_dir", "x", "set by the run itself"), ("normal", "x", "set by the run itself"),
    ("dataset", "x", "no notebook of this run has a parameter 'dataset'|set by the run itself"),
    ("window_s", "abc", r"window_s is a number such as 1\.0, got 'abc'"), ("window_s", "nan", "is a number"),
    ("window_s", "inf", "is a number"), ("window_s", True, "is a number"), ("window_s", None, "is a number"),
    ("window_s", [1], "is a number"), ("seed", "1.5", "seed is a whole number such as 0, got '1.5'"),
    ("seed", "x; import os", "whole number"), ("seed", "1e400", "whole number"), ("steps", 2.5, "whole number such as 3"),
    ("fast", "maybe", "true or false such as true"), ("fast", 2, "true or false"), ("covariance", True, "is a text such as full"),
    ("sizes", "[2]", "cannot be set from outside"), ("seed=1; x", 1, "has a parameter")])
def test_a_parameter_that_does_not_fit_is_refused(plain, name, value, match):
    with pytest.raises(ValueError, match=match):
        parameters.check_parameters(listed(plain), {name: value})


def test_a_notebook_without_a_parameters_cell_is_refused(tmp_path):
    write_notebook(tmp_path, "01_x.ipynb", "1", tag="other")
    with pytest.raises(ValueError, match="no cell tagged 'parameters'"):
        parameters.notebook_parameters(tmp_path / "01_x.ipynb")


def test_only_takes_detectors_and_always_compares(plain):
    notebooks = parameters.find_notebooks(plain)
    assert list(parameters.choose_jobs(notebooks)) == ["gmm", "svm", "comparison"]
    assert list(parameters.choose_jobs(notebooks, ["svm"])) == ["svm", "comparison"]
    with pytest.raises(ValueError, match="'gm', did you mean 'gmm'"):
        parameters.choose_jobs(notebooks, ["gm"])
    for nothing in ([], ["comparison"]):
        with pytest.raises(ValueError, match="no detector is chosen"):
            parameters.choose_jobs(notebooks, nothing)


def test_the_sensitivity_is_run_where_it_is_asked_for():
    notebooks = dict.fromkeys(("gmm", "svm", "comparison", "sensitivity"))
    assert list(parameters.choose_jobs(notebooks)) == ["gmm", "svm", "comparison"]
    assert list(parameters.choose_jobs(notebooks, sensitivity=True)) == list(notebooks)
    assert list(parameters.choose_jobs(notebooks, ["svm", "sensitivity"])) == ["svm", "comparison", "sensitivity"]
    assert list(parameters.choose_jobs(notebooks, ["sensitivity"])) == ["sensitivity"]
    assert list(parameters.choose_jobs(notebooks, ["svm"], sensitivity=True)) == ["svm", "comparison", "sensitivity"]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("gone")])
def test_what_ends_while_files_are_identified_leaves_nothing(tmp_path, monkeypatch, capsys, error):
    def end(recordings):
        raise error

    write_notebook(tmp_path / "notebooks", "01_good.ipynb", "pass")

    monkeypatch.setattr("acoustic_nb.execute.identify", end)
    with pytest.raises(error if isinstance(error, type) else type(error)):
        execute.start_run(tmp_path / "runs", notebooks=tmp_path / "notebooks", **STUBS)
    assert not list((tmp_path / "runs").glob("*"))
    assert capsys.readouterr().err == ("interrupted; no run was started\n" if error is KeyboardInterrupt else "")


@pytest.mark.parametrize(("name", "value"), [("ACOUSTIC_NB_CACHE", "here"), ("ACOUSTIC_NB_CACHE_MB", "-1")])
def test_a_cache_that_is_none_is_said_before_anything_is_heard(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    monkeypatch.setattr("acoustic_nb.loading.listen", lambda *a, **k: pytest.fail("listened"))
    with pytest.raises(ValueError, match=f"{name} = {value}"):
        loading.load_inputs(Inputs(), {"seed": 0, "false_alarm_rate": 0.05, "n_mfcc": 13, "level": "kept", "clip_score": "mean"})


def bad_load(*arguments):
    raise ValueError("too short")


@pytest.mark.parametrize("wrong, match", [
    ({"load": bad_load}, "too short"), ({"share": bad_load}, "too short"), ({"only": ["svn"]}, "did you mean 'svm'"),
    ({"parameters": {"sed": 1}}, "did you mean 'seed'"), ({"workers": 0}, "at least 1 worker"), ({"timeout_s": 0}, "positive"),
    ({"name": "///"}, "needs a name"), ({"notebooks": "/nowhere"}, "holds no notebooks")])
def test_bad_input_leaves_nothing_behind(plain, tmp_path, wrong, match):
    with pytest.raises((ValueError, OSError), match=match):
        execute.start_run(tmp_path / "runs", **{"notebooks": plain, **STUBS, **wrong})
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())
    assert not workers_of(tmp_path / "runs")


def test_a_foreign_kernel_is_refused(monkeypatch, tmp_path):
    kernel = tmp_path / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps({"argv": ["/opt/old/python", "-m", "ipykernel_launcher"], "language": "python",
                                                    "display_name": "stale"}))
    machine.check_kernel()
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with pytest.raises(ValueError, match="the kernel python3 starts /opt/old/python, but this is"):
        machine.check_kernel()


def test_resume_refuses_recordings_that_have_changed(plain, tmp_path):
    sound = tmp_path / "sound.wav"
    sound.write_bytes(b"one")
    run = Run.create(tmp_path / "runs", "x")
    run.write_manifest({"inputs": [{"path": str(sound), "sha256": bookkeeping.file_sha256(sound)}], "jobs": {"gmm": "queued"},
                        "given": {}, "asked": asdict(Inputs((str(sound),), (str(sound),))), "parameters": {}, "timeout_s": 9})
    sound.write_bytes(b"two")
    with pytest.raises(ValueError, match="has changed since"):
        execute.resume_run(run, notebooks=plain, **STUBS)
    sound.unlink()
    with pytest.raises(FileNotFoundError, match="no such file any more"):
        execute.resume_run(run, notebooks=plain, **STUBS)


def test_workers_fit_cores_memory_and_jobs(monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 8)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=5 * 2**30))
    assert [machine.worker_count(7), machine.worker_count(2), machine.worker_count(7, 5)] == [3, 2, 5]
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=2**20))
    assert machine.worker_count(7) == 1
