"""The page of a batch is read as a browser reads it: from the HTML alone; its table as pandas reads it."""

import json
import re
from datetime import datetime
from urllib.parse import unquote, urlsplit

import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup

from acoustic_nb.batch_page import SCALE, colours, overview_row, write_batch_overview
from acoustic_nb.runs import Run

ODD = "Lüfter {1} <b>'neu'</b> 50% #1?"
STEMS = {"kmeans": "01_kmeans", "svm": "03_svm", "gmm": "04_gmm", "gan": "06_gan", "comparison": "07_comparison"}
AS_OF = datetime.fromisoformat("2026-11-23T14:03:22+01:00")


def numbers(auc, *, supervised=False, **more):
    return {"supervised": supervised, "roc_auc": auc, "roc_auc_low": auc - 0.1, "roc_auc_high": min(auc + 0.05, 1.0), "n_eff": 20.0,
            "level_auc": 0.52, "recall": 0.4, "false_alarm_rate": 0.083} | more


class Batch:
    """A batch folder with runs made by hand."""

    def __init__(self, folder):
        self.folder, self.runs = folder, []
        folder.mkdir()

    def add(self, name, jobs, *, settings=None, recordings=("a",), aucs=None, verdict=None, comparison=True, page=True):
        """A run with ``jobs``, {job: status or a dict of it}; its detectors' numbers in a comparison, or each by itself."""
        folder = f"2026-11-23_1200{len(self.runs):02d}_{name}".replace("/", "-")
        run = Run(self.folder / folder)
        for part in ("status", "reports"):
            (run.folder / part).mkdir(parents=True)
        run.write_manifest({"jobs": dict.fromkeys(jobs, "queued"), "inputs": [{"sha256": each} for each in recordings]})
        for job, status in jobs.items():
            status = {"status": status} if isinstance(status, str) else status
            run.write_status(job, **{"seconds": 2.5, **status})
            if status["status"] in ("ok", "failed", "skipped"):
                (run.folder / "reports" / f"{STEMS[job]}.html").write_text("x")
        aucs = {job: about if isinstance(about, dict) else numbers(about) for job, about in (aucs or {}).items()}
        for job, about in aucs.items():
            rest = {name: about[name] for name in ("roc_auc", "recall", "false_alarm_rate")}
            run.save_detector(job, scores=pd.DataFrame({"recording": ["a"]}), items=pd.DataFrame({"recording": ["a"]}), figures={},
                              metrics={"title": job.upper(), "supervised": about["supervised"], "metrics": rest,
                                       "interval": {"low": about["roc_auc_low"], "high": about["roc_auc_high"],
                                                    "n_eff": about["n_eff"]}, "controls": {"level_auc": about["level_auc"]}})
        if comparison and aucs:
            table = pd.DataFrame([{"detector": job, "title": job.upper(), **about} for job, about in aucs.items()])
            run.save_comparison(summary=table, pairs=table, figures={},
                                verdict={"kind": verdict or "separates", "text": "It is <so>, \"yes\"."})
        if page:
            (run.folder / "index.html").write_text("x")
        self.runs.append((run, {"name": name, "settings": settings or {}, "folder": folder}))
        return run

    def rows(self):
        return [overview_row(run, about) for run, about in self.runs]

    def write(self, **manifest):
        about = {"name": ODD, "created": "2026-11-23T11:00:00+00:00", "finished": "2026-11-23T13:00:00+00:00", "problem": None,
                 "command": "acoustic-nb batch 'a <b>.yaml'"}
        path = write_batch_overview(self.folder, {**about, **manifest}, self.rows(), as_of=AS_OF)
        assert path == self.folder / "index.html"
        tree = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser")
        seen = BeautifulSoup(str(tree), "html.parser")
        for hidden in seen.find_all(["script", "style"]):
            hidden.decompose()
        assert not re.search(r"\bnan\b|\bNone\b", seen.get_text() + str(seen.find(class_="heat")), re.I)
        return tree

    def table(self):
        return pd.read_csv(self.folder / "summary.csv")


@pytest.fixture
def batch(tmp_path):
    return Batch(tmp_path / "2026-11-23_120000_reihe")


def target(link):
    """The file that a browser opens for a link."""
    return unquote(urlsplit(link["href"]).path)


def words(tag):
    return " ".join(tag.get_text(" ").split())


