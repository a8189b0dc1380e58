"""Manifests: rows whose entries are written down by hand, errors that name row and column, and the way back to a file."""

import os

import pytest

from acoustic_nb.manifests import Entry, read_manifest

FILES = ("fan.wav", "pump.wav", "Lüfter {1} [neu].wav", " leer .wav", "~/pumpe.wav", "day 1/a,b;c.wav", "events.txt")


@pytest.fixture
def folder(tmp_path):
    for name in FILES:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def read(folder, text, *, name="manifest.csv", encoding="utf-8"):
    path = folder / name
    path.write_bytes(text.encode(encoding) if isinstance(text, str) else text)
    return read_manifest(path)


def refusal(folder, text, **more):
    with pytest.raises(ValueError) as caught:
        read(folder, text, **more)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_every_column_by_hand(folder):
    entries, ignored = read(folder, "path,label,group,split,start_s,end_s,machine,section,domain,channel,events\n"
                                    "fan.wav,anomalous,day 1,train,1.5,20,fan,00,source,2,events.txt\n"
                                    "pump.wav,normal,,,,,,,,,\n")
    assert entries == [
        Entry(path=str(folder / "fan.wav"), label=1, group="day 1", split="train", machine="fan", section="00", domain="source",
              start_s=1.5, end_s=20.0, channel=2, events=str(folder / "events.txt"), where="manifest.csv, row 1"),
        Entry(path=str(folder / "pump.wav"), label=0, where="manifest.csv, row 2")]
    assert ignored == []


@pytest.mark.parametrize(("said", "label"), [("normal", 0), ("NORMAL", 0), (" Normal ", 0), ("0", 0), ("anomalous", 1),
                                             ("Abnormal", 1), ("anomaly", 1), (" 1", 1)])
def test_ways_to_say_a_label(folder, said, label):
    assert read(folder, f"path,label\nfan.wav,{said}\n")[0][0].label == label


@pytest.mark.parametrize(("said", "channel"), [("mean", "mean"), ("ALL", "all"), ("1", 1), (" 12 ", 12), ("", None)])
def test_ways_to_say_a_channel(folder, said, channel):
    assert read(folder, f"path,label,channel\nfan.wav,normal,{said}\n")[0][0].channel == channel


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_a_byte_order_mark_and_line_ends_change_nothing(folder, encoding, newline):
    text = newline.join(["Path, LABEL ,group", "Lüfter {1} [neu].wav,normal,Süd", ""])
    entry, = read(folder, text, encoding=encoding)[0]
    assert (entry.path, entry.label, entry.group) == (str(folder / "Lüfter {1} [neu].wav"), 0, "Süd")


@pytest.mark.parametrize(("mark", "time"), [(",", "1.5"), (";", "1,5"), (";", "1.5"), ("\t", "1,5"), (",", '"1.5"')])
def test_the_delimiter_is_recognised_and_with_it_the_decimal_comma(folder, mark, time):
    text = f"path{mark}label{mark}start_s\nfan.wav{mark}normal{mark}{time}\n"
    assert read(folder, text)[0][0].start_s == 1.5


def test_a_decimal_comma_is_refused_where_commas_part_the_fields(folder):
    message = refusal(folder, 'path,label,start_s\nfan.wav,normal,"1,5"\n')
    assert "row 1 (line 2), column start_s: got '1,5', but a time is a number of seconds" in message


def test_quoted_fields_hold_delimiters_and_newlines_and_blank_rows_do_not_count(folder):
    text = 'path,label,group\n\n"day 1/a,b;c.wav",normal,"two\nlines"\n,,\n   \nfan.wav,1,"a ""b"""\n'
    entries, _ = read(folder, text)
    assert [(entry.path, entry.group, entry.where) for entry in entries] == [
        (str(folder / "day 1/a,b;c.wav"), "two\nlines", "manifest.csv, row 1"),
        (str(folder / "fan.wav"), 'a "b"', "manifest.csv, row 2")]
    assert "row 2 (line 7), column label: got '7'" in refusal(folder, text.replace("fan.wav,1", "fan.wav,7"))


