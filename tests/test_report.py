"""Reports are read here as a browser reads them: from the HTML alone."""

import base64
import io
import json
import re
from copy import deepcopy
from urllib.parse import unquote

import nbformat
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from PIL import Image

from acoustic_nb.index_page import write_index
from acoustic_nb.pages import MISSING, absent, number
from acoustic_nb.report import render_notebook
from acoustic_nb.runs import Run

ODD_NAME = "2026-11-22_071502_lauf \"ä\" {x} <b> 50% #1?"
OUTSIDE = re.compile(r"""(?:\b(?:src|href|srcset|poster|action|data)\s*=\s*["']?|url\(\s*["']?|@import\s+["']?)"""
                     r"""\s*(?:https?:|ftp:)?//""", re.IGNORECASE)


def png(width=40, height=20, *, noise=False):
    pixels = np.full((height, width, 3), 200, np.uint8)
    if noise:
        smooth = np.random.default_rng(0).normal(128, 40, (height, width, 3))
        pixels = np.clip(smooth, 0, 255).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


def code(source, *outputs, count=1, tags=()):
    return new_code_cell(source, outputs=list(outputs), execution_count=count, metadata={"tags": list(tags)})


def shown(mime, content, **about):
    return new_output("display_data", {mime: content, "text/plain": "<object>"}, metadata={mime: about})


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / ODD_NAME
    made.mkdir()
    return made


@pytest.fixture
def page(folder):
    """Render cells; the page as text and as a tree."""
    def render(*cells, status=None, name="04_gmm"):
        nbformat.write(new_notebook(cells=list(cells)), folder / f"{name}.ipynb")
        path = render_notebook(folder / f"{name}.ipynb", folder / "reports" / f"{name}.html", status=status)
        text = path.read_text(encoding="utf-8")
        return text, BeautifulSoup(text, "html.parser")
    return render


# ---- values

@pytest.mark.parametrize("value", [None, "", float("nan"), np.nan, np.float64("nan"), np.float32("nan")])
def test_what_is_missing_is_a_dash(value):
    assert absent(value) and number(value) == MISSING


@pytest.mark.parametrize("value", [0, 0.0, False, np.float32(0), np.int64(0), np.bool_(False), " ", "nan", [], {}, float("inf"),
                                   10**400, np.array([np.nan, 1])])
def test_what_is_there_is_not_missing(value):
    assert not absent(value)


# ---- notebooks

def test_nothing_outside_is_loaded_or_linked(page):
    html = ("<p>kept words</p><img src='https://example.org/a.png'><img src=//example.org/b.png srcset='//c.org/x 2x'>"
            "<script src='https://cdn.example/x.js'></script><link rel=stylesheet href=\"https://cdn.example/x.css\">"
            "<div style='background: url(https://example.org/d.png)'>x</div>"
            "<a href='http://example.org'>words of a link</a>"
            "<style>@import 'https://example.org/e.css'; p { background: url(//example.org/f.png) }</style>"
            "<img alt='a > b' src='https://example.org/g.png'>")
    text, tree = page(
        new_markdown_cell("# T\n\n[a paper](https://example.org/paper?a=1&b=2) <https://auto.example> "
                          "https://bare.example\n\n"
                          "![a drawing](https://example.org/h.png) [next](07_comparison.ipynb)\n\n" + html),
        code("x", shown("text/html", html)))
    assert not OUTSIDE.findall(text)
    assert not tree.find_all("link")
    assert len(tree.find_all("script")) == 1 and not tree.script.has_attr("src")
    words = tree.get_text()
    for kept in ("a paper (https://example.org/paper?a=1&b=2)", "https://auto.example", "https://bare.example",
                 "a drawing", "words of a link", "kept words"):
        assert kept in words
    assert {link["href"] for link in tree.find_all("a", href=True)} == {
        "../index.html", "#page_content", "07_comparison.html"}


def test_the_check_for_outside_addresses_can_fail():
    for bad in ("<img src='https://a.b'>", "<a href=http://a.b>", "<p style='background:url( //a.b)'>",
                "@import '//a.b'"):
        assert OUTSIDE.search(bad)