def cells(tree):
    """The heat map: ``{title of a detector: [cells]}``."""
    table = tree.find(class_="heat")
    titles = [words(head) for head in table.thead.find_all("tr")[1].find_all("th", scope="col")]
    lines = [line.find_all("td", class_=["number", "word"]) for line in table.find_all("tr")[2:]]
    titles = [title for title in titles if title not in ("Machine", "Settings")]
    return {title: [line[at] for line in lines] for at, title in enumerate(titles)}


# ---- how far

def test_how_far_it_is(batch):
    batch.add("a", {"kmeans": "ok", "svm": "skipped", "comparison": "ok"})
    batch.add("b", {"kmeans": "failed", "gmm": {"status": "ok", "taken_from": "2026-11-20_x"}, "comparison": "ok"})
    batch.add("c", {"kmeans": "running", "gmm": "queued"})
    tree = batch.write(finished=None)
    progress = tree.find(id="progress")
    assert words(progress) == ("4 of 8 notebooks done, 1 failed, 1 skipped, 1 running; 1 of 3 runs complete; as of 14:03:22 . "
                               "1 notebook was taken from earlier batches. Reload this page for news.")
    assert tree.h1.get_text() == ODD and tree.header.p.get_text() == "Batch of 2026-11-23, 12:00"
    assert progress["data-as-of"] == "2026-11-23T14:03:22+01:00" and progress.has_attr("data-running")
    assert "acoustic-nb batch --resume 2026-11-23_120000_reihe" in tree.find(id="stale").get_text()
    assert tree.find(id="stale").has_attr("hidden")  # without a script nothing is known of the clock


def test_a_finished_batch_has_no_news(batch):
    batch.add("a", {"kmeans": "ok"})
    tree = batch.write()
    assert words(tree.find(id="progress")) == "1 of 1 notebooks done; 1 of 1 runs complete; as of 14:03:22 ."
    assert not tree.find(id="progress").has_attr("data-running") and not tree.find(id="stale")
    assert not tree.find(class_="failure")


def test_a_dated_name_is_shown_without_its_date(batch):
    assert batch.write(name=f"2026-11-23_120000_{ODD}").h1.get_text() == ODD


def test_why_it_stopped_early_comes_first(batch):
    batch.add("a", {"kmeans": "failed"})
    tree = batch.write(problem="disk <full>", finished=None)
    assert not tree.find(id="stale") and "Reload" not in tree.get_text()
    first = tree.find(id="page_content").find("section")
    assert first.find(class_="error-line").get_text() == "disk <full>" and "--resume" in first.get_text()


def test_an_empty_batch_and_a_run_of_nothing(batch):
    assert "0 of 0 notebooks done" in batch.write().get_text()
    batch.runs.append((Run(batch.folder / "x"), {"name": "x", "settings": {}, "folder": "x"}))
    tree = batch.write()
    assert words(tree.find(id="runs_table").tbody.tr) == "x no verdict – – – – – 0 of 0 –"


# ---- failures

def test_failures_come_before_results(batch):
    batch.add("fine", {"kmeans": "ok"}, aucs={"kmeans": 0.8})
    batch.add(ODD, {"kmeans": {"status": "failed", "error": "ValueError: <b>bad</b>"}, "gan": "timeout", "svm": "skipped",
                    "gmm": {"status": "dead", "error": "it died"}}, settings={"seed": 3})
    tree = batch.write()
    failure = tree.find(id="page_content").find("section")
    assert "failure" in failure["class"] and "1 of 2 runs" in failure.h2.get_text()
    assert failure.dt.get_text() == f"{ODD}, seed 3"
    assert [words(entry) for entry in failure.find_all("dd")] == [
        "KMEANS failed ValueError: <b>bad</b> Read its report",
        "Gmm its kernel died it died There is no report of it.", "Gan stopped: took too long There is no report of it."]
    assert (batch.folder / target(failure.find("dd").a)).is_file()
    assert str(tree).index('id="failures"') < str(tree).index('id="runs"')


# ---- the table of runs

def test_the_best_of_those_that_heard_only_normal_sound(batch):
    batch.add("fan", {"kmeans": "ok", "gmm": "ok", "svm": "ok", "comparison": {"status": "ok", "seconds": None}},
              settings={"window_s": 0.5, "level": "kept"}, verdict="explained_by_level",
              aucs={"gmm": numbers(0.85, roc_auc_low=0.61), "kmeans": numbers(0.71), "svm": numbers(0.99, supervised=True)})
    tree = batch.write()
    table = tree.find(id="runs_table")
    assert [words(head) for head in table.thead.find_all("th")] == [
        "Run", "window_s", "level", "Verdict", "Best detector", "ROC AUC", "Level alone", "Recall", "False alarms", "Done",
        "Seconds"]
    line = table.tbody.tr
    assert [words(cell) for cell in line.find_all(["th", "td"])] == [
        "fan", "0.5", "kept", "explained by level", "GMM", "0.850 0.61 to 0.90", "0.520", "0.40", "8.3 %", "4 of 4", "8"]
    assert [cell["data-sort"] for cell in line.find_all(["th", "td"])] == [
        "fan", "0.5", "kept", "explained_by_level", "GMM", "0.85", "0.52", "0.4", "0.083", "4", "7.5"]
    assert line["data-verdict"] == "explained_by_level" and "explained_by_level" in line.find_all("td")[2]["class"]
    assert line.find_all("td")[2]["title"] == "A difference in level alone may explain it"