def test_paths_are_relative_to_the_manifest_absolute_or_at_home(folder, monkeypatch):
    monkeypatch.setenv("HOME", str(folder / "day 1"))
    (folder / "lists").mkdir()
    entries, _ = read(folder, f'path,label\n../fan.wav,0\n{folder}/pump.wav,0\n"~/a,b;c.wav",1\n', name="lists/m.csv")
    assert [entry.path for entry in entries] == [str(folder / name) for name in ("fan.wav", "pump.wav", "day 1/a,b;c.wav")]
    monkeypatch.chdir(folder)
    assert read_manifest("lists/m.csv")[0] == entries


def test_a_space_belongs_to_a_name_only_where_such_a_file_exists(folder):
    entries, _ = read(folder, "path,label\n fan.wav ,normal\n leer .wav,normal\n")
    assert [os.path.basename(entry.path) for entry in entries] == ["fan.wav", " leer .wav"]


def test_no_recording_is_opened(folder):
    (folder / "fan.wav").write_bytes(b"no sound")
    (folder / "fan.wav").chmod(0)
    assert len(read(folder, "path,label\nfan.wav,normal\n")[0]) == 1


def test_columns_that_mean_nothing_are_returned(folder):
    entries, ignored = read(folder, ",path,label,Notes,session,end_time\n0,fan.wav,normal,x,y,z\n")
    assert ignored == ["column 1", "Notes", "session", "end_time"]
    assert len(entries) == 1


@pytest.mark.parametrize(("name", "meant"), [("lable", "label"), ("Labels", "label"), ("start", "start_s"),
                                             ("start-s", "start_s"), ("chanel", "channel"), ("event", "events"), ("end s", "end_s"),
                                             ("sectoin", "section")])
def test_a_column_that_nearly_has_a_known_name_is_an_error(folder, name, meant):
    message = refusal(folder, f"path,label,{name}\nfan.wav,normal,1\n")
    assert f"column '{name}' is not known, did you mean '{meant}'?" in message


@pytest.mark.parametrize(("row", "message"), [
    ("fan.wav,broken,,,,,", "column label: got 'broken', but a label is normal or anomalous"),
    ("fan.wav,,,,,,", "column label: is empty, but a label is normal or anomalous"),
    (",normal,,,,,", "column path: is empty, but every row names a file"),
    ("gone.wav,normal,,,,,", "column path: got 'gone.wav', but there is no such file"),
    ("day 1,normal,,,,,", "column path: got 'day 1', but there is no such file"),
    ("fan.wav,normal,calib,,,,", "column split: got 'calib', but a split is train, calibration, test or empty"),
    ("fan.wav,normal,,-1,,,", "column start_s: got '-1', but a time is a number of seconds"),
    ("fan.wav,normal,,nan,,,", "column start_s: got 'nan'"),
    ("fan.wav,normal,,,inf,,", "column end_s: got 'inf'"),
    ("fan.wav,normal,,,1 min,,", "column end_s: got '1 min'"),
    ("fan.wav,normal,,5,5,,", "column end_s: got '5', but it must be later than start_s = 5"),
    ("fan.wav,normal,,,0,,", "column end_s: got '0', but it must be later than start_s = 0"),
    ("fan.wav,normal,,,,0,", "column channel: got '0', but a channel is mean, all or a whole number from 1"),
    ("fan.wav,normal,,,,-1,", "column channel: got '-1'"),
    ("fan.wav,normal,,,,left,", "column channel: got 'left'"),
    ("fan.wav,normal,,,,1.5,", "column channel: got '1.5'"),
    ("fan.wav,normal,,,,,none.txt", "column events: got 'none.txt', but there is no such file"),
    ("fan.wav,normal", "has 2 fields, but the header has 7"),
    ("fan.wav,normal,,,,,,,", "has 9 fields, but the header has 7"),
])
def test_an_error_names_row_column_value_and_rule(folder, row, message):
    text = f"path,label,split,start_s,end_s,channel,events\npump.wav,normal,,,,,\n{row}\n"
    found = refusal(folder, text)
    assert found.startswith("manifest.csv, row 2 (line 3)") and message in found, found


