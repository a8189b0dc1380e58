"""Tables of a batch: rows whose runs are written down by hand, and every problem of a table told at once."""

import pytest

from acoustic_nb.batch_table import Row, read_rows
from acoustic_nb.inputs import Inputs

KNOWN = ("channel", "sample_rate", "window_s", "hop_s", "seed", "seeds", "level", "C", "covariance_type")
AWKWARD = "Lüfter {1} 'neu'.wav"


@pytest.fixture
def folder(tmp_path):
    """A table's folder with an awkward name of its own."""
    root = tmp_path / "Prüf stand {1} [a], b"
    root.mkdir()
    return root


def read(folder, text, *, name="jobs.csv", encoding="utf-8", **more):
    path = folder / name
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    rows, problems = read_rows(path, known=KNOWN, **more)
    assert not [problem for problem in problems if "\n" in problem]
    return rows, problems


def good(folder, text, **more):
    rows, problems = read(folder, text, **more)
    assert problems == []
    return rows


def bad(folder, text, **more):
    return read(folder, text, **more)[1]


def test_every_column_by_hand(folder):
    rows = good(folder, "name,normal,anomalous,dataset,machine,start_s,end_s,events,skip_broken,window_s,C\n"
                        f'"Süd {{1}}",{AWKWARD},sub/x.wav,,,1.5,20,sub/x.txt,Yes,0.5,10\n'
                        ",,,set/manifest.csv,00,,,,,,\n"
                        "fan,demo,demo,,,,,,,,\n")
    assert rows == [
        Row("jobs.csv, row 1 (line 2)", "Süd {1}",
            Inputs((f"{folder}/{AWKWARD}",), (f"{folder}/sub/x.wav",), start_s=1.5, end_s=20.0,
                   events=(f"{folder}/sub/x.txt",), skip_broken=True),
            {"window_s": "0.5", "C": "10"}, {"window_s": "0.5", "C": "10"}),
        Row("jobs.csv, row 2 (line 3)", "", Inputs(dataset=f"{folder}/set/manifest.csv", machine="00"), {}, {}),
        Row("jobs.csv, row 3 (line 4)", "fan", Inputs(), {}, {})]
    assert rows[2].inputs.is_demo and not rows[0].inputs.is_demo


def test_yaml_says_the_same_with_values_of_a_type(folder):
    rows = good(folder, "- name: Süd {1}\n"
                        "  NORMAL: [\"Lüfter {1} 'neu'.wav\", 'a;b.wav']\n"
                        "  anomalous: sub/x.wav; sub/y.wav\n"
                        "  start_s: 2\n  end_s: '20.5'\n  skip_broken: no\n"
                        "  window_s: 0.5\n  seed: 3\n  level: ' removed '\n  hop_s:\n"
                        "- dataset: set\n  machine: '01'\n  events: [x.txt]\n  skip_broken: true\n"
                        "- {normal: demo, anomalous: demo}\n", name="jobs.yaml")
    assert rows == [
        Row("jobs.yaml, row 1", "Süd {1}",
            Inputs((f"{folder}/{AWKWARD}", f"{folder}/a;b.wav"), (f"{folder}/sub/x.wav", f"{folder}/sub/y.wav"),
                   start_s=2.0, end_s=20.5),
            {"window_s": 0.5, "seed": 3, "level": "removed"}, {"window_s": 0.5, "seed": 3, "level": "removed"}),
        Row("jobs.yaml, row 2", "", Inputs(dataset=f"{folder}/set", machine="01", events=(f"{folder}/x.txt",), skip_broken=True),
            {}, {}),
        Row("jobs.yaml, row 3", "", Inputs(), {}, {})]
    assert [type(rows[0].parameters[name]) for name in ("window_s", "seed")] == [float, int]


@pytest.mark.parametrize("name", ["jobs.yml", "JOBS.YAML", "jobs.yaml"])
def test_the_ending_tells_yaml(folder, name):
    assert good(folder, "- seed: 1\n", name=name)[0].where == f"{name}, row 1"