def test_equal_ones_are_not_called_better(batch):
    batch.add("fan", {}, aucs={"gmm": numbers(1.0, n_eff=3.0), "kmeans": 1.0, "gan": 0.4})
    line = batch.write().find(id="runs_table").tbody.tr
    assert "KMEANS and 1 other alike" in words(line) and "*" not in words(line)
    assert batch.table()["best_detector"].tolist() == ["kmeans"]


def test_runs_stay_in_the_order_of_the_batch(batch):
    for name in ("b", "c", "a"):
        batch.add(name, {"kmeans": "failed" if name == "c" else "ok"})
    lines = batch.write().find(id="runs_table").tbody.find_all("tr")
    assert [line.th.get_text() for line in lines] == ["b", "c", "a"]


def test_before_the_comparison_each_detector_speaks_for_itself(batch):
    batch.add("a", {"kmeans": "ok", "gmm": "running"}, aucs={"kmeans": numbers(0.7, n_eff=4.0)}, comparison=False, page=False)
    tree = batch.write()
    line = tree.find(id="runs_table").tbody.tr
    assert words(line) == "a no verdict KMEANS 0.700 * 0.60 to 0.75 0.520 0.40 8.3 % 1 of 2 5" and line["data-verdict"] == "none"
    assert not line.a
    assert words(cells(tree)["KMEANS"][0]) == "0.700 *" and "too little independent data" in cells(tree)["KMEANS"][0]["title"]
    table = batch.table()
    assert table["roc_auc_kmeans"].tolist() == [0.7] and table["verdict"].isna().all()


def test_seconds_of_what_was_taken_are_not_counted(batch):
    batch.add("a", {"kmeans": {"status": "ok", "taken_from": "2026-11-20_x", "seconds": 100.0}, "gmm": "ok"})
    batch.write()
    assert batch.table()["seconds"].tolist() == [2.5]


def test_filters_wait_for_the_script(batch):
    batch.add("a", {"kmeans": "ok"})
    tree = batch.write()
    assert tree.find(id="filters").has_attr("hidden") and not tree.find(id="runs_table").find("button")
    assert [option["value"] for option in tree.find(id="filter_verdict").find_all("option")] == [
        "", "separates", "explained_by_level", "no_evidence", "too_little_data", "none"]


# ---- the heat map

def test_every_cell_leads_to_its_report(batch):
    batch.add(ODD, {"kmeans": "ok", "gmm": "ok", "svm": "ok", "gan": {"status": "failed", "error": "x"}},
              aucs={"kmeans": 0.45, "gmm": 0.9, "svm": numbers(0.99, supervised=True)}, settings={"seed": 1})
    batch.add(ODD, {"kmeans": "queued", "svm": "skipped"}, settings={"seed": 2})
    batch.add("other", {"kmeans": "running"}, settings={"seed": 1})
    tree = batch.write()
    found = cells(tree)
    assert list(found) == ["KMEANS", "GMM", "Gan", "SVM"]
    assert [[words(cell) for cell in column] for column in found.values()] == [
        ["0.450 ▼", "not started", "still running"], ["0.900", "–", "–"], ["failed", "–", "–"], ["0.990", "skipped", "–"]]
    links = {title: [cell.a and target(cell.a) for cell in column] for title, column in found.items()}
    assert links["GMM"] == [f"2026-11-23_120000_{ODD}/reports/04_gmm.html".replace("</b>", "<-b>"), None, None]
    assert links["Gan"][0].endswith("06_gan.html") and links["SVM"][1].endswith("03_svm.html")
    assert links["KMEANS"][1:] == [None, None]
    assert all((batch.folder / link).is_file() for column in links.values() for link in column if link)
    assert found["GMM"][0]["title"] == found["GMM"][0].a["aria-label"] == (
        f"GMM, {ODD}, seed 1: ROC AUC 0.900, 95 % interval 0.80 to 0.95")
    assert "below-chance" in found["KMEANS"][0]["class"] and "below chance" in found["KMEANS"][0]["title"]
    assert "below-chance" not in found["GMM"][0]["class"]
    groups = [words(head) for head in tree.find(class_="heat").thead.tr.find_all("th")]
    assert groups == ["Learned from normal sound only", "No result yet", "Supervised: has also heard anomalous sound"]
    machines = tree.find(class_="heat").find_all("th", scope="rowgroup")
    assert [(head.get_text(), head["rowspan"]) for head in machines] == [(ODD, "2"), ("other", "1")]


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
              for value in (int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5))]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_the_scale_falls_evenly_and_can_be_read():
    seen = []
    for auc in np.linspace(0.5, 1, 501):
        background, ink = re.fullmatch("background:(#[0-9a-f]{6});color:(#[0-9a-f]{3})", colours(auc)).groups()
        seen.append(luminance(background))
        other = {"#000": 0.0, "#fff": 1.0}[ink]
        light, dark = max(seen[-1], other), min(seen[-1], other)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, auc  # WCAG 2, AA
    assert seen[0] == pytest.approx(1) and np.all(np.diff(seen) <= 0)
    steps = np.diff(np.cbrt(seen)[::50])  # the lightness of OKLab and CIELAB goes with the cube root
    assert steps.max() / steps.min() == pytest.approx(1, abs=0.12)
    assert colours(0.2) == colours(0.5) and SCALE[5] in colours(0.75)


