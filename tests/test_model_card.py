"""The model card: what it says, and that the verdict in it can be read back."""

import json
from dataclasses import replace

import pytest
from bundles_for_tests import METRICS, files_of, write

from acoustic_nb.bundle_files import read_bundle_files
from acoustic_nb.bundles import load_bundle
from acoustic_nb.model_card import UNKNOWN, model_card, verdict_of, write_cards
from acoustic_nb.runs import Run

ABOUT = json.loads(files_of("gmm")["bundle.json"])
CALIBRATION = {"threshold": 3.25, "promised": False, "used_rate": 0.1, "n": 24, "n_eff": 20.1, "judged_by": "window"}
OF_RECORDINGS = {**CALIBRATION, "threshold": 1.5, "n": 1, "n_eff": 1.0, "judged_by": "recording"}


def card(verdict=None, about=ABOUT, **more):
    return model_card(about, {**METRICS, "alarm": CALIBRATION, "calibration": {**CALIBRATION}, **more}, verdict)


@pytest.mark.parametrize("text", [
    "GMM separates.", "It is **bold**: ä, 3 * 4 ** 5.", "**none**: a trap", "First line.\nSecond line.\n\nA paragraph.",
    "## no heading", "", "a  b\tc"])
@pytest.mark.parametrize("kind", ["separates", "too_little_data", "none"])
def test_the_verdict_can_be_read_back(kind, text):
    verdict = {"kind": kind, "text": text}
    assert verdict_of(card(verdict)) == verdict


def test_without_a_verdict_it_is_of_kind_none():
    assert verdict_of(card()) == {"kind": "none", "text": UNKNOWN}
    assert verdict_of("# another card") == {"kind": "none", "text": ""}
    assert verdict_of("") == {"kind": "none", "text": ""}


def test_it_says_what_was_learned_and_how_it_was_judged():
    text = card({"kind": "separates", "text": "x"})
    for said in ("# GMM, kept from a_run",
                 "- 1 normal recording, 1.0 min; it has learned nothing from the anomalous recordings (1)\n",
                 "demo_normal: normal, 60.0 s at 8000 Hz, used for calibration, test, train",
                 "demo_anomalous: anomalous, 40.0 s at 8000 Hz, used for test\n",
                 "17 features per window of 1 s, a window every 0.5 s, at 8000",
                 "the features hear loudness", "n_components = 1",
                 "- a window is flagged above 3.25, the false-alarm rate of 10.0% is aimed at, not promised (24 calibration "
                 "windows, worth about 20 independent)\n",
                 "- Two recordings were cut.", "ROC AUC 0.870, 95 % interval 0.610 to 0.950, from about 11 independent",
                 "share of anomalous windows flagged: 0.5, 95 % interval 0.3 to 0.7",
                 "share of normal windows flagged: 0.08, 95 % interval 0.01 to 0.2",
                 "level alone, without any detector: ROC AUC 0.520"):
        assert said in text
    assert "false events" not in text and "nan" not in text  # what is not known is not said
    assert "too little independent data" not in text
    assert "too little independent data" in card(interval={**METRICS["interval"], "enough": False})
    assert "is promised (" in card(alarm={**CALIBRATION, "promised": True})
    assert text.count("is flagged above") == 1 and "recordings flagged" not in text


def test_where_recordings_are_judged_both_thresholds_are_told():
    text = card(about={**ABOUT, "judged_by": "recording"}, calibration=OF_RECORDINGS)
    section = text.partition("## Its threshold\n\n")[2].partition("\n\n")[0].splitlines()
    assert section == [
        "- a window is flagged above 3.25, the false-alarm rate of 10.0% is aimed at, not promised (24 calibration windows, worth "
        "about 20 independent)",
        "- a recording is flagged above 1.5, the false-alarm rate of 10.0% is aimed at, not promised (1 calibration recording, "
        "worth about 1 independent)"]
    assert "share of anomalous recordings flagged: 0.5" in text and "windows flagged" not in text


def test_without_any_anomalous_recording_it_says_no():
    normal = [each for each in ABOUT["recordings"] if each["label"] == "normal"]
    assert "it has learned nothing from the anomalous recordings (0)" in card(about={**ABOUT, "recordings": normal})
    supervised = {**ABOUT, "supervised": True, "recordings": [each for each in ABOUT["recordings"] if each not in normal]}
    assert "- no normal recordings, 0.0 min; 1 anomalous recording, 0.7 min, half of which" in card(about=supervised)


def test_a_supervised_detector_and_many_recordings():
    many = {**ABOUT, "supervised": True, "features": {**ABOUT["features"], "level": "removed"},
            "recordings": [{**ABOUT["recordings"][k % 2], "name": f"r{k}", "parts": []} for k in range(50)]}
    text = card(about=many)
    assert "25 normal recordings, 25.0 min; 25 anomalous recordings, 16.7 min, half of which it has heard in training" in text
    assert "r19: " in text and "r20: " not in text and "and 30 more" in text and "used for nothing" in text
    assert "are blind to loudness" in text
    assert "r19: " in card(about={**many, "recordings": many["recordings"][:20]}) and "more" not in text.split("and 30 more")[1]


def test_the_comparison_writes_its_verdict_into_the_cards_and_the_bundles_stay_what_they_are(tmp_path):
    run, folder = Run.create(tmp_path, "Lüfter {1}"), None
    for name in ("gmm", "kmeans"):
        folder = run.folder / name
        folder.mkdir()
        numbers = {**METRICS["metrics"], "false_events_per_hour": None}
        (folder / "metrics.json").write_text(json.dumps({**METRICS, "metrics": numbers, "alarm": CALIBRATION,
                                                          "calibration": CALIBRATION}))
        for table in ("scores.csv", "items.csv"):
            (folder / table).touch()
    write(run.folder / "gmm" / "bundle", files_of("gmm"))  # the other one has kept none
    before = load_bundle(run.folder / "gmm")
    write_cards(run)
    assert verdict_of(load_bundle(run.folder / "gmm").card) == {"kind": "none", "text": UNKNOWN}
    verdict = {"kind": "no_evidence", "text": "No detector.\nHas evidence."}
    (run.folder / "comparison").mkdir()
    (run.folder / "comparison" / "verdict.json").write_text(json.dumps(verdict))
    write_cards(run)
    for path in (run.folder / "gmm" / "bundle", run.folder / "gmm" / "bundle.zip"):
        after = load_bundle(path)
        assert after.id == before.id and after.card != before.card and verdict_of(after.card) == verdict
        assert read_bundle_files(path)[0]["bundle.json"] == files_of("gmm")["bundle.json"]
    assert replace(before, card="").title in after.card and not (run.folder / "kmeans" / "bundle").exists()