def test_forty_rows_with_three_wrong_ones_are_told_at_once(folder):
    lines = [f"fan {k},fine.wav,fault {k}.wav,{k}" for k in range(1, 41)]
    lines[6] = "fan 7,fine.wav,,7"
    lines[19] = "fan 20,fine.wav,fault.wav,soon"
    lines[39] = "fan 40,fine.wav,fault.wav"
    rows, problems = read(folder, "\n".join(["name,normal,anomalous,start_s", *lines]) + "\n")
    assert problems == [
        "jobs.csv, row 7 (line 8), column normal: got 'fine.wav', but it needs anomalous beside it; give both, or none for the "
        "demo",
        "jobs.csv, row 20 (line 21), column start_s: got 'soon', but a time is a number of seconds in the file from 0 on, such as "
        "12.5; leave it empty to use all of it",
        "jobs.csv, row 40 (line 41): has 3 fields, but the header has 4; fill up the row, or put quotes around a field that holds "
        "the delimiter"]
    assert [row.name for row in rows] == [f"fan {k}" for k in range(1, 41) if k not in (7, 20, 40)]
    assert rows[7].inputs.start_s == 9.0  # rows 1 to 6, 8, then 9


def test_several_problems_of_one_row_are_all_told(folder):
    problems = bad(folder, "normal,start_s,end_s,skip_broken\nfine.wav,-1,x,maybe\n")
    assert [problem.split(":")[0] for problem in problems] == [
        f"jobs.csv, row 1 (line 2), column {column}" for column in ("start_s", "end_s", "skip_broken", "normal")]


@pytest.mark.parametrize(("row", "message"), [
    ("a.wav,,,,,,,,", "column normal: got 'a.wav', but it needs anomalous beside it"),
    (",a.wav,,,,,,,", "column anomalous: got 'a.wav', but it needs normal beside it"),
    ("demo,,,,,,,,", "column normal: got 'demo', but it needs anomalous beside it"),
    ("demo,a.wav,,,,,,,", "column normal: got 'demo', but only both make the demo"),
    ("a.wav,demo,,,,,,,", "column anomalous: got 'demo', but only both make the demo"),
    ("a.wav,b.wav,set,,,,,,", "column dataset: got 'set', but a dataset names its own normal and anomalous recordings"),
    ("a.wav,,set,,,,,,", "column dataset: got 'set', but a dataset names its own"),
    ("demo,demo,set,,,,,,", "column dataset: got 'set', but a dataset names its own"),
    (";,b.wav,,,,,,,", "column normal: got ';', but it names no file"),
    ("a.wav,b.wav,,,-1,,,,", "column start_s: got '-1', but a time is a number of seconds"),
    ("a.wav,b.wav,,,nan,,,,", "column start_s: got 'nan'"),
    ("a.wav,b.wav,,,,inf,,,", "column end_s: got 'inf'"),
    ('a.wav,b.wav,,,"1,5",,,,', "column start_s: got '1,5'"),
    ("a.wav,b.wav,,,5,5,,,", "column end_s: got '5', but it must be later than start_s = 5"),
    ("a.wav,b.wav,,,,0,,,", "column end_s: got '0', but it must be later than start_s = 0"),
    ("a.wav,b.wav,,,,,,on,", "column skip_broken: got 'on', but it is true or false, yes or no"),
    (",,,fan,,,,,", "column machine: got 'fan', but the demo is taken as it is; name recordings in this row"),
    ("demo,demo,,,3,,,,", "column start_s: got '3', but the demo"),
    (",,,,,3,,,", "column end_s: got '3', but the demo"),
    (",,,,,,x.txt,,", "column events: got 'x.txt', but the demo"),
    (",,,,,,,,1", "column channel: got '1', but the demo"),
    ("a.wav,b.wav", "has 2 fields, but the header has 9"),
    ("a.wav,b.wav,,,,,,,,", "has 10 fields, but the header has 9"),
])
def test_an_error_names_row_column_value_and_rule(folder, row, message):
    rows, problems = read(folder, f"normal,anomalous,dataset,machine,start_s,end_s,events,skip_broken,channel\nx,y,,,,,,,\n{row}\n")
    assert len(problems) == 1 and problems[0].startswith(f"jobs.csv, row 2 (line 3){'' if ' fields' in message else ','}"), problems
    assert message in problems[0]
    assert [row.where for row in rows] == ["jobs.csv, row 1 (line 2)"]