# ---- ranks

def test_ranks_without_a_test_say_so(batch):
    for machine in range(3):
        batch.add(f"m{machine}", {"kmeans": "ok"}, recordings=[f"r{machine}"],
                  aucs={"kmeans": 0.6, "gmm": 0.9, "svm": numbers(0.99, supervised=True)})
    batch.add("m3", {"kmeans": "ok"}, recordings=["r3"], aucs={"kmeans": 0.6})
    section = batch.write().find(id="ranks").parent
    assert "3 machines are too few for a test" in words(section) and "more than 10" in words(section)
    table = section.find("table")
    assert [[words(line.th), words(line.td)] for line in table.tbody.find_all("tr")] == [["GMM", "1.00"], ["KMEANS", "2.00"]]
    assert "Left out, for not all of these detectors have a ROC AUC there: m3 (no GMM)" in words(section)
    assert not table.find(class_="reach") and "critical difference" not in words(section)


@pytest.mark.parametrize("shared, n", [("recording", 1), ("name", 1), ("nothing", 12)])
def test_runs_that_share_something_are_one_machine(batch, shared, n):
    for run in range(12):
        batch.add("m" if shared == "name" else f"m{run}", {"kmeans": "ok"}, aucs={"kmeans": 0.6, "gmm": 0.9, "gan": 0.8},
                  recordings=[f"r{run}", "r" if shared == "recording" else f"s{run}"])
    section = words(batch.write().find(id="ranks").parent)
    assert ("1 machine is too few" in section) == (n == 1)
    assert ("Not all detectors rank alike over 12 machines" in section) == (n == 12)


def test_the_critical_difference_is_drawn_where_the_test_rejects(batch):
    for run in range(14):
        batch.add(f"m{run}", {"kmeans": "ok"}, aucs={"kmeans": 0.6, "gmm": 0.9, "gan": 0.8}, recordings=[f"r{run}"])
    section = batch.write().find(id="ranks").parent
    assert "p < 0.001" in words(section) and "more than 0.89 apart" in words(section)  # 2.343 sqrt(3 * 4 / (6 * 14)) = 0.886
    bars = [(float(bar["x1"][:-1]), float(bar["x2"][:-1])) for bar in section.find_all("line", class_="reach")]
    # ranks 1, 2, 3 at 1/6, 1/2, 5/6 of the width, where a rank is a third of it; 0.886 / 2 / 3 = 14.8 % to both sides
    assert np.allclose(bars, [(16.67 - 14.76, 16.67 + 14.76), (50 - 14.76, 50 + 14.76), (83.33 - 14.76, 83.33 + 14.76)], atol=0.02)


def test_no_difference_is_said_and_no_critical_difference_shown(batch):
    for run in range(12):
        aucs = np.roll([0.6, 0.7, 0.8], run)
        batch.add(f"m{run}", {"kmeans": "ok"}, aucs=dict(zip(("kmeans", "gmm", "gan"), aucs, strict=True)), recordings=[f"r{run}"])
    section = batch.write().find(id="ranks").parent
    assert "No difference between the detectors is shown over 12 machines" in words(section) and "p = 1.000" in words(section)
    assert not section.find_all("line", class_="reach") and "apart" not in words(section)


