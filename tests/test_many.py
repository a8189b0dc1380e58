"""Many recordings from end to end: real notebooks on small data sets whose answers can be computed beside them."""

import json
import shutil
from pathlib import Path
from statistics import harmonic_mean

import numpy as np
import pandas as pd
import pytest
import soundfile
from bs4 import BeautifulSoup
from sklearn.metrics import roc_auc_score
from sounds import noise, sine

from acoustic_nb.execute import resume_run, start_run
from acoustic_nb.inputs import Inputs
from acoustic_nb.machines import write_overview
from acoustic_nb.runs import Run

RATE = 8000


def hum(seed, *, seconds=2.5, fault=0.0):
    """Noise with a tone, and in the fault a second one."""
    parts = {"duration_s": seconds, "sample_rate": RATE}
    return noise(seconds, sample_rate=RATE, seed=seed) + sine(300, amplitude=0.1, **parts) + fault * sine(1900, **parts)


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    """A DCASE 2022 tree: two sections, two domains, a broken file, a clip of half a window; three detectors on it."""
    root = tmp_path_factory.mktemp("clips") / "Prüfstand {1} 'ä'"
    seed = 0
    for section in ("00", "01"):
        for domain, count in (("source", 5), ("target", 3)):
            for part, label, n in (("train", "normal", count), ("test", "normal", 3), ("test", "anomaly", 3)):
                for k in range(n):
                    path = root / "fan" / part / f"section_{section}_{domain}_{part}_{label}_{k:04d}_speed_{k}.wav"
                    path.parent.mkdir(parents=True, exist_ok=True)
                    seconds = 0.5 if (section, domain, part, k) == ("00", "source", "train", 0) else 2.5
                    soundfile.write(path, hum(seed, seconds=seconds, fault=0.02 * (k + 1) * (label == "anomaly")), RATE)
                    seed += 1
    (root / "fan" / "train" / "section_00_source_train_normal_9999.wav").write_bytes(b"RIFF no sound")
    run = start_run(root / "runs", inputs=Inputs(dataset=str(root), skip_broken=True), only=["kmeans", "svm", "lstm_autoencoder"],
                    parameters={"clip_score": "max"})
    return root, run


def test_what_the_data_cannot_carry_is_skipped_and_the_others_run(clips):
    _, run = clips
    statuses = {job: status["status"] for job, status in run.statuses().items()}
    # a clip of one window has no neighbour, so there is no sequence
    assert statuses == {"kmeans": "ok", "svm": "skipped", "lstm_autoencoder": "skipped", "comparison": "ok"}
    assert "0 anomalous windows" in run.statuses()["svm"]["error"]
    assert "no sequence_length fits a window without a neighbour" in run.statuses()["lstm_autoencoder"]["error"]
    page = " ".join(BeautifulSoup((run.folder / "index.html").read_text(encoding="utf-8"), "html.parser").get_text(" ").split())
    assert "svm was skipped, the data cannot carry it" in page and "did not finish" not in page


def test_clips_are_judged_whole_and_by_the_pooling_that_was_asked_for(clips):
    _, run = clips
    scores, items, kept = run.load_detector("kmeans")
    assert kept["calibration"]["judged_by"] == "recording"
    test = items.query("part == 'test'")
    assert len(test) == 24 and test["label"].sum() == 12
    assert not set(test["recording"]) & set(items.query("part != 'test'")["recording"])
    highest = scores.query("part == 'test'").groupby("recording")["score"].max()
    np.testing.assert_allclose(test.set_index("recording")["score"], highest[test["recording"]])
    assert kept["metrics"]["roc_auc"] == pytest.approx(roc_auc_score(test["label"], test["score"]))


def test_the_official_score_can_be_worked_out_from_the_clips(clips):
    _, run = clips
    test = run.load_detector("kmeans")[1].query("part == 'test'")
    numbers = []
    for section, own in test.groupby("section"):
        for domain in ("source", "target"):
            against = own[(own["domain"] == domain) | (own["label"] == 1)]
            numbers.append(roc_auc_score(against["label"], against["score"]))
        numbers.append(roc_auc_score(own["label"], own["score"], max_fpr=0.1))
        assert section in ("00", "01")
    summary = run.summary().set_index("detector").loc["kmeans"]
    assert summary["section_official_score"] == pytest.approx(harmonic_mean(numbers))


def test_sections_and_units_stand_in_the_reports(clips):
    _, run = clips
    for name in ("01_kmeans", "07_comparison"):
        words = BeautifulSoup((run.folder / "reports" / f"{name}.html").read_text(encoding="utf-8"), "html.parser").get_text(" ")
        assert "target" in words and ("roc_auc_left_out" in words or "left out" in words), name
    assert [unit["unit"] for unit in run.load_detector("kmeans")[2]["units"]] == ["00", "01"]