def test_each_thing_that_the_demo_does_not_take_is_told(folder):
    assert [problem.split(": ")[0].split("column ")[1] for problem in bad(
        folder, "machine,start_s,end_s,events,channel,sample_rate\nfan,1,2,e.txt,2,8000\n")] == [
            "machine", "start_s", "end_s", "events", "channel", "sample_rate"]
    assert bad(folder, "name,seed\nx,1\n", grid=["channel=1,2"]) == [
        "jobs.csv, row 1 (line 2), --grid channel: is set, but the demo is taken as it is; name recordings in this row, or leave "
        "channel out"]
    assert good(folder, "name,skip_broken,seed\nx,true,1\n")[0].inputs.is_demo


@pytest.mark.parametrize(("said", "means"), [("true", True), (" YES ", True), ("False", False), ("no", False), ("", False)])
def test_ways_to_say_skip_broken(folder, said, means):
    assert good(folder, f"dataset,skip_broken\nset,{said}\n")[0].inputs.skip_broken is means


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_byte_order_mark_delimiter_and_line_ends_change_nothing(folder, encoding, mark, newline):
    text = newline.join([mark.join([" Normal ", "ANOMALOUS", "seed", "C"]), mark.join([AWKWARD, " b.wav ", " 1 ", ""]), ""])
    row, = good(folder, text, encoding=encoding)
    assert row.inputs == Inputs((f"{folder}/{AWKWARD}",), (f"{folder}/b.wav",))
    assert row.parameters == {"seed": "1"}


def test_a_decimal_comma_is_a_number_of_seconds_where_no_comma_parts_the_fields(folder):
    row, = good(folder, "dataset;start_s;end_s;level\nset;1,5;2.5;kept, or not\n")
    assert (row.inputs.start_s, row.inputs.end_s) == (1.5, 2.5)
    assert row.parameters == {"level": "kept, or not"}  # text stays text


@pytest.mark.parametrize(("cell", "paths"), [
    ("x;y.wav", ["x;y.wav"]), ("x;z.wav", ["x", "z.wav"]), ("day;1", ["day;1"]), (" x;y.wav ", ["x;y.wav"]),
    ("a.wav ; *.wav;", ["a.wav", "*.wav"]), (" leer .wav", [" leer .wav"]), ("a.wav; leer .wav", ["a.wav", " leer .wav"]),
    ("sub/../0[12]*.wav", ["0[12]*.wav"]), ("demo;a.wav", ["demo", "a.wav"]), (" day 2", [" day 2"]), (" day 3", ["day 3"]),
])
def test_several_paths_in_a_cell_unless_the_cell_is_a_name(folder, cell, paths):
    for name in ("x;y.wav", " leer .wav", "a.wav"):
        (folder / name).touch()
    for name in ("day;1", " day 2"):
        (folder / name).mkdir()
    row, = good(folder, f"normal,anomalous,events\n{cell},f.wav,{cell}\n")
    full = tuple(f"{folder}/{path}" for path in paths)
    assert row.inputs == Inputs(full, (f"{folder}/f.wav",), events=full)


