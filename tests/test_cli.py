"""The command line: what was typed reaches the engine, and whatever is wrong ends in one line."""

import errno
import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import unquote

import numpy as np
import pytest
import soundfile
from bs4 import BeautifulSoup
from sounds import noise

from acoustic_nb import cache, cli, execute, machine, machines, parameters, runners
from acoustic_nb.cli import main
from acoustic_nb.inputs import Inputs
from acoustic_nb.runs import Run


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What ``start_run`` was called with; runs nothing."""
    calls = {}

    def start_run(runs_dir, **settings):
        run = a_run(tmp_path / "runs", "new")
        calls.update(settings, runs_dir=runs_dir)
        return run

    monkeypatch.setattr(execute, "start_run", start_run)
    return calls


def a_run(runs_dir, name, **statuses):
    run = Run.create(runs_dir, name)
    run.write_manifest({"jobs": statuses, "verdict": {"kind": "separates", "text": f"verdict of {name}"}})
    for job, status in statuses.items():
        run.write_status(job, status, error=None if status == "ok" else "ValueError: no")
    return run


def refused(capsys, *argv, status=2):
    """The one line on stderr with which a command is refused."""
    assert main([str(word) for word in argv]) == status
    printed = capsys.readouterr()
    assert printed.err.startswith("acoustic-nb: ") and printed.err.count("\n") == 1 and "Traceback" not in printed.err
    return printed.err


# ---- run, and inspect

def test_without_recordings_it_is_the_demo(started, capsys):
    assert main(["run"]) == 0
    assert started["inputs"] == Inputs() and started["parameters"] == {} and started["only"] is None
    assert capsys.readouterr().out.endswith("_new/index.html\n")


def test_all_that_is_typed_arrives(started, tmp_path):
    (tmp_path / "p.yaml").write_text("window_s: 2.0\nseed: 3\nfast: true\n")
    files = [str(tmp_path / name) for name in ("a.wav", "ä {1}.wav", "b.wav", "b.txt")]
    for file in files:
        Path(file).touch()
    main(["run", "--normal", *files[:2], "--anomalous", files[2], "--events", files[3], "--channel", "2", "--sample-rate", "8000",
          "--start-s", "1.5", "--end-s", "9", "--skip-broken", "--name", "Lüfter", "--only", "gmm, svm", "-p", "window_s", "0.5",
          "-p", "text=a=b", "-p", "low", "-3", "--params", str(tmp_path / "p.yaml"), "--runs-dir", "x", "--workers", "1",
          "--timeout", "9", "--sensitivity"])
    command = started.pop("command")
    inputs = Inputs(tuple(files[:2]), (files[2],), events=(files[3],), start_s=1.5, end_s=9.0, skip_broken=True)
    assert started == {"inputs": inputs, "name": "Lüfter", "only": ["gmm", "svm"], "workers": 1,
                       "parameters": {"window_s": "0.5", "seed": 3, "fast": True, "text": "a=b", "low": "-3", "channel": "2",
                                      "sample_rate": "8000"},
                       "timeout_s": 9.0, "runs_dir": Path("x"), "sensitivity": True}
    assert command.startswith(f"acoustic-nb run --normal {files[0]} '{files[1]}' --anomalous")


def test_a_job_that_is_not_ok_is_named_and_the_exit_status_is_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(execute, "start_run", lambda *_, **__: a_run(tmp_path, "x", gmm="failed", svm="ok"))
    assert main(["run"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "gmm: failed: ValueError: no" and lines[1] == "separates: verdict of x"
    assert lines[2].endswith("index.html") and len(lines) == 3


@pytest.mark.parametrize("argv, text", [
    (["--normal", "a.wav"], "--normal needs --anomalous"), (["--anomalous", "a.wav"], "--anomalous needs --normal"),
    (["--dataset", "x", "--normal", "a.wav"], "either the dataset or the two"),
    (["--dataset", "/nowhere"], "/nowhere: no such file"),
    (["--normal", "/nowhere.wav", "--anomalous", "b.wav"], "/nowhere.wav: no such file"), (["--channel", "2"], "the demo is taken"),
    (["--machine", "fan"], "the demo is taken as it is"),
    (["-p", "window_s"], "-p takes a name and a value"), (["-p", "a", "b", "c"], "-p takes a name and a value"),
    (["-p", "=3"], "-p takes a name and a value"), (["-p", "a=1", "b=2"], "-p takes a name and a value"),
    (["--timeout", "-1"], "positive number"), (["--timeout", "nan"], "positive number"),
    (["--params", "nothing.yaml"], "nothing.yaml: cannot be read")])
def test_a_wrong_option_is_one_line(started, capsys, argv, text):
    assert text in refused(capsys, "run", *argv)
    assert not started


@pytest.mark.parametrize("content, text", [
    ("a: 1\nb: [2\nc: 3\n", "p.yaml, line "), ("- a\n- b\n", "holds a list"), ("just words", "holds a str"),
    ("3: 4\n", "parameters are `name: value`"), ("a: 1\n\tb: 2\n", "p.yaml, line 2"), ("a: !!python/object:os.system x", "line 1"),
    (b"\xff\xfe\xff", "p.yaml")])
def test_a_wrong_parameter_file_is_one_line(started, capsys, tmp_path, content, text):
    (tmp_path / "p.yaml").write_bytes(content if isinstance(content, bytes) else content.encode())
    assert text in refused(capsys, "run", "--params", tmp_path / "p.yaml")
    assert not started


@pytest.mark.parametrize("option", [["--normal", "a"], ["--anomalous", "a"], ["--dataset", "a"], ["--start-s", "1"],
                                    ["--name", "a"], ["--only", "gmm"], ["-p", "a=1"],
                                    ["--params", "a"]])
def test_resume_takes_nothing_that_the_run_has_already(capsys, tmp_path, option):
    a_run(tmp_path, "x")
    assert f"takes no {option[0]};" in refused(capsys, "run", "--runs-dir", tmp_path, "--resume", "x", *option)


def test_resume_takes_a_folder_or_a_name(monkeypatch, tmp_path, capsys):
    run, resumed = a_run(tmp_path, "x", gmm="ok"), []
    monkeypatch.setattr(execute, "resume_run", lambda run, **_: resumed.append(run.folder) or run)
    assert main(["run", "--resume", str(run.folder)]) == 0
    assert main(["run", "--resume", run.folder.name, "--runs-dir", str(tmp_path)]) == 0
    assert resumed == [run.folder] * 2
    assert f"did you mean {run.folder.name}" in refused(capsys, "run", "--resume", "x", "--runs-dir", tmp_path)


@pytest.mark.parametrize("error", [ValueError("first\nsecond"), OSError(errno.ENOSPC, "No space left on device", "/x/run.json"),
                                   FileNotFoundError("gone")])
def test_known_errors_are_one_line(monkeypatch, capsys, error):
    def start_run(*_, **__):
        raise error

    monkeypatch.setattr(execute, "start_run", start_run)
    said = refused(capsys, "run")
    assert {"ValueError": "first second", "OSError": "/x/run.json: No space left on device",
            "FileNotFoundError": "gone"}[type(error).__name__] in said


def test_a_bug_is_not_hidden(monkeypatch):
    monkeypatch.setattr(execute, "start_run", lambda *_, **__: {}["bug"])
    with pytest.raises(KeyError):
        main(["run"])


def test_bad_recordings_end_in_one_line_and_leave_nothing(tmp_path, capsys):
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "text.wav").write_text("no sound " * 100)
    for bad in ("missing.wav", "empty.wav", "text.wav", "."):
        said = refused(capsys, "run", "--normal", tmp_path / bad, "--anomalous", tmp_path / "text.wav", "--runs-dir",
                       tmp_path / "runs")
        assert bad.strip(".") in said
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("argv, text", [
    (["-p", "windows_s", "1"], "did you mean 'window_s'"), (["-p", "window_s", "abc"], "a number such as 1.0, got 'abc'"),
    (["--only", "gnm"], "did you mean 'gmm'"), (["--only", ""], "no detector is chosen"), (["-p", "run_dir=x"], "set by the run"),
    (["-p", "window_s=0.001"], "window_s"), (["-p", "n_mfcc=500"], "n_mfcc"), (["-p", "window_s=60"], "window_s")])
def test_what_the_notebooks_do_not_take_is_refused_before_the_run(capsys, tmp_path, argv, text):
    assert text in refused(capsys, "run", "--runs-dir", tmp_path / "runs", *argv)
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


# ---- list, remove

def test_list_shows_the_newest_first(tmp_path, capsys):
    a_run(tmp_path, "old", gmm="ok", svm="failed").folder.rename(tmp_path / "2001-01-01_000000_old")
    a_run(tmp_path, "new", gmm="ok")
    (tmp_path / "notes").mkdir()
    assert main(["list", "--runs-dir", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split("_")[-1].startswith("new  1/1 ok  0.0 MB") and lines[1] == "    separates: verdict of new"
    assert lines[2].startswith("2001-01-01_000000_old  1/2 ok") and len(lines) == 4
    assert main(["list", "--runs-dir", str(tmp_path / "none")]) == 0


def test_remove_asks_and_takes_only_runs(monkeypatch, tmp_path, capsys):
    run = a_run(tmp_path, "x")
    (tmp_path / "photos").mkdir()
    assert "is not a run" in refused(capsys, "remove", tmp_path / "photos", "--yes")
    assert "there is no run" in refused(capsys, "remove", "y", "--runs-dir", tmp_path)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: False))
    assert "only with --yes" in refused(capsys, "remove", run.folder)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    monkeypatch.setattr("builtins.input", lambda question: "")
    assert main(["remove", str(run.folder)]) == 0 and run.folder.exists()
    monkeypatch.setattr(runners, "is_running", lambda folder: True)
    assert "is running" in refused(capsys, "remove", run.folder, "--yes")
    monkeypatch.setattr(runners, "is_running", lambda folder: False)
    assert main(["remove", run.folder.name, "--yes", "--runs-dir", str(tmp_path)]) == 0
    assert not run.folder.exists() and (tmp_path / "photos").exists()


# ---- params, doctor, help

def test_params_come_from_the_notebooks(capsys):
    assert main(["params"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["name", "type", "default", "notebooks", "what", "it", "sets"]
    window = next(line for line in lines if line.startswith("window_s "))
    assert window.split()[:6] == ["window_s", "float", "1.0", "all", "detectors,", "sensitivity"]
    rotations, trials = (next(line for line in lines if line.startswith(name)) for name in ("rotations ", "trials "))
    assert "all detectors " in rotations and "sensitivity" in trials and "all detectors" not in trials
    assert not any(line.startswith(("run_dir", "normal", "anomalous")) for line in lines)


def test_doctor_is_content_or_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("psutil.virtual_memory", lambda: SimpleNamespace(available=8 * 2**30, total=8 * 2**30))
    assert main(["doctor", "--runs-dir", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert f"kernel      python3  {sys.executable}" in printed and "WAV" in printed and printed.endswith("all well\n")
    monkeypatch.setattr(machine, "kernel_python", lambda: "/opt/old/python")
    monkeypatch.setattr(parameters, "notebooks_folder", lambda: tmp_path)
    assert main(["doctor", "--runs-dir", str(tmp_path)]) == 1
    printed = capsys.readouterr().out
    assert "problem     the kernel python3 starts /opt/old/python" in printed and "kernelspec remove" in printed
    assert "holds no notebooks" in printed and printed.endswith("2 problems\n")


# ---- the cache

@pytest.fixture
def cached(tmp_path, monkeypatch):
    """A cache with two entries of a megabyte each."""
    monkeypatch.setenv("ACOUSTIC_NB_CACHE", str(tmp_path / "cäche {1}"))
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "50")
    for used_s, name in ((1_000_000_000, 24 * "a"), (2_000_000_000, 24 * "b")):
        cache.stored(name, lambda: {"x": np.zeros(125_000)})
        os.utime(tmp_path / "cäche {1}" / f"{name}.npz", (used_s, used_s))
    return tmp_path / "cäche {1}"


def test_cache_says_what_is_in_it_and_how_to_change_that(cached, capsys):
    assert main(["cache"]) == 0
    lines = capsys.readouterr().out.splitlines()
    used = datetime.fromtimestamp(1_000_000_000).strftime("%Y-%m-%d %H:%M")
    assert lines[:2] == [str(cached), f"    2 entries, 2.0 of 50 MB, the oldest last used {used}"]
    assert all(word in lines[2] for word in ("`acoustic-nb cache --clear`", "ACOUSTIC_NB_CACHE names", "ACOUSTIC_NB_CACHE_MB"))
    assert len(lines) == 3 and len(cache.entries()) == 2


def test_cache_clear_removes_all_and_says_how_much(cached, capsys, monkeypatch):
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out == f"removed 2 entries, 2.0 MB, from {cached}\n"
    assert not list(cached.glob("*.npz"))
    assert main(["cache"]) == 0
    assert "    no entries, 0.0 of 50 MB\n" in capsys.readouterr().out
    cache.stored(24 * "c", lambda: {"x": np.zeros(1)})
    monkeypatch.setenv("ACOUSTIC_NB_CACHE_MB", "nonsense")  # no hindrance to clearing
    assert main(["cache", "--clear"]) == 0
    assert capsys.readouterr().out.startswith("removed 1 entry, 0.0 MB, from")


def test_cache_of_a_folder_that_is_not_there_is_empty(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ACOUSTIC_NB_CACHE", str(tmp_path / "no"))
    assert main(["cache"]) == 0 and main(["cache", "--clear"]) == 0
    assert "no entries, 0.0 of 2000 MB\n" in capsys.readouterr().out and not (tmp_path / "no").exists()


@pytest.mark.parametrize(("name", "value", "words", "text"), [
    ("ACOUSTIC_NB_CACHE_MB", "much", (), "ACOUSTIC_NB_CACHE_MB = much: is the largest size of the cache in MB, a number above 0"),
    ("ACOUSTIC_NB_CACHE_MB", "0", (), "ACOUSTIC_NB_CACHE_MB = 0: is"),
    ("ACOUSTIC_NB_CACHE", "here", (), "ACOUSTIC_NB_CACHE = here: must be an absolute path"),
    ("ACOUSTIC_NB_CACHE", "here", ("--clear",), "ACOUSTIC_NB_CACHE = here: must be an absolute path")])
def test_a_cache_that_is_set_wrongly_is_one_line(monkeypatch, capsys, name, value, words, text):
    monkeypatch.setenv(name, value)
    assert text in refused(capsys, "cache", *words)


def test_help_loads_nothing_heavy():
    code = ("import sys\nfrom acoustic_nb.cli import main\ntry: main(['run', '--help'])\nexcept SystemExit: pass\n"
            "print(sorted({'numpy', 'pandas', 'papermill', 'psutil', 'librosa', 'tensorflow'} & set(sys.modules)))")
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("[]\n") and "--resume" in printed


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out.startswith("acoustic-nb 0.")


def write_clips(folder, names, seconds=1.0):
    for seed, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, noise(seconds, seed=seed), 22050)


def test_inspect_says_what_it_sees_and_how_it_would_be_judged(tmp_path, capsys):
    write_clips(tmp_path, [f"normal/{k}.wav" for k in range(6)] + ["anomaly/ä {1}.wav"], seconds=2.0)
    assert main(["inspect", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "6 normal and 1 anomalous" in printed.splitlines()[0]
    assert "anomaly/ä {1}" in printed and "no warning" in printed
    assert printed.endswith("whole recordings go into one part each, and recordings are judged\n")


def test_inspect_of_one_file_by_channel(tmp_path, capsys):
    soundfile.write(tmp_path / "a.flac", np.stack([noise(seed=k) / 2**k for k in range(3)], axis=1), 22050)
    assert main(["inspect", str(tmp_path / "a.flac"), "--channel", "all"]) == 0
    lines = capsys.readouterr().out.splitlines()
    levels = [float(line.split("]")[1].split()[3]) for line in lines if line.startswith("a [channel")]
    assert levels == pytest.approx([-20.0, -26.0, -32.0], abs=0.15)  # RMS 0.1, and half of it twice


def test_inspect_of_too_little_says_how_much_is_missing(tmp_path, capsys):
    write_clips(tmp_path, ["normal/a.wav", "anomalous/b.wav"], seconds=10.0)
    assert main(["inspect", str(tmp_path)]) == 0
    said = "cannot be run with windows of 1 s: normal/a: lasts 10.0 s but 19.5 s are needed, 9.5 s are missing"
    assert said in capsys.readouterr().out


@pytest.mark.parametrize("words, text", [
    (["x", "--dataset", "y"], "give one of them"), (["/nowhere"], "/nowhere: no such file or folder")])
def test_inspect_refuses_in_one_line(capsys, words, text):
    assert text in refused(capsys, "inspect", *words)


# ---- several machines

@pytest.fixture
def two_machines(tmp_path, monkeypatch):
    """A tree of two machines, and what was run of it, one refused."""
    write_clips(tmp_path / "data", [f"{machine}/{label}/{k}.wav" for machine in ("fan", "pümp {1}")
                                    for label in ("normal", "abnormal") for k in range(2)])
    calls = []

    def start_run(runs_dir, *, inputs, **settings):
        calls.append(inputs.machine)
        if inputs.machine == "fan" and "fan" in settings["parameters"].values():
            raise ValueError("too little sound")
        return a_run(runs_dir, inputs.machine, gmm="ok", svm="skipped")

    monkeypatch.setattr(machines, "start_run", start_run)
    return tmp_path / "data", tmp_path / "runs", calls


def test_several_machines_are_a_run_each_with_an_overview(two_machines, capsys):
    data, runs, calls = two_machines
    assert main(["run", "--dataset", str(data), "--runs-dir", str(runs)]) == 0
    assert calls == ["fan", "pümp {1}"]
    (folder,) = runs.iterdir()
    assert capsys.readouterr().out.endswith(f"{folder}/index.html\n")
    page = (folder / "index.html").read_text(encoding="utf-8")
    links = [link["href"] for link in BeautifulSoup(page, "html.parser").find_all("a")]
    assert [(folder / unquote(link)).parent.is_dir() for link in links[:2]] == [True, True]
    assert main(["list", "--runs-dir", str(runs)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("1/2 ok, 1 skipped") == 2 and printed.count(f"{folder.name}/") == 2


def test_a_machine_that_is_refused_does_not_stop_the_others(two_machines, capsys):
    data, runs, calls = two_machines
    assert main(["run", "--dataset", str(data), "--runs-dir", str(runs), "-p", "x=fan"]) == 1
    assert calls == ["fan", "pümp {1}"] and "fan: not run: too little sound" in capsys.readouterr().out
    assert "too little sound" in next(runs.glob("*/index.html")).read_text(encoding="utf-8")


def test_where_every_machine_is_refused_nothing_is_left(two_machines, capsys, monkeypatch):
    data, runs, _ = two_machines
    monkeypatch.setattr(machines, "start_run", lambda *_, **__: (_ for _ in ()).throw(ValueError("9.5 s are missing")))
    assert "none of the 2 machines can be run; fan: 9.5 s are missing" in refused(
        capsys, "run", "--dataset", data, "--runs-dir", runs)
    assert not list(runs.iterdir())


def test_one_machine_can_be_chosen(two_machines, started, capsys):
    data, runs, _ = two_machines
    assert main(["run", "--dataset", str(data), "--machine", "fan"]) == 0
    assert started["inputs"].machine == "fan"
    assert "did you mean" in refused(capsys, "run", "--dataset", data, "--machine", "fam")


def test_a_run_of_one_machine_is_found_by_its_name_and_the_set_is_removed_as_one(two_machines, capsys, monkeypatch):
    data, runs, _ = two_machines
    main(["run", "--dataset", str(data), "--runs-dir", str(runs)])
    (folder,) = runs.iterdir()
    name = next(path.name for path in folder.iterdir() if path.name.endswith("_fan"))
    resumed = []
    monkeypatch.setattr(execute, "resume_run", lambda run, **_: resumed.append(run.folder) or run)
    assert main(["run", "--resume", name, "--runs-dir", str(runs)]) == 0 and resumed == [folder / name]
    assert main(["remove", name, "--yes", "--runs-dir", str(runs)]) == 0 and not (folder / name).exists()
    assert main(["remove", folder.name, "--yes", "--runs-dir", str(runs)]) == 0 and not folder.exists()


def test_ctrl_c_in_the_first_machine_is_ctrl_c(two_machines, monkeypatch):
    data, runs, _ = two_machines

    def start_run(runs_dir, **_):
        a_run(runs_dir, "begun")
        raise KeyboardInterrupt

    monkeypatch.setattr(machines, "start_run", start_run)
    assert main(["run", "--dataset", str(data), "--runs-dir", str(runs)]) == 130
    assert len(list(runs.glob("*/*/run.json"))) == 1  # what was begun can be gone on with


@pytest.mark.parametrize("argv", [["--start-s", "1e306"], ["--end-s", "inf"]])
def test_a_time_that_no_file_has_is_one_line(capsys, tmp_path, argv):
    soundfile.write(tmp_path / "a.wav", noise(), 22050)
    assert "a.wav: " in refused(capsys, "inspect", tmp_path / "a.wav", *argv)


def test_of_a_verdict_the_first_sentence_is_printed():
    assert cli._first_sentence({"kind": "no_evidence", "text": "One. Two, 0.5. Three."}) == "no_evidence: One."
