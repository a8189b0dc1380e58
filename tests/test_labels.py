"""Event labels: files as the programs write them, and overlaps counted by hand and in whole milliseconds."""


import numpy as np
import pytest

from acoustic_nb.labels import check_inside, events_beside, read_events, write_audacity, write_raven
from acoustic_nb.stretches import Event, matching_windows, overlap_s, union, window_labels

AUDACITY = "2.150000\t2.150000\tKlick\n3.400000\t6.100000\tlauter Schlag, zweimal\n\\\t100.000000\t2500.000000\n7.0\t8.0\t\n"
RAVEN = """Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tDelta Time (s)\tAnnotation
2\tWaveform 1\t1\t29.383026016\t40.257059266\t1587.060\t4136.485\t10.8740\tdonkey
2\tSpectrogram 1\t1\t29.383026016\t40.257059266\t1587.060\t4136.485\t10.8740\tdonkey
1\tWaveform 1\t1\t6.709509878\t15.096397225\t1739.012\t3798.813\t8.3869\t"bird"
1\tSpectrogram 1\t1\t6.709509878\t15.096397225\t1739.012\t3798.813\t8.3869\t"bird"
"""
CSV = 'start_s,end_s,label\n5,6.5,"Klick, laut"\n1,1,\n'
SAME = {"audacity": "1\t2\tä\n4.5\t4.5\t\n", "raven": "Begin Time (s)\tEnd Time (s)\tAnnotation\n1\t2\tä\n4.5\t4.5\t\n",
        "csv": "start_s,end_s,label\n1,2,ä\n4.5,4.5,\n", "semicolons": "start_s;end_s;label\n1,0;2,0;ä\n4,5;4,5;\n"}