def test_paths_are_relative_to_the_table_absolute_or_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "home"))
    text = "normal,anomalous,dataset\n/abs/a.wav;~/b.wav,sub/c.wav,\n,,~/set\n"
    rows = good(folder, text)
    assert rows[0].inputs == Inputs(("/abs/a.wav", f"{folder}/home/b.wav"), (f"{folder}/sub/c.wav",))
    assert rows[1].inputs == Inputs(dataset=f"{folder}/home/set")
    monkeypatch.chdir(folder.parent)
    assert read_rows(f"{folder.name}/jobs.csv", known=KNOWN) == (rows, [])
    monkeypatch.setenv("HOME", str(folder))
    assert read_rows("~/jobs.csv", known=KNOWN)[1] == []


def test_quoted_fields_and_blank_rows(folder):
    rows = good(folder, 'name,dataset\n\n"a ""b""\nc","x,y"\n,\n   \nfan,set\n')
    assert [(row.where, row.name, row.inputs.dataset) for row in rows] == [
        ("jobs.csv, row 1 (line 3)", 'a "b" c', f"{folder}/x,y"), ("jobs.csv, row 2 (line 7)", "fan", f"{folder}/set")]


def test_two_rows_of_the_same_name_are_fine(folder):
    assert [(row.name, row.varied) for row in good(folder, "name,seed\nfan,1\nfan,2\n")] == [
        ("fan", {"seed": "1"}), ("fan", {"seed": "2"})]


def test_a_column_that_nobody_knows_is_told_once_with_a_hint(folder):
    rows, problems = read(folder, "normall,windw_s,notes,anomalous\n" + "a.wav,1,x,b.wav\n" * 40)
    assert rows == []
    assert [problem.partition("; ")[0] for problem in problems] == [
        f"{folder}/jobs.csv: column 'normall' is not known, did you mean 'normal'?",
        f"{folder}/jobs.csv: column 'windw_s' is not known, did you mean 'window_s'?",
        f"{folder}/jobs.csv: column 'notes' is not known"]


def test_beside_an_unknown_column_bad_cells_are_told_too(folder):
    problems = bad(folder, "normall,anomalous,start_s\na.wav,b.wav,1\na.wav,b.wav,soon\n")
    assert [problem.split(":")[0] for problem in problems] == [f"{folder}/jobs.csv", "jobs.csv, row 2 (line 3), column start_s"]


@pytest.mark.parametrize("column", ["c", "Seed", "run_dir", "path"])
def test_parameters_are_known_by_their_exact_name(folder, column):
    problem, = bad(folder, f"dataset,{column}\nset,1\nset,2\n")
    assert f"column {column!r} is not known" in problem


def test_columns_that_are_there_twice(folder):
    assert [problem.partition("; ")[0] for problem in bad(folder, "seed,Normal,normal,anomalous,seed\n1,,a,b,2\n1,,a,b,2\n")] == [
        f"{folder}/jobs.csv: has 2 columns named 'seed'", f"{folder}/jobs.csv: has 2 columns named 'normal'"]


def test_a_nameless_column_may_be_empty_only(folder):
    row, = good(folder, "dataset,,seed,\nset,,1, \n")
    assert (row.inputs, row.parameters) == (Inputs(dataset=f"{folder}/set"), {"seed": "1"})
    assert bad(folder, "dataset,,seed,\nset,,1,\nset,x,1,\nset,y,1,\n") == [
        "jobs.csv, row 2 (line 3): column 2 has no name, but holds 'x'; name it in the header, or empty it"]


@pytest.mark.parametrize(("name", "content"), [("jobs.csv", "name,seed\n"), ("jobs.csv", "name,seed\n,\n\n"),
                                               ("jobs.yaml", "[]\n")])
def test_a_table_without_rows_is_one_problem(folder, name, content):
    assert read(folder, content, name=name) == ([], [f"{folder}/{name}: has no rows; add one for each comparison"])