def test_the_overview_of_machines_holds_their_numbers(clips, tmp_path):
    _, run = clips
    for machine in ("fan {1}", "pump"):
        (tmp_path / f"2026-11-23_000000_{machine}").symlink_to(run.folder)
    page = write_overview(tmp_path, {"valve": "9.5 s are missing"})
    tree = BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")
    machines, together = tree.find_all("table")
    first = run.summary().set_index("detector").loc["kmeans"]
    cells = [cell.get_text() for cell in machines.find_all("tr")[1].find_all("td")]
    assert cells[0] == f"{first['roc_auc']:.3f}" and cells[-1].startswith(run.verdict()["kind"].replace("_", " "))
    # twice the same machine: the means are its own
    numbers = [cell.get_text() for cell in together.find_all("tr")[1].find_all("td")]
    names = ("roc_auc_mean", "roc_auc_hmean", "pauc_mean", "pauc_hmean", "official_score")
    assert numbers == [f"{first[f'section_{name}']:.3f}" for name in names]
    assert "9.5 s are missing" in tree.find(class_="failure").get_text()
    assert pd.read_csv(tmp_path / "overview.csv")["machine"].tolist() == ["fan {1}", "pump"]
    # after one of them was gone on with, what was refused is still known
    assert "9.5 s are missing" in write_overview(tmp_path).read_text(encoding="utf-8")


def test_what_was_left_out_or_is_short_is_said(clips):
    root, run = clips
    (broken,) = run.read_manifest()["left_out"]
    assert broken[0].endswith("section_00_source_train_normal_9999.wav") and "cannot be decoded" in broken[1]
    words = (run.folder / "reports" / "01_kmeans.html").read_text(encoding="utf-8")
    assert "section_00_source_train_normal_9999.wav: cannot be decoded" in words
    assert "1 of 40 recordings are shorter than one window of 1 s" in words
    catalogue = pd.read_csv(run.folder / "recordings.csv")
    assert len(catalogue) == 40 and set(catalogue["split"]) == {"train", "test"}


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """Two recordings of 60 s; in the faulty one a tone of 1 s every 5 s, which a label track beside it knows."""
    folder = tmp_path_factory.mktemp("labelled")
    soundfile.write(folder / "fine.wav", hum(0, seconds=60), RATE)
    faulty, starts_s = hum(1, seconds=60), np.arange(2.0, 59, 5)
    for start_s in starts_s:
        first = round(start_s * RATE)
        faulty[first:first + RATE] += sine(1900, duration_s=1.0, sample_rate=RATE, amplitude=0.3)
    soundfile.write(folder / "faulty.wav", faulty, RATE)
    (folder / "faulty.txt").write_text("".join(f"{start}\t{start + 1}\ttone\n" for start in starts_s), encoding="utf-8")
    run = start_run(folder / "runs", inputs=Inputs((str(folder / "fine.wav"),), (str(folder / "faulty.wav"),)), only=["gmm", "svm"],
                    parameters={"rotations": 2, "seeds": 2}, sensitivity=True)
    return starts_s, run


@pytest.mark.parametrize("name", ["gmm", "svm"])
def test_labelled_events_are_what_is_to_be_found(labelled, name):
    starts_s, run = labelled
    scores, _, kept = run.load_detector(name)
    test = scores.query("part == 'test' and recording == 'faulty'")
    # windows start every half second: those that begin with the tone, or half a second before or after it, hold half of it
    inside = [any(abs(start - event) <= 0.5 for event in starts_s) for start in test["start_s"]]
    assert test["label"].tolist() == np.asarray(inside, dtype=int).tolist()
    tested = [event for event in starts_s if event >= test["start_s"].min() and event + 1 <= test["end_s"].max()]
    metrics = kept["metrics"]
    assert metrics["events"] == metrics["events_found"] == len(tested) and metrics["event_recall"] == 1.0
    assert metrics["median_onset_delay_s"] == pytest.approx(0.5)  # the window that ends half a second after the onset is flagged
    assert metrics["roc_auc"] > 0.97


def test_the_truth_is_in_the_catalogue_and_the_conclusions(labelled):
    starts_s, run = labelled
    assert pd.read_csv(run.folder / "recordings.csv")["events"].dropna().str.endswith("faulty.txt").tolist() == [True]
    assert run.read_manifest()["inputs"][1]["events"] == [[start, start + 1] for start in starts_s]
    words = (run.folder / "reports" / "07_comparison.html").read_text(encoding="utf-8")
    assert "labelled events lie in the test part" in words