def written(folder, content, name="Prüfstand {1} links.txt"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_an_audacity_label_track(tmp_path):
    assert read_events(written(tmp_path, AUDACITY)) == (
        Event(2.15, 2.15, "Klick"), Event(3.4, 6.1, "lauter Schlag, zweimal"), Event(7.0, 8.0, ""))


def test_audacity_without_text_and_with_decimal_commas(tmp_path):
    assert read_events(written(tmp_path, "43352,824046\t43525,837661\n12\t13,5\n")) == (
        Event(12.0, 13.5), Event(43352.824046, 43525.837661))


def test_a_raven_selection_counts_once_however_many_views_list_it(tmp_path):
    assert read_events(written(tmp_path, RAVEN)) == (
        Event(6.709509878, 15.096397225, '"bird"'), Event(29.383026016, 40.257059266, "donkey"))


def test_raven_with_other_columns(tmp_path):
    bare = "Begin Time (s)\tEnd Time (s)\tSpecies\n3\t4\tA\n3\t4\tA\n1\t2\tB\n"
    assert read_events(written(tmp_path, bare)) == (Event(1.0, 2.0), Event(3.0, 4.0))
    delta = "Selection\tBegin Time (s)\tDelta Time (s)\n1\t3.5\t0.25\n"
    assert read_events(written(tmp_path, delta)) == (Event(3.5, 3.75),)


def test_a_csv_file(tmp_path):
    assert read_events(written(tmp_path, CSV)) == (Event(1.0, 1.0), Event(5.0, 6.5, "Klick, laut"))
    assert read_events(written(tmp_path, "end_s;start_s\n6,5;5\n\n;\n")) == (Event(5.0, 6.5),)
    assert read_events(written(tmp_path, 'start_s,end_s\n"1,5",2.5\n')) == (Event(1.5, 2.5),)


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"], ids=["unix", "windows", "old mac"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "BOM"])
@pytest.mark.parametrize("name", ["a.txt", "a.csv"])
def test_the_content_tells_the_format(tmp_path, text, line_end, mark, name):
    path = written(tmp_path, mark + ("\n" + text).replace("\n", line_end).encode(), name)
    assert read_events(path) == (Event(1.0, 2.0, "ä"), Event(4.5, 4.5, ""))


@pytest.mark.parametrize(("text", "line", "message"), [
    ("1\t2\ta\n1\tx\tb\n", 2, r"'x' is not a number"),
    ("1\t2\ta\n\n1:30\t2\tb\n", 3, r"'1:30' is not a number.*12\.5 or 12,5"),
    ("1\t2\ta\n\\\t1\t2\n3\n", 3, "'3' has no end"),
    ("1\t2\ta\n4\t3.5\tb\n", 2, r"ends at 3\.5 s, before its start at 4\.0 s"),
    ("-0.5\t2\ta\n", 1, r"begins at -0\.5 s.*0 or more"),
    ("1\tinf\ta\n", 1, "'inf' is not a finite number"),
    ("nan\t1\ta\n", 1, "'nan' is not a finite number"),
    ("1\t1e999\ta\n", 1, "'1e999' is not a finite number"),
    ("1\t1,234.5\ta\n", 1, "'1,234.5' is not a number"),
    ("Begin Time (s)\tEnd Time (s)\n1\n", 2, "'' is not a number"),
    ("Begin Time (s)\tDelta Time (s)\n1\t-1\n", 2, "ends at 0.0 s, before"),
    ("Selection\tBegin Time (s)\tEnd Time (s)\n1\t2\t3\n1\t5\t6\n", 3, "selection 1 had other times.*number the selections anew"),
    ("start_s,end_s,label\n1,2,a\n\n3,,b\n", 4, "'' is not a number"),
    ("start_s,end_s\n1,5,2,5\n", 2, "has 4 fields, but the header names 2.*semicolons"),
    ('start_s,end_s,label\n1,2,"a\n3,4,b\n', 4, "is not a row of a table.*check the quotes"),
    ("start,end\n1,2\n", 1, "'start,end' begins none of the three formats"),
    ("Begin Time (s)\tLow Freq (Hz)\n1\t2\n", 1, r"none of the three formats.*End Time \(s\)"),
    ("\n1.0 2.0 click\n", 2, "none of the three formats.*Audacity label track.*Raven selection table.*CSV"),
    ("\\\t1\t2\n", 1, "none of the three formats"),
])
def test_a_bad_file_is_refused_in_one_line_that_names_file_and_line(tmp_path, text, line, message):
    path = written(tmp_path, text)
    with pytest.raises(ValueError, match=message) as error:
        read_events(path)
    assert str(error.value).startswith(f"{path}, line {line}: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "\n \n", "start_s,end_s,label\n", RAVEN.splitlines()[0]])
def test_a_file_without_events_is_refused(tmp_path, text):
    with pytest.raises(ValueError, match="links.txt: holds no event.*label one, or remove the file"):
        read_events(written(tmp_path, text))


def test_files_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(ValueError, match="line 2: is not UTF-8 text; save"):
        read_events(written(tmp_path, "1\t2\ta\n3\t4\tä\n".encode("latin-1")))
    with pytest.raises(ValueError, match="line 1: is not UTF-8 text"):
        read_events(written(tmp_path, "1\t2\ta\n".encode("utf-16")))
    with pytest.raises(ValueError, match="line 1: .{40,60} begins none"):
        read_events(written(tmp_path, b"RIFF" + bytes(500000)))
    with pytest.raises(ValueError, match="line 2: is not a row of a table.*field"):
        read_events(written(tmp_path, b"start_s,end_s\n1,2" + bytes(500000)))
    with pytest.raises(ValueError, match="no such file of event labels"):
        read_events(tmp_path / "missing.txt")
    with pytest.raises(ValueError, match="no such file of event labels"):
        read_events(tmp_path)


@pytest.mark.parametrize("name", ["{0}.txt", "{0}.csv", "{0}.wav.txt", "{0}.wav.csv", "{0}_labels.txt", "{0}.labels.txt",
                                  "{0}.Table.1.selections.txt"])
@pytest.mark.parametrize("stem", ["pump", "Lüfter {1} 3.5 bar [neu]"])
def test_labels_lie_beside_the_recording(tmp_path, name, stem):
    audio = written(tmp_path, b"", f"{stem}.wav")
    assert events_beside(audio) is None
    written(tmp_path, "1\t2\t", f"{stem}2.txt")
    (tmp_path / f"{stem}.txt").mkdir()  # a folder is no file of labels
    assert events_beside(str(audio)) is None
    (tmp_path / f"{stem}.txt").rmdir()
    labels = written(tmp_path, "1\t2\t", name.format(stem) if "{1}" not in stem else name.replace("{0}", stem))
    assert events_beside(audio) == labels


def test_two_files_of_labels_are_one_too_many(tmp_path):
    for name in ("pump.wav", "pump.txt", "pump.wav.csv"):
        written(tmp_path, "", name)
    with pytest.raises(ValueError, match=r"pump\.wav: has 2 files.*pump\.txt and pump\.wav\.csv.*keep one"):
        events_beside(tmp_path / "pump.wav")


def test_a_recording_without_ending_has_each_name_once(tmp_path):
    audio, labels = written(tmp_path, "", "pump"), written(tmp_path, "", "pump.txt")
    assert events_beside(audio) == labels


def test_events_after_the_end_belong_to_another_recording():
    check_inside([Event(0, 100), Event(10.0, 10.0), Event(10.0000004, 11)], path="pump.txt", end_s=10.0)
    with pytest.raises(ValueError, match=r"^pump\.txt: an event begins at 10\.5 s, but the recording ends at 10\.0 s; check"):
        check_inside([Event(1, 2), Event(10.5, 10.6)], path="pump.txt", end_s=10.0)


@pytest.mark.parametrize(("events", "labels"), [
    ([], [0, 0, 0, 0]),
    ([Event(0, 4)], [1, 1, 1, 1]),
    ([Event(0.5, 1.5)], [1, 1, 0, 0]),             # half of each window
    ([Event(0.51, 1.5)], [0, 1, 0, 0]),            # 0.49 of the first: half neither of the window nor of the event
    ([Event(1.9, 2.1)], [0, 1, 1, 0]),             # half of the event in each
    ([Event(1.9, 2.2)], [0, 0, 1, 0]),
    ([Event(1.2, 1.21)], [0, 1, 0, 0]),            # short, but whole
    ([Event(2.0, 2.0)], [0, 0, 1, 0]),             # a point belongs to the window that begins there
    ([Event(4.0, 4.0)], [0, 0, 0, 0]),
    ([Event(2.0 - 1e-10, 2.0 - 1e-10)], [0, 0, 1, 0]),
    ([Event(2.0 - 1e-8, 2.0 - 1e-8)], [0, 1, 0, 0]),
    ([Event(1, 2)], [0, 1, 0, 0]),                 # touching is not overlapping
    ([Event(0, 1.3), Event(1.7, 3)], [1, 1, 1, 0]),    # 0.6 of the second window, though neither event fills half of it
    ([Event(0, 1.3), Event(0.1, 1.4)], [1, 0, 0, 0]),  # overlapping: 0.4, not 0.7
    ([Event(0, 4), Event(5, 9)], [1, 1, 1, 1]),
])
def test_window_labels_by_hand(events, labels):
    start_s = np.arange(4.0)
    assert window_labels(start_s, start_s + 1, events).tolist() == labels
    assert window_labels(start_s[::-1], start_s[::-1] + 1, events[::-1]).tolist() == labels[::-1]


@pytest.mark.parametrize("offset_s", [0.0, 0.1, 1 / 3, 86400.7])
@pytest.mark.parametrize(("late_s", "label"), [(0, 1), (1e-10, 1), (1e-8, 0), (-1e-8, 1)])
def test_exactly_half_counts_to_within_a_nanosecond(offset_s, late_s, label):
    assert window_labels([offset_s], [offset_s + 1], [Event(offset_s + 0.5 + late_s, offset_s + 9)]).tolist() == [label]


@pytest.mark.parametrize(("late_s", "label"), [(0, 1), (1e-10, 1), (1e-8, 0)])
def test_half_a_window_in_two_events_counts_to_within_a_nanosecond(late_s, label):
    assert window_labels([1], [2], [Event(0, 1.25), Event(1.75 + late_s, 3)]).tolist() == [label]


def test_window_labels_of_no_windows():
    labels = window_labels([], [], [Event(1, 2)])
    assert labels.shape == (0,)
    assert labels.dtype == int


@pytest.mark.parametrize("seed", range(12))
def test_window_labels_agree_with_counted_milliseconds(seed):
    rng = np.random.default_rng(seed)
    starts = rng.permutation(np.arange(0, 9000, 500))
    begin = rng.integers(0, 9500, 7)
    finish = begin + rng.choice([0, 2, 60, 400, 1000, 3000], 7)
    expected = []
    for start in starts:
        window = set(range(start, start + 1000))
        parts = [set(range(a, b)) for a, b in zip(begin, finish, strict=True)]
        half_window = len(window & set().union(*parts)) >= 500
        half_event = any(len(part & window) >= len(part) / 2 and part for part in parts)
        point = any(a == b and a in window for a, b in zip(begin, finish, strict=True))
        expected.append(int(half_window or half_event or point))
    events = [Event(a / 1000, b / 1000) for a, b in zip(begin, finish, strict=True)]
    assert window_labels(starts / 1000, starts / 1000 + 1, events).tolist() == expected


def test_matching_windows_look_at_one_event_at_a_time():
    start_s = np.array([2.0, 1.0, 0.0])
    matching = matching_windows(start_s, start_s + 1, [Event(0, 1.3), Event(1.7, 3), Event(2.9, 2.9), Event(7, 8)])
    assert [rows.tolist() for rows in matching] == [[2], [0], [0], []]


def test_union_and_overlap_by_hand():
    starts, ends = union([5, 0, 1, 3, 5.5], [6, 2, 1.5, 4, 5.6])
    assert (starts.tolist(), ends.tolist()) == ([0, 3, 5], [2, 4, 6])
    assert overlap_s([1, 2, -3, 0], [3.25, 3, 9, 0], starts, ends).tolist() == [1.25, 0, 4, 0]
    starts, ends = union([0, 1, 2.1], [1, 2, 3])
    assert (starts.tolist(), ends.tolist()) == ([0, 2.1], [2, 3])
    assert overlap_s([0, 1], [1, 2], *union([], [])).tolist() == [0, 0]


BOTH = pytest.mark.parametrize("write", [write_audacity, write_raven])
ODD_TIMES_S = [0.0, 5e-324, 1e-7, 0.1 + 0.2, 1 / 3, 12.5, 86399.123456789, 123456789.0, 1e22]
ODD_LABELS = ["", "Lüfter schlägt, 3 bar", '"quoted', 'a "b" c', "\\\\ begins with a backslash", "C:\\new\\table",
              "start_s,end_s", "Begin Time (s)", "{0} %s", "1.5", "日本 ☂", "a; b"]


@BOTH
def test_times_come_back_to_the_last_bit(tmp_path, write):
    rng = np.random.default_rng(7)
    starts_s = np.concatenate([ODD_TIMES_S, rng.uniform(0, 86400, 300), 10 ** rng.uniform(-12, 6, 300)])
    ends_s = starts_s + np.where(np.arange(len(starts_s)) % 3, rng.uniform(0, 9, len(starts_s)), 0)
    events = tuple(sorted((Event(float(a), float(b), ODD_LABELS[n % len(ODD_LABELS)])
                           for n, (a, b) in enumerate(zip(starts_s, ends_s, strict=True))),
                          key=lambda event: (event.start_s, event.end_s)))
    path = tmp_path / "Prüfstand {1} links.txt"
    assert write(events, path) == path
    assert read_events(path) == events  # floats are compared exactly
    for line in path.read_text(encoding="utf-8").splitlines()[write is write_raven:]:
        begin, end = line.split("\t")[:2] if write is write_audacity else line.split("\t")[3:5]
        assert set(begin + end) <= set("0123456789.")
        assert min(len(time.partition(".")[2]) for time in (begin, end)) >= 6
    write(events[::-1], path)
    assert sorted(read_events(path), key=repr) == sorted(events, key=repr)


@BOTH
@pytest.mark.parametrize(("label", "back"), [
    *zip(ODD_LABELS, ODD_LABELS, strict=True), ("3\N{NO-BREAK SPACE}bar", "3 bar"), ("a\tb", "a b"),
    ("\ta\r\n\n b \u2028c\n", "a b c"),
    ("x\n9\t10\ty", "x 9 10 y"), ("\\\t100\t2500", "\\ 100 2500"), ("\t", "")])
def test_labels_come_back_in_one_line(tmp_path, write, label, back):
    path = tmp_path / "a.txt"
    write([Event(1.5, 2.5, label), Event(3, 3, label)], path)
    assert read_events(path) == (Event(1.5, 2.5, back), Event(3.0, 3.0, back))


def test_an_audacity_label_track_as_audacity_writes_it(tmp_path):
    events = [Event(3.4, 6.1, "lauter Schlag"), Event(2.15, 2.15, ""), Event(np.float64(1e-7), np.float32(0.5), "früh")]
    assert write_audacity(events, tmp_path / "a.txt").read_bytes().decode() == (
        "3.400000\t6.100000\tlauter Schlag\n2.150000\t2.150000\t\n0.0000001\t0.500000\tfrüh\n")


def test_a_raven_table_with_and_without_frequencies(tmp_path):
    twice = [Event(6.709509878, 15.25, "Klick"), Event(6.709509878, 15.25, "Schlag")]
    assert write_raven(twice, tmp_path / "a.txt", bands=[(1739.012, 3798.8125), (0, 500)]).read_text(encoding="utf-8") == (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)\tAnnotation\n"
        "1\tSpectrogram 1\t1\t6.709509878\t15.250000\t1739.012000\t3798.812500\tKlick\n"
        "2\tSpectrogram 1\t1\t6.709509878\t15.250000\t0.000000\t500.000000\tSchlag\n")
    assert read_events(tmp_path / "a.txt") == tuple(twice)  # two events, not one that two views list
    assert write_raven([Event(1, 2)], tmp_path / "b.txt").read_text(encoding="utf-8") == (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tAnnotation\n1\tSpectrogram 1\t1\t1.000000\t2.000000\t\n")


@BOTH
@pytest.mark.parametrize(("event", "message"), [
    (Event(2, 1), r"^event 2: the event ends at 1\.0 s, before its start"),
    (Event(-1e-9, 1), "^event 2: the event begins at -1e-09 s"),
    (Event(float("nan"), 1), "^event 2: 'nan' is not a finite number"),
    (Event(1, float("inf")), "^event 2: 'inf' is not a finite number")])
def test_what_could_not_be_read_is_not_written(tmp_path, write, event, message):
    path = written(tmp_path, "as before")
    with pytest.raises(ValueError, match=message):
        write([Event(0, 1), event], path)
    assert path.read_text() == "as before"
    assert list(tmp_path.iterdir()) == [path]


def test_bands_fit_their_events(tmp_path):
    with pytest.raises(ValueError, match="band from 500 to 100 Hz.*low end first"):
        write_raven([Event(1, 2)], tmp_path / "a.txt", bands=[(500, 100)])
    with pytest.raises(ValueError, match="from nan to 100 Hz"):
        write_raven([Event(1, 2)], tmp_path / "a.txt", bands=[(float("nan"), 100)])
    with pytest.raises(ValueError, match="2 bands do not fit 1 events; give one for each"):
        write_raven([Event(1, 2)], tmp_path / "a.txt", bands=[(0, 100)] * 2)
    assert not list(tmp_path.iterdir())


@BOTH
def test_no_events_are_written_and_refused_as_truth(tmp_path, write):
    path = write([], tmp_path / "a.txt")
    assert len(path.read_text().splitlines()) == (write is write_raven)
    with pytest.raises(ValueError, match="holds no event"):
        read_events(path)


@BOTH
def test_a_file_of_labels_is_whole_or_not_there(tmp_path, write, monkeypatch):
    path = written(tmp_path, "as before")

    def no_room(source, target):
        assert source.read_text(encoding="utf-8").endswith("\tKlick\n")  # all of it, before it is put into its place
        assert target.read_text() == "as before"
        raise OSError("No space left on device")

    monkeypatch.setattr("acoustic_nb.whole.os.replace", no_room)
    with pytest.raises(OSError, match="No space left"):
        write([Event(1, 2), Event(3, 4, "Klick")], path)
    assert path.read_text() == "as before"
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    assert write([Event(1, 2)], tmp_path / "missing" / "a.txt").is_file()