@pytest.mark.parametrize(("content", "message"), [
    ("", "is empty"), ("\n \n", "is empty"), (" ,,\n", "is empty"),
    ("path,label\n", "has a header but no rows"), ("path,label\n,\n\n", "no rows"),
    ("path,group\nfan.wav,x\n", "has no column 'label', its columns are 'path', 'group'"),
    ("file,label\nfan.wav,0\n", "has no column 'path'"),
    ("fan.wav,normal\n", "has no column 'path', its columns are 'fan.wav', 'normal'"),
    ("path,label,Label\nfan.wav,0,0\n", "has 2 columns named 'label'"),
    ("path,label,x,x\nfan.wav,0,0,0\n", "has 2 columns named 'x'"),
    ('path,label\n"fan.wav,0\n', "line 2: is no CSV"),
    ('path,label\n"fan".wav,0\n', "line 2: is no CSV"),
    ("path,label\nfan.wav,0\n".encode("utf-16"), "is UTF-16 or no text at all"),
    ("path,label\nfan.wav,0\n".encode("utf-16-le"), "is UTF-16 or no text at all"),
    (b"RIFF\x24\x00\x00\x00WAVEfmt ", "is UTF-16 or no text at all"),
    ("path,label\nLüfter.wav,0\n".encode("latin-1"), "line 2: byte 0xfc is not UTF-8"),
])
def test_a_file_that_is_no_manifest_says_what_it_is(folder, content, message):
    assert message in refusal(folder, content)


def test_a_manifest_that_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="none.csv: no such manifest"):
        read_manifest(tmp_path / "none.csv")
    with pytest.raises(ValueError, match="is a folder, but a manifest is a CSV file"):
        read_manifest(tmp_path)


HEADER = "path,label,start_s,end_s,channel\n"


@pytest.mark.parametrize(("rows", "message"), [
    ("fan.wav,0,,,\nfan.wav,0,,,\n", "row 2, column path: is the same part of"),
    ("fan.wav,0,,,\npump.wav,0,,,\nfan.wav,1,,,\n", "row 3, column path: is the same part of"),
    ("fan.wav,0,0,10,1\nfan.wav,0,0,10,1\n", "row 2, column path: is the same part of"),
    ("fan.wav,0,0,10,\nfan.wav,1,9.5,20,\n", "row 2, column path: overlaps from 9.5 s on within"),
    ("fan.wav,0,9.5,20,\nfan.wav,1,0,10,\n", "row 2, column path: overlaps from 9.5 s on within"),
    ("fan.wav,0,,,\nfan.wav,1,30,,\n", "row 2, column path: overlaps from 30 s on within"),
    ("fan.wav,0,0,100,\nfan.wav,1,100,110,\nfan.wav,1,50,60,\n", "row 3, column path: overlaps from 50 s on within"),
    ("fan.wav,0,0,10,1\nfan.wav,0,5,10,mean\n", "row 2, column path: overlaps from 5 s on within"),
    ("fan.wav,0,0,10,2\nfan.wav,0,0,10,\n", "row 2, column path: is the same part of"),
    ("fan.wav,0,,,\nday 1/../fan.wav,0,,,\n", "row 2, column path: is the same part of"),
])
def test_no_two_rows_use_the_same_sound(folder, rows, message):
    found = refusal(folder, HEADER + rows)
    assert message in found and " as row 1;" in found, found


def test_a_link_is_the_same_file(folder):
    (folder / "link.wav").symlink_to(folder / "fan.wav")
    assert "row 2, column path: is the same part of" in refusal(folder, "path,label\nfan.wav,0\nlink.wav,1\n")


@pytest.mark.parametrize("rows", ["fan.wav,0,0,10,\nfan.wav,1,10,20,\nfan.wav,0,20,,\n", "fan.wav,0,,,1\nfan.wav,1,,,2\n",
                                  "fan.wav,0,0,10,\npump.wav,0,0,10,\n"])
def test_parts_that_touch_and_channels_with_other_numbers_are_different_sound(folder, rows):
    assert len(read(folder, HEADER + rows)[0]) == rows.count("\n")


def test_many_parts_of_one_file_are_checked_quickly(folder):
    rows = "".join(f"fan.wav,0,{k},{k + 1},\n" for k in range(5000))
    assert len(read(folder, HEADER + rows)[0]) == 5000