def test_formulas_become_mathml_and_code_stays_code(page):
    text, tree = page(new_markdown_cell(
        "# Grüße mit $x_{1}$\n\nGröße $h_{max}$ und _kursiv_ mit $\\mu_k$, `$not_math$`.\n\n"
        "$$s(x) = \\frac{1}{n} \\sum_i |x_i|$$\n\n"
        "```\n$also_not$\n```\n\nIt costs $5 and $6 here. Weird: $\\frac{$\n\n| a |\n|---|\n| $y_2$ |\n"))
    assert len(tree.find_all("math")) == 5
    block = tree.find("math", display="block")
    assert block.find("mfrac") and not block.find_parent("p").find("div")
    assert [em.get_text() for em in tree.find_all("em")] == ["kursiv"]
    assert all(kept in tree.get_text() for kept in ("$not_math$", "$also_not$", "costs $5 and $6 here"))
    assert "\\frac{" in tree.get_text()  # what cannot be drawn is still there to be read
    assert tree.h1.find("math")


def test_latex_outputs_are_drawn(page):
    _, tree = page(code("Math('x')", shown("text/latex", "$\\displaystyle x^2$")))
    assert tree.find("math").find("msup")


def test_figures_keep_their_text(page):
    _, tree = page(code("a", shown("image/png", png(), alt='AUC > 0.9 & "high" für <b>')),
                   code("b", shown("image/png", png()), count=7))
    first, second = tree.find_all("figure")
    assert first.img["alt"] == first.figcaption.get_text() == 'AUC > 0.9 & "high" für <b>'
    assert first.img["loading"] == "lazy" and (first.img["width"], first.img["height"]) == ("40", "20")
    assert "cell 7" in second.img["alt"]


def test_big_pictures_shrink_and_still_show_the_same(page):
    big = png(700, 500, noise=True)
    assert len(big) > 1_000_000
    text, tree = page(code("a", shown("image/png", big, alt="noise")), code("b", shown("image/png", png())))
    sources = [image["src"] for image in tree.find_all("img")]
    assert sources[0].startswith("data:image/webp") and sources[1] == f"data:image/png;base64,{png()}"
    assert len(sources[0]) < 0.5 * len(big)
    after = np.asarray(Image.open(io.BytesIO(base64.b64decode(sources[0].split(",")[1]))).convert("RGB"), float)
    before = np.asarray(Image.open(io.BytesIO(base64.b64decode(big))), float)
    assert after.shape == before.shape
    assert np.corrcoef(after.mean(axis=2).ravel(), before.mean(axis=2).ravel())[0, 1] > 0.8


def test_players_are_kept(page):
    player = ('<figure class="player"><figcaption>t</figcaption>'
              '<audio controls preload="none" src="data:audio/mpeg;base64,//uQ//xA"></audio></figure>')
    _, tree = page(code("player", shown("text/html", player)))
    assert tree.audio["src"] == "data:audio/mpeg;base64,//uQ//xA" and tree.audio.has_attr("controls")


def test_code_is_hidden_but_reachable_without_script(page):
    _, tree = page(code("first = 1"), code("second = '<b>'", count=2))
    cells = tree.find_all("details", class_="code")
    assert [cell.pre.get_text().strip() for cell in cells] == ["first = 1", "second = '<b>'"]
    assert not any(cell.has_attr("open") for cell in cells)
    assert all(cell.summary for cell in cells)
    assert not tree.find("pre", string=re.compile("first"))


def test_streams(page):
    _, tree = page(code("x", new_output("stream", name="stdout", text="one <b> \x1b[31mred\x1b[0m\n"),
                        new_output("stream", name="stdout", text="two"),
                        new_output("stream", name="stderr", text="\r  0%|   \r 50%|##\r100%|####\nwarned\n")))
    assert tree.find("pre", class_="plain").get_text() == "one <b> red\ntwo"
    assert tree.find("pre", class_="plain").find("span", class_="ansi-red-fg").get_text() == "red"
    messages = tree.find("details", class_="messages")
    assert not messages.has_attr("open")
    assert messages.pre.get_text() == "100%|####\nwarned"


def test_progress_widgets_are_left_out(page):
    bar = new_output("display_data", {"application/vnd.jupyter.widget-view+json": {}, "text/plain": "0it [00:00]"})
    text, _ = page(code("x", bar))
    assert "0it" not in text


def test_tables_scroll_in_their_own_box_and_say_nothing_of_nan(page):
    table = pd.DataFrame({"a": [1.5, np.nan], "b": ["x", "<y>"]})._repr_html_()
    assert "NaN" in table
    _, tree = page(code("table", shown("text/html", table)))
    assert "scroll" in tree.find("table", class_="dataframe").parent["class"]
    assert [cell.get_text() for cell in tree.find_all("td")] == ["1.5", "x", "–", "<y>"]
    assert not tree.find("table").has_attr("border")