def test_the_first_grid_varies_slowest_and_multiplies_every_row(folder):
    rows = good(folder, "name,level\na,kept\nb,\n", grid=["window_s=0.5, 1.0", " seed =1,2,3"], parameters={"hop_s": "0.25"})
    assert [(row.name, row.parameters["window_s"], row.parameters["seed"]) for row in rows] == [
        (name, window_s, seed) for name in "ab" for window_s in ("0.5", "1.0") for seed in "123"]
    assert [row.where for row in rows[:2]] == ["jobs.csv, row 1 (line 2), window_s 0.5, seed 1",
                                               "jobs.csv, row 1 (line 2), window_s 0.5, seed 2"]
    assert rows[0].parameters == {"hop_s": "0.25", "level": "kept", "window_s": "0.5", "seed": "1"}
    assert rows[0].varied == {"level": "kept", "window_s": "0.5", "seed": "1"}
    assert rows[-1].varied == {"window_s": "1.0", "seed": "3"}
    assert good(folder, "- seed: 1\n", name="jobs.yaml", grid=["C=2"])[0].where == "jobs.yaml, row 1, C 2"


def test_a_cell_wins_over_what_is_set_for_all_and_an_empty_one_does_not(folder):
    given = {"seed": "7", "hop_s": "0.5"}
    rows = good(folder, "name,seed\na,1\nb, \n", parameters=given)
    assert [row.parameters for row in rows] == [{"seed": "1", "hop_s": "0.5"}, {"seed": "7", "hop_s": "0.5"}]
    assert [row.varied for row in rows] == [{"seed": "1"}, {}]
    assert given == {"seed": "7", "hop_s": "0.5"}


def test_a_problem_of_a_row_is_told_once_however_large_the_grid(folder):
    rows, problems = read(folder, "name,normal,anomalous\na,x.wav,\nb,x.wav,y.wav\n", grid=["seed=1,2,3", "C=1,2"])
    assert len(problems) == 1 and [row.name for row in rows] == ["b"] * 6


@pytest.mark.parametrize(("grid", "message"), [
    (["window_s"], "--grid 'window_s': takes a name and its values, --grid window_s=0.5,1.0"),
    (["=1"], "takes a name and its values"),
    (["windw_s=1"], "no notebook has a parameter 'windw_s', did you mean 'window_s'?; `acoustic-nb params` lists all"),
    (["machine=a,b"], "machine belongs to the recordings; write it in a column of the table"),
    (["window_s=1,,2"], "a value is empty"), (["window_s="], "a value is empty"), (["window_s=1, "], "a value is empty"),
    (["window_s=1,2, 1"], "has the value '1' more than once"),
    (["seed=1,2"], "seed is a column of the table too, so it is not clear which one is meant"),
    (["hop_s=1,2"], "hop_s is set with -p or --params too, so it is not clear which one is meant"),
])
def test_a_grid_that_is_wrong_is_one_problem(folder, grid, message):
    rows, problems = read(folder, "name,seed\n" + "a,1\n" * 40, grid=grid, parameters={"hop_s": "1"})
    assert rows == [] and len(problems) == 1
    assert problems[0].startswith(f"--grid {grid[0]!r}: ") and message in problems[0]


def test_a_grid_names_each_parameter_once(folder):
    assert bad(folder, "name\na\n", grid=["C=1,2", "level=x", "C=3"]) == [
        f"--grid {text!r}: C is there 2 times; put all its values into one, with commas between them" for text in ("C=1,2", "C=3")]


def test_problems_of_grid_header_and_rows_come_together(folder):
    assert [problem.split(":")[0] for problem in bad(folder, "normal,anomalous\na.wav,\n,b.wav\n", grid=["C="])] == [
        "--grid 'C='", "jobs.csv, row 1 (line 2), column normal", "jobs.csv, row 2 (line 3), column anomalous"]
    problems = bad(folder, "nme,seed,start_s\na,1,x\n", grid=["C=", "seed=1"])
    assert [problem.split(":")[0] for problem in problems] == [
        f"{folder}/jobs.csv", "--grid 'C='", "--grid 'seed=1'", "jobs.csv, row 1 (line 2), column start_s"]