def test_an_unfinished_run_is_not_waited_for_by_the_ranks(batch):
    batch.add("a", {"kmeans": "ok", "gmm": "ok"}, aucs={"kmeans": 0.6, "gmm": 0.9}, recordings=["1"])
    batch.add("b", {"kmeans": "ok", "gan": "ok", "gmm": "running"}, aucs={"kmeans": 0.6, "gan": 0.9}, recordings=["2"])
    section = batch.write(finished=None).find(id="ranks").parent
    assert [words(line.th) for line in section.find("tbody").find_all("tr")] == ["GMM", "KMEANS"]
    assert "The batch is not finished" in words(section)


# ---- files

def test_the_table_holds_the_numbers_of_the_comparisons_exactly(batch):
    random = np.random.default_rng(0)
    for run in range(20):
        aucs = {name: numbers(float(random.random()), roc_auc_low=float(random.random()), supervised=name == "svm")
                for name in ("gmm", "kmeans", "svm")[:2 + run % 2]}
        batch.add("007", {"kmeans": "ok", "gmm": "ok", "gan": "failed", "comparison": "ok"}, aucs=aucs, settings={"seed": run})
    batch.write()
    table = batch.table()
    assert list(table)[:10] == ["name", "seed", "folder", "verdict", "verdict_text", "notebooks", "done", "failed", "seconds",
                                "best_detector"]
    assert list(table)[10:13] == ["roc_auc_kmeans", "roc_auc_low_kmeans", "roc_auc_high_kmeans"]
    assert list(table)[-5:] == ["status_kmeans", "status_svm", "status_gmm", "status_gan", "status_comparison"]
    for line in table.itertuples():
        kept = pd.read_csv(batch.folder / line.folder / "comparison" / "summary.csv").set_index("detector")
        for name in ("kmeans", "gmm", "svm"):
            for what in ("roc_auc", "roc_auc_low", "roc_auc_high"):
                found = getattr(line, f"{what}_{name}")
                assert found == kept.loc[name, what] if name in kept.index else np.isnan(found)
    assert (table["notebooks"] == 4).all() and (table["done"] == 3).all() and (table["failed"] == 1).all()
    assert (table["verdict_text"] == 'It is <so>, "yes".').all()
    assert (table["status_gan"] == "failed").all() and table["status_svm"].isna().all()


def test_names_are_shown_as_they_are_and_links_are_found(batch):
    batch.add(ODD, {"kmeans": "ok"}, aucs={"kmeans": 0.7})
    tree = batch.write()
    assert tree.title.get_text().startswith(ODD) and not tree.find("b")
    link = tree.find(id="runs_table").tbody.a
    assert link.get_text() == ODD and (batch.folder / target(link)).is_file()
    assert "acoustic-nb batch 'a <b>.yaml'" in tree.find(id="files").parent.get_text()
    assert (batch.folder / tree.find(id="files").parent.a["href"]).is_file()


def test_nothing_outside_is_loaded(batch):
    batch.add("a", {"kmeans": "ok"}, aucs={"kmeans": 0.7})
    tree = batch.write()
    assert not tree.find_all(["link", "img", "iframe"]) and not any(script.has_attr("src") for script in tree.find_all("script"))
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//|url\(|@import", str(tree))
    ids = [tag["id"] for tag in tree.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_the_page_is_replaced_whole(batch, monkeypatch):
    batch.add("first", {"kmeans": "ok"})
    batch.write()
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    batch.runs[0][1]["name"] = "second"
    with pytest.raises(OSError, match="disk full"):
        batch.write()
    assert "second" not in (batch.folder / "index.html").read_text() and batch.table()["name"].tolist() == ["first"]
    assert sorted(path.name for path in batch.folder.iterdir() if path.is_file()) == ["index.html", "summary.csv"]


def test_a_row_is_plain_values(batch):
    batch.add("a", {"kmeans": "ok"}, aucs={"kmeans": 0.7}, settings={"seed": 1})
    row, = batch.rows()
    assert json.loads(json.dumps(row)) == row
    assert row["jobs"] == [{"job": "kmeans", "status": "ok", "error": None, "seconds": 2.5, "taken_from": None,
                            "report": "01_kmeans.html"}]
    assert row["detectors"] == {"kmeans": {"title": "KMEANS", **numbers(0.7)}} and row["ended"] and row["recordings"] == ["a"]