def test_a_failed_notebook_shows_its_error_first(page):
    mark = new_markdown_cell("<span style='color:red'>An Exception was encountered</span>",
                             metadata={"tags": ["papermill-error-cell-tag"]})
    error = new_output("error", ename="ValueError", evalue="window_s = <b>9</b>",
                       traceback=["\x1b[0;31mValueError\x1b[0m", "deep inside: window_s = <b>9</b>"])
    text, tree = page(mark, new_markdown_cell("# Title\n\nwords"), code("fine()", count=3), deepcopy(mark),
                      code("fails()", error, count=4), code("never()", count=None))
    failure = tree.find("section", class_="failure")
    assert failure.find(class_="error-line").get_text() == "ValueError: window_s = <b>9</b>"
    traceback = failure.find("pre")
    assert traceback.get_text() == "ValueError\ndeep inside: window_s = <b>9</b>"
    assert traceback.find("span", class_="ansi-red-fg") and "\x1b" not in text
    assert not failure.find_parent("details") and text.index('class="failure"') < text.index("words")
    failing = tree.find(id=failure.a["href"].removeprefix("#"))
    assert "fails()" in failing.get_text() and failing.details.has_attr("open")
    assert "An Exception was encountered" not in text
    assert "not run" in tree.find_all("details", class_="code")[-1].get_text()


def test_a_notebook_that_succeeded_shows_no_failure(page):
    _, tree = page(code("import sys; sys.exit(0)", new_output("error", ename="SystemExit", evalue="0", traceback=[])),
                   status={"status": "ok", "error": None})
    assert not tree.find(class_="failure")


def test_a_dead_kernel_is_told_from_the_status(page):
    _, tree = page(code("x = 1"), status={"status": "dead", "error": "the kernel <died>"})
    assert tree.find(class_="failure").find(class_="error-line").get_text() == "the kernel <died>"


def test_header_contents_and_parameters(page):
    text, tree = page(
        new_markdown_cell("# K-means <i>& friends</i>\n\nHello."),
        code('normal: str = "demo"\nwindow_s: float = 1.0\nseed: int = 0  # any\nrun_dir: str = "../runs/scratch"',
             tags=["parameters"]),
        code('# Parameters\nnormal = "Lüfter <1> \\"x\\".wav"\nseed = 0\nrun_dir = "/home/me/secret"\n',
             tags=["injected-parameters"]),
        new_markdown_cell("## Why? *So* $x$\n\n### Detail\n\n## Why? *So* $x$"),
        new_markdown_cell("#### small\n\n# Again"))
    assert tree.html["lang"] == "en"
    assert tree.title.get_text() == "K-means & friends – lauf \"ä\" {x} <b> 50% #1?"
    assert [heading.get_text() for heading in tree.find_all("h1")] == ["K-means & friends"]
    assert tree.find("header").a["href"] == "../index.html"
    assert "2026-11-22, 07:15" in tree.header.get_text() and "lauf \"ä\" {x} <b> 50% #1?" in tree.header.get_text()
    links = tree.find("nav").find_all("a")
    targets = [tree.find_all(id=link["href"].removeprefix("#")) for link in links]
    assert all(len(target) == 1 for target in targets)
    assert [target[0].get_text() for target in targets] == ["Why? So x", "Detail", "Why? So x", "Again"]
    rows = {row.th.get_text(): row for row in tree.find(class_="parameters").find_all("tr")}
    assert {name: row.td.get_text() for name, row in rows.items()} == {
        "normal": 'Lüfter <1> "x".wav', "window_s": "1.0", "seed": "0"}
    assert [name for name, row in rows.items() if "changed" in row.get("class", [])] == ["normal"]
    assert "/home/me/secret" not in tree.find(class_="parameters").get_text()


def test_no_id_twice(page):
    headings = ("# T", "## Content", "## Parameters", "## Contents", "## Cell 2", "## Page content", "## ?", "## !")
    _, tree = page(new_markdown_cell("\n\n".join(headings)), code("1"), code("2"))
    ids = [tag["id"] for tag in tree.find_all(id=True)]
    assert len(ids) == len(set(ids)) and all(ids)


def test_a_parameters_cell_that_python_cannot_read_still_gives_a_report(page):
    _, tree = page(code("normal = = 1", tags=["parameters"]))
    assert "normal = = 1" in tree.get_text()