@pytest.mark.parametrize(("row", "message"), [
    ("seed: 2026-01-05", "column seed: got 2026-01-05 (a date), but a value is one number, one text, true or false"),
    ("seed: [1, 2]", "column seed: got a list, but a value is one number"),
    ("seed: {a: 1}", "column seed: got a mapping, but a value is one number"),
    ("seed: !!binary aGk=", "column seed: got a bytes, but a value is one number"),
    ("name: 007", "column name: got 7, but name is a text; put quotes around it"),
    ("machine: 01", "column machine: got 1, but machine is a text; put quotes around it"),
    ("name: yes", "column name: got True, but name is a text"),
    ("dataset: [a, b]", "column dataset: got a list, but a value is one number"),
    ("normal: [a.wav, [b.wav]]", "column normal: got a list, but a value is one number"),
    ("normal: [a.wav, 2]", "column normal: got a list, but normal is a text"),
    ("normal: []", "column normal: got a list, but it names no file"),
    ("normal: [a.wav, ' ']", "column normal: got a list, but it names no file"),
    ("start_s: true", "column start_s: got True, but a time is a number"),
    ("start_s: '1,5'", "column start_s: got '1,5', but a time is a number"),
    ("start_s: .nan", "column start_s: got nan, but a time is a number"),
    ("skip_broken: 1", "column skip_broken: got 1, but it is true or false"),
    ("seed: 1, seed: 2", "has 'seed' 2 times; delete all but one"),
    ("Events: e.txt, events: f.txt", "has 'events' 2 times; delete all but one"),
])
def test_a_yaml_value_that_cannot_be_is_told_with_its_row(folder, row, message):
    rows, problems = read(folder, f"- {{dataset: set}}\n- {{{row}}}\n- {{dataset: set}}\n", name="jobs.yaml")
    assert problems[0].startswith("jobs.yaml, row 2") and message in problems[0], problems
    assert [row.where for row in rows] == ["jobs.yaml, row 1", "jobs.yaml, row 3"]


def test_demo_is_a_file_like_any_other_where_events_are_named(folder):
    assert good(folder, "dataset,events\nset,demo\n")[0].inputs.events == (f"{folder}/demo",)


def test_an_empty_yaml_row_is_the_demo_with_what_that_does_not_take(folder):
    assert bad(folder, "- {}\n", name="jobs.yaml", grid=["channel=1"]) == [
        "jobs.yaml, row 1, --grid channel: is set, but the demo is taken as it is; name recordings in this row, or leave "
        "channel out"]


def test_a_row_of_the_wrong_length_is_not_looked_into(folder):
    problem, = bad(folder, "dataset,seed\nset\n", grid=["channel=1"])
    assert problem.startswith("jobs.csv, row 1 (line 2): has 1 fields, but the header has 2")


def test_yaml_makes_the_demo_of_a_list_too(folder):
    assert good(folder, "- {normal: [demo], anomalous: demo}\n", name="jobs.yaml")[0].inputs.is_demo


def test_an_unknown_yaml_key_is_told_once_with_the_first_row_that_has_it(folder):
    text = "- {dataset: set}\n" + "- {dataset: set, sed: 1, 12: 3}\n" * 5
    assert [problem.partition("; ")[0] for problem in bad(folder, text, name="jobs.yaml")] == [
        "jobs.yaml, row 2: column 'sed' is not known, did you mean 'seed'?", "jobs.yaml, row 2: column '12' is not known"]


def test_a_yaml_anchor_fills_in_what_rows_share(folder):
    text = "- &base {dataset: set, seed: 1}\n- {<<: *base, seed: 2}\n"
    assert [(row.inputs.dataset, row.parameters) for row in good(folder, text, name="jobs.yaml")] == [
        (f"{folder}/set", {"seed": 1}), (f"{folder}/set", {"seed": 2})]