def test_how_far_to_trust_it_is_in_the_run_and_in_the_report(labelled):
    _, run = labelled
    assert {status["status"] for status in run.statuses().values()} == {"ok"}
    verdict = run.read_manifest()["verdict"]
    assert set(verdict) == {"kind", "text"}
    assert verdict["kind"] == "explained_by_level"  # the windows that hold the tone are louder, and that finds them as well
    plain, figures = verdict["text"].split(" In figures: ")
    pages = [BeautifulSoup((run.folder / page).read_text(encoding="utf-8"), "html.parser").get_text(" ", strip=True)
             for page in ("index.html", "reports/07_comparison.html")]
    for page in pages:
        assert plain.split(". ")[0] in page and figures in page
    summary, pairs = run.summary(), pd.read_csv(run.folder / "comparison" / "pairs.csv")
    assert pairs[["first", "second"]].to_numpy().tolist() == [["svm", "gmm"]]
    by_name = summary.set_index("detector")["roc_auc"]
    assert pairs["difference"][0] == pytest.approx(by_name["svm"] - by_name["gmm"])
    assert (summary["rotations"] == 2).all() and (summary["seeds"] == 2).all() and (summary["shared_windows"] == 0).all()
    for about in summary.itertuples():
        assert about.roc_auc_low <= about.roc_auc <= about.roc_auc_high
        assert about.recall_low <= about.recall <= about.recall_high
        assert about.false_alarm_rate_low <= about.false_alarm_rate <= about.false_alarm_rate_high
    response = pd.DataFrame(run.load_detector("gmm")[2]["level_response"])
    assert response["gain_db"].tolist() == [-6, -0.5, 0, 0.5, 6]
    as_it_is = response[response["gain_db"] == 0].iloc[0]
    assert as_it_is["roc_auc"] == pytest.approx(by_name["gmm"])


def test_a_labelled_event_is_found_far_below_the_hum(labelled):
    starts_s, run = labelled
    event = json.loads((run.folder / "sensitivity" / "event.json").read_text(encoding="utf-8"))
    assert event["recording"] == "faulty" and "labelled events" in event["sentence"]
    assert min(abs(starts_s - event["start_s"])) < 0.01
    table = pd.read_csv(run.folder / "sensitivity" / "table.csv").set_index("detector")
    # a tone in a hum of noise and another tone: that it rings out at 0 dB every ear would say
    assert table.loc["Gaussian mixture", "half_found_db"] < 0
    shares = pd.read_csv(run.folder / "sensitivity" / "shares.csv")
    assert shares.groupby("detector")["level_db"].count().tolist() == [13, 13]  # and one more without any event
    assert len(shares) == 28


def test_a_run_can_be_repeated_from_its_catalogue(labelled, tmp_path):
    _, run = labelled
    shutil.copy(run.folder / "recordings.csv", tmp_path / "again.csv")
    again = start_run(tmp_path / "runs", inputs=Inputs(dataset=str(tmp_path / "again.csv")), only=["gmm"])
    assert again.load_detector("gmm")[2]["metrics"] == run.load_detector("gmm")[2]["metrics"]
    assert json.loads((again.folder / "run.json").read_text())["asked"]["dataset"].endswith("again.csv")


def test_a_run_that_was_moved_can_be_gone_on_with_while_its_labels_are_the_same(labelled, tmp_path):
    _, run = labelled
    moved = Run(Path(shutil.copytree(run.folder, tmp_path / "elsewhere" / run.folder.name)))
    for metrics in moved.folder.glob("*/metrics.json"):  # as if the old place were gone
        metrics.write_text(metrics.read_text(encoding="utf-8").replace(str(run.folder), "/gone"), encoding="utf-8")
    moved.write_status("comparison", "queued")
    resume_run(moved)
    assert moved.statuses()["comparison"]["status"] == "ok"
    (moved.folder / "recordings.csv").unlink()  # as if it had been interrupted before anything was written down
    moved.write_status("gmm", "queued")
    resume_run(moved)
    assert moved.load_detector("gmm")[2]["metrics"] == run.load_detector("gmm")[2]["metrics"]  # of these files, not of the demo
    assert len(pd.read_csv(moved.folder / "recordings.csv")) == 2
    manifest = moved.read_manifest()
    (labels,) = manifest["labels"]
    other = tmp_path / "other.txt"
    other.write_text("1\t2\tmoved by hand\n")
    moved.write_manifest({**manifest, "labels": {str(other): manifest["labels"][labels]}})
    with pytest.raises(ValueError, match="other.txt: has changed since"):
        resume_run(moved)
    moved.write_manifest({name: value for name, value in manifest.items() if name != "asked"})
    with pytest.raises(ValueError, match="was made by an older version"):
        resume_run(moved)