def test_pictures_in_markdown_are_inside_the_page(page, folder):
    (folder / "drawn.png").write_bytes(base64.b64decode(png()))
    cell = new_markdown_cell("![one](attachment:a.png) ![two](drawn.png) ![three](gone.png) "
                             "![four](attachment:gone.png)")
    cell["attachments"] = {"a.png": {"image/png": png()}}
    _, tree = page(cell)
    assert [image["alt"] for image in tree.find_all("img")] == ["one", "two"]
    assert all(image["src"].startswith("data:image/png") for image in tree.find_all("img"))
    assert "[picture: three]" in tree.get_text() and "[picture: four]" in tree.get_text()


def test_a_report_is_replaced_whole(page, folder, monkeypatch):
    page(code("words_of_the_first"))
    monkeypatch.setattr("os.replace", lambda *paths: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        page(code("words_of_the_second"))
    assert [path.name for path in (folder / "reports").iterdir()] == ["04_gmm.html"]
    assert "words_of_the_first" in (folder / "reports" / "04_gmm.html").read_text(encoding="utf-8")


# ---- the index

@pytest.fixture
def run(folder):
    made = Run(folder)
    for name in ("status", "reports"):
        (folder / name).mkdir()
    made.write_manifest({"parameters": {}, "inputs": [], "jobs": {}})
    return made


def row(name, auc, *, supervised=False, **more):
    return {"detector": name, "title": name.upper(), "supervised": supervised, "roc_auc": auc, "pauc": 0.61,
            "average_precision": 0.7, "prevalence": 0.5, "recall": 0.4, "f1": 0.5, "false_alarm_rate": 0.083,
            "false_alarm_rate_wanted": 0.05, "false_alarm_rate_used": 0.05, "false_events_per_hour": 12.0,
            "false_events": 2, "judged_by": "window", "seconds": 3.0} | more


def index(run):
    path = write_index(run)
    assert path == run.folder / "index.html"
    text = path.read_text(encoding="utf-8")
    assert not OUTSIDE.findall(text)
    tree = BeautifulSoup(text, "html.parser")
    assert not re.search(r"\bnan\b|\bNone\b|\bNaT\b", tree.get_text(), re.I)
    return tree


def finish(run, job, stem, status="ok", **more):
    run.write_status(job, status, **more)
    (run.folder / "reports" / f"{stem}.html").write_text("x")
    (run.folder / f"{stem}.ipynb").write_text(json.dumps({"cells": []}))


def test_an_index_of_nothing(run):
    tree = index(run)
    assert "There is no verdict: this run has no comparison." in tree.get_text()
    assert tree.h1.get_text() == "lauf \"ä\" {x} <b> 50% #1?" and tree.title.get_text().startswith("lauf \"ä\" {x} <b>")
    assert "2026-11-22, 07:15" in tree.get_text()
    assert not tree.find(class_="failure")


def test_an_index_before_any_job_is_done(run):
    run.write_manifest({"parameters": {"normal": "demo"}, "inputs": [], "jobs": {"kmeans": "queued", "comparison": "queued"}})
    tree = index(run)
    assert "There is no verdict: the comparison has not run." in tree.get_text()
    assert "kmeans (not started)" in tree.get_text()
    assert len(tree.find_all(class_="card")) == 1 and not tree.find(class_="card").a


@pytest.mark.parametrize(("status", "reason"), [
    ("failed", "the comparison failed"), ("dead", "the comparison's kernel died"), ("timeout", "took too long"),
    ("running", "is still running")])
def test_why_there_is_no_verdict(run, status, reason):
    run.write_status("comparison", status, error="KeyError: 'x'")
    assert reason in index(run).find(class_="verdict").get_text()


@pytest.mark.parametrize(("kind", "label"), [
    ("separates", "tells these recordings apart"), ("explained_by_level", "level alone"),
    ("no_evidence", "No evidence"), ("too_little_data", "Too little sound")])
def test_the_verdict_is_the_first_thing(run, kind, label):
    run.save_comparison(summary=pd.DataFrame([row("gmm", 0.9)]), pairs=pd.DataFrame(), figures={},
                        verdict={"kind": kind, "text": "It is <so> (AUC 0.9, 95 % interval). No more."})
    finish(run, "comparison", "07_comparison")
    verdict = index(run).find("main").find("section")
    assert label in verdict.get_text()
    assert verdict.find(class_="sentence").get_text() == "It is <so> (AUC 0.9, 95 % interval)."
    assert verdict.find(class_="rest").get_text() == "No more."
    assert verdict.a["href"] == "reports/07_comparison.html"


def test_failures_come_before_results(run):
    finish(run, "gmm", "04_gmm", "failed", error="ValueError: <b>bad</b>")
    run.write_status("svm", "timeout", error="stopped after 600 s")
    finish(run, "kmeans", "01_kmeans")
    tree = index(run)
    failure = tree.find(class_="failure")
    assert "ValueError: <b>bad</b>" in failure.get_text() and "stopped after 600 s" in failure.get_text()
    assert "kmeans" not in failure.get_text() and "2 of 3" in failure.get_text()
    assert [link["href"] for link in failure.find_all("a")] == ["reports/04_gmm.html"]
    assert str(tree).index('class="failure"') < str(tree).index('id="results"')


def test_the_table_keeps_supervised_apart_and_sorts_each(run):
    rows = [row("gan", np.nan, recall=np.nan), row("svm", 0.99, supervised=True), row("kmeans", 0.71), row("gmm", 0.85)]
    run.save_comparison(summary=pd.DataFrame(rows), pairs=pd.DataFrame(), verdict={"kind": "separates", "text": "x"}, figures={})
    finish(run, "gmm", "04_gmm")
    groups = index(run).find(class_="results").find_all("tbody")
    names = [[cell.get_text() for cell in group.find_all("th", scope="row")] for group in groups]
    assert names == [["GMM", "KMEANS", "GAN"], ["SVM"]]
    assert "Supervised" in groups[1].find("th").get_text() and "normal sound only" in groups[0].find("th").get_text()
    best, last = groups[0].find_all("tr")[1], groups[0].find_all("tr")[3]
    cells = [" ".join(cell.get_text().split()) for cell in best.find_all("td")]
    assert cells == ["0.850", "– –", "0.610", "0.700 0.50", "0.40", "0.50", "5.0 % → 8.3 %", "12 2 in this test", "3.0 s"]
    assert best.a["href"] == "reports/04_gmm.html" and not last.a
    assert last.td.get_text() == "–"


def test_interval_controls_and_a_rate_that_could_not_be_had(run):
    one = row("gmm", 0.85, roc_auc_low=0.61, roc_auc_high=0.95, n_eff=5.2, identity_high=0.66, level_auc=0.52,
              false_alarm_rate_used=0.1)
    run.save_comparison(summary=pd.DataFrame([one]), pairs=pd.DataFrame(), verdict={"kind": "separates", "text": "x"}, figures={})
    words = " ".join(index(run).find(class_="results").find("tbody").get_text(" ").split())
    for part in ("0.61 to 0.95", "too little independent data", "0.66", "0.52", "5.0 % → 8.3 %", "10.0 % at best"):
        assert part in words


def test_recordings_and_parameters(run):
    run.write_manifest({"jobs": {}, "parameters": {"normal": "a & <b>.wav", "seed": 0, "nothing": None}, "inputs": [
        {"name": "a <b>", "label": "normal", "path": "/x/ä {1}.wav", "duration_s": 12.34, "sample_rate": 16000,
         "sha256": "0123456789abcdef" * 4},
        {"name": "short", "label": "anomalous", "path": "/x/s.wav", "duration_s": 1, "sample_rate": 8000, "sha256": None}]})
    tree = index(run)
    first, second = tree.find(class_="inputs").find_all("tr")[1:]
    assert first.th.get_text() == "● a <b> normal" and "normal" in first.th.span["class"]
    assert [cell.get_text() for cell in first.find_all("td")] == ["12.3 s", "16000 Hz", "/x/ä {1}.wav", "0123456789ab"]
    assert [cell.get_text() for cell in second.find_all("td")] == ["1.0 s", "8000 Hz", "/x/s.wav", "–"]
    pairs = {line.th.get_text(): line.td.get_text() for line in tree.find(class_="pairs").find_all("tr")}
    assert pairs == {"normal": "a & <b>.wav", "seed": "0", "nothing": "–"}


def test_cards_link_to_files_that_exist_whatever_they_are_called(run):
    stem = "08_neu \"ä\" {x} <b> 50% #1?"
    finish(run, stem[3:], stem, seconds=7.2)
    figures = run.folder / stem[3:] / "figures"
    figures.mkdir(parents=True)
    (figures / "timeline.png").write_bytes(base64.b64decode(png(1500, 500, noise=True)))
    card = index(run).find(class_="card")
    assert (run.folder / unquote(card.a["href"])).exists()
    assert not set('"<># ?{}') & set(card.a["href"])
    assert (card.img["width"], card.img["height"]) == ("640", "213") and card.img["src"].startswith("data:image/")
    assert stem[3:] in card.img["alt"] and "7 s" in card.get_text()