@pytest.mark.parametrize(("name", "content", "message"), [
    ("jobs.csv", "", "is empty; the first line of a table of a batch names its columns, such as normal,anomalous"),
    ("jobs.csv", "name,seed\nLüfter,1\n".encode("latin-1"), "line 2: byte 0xfc is not UTF-8; save the table of a batch so"),
    ("jobs.csv", "name,seed\n".encode("utf-16"), "is UTF-16 or no text at all, but a table of a batch is text in UTF-8"),
    ("jobs.csv", 'name,seed\n"fan,1\n', "line 2: is no CSV"),
    ("jobs.yaml", "", "holds nothing, but a table of a batch is a list of rows, each begun with `- `"),
    ("jobs.yaml", "seed: 1\n", "holds a mapping, but a table"), ("jobs.yaml", "seed\n", "holds 'seed', but a table"),
    ("jobs.yaml", "5\n", "holds 5, but a table"), ("jobs.yaml", "2026-01-05\n", "holds 2026-01-05 (a date), but a table"),
    ("jobs.yaml", "- {seed: 1}\n- fan.wav\n", "row 2: is 'fan.wav', but a table of a batch is a list of rows"),
    ("jobs.yaml", "- seed: 1\n-\n", "row 2: is nothing, but a table"),
    ("jobs.yaml", "- seed: 1\n- seed: {\n", "line 3: is no YAML (expected the node content"),
    ("jobs.yaml", "- seed: 2026-13-01\n", "is no YAML (month must be in 1..12"),
    ("jobs.yaml", "- seed: !!python/name:os.system\n", "line 1: is no YAML (could not determine a constructor"),
    ("jobs.yaml", "- name: a\x07b\n", "is no YAML (unacceptable character #x0007"),
    ("jobs.yaml", "- name: Lüfter\n".encode("latin-1"), "line 1: byte 0xfc is not UTF-8"),
])
def test_a_file_that_is_no_table_says_what_it_is(folder, name, content, message):
    with pytest.raises(ValueError) as caught:
        read(folder, content, name=name)
    assert message in str(caught.value) and name in str(caught.value) and "\n" not in str(caught.value), str(caught.value)


def test_a_table_that_is_not_there(folder):
    for name in ("none.csv", "none.yaml"):
        with pytest.raises(ValueError, match=f"{name}: no such table of a batch; check the path"):
            read_rows(folder / name, known=KNOWN)
    with pytest.raises(ValueError, match="is a folder, but a table of a batch is a CSV file"):
        read_rows(folder, known=KNOWN)


def test_many_nested_anchors_stay_one_short_line(folder):
    text = "- {seed: &a0 [x, x]}\n" + "".join(f"- {{seed: &a{k} [*a{k - 1}, *a{k - 1}]}}\n" for k in range(1, 60))
    problems = bad(folder, text, name="jobs.yaml")
    assert len(problems) == 60 and max(map(len, problems)) < 200


def test_a_row_without_recordings_is_the_demo_only_where_no_row_has_any(folder):
    rows, problems = read(folder, "normal,anomalous,seed\na.wav,b.wav,1\n,,2\ndemo,demo,3\n")
    assert [row.parameters["seed"] for row in rows] == ["1", "3"]
    assert problems == ["jobs.csv, row 2 (line 3): names no recordings, though others do; where the demo is meant, write demo "
                        "under normal and anomalous"]


@pytest.mark.parametrize("delimiter, cell, value", [
    (";", "0,5", "0.5"), (";", "-,5", "-.5"), ("\t", "12,25", "12.25"), (";", "1,2,3", "1,2,3"), (";", "a,5", "a,5"),
    (",", '"0,5"', "0,5")])
def test_a_parameter_may_have_a_decimal_comma_where_fields_are_parted_otherwise(folder, delimiter, cell, value):
    rows = good(folder, f"seed{delimiter}window_s\n1{delimiter}{cell}\n")
    assert rows[0].parameters["window_s"] == value
