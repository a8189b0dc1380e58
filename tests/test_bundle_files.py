"""Bundle files: what is written comes back; whatever is forged, damaged or missing is refused with its reason, unopened."""

import hashlib
import io
import json
import os
import pickle
import stat
import zipfile
from pathlib import Path

import pytest

from acoustic_nb import archives
from acoustic_nb.archives import BundleError
from acoustic_nb.bundle_files import read_bundle_files, replace_card, write_bundle_files

FILES = {"bundle.json": b'{"detector": "gmm"}', "arrays.npz": b"PK numbers" * 100, "model.skops": b"PK model",
         "MODEL_CARD.md": "# Lüfter\n".encode()}


class Evil:
    """A pickle of it makes a file where it is opened."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


@pytest.fixture
def bundle(tmp_path):
    """The folder of a bundle, its zip beside it."""
    folder = tmp_path / "Lauf {1} ü" / "gmm" / "bundle"
    write_bundle_files(folder, FILES)
    return folder


def refusal(path):
    with pytest.raises(BundleError) as caught:
        read_bundle_files(path)
    message = str(caught.value)
    assert "\n" not in message
    return message


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def with_hashes(files):
    """The files with a hashes.json that fits them, as an attacker would write it too."""
    hashes = {"format": 1, "sha256": {name: sha256(content) for name, content in files.items()}}
    return {**files, "hashes.json": json.dumps(hashes).encode()}


def zip_of(path, entries, *, compression=zipfile.ZIP_DEFLATED):
    """A zip of ``(name or ZipInfo, bytes)``, with any name and as often as wanted."""
    with zipfile.ZipFile(path, "w", compression) as file:
        for name, content in entries:
            file.writestr(name, content)
    return path


def whole(*, plus=()):
    return [*with_hashes(FILES).items(), *plus]


def test_what_is_written_comes_back_from_folder_zip_and_detector(bundle):
    files, bundle_id = read_bundle_files(bundle)
    assert files == FILES
    assert read_bundle_files(bundle.parent) == read_bundle_files(bundle.with_name("bundle.zip")) == (FILES, bundle_id)
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle", "bundle.zip"]
    assert sorted(path.name for path in bundle.iterdir()) == sorted([*FILES, "hashes.json"])
    assert json.loads((bundle / "hashes.json").read_text())["sha256"]["bundle.json"] == sha256(b'{"detector": "gmm"}')


def test_other_tools_open_the_zip_and_it_is_the_same_each_time(bundle):
    content = bundle.with_name("bundle.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        assert file.testzip() is None
        assert {name: file.read(name) for name in FILES} == FILES
        assert file.namelist() == sorted(file.namelist())
    write_bundle_files(bundle, dict(reversed(FILES.items())))
    assert bundle.with_name("bundle.zip").read_bytes() == content


@pytest.mark.parametrize("models", [(), ("model.skops",), ("weights.npz",)])
def test_a_bundle_has_one_model_at_most(tmp_path, models):
    files = {name: FILES[name] for name in ("bundle.json", "arrays.npz", "MODEL_CARD.md")} | dict.fromkeys(models, b"PK")
    bundle_id = write_bundle_files(tmp_path / "bundle", files)
    assert read_bundle_files(tmp_path / "bundle") == (files, bundle_id)


@pytest.mark.parametrize(("change", "reason"), [
    ({"weights.npz": b"PK"}, "holds both model.skops and weights.npz"), ({"notes.txt": b""}, "'notes.txt' does not belong"),
    ({"bundle.json": pickle.dumps(1)}, "'bundle.json' is a pickle")])
def test_what_could_not_be_read_is_not_written(tmp_path, change, reason):
    with pytest.raises(BundleError, match=reason):
        write_bundle_files(tmp_path / "bundle", FILES | change)
    assert not list(tmp_path.iterdir())


def test_the_folder_and_the_zip_are_replaced_both_or_none(bundle):
    as_zip = bundle.with_name("bundle.zip")
    as_zip.unlink()
    as_zip.mkdir()  # a file cannot be put there
    with pytest.raises(OSError, match="directory"):
        write_bundle_files(bundle, FILES | {"bundle.json": b"{}"})
    assert read_bundle_files(bundle)[0] == FILES
    assert sorted(path.name for path in bundle.parent.iterdir()) == ["bundle", "bundle.zip"]
    as_zip.rmdir()
    write_bundle_files(bundle, FILES | {"bundle.json": b"{}"})
    assert read_bundle_files(bundle)[0]["bundle.json"] == read_bundle_files(as_zip)[0]["bundle.json"] == b"{}"


def test_another_card_leaves_the_identity_and_anything_else_does_not(bundle):
    bundle_id = read_bundle_files(bundle)[1]
    assert replace_card(bundle.parent, "# Pumpe, größer\n") == bundle_id
    for path in (bundle, bundle.with_name("bundle.zip")):
        files, again = read_bundle_files(path)
        assert files == FILES | {"MODEL_CARD.md": "# Pumpe, größer\n".encode()}
        assert again == bundle_id
    assert {write_bundle_files(bundle, FILES | {name: b"{}"}) for name in ("bundle.json", "arrays.npz", "model.skops")} & {
        bundle_id} == set()


def test_the_card_of_a_changed_bundle_or_a_zip_is_not_replaced(bundle):
    with pytest.raises(BundleError, match="is a file, but a card is replaced in a bundle's folder"):
        replace_card(bundle.with_name("bundle.zip"), "# new")
    (bundle / "arrays.npz").write_bytes(b"PK others")
    with pytest.raises(BundleError, match="arrays.npz has changed"):
        replace_card(bundle, "# new")
    assert (bundle / "MODEL_CARD.md").read_bytes() == FILES["MODEL_CARD.md"]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_changed_file_is_named(bundle, name, form):
    content = FILES[name][:-1] + b"!"
    (bundle / name).write_bytes(content)
    path = bundle
    if form == "zip":
        path = zip_of(bundle.with_name("x.zip"), [(each.name, each.read_bytes()) for each in bundle.iterdir()])
    assert f"{path}: {name} has changed since the bundle was written" in refusal(path)


@pytest.mark.parametrize("name", [*FILES, "hashes.json"])
@pytest.mark.parametrize("form", ["folder", "zip"])
def test_a_missing_part_is_named(bundle, name, form):
    (bundle / name).unlink()
    path = bundle
    if form == "zip":
        path = zip_of(bundle.with_name("x.zip"), [(each.name, each.read_bytes()) for each in bundle.iterdir()])
    assert f"{path}: {name} is missing" in refusal(path)


@pytest.mark.parametrize("form", ["folder", "zip"])
@pytest.mark.parametrize(("name", "protocol"), [("evil.pkl", 0), ("Evil.JOBLIB", 0), ("notes.txt", 2), ("a\nb", 5)])
def test_an_added_pickle_is_refused_and_not_opened(bundle, form, name, protocol):
    marker = bundle.with_name("marker")
    content = pickle.dumps(Evil(marker), protocol)
    (bundle / name).write_bytes(content)
    path = bundle if form == "folder" else zip_of(bundle.with_name("x.zip"), whole(plus=[(name, content)]))
    assert f"{path}: {name!r} is a pickle, which runs code when it is opened" in refusal(path)
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("name", FILES)
def test_a_pickle_under_a_known_name_is_refused_though_its_hash_fits(bundle, name, protocol):
    forged = with_hashes(FILES | {name: pickle.dumps(Evil(bundle.with_name("marker")), protocol)})
    for each, content in forged.items():
        (bundle / each).write_bytes(content)
    assert f"'{name}' is a pickle, which runs code" in refusal(bundle)
    assert not bundle.with_name("marker").exists()


def test_any_other_file_is_refused(bundle):
    (bundle / ".DS_Store").write_bytes(b"")
    assert "'.DS_Store' does not belong to it, it holds only known files; delete it" in refusal(bundle)


def test_a_file_that_only_the_hashes_do_not_know_is_refused(bundle):
    known = with_hashes({name: content for name, content in FILES.items() if name != "model.skops"})
    (bundle / "hashes.json").write_bytes(known["hashes.json"])
    assert "model.skops is not listed in hashes.json, so it was added later" in refusal(bundle)


@pytest.mark.parametrize("kind", ["link", "folder", "pipe"])
def test_a_folder_with_anything_but_plain_files_is_refused(bundle, kind):
    kept = bundle.with_name("elsewhere.npz")
    (bundle / "arrays.npz").rename(kept)
    if kind == "link":  # to the very file, so its hash fits
        (bundle / "arrays.npz").symlink_to(kept)
    elif kind == "folder":
        (bundle / "arrays.npz").mkdir()
    else:
        os.mkfifo(bundle / "arrays.npz")  # reading it would wait for ever
    what = {"link": "a link", "folder": "a folder", "pipe": "no plain file"}[kind]
    assert f"'arrays.npz' is {what}, but a bundle holds plain files only" in refusal(bundle)


def link(name):
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry


@pytest.mark.parametrize(("name", "reason"), [
    ("../evil", "climbs out of the zip"), ("..\\evil", "climbs out"), ("a/../../evil", "climbs out"), ("/tmp/evil", "absolute"),
    ("\\evil", "absolute"), ("C:\\evil", "absolute"), ("c:evil", "absolute"), ("a\\evil", "backslash"),
    ("bundle/arrays.npz", "is or lies in a folder"), ("bundle/", "is or lies in a folder"), (link("weights.npz"), "is a link"),
    (link("evil"), "is a link"), ("arrays.npz", "is there twice")])
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_zip_with_a_bad_entry_is_refused_before_anything_is_read(tmp_path, monkeypatch, name, reason):
    path = zip_of(tmp_path / "x.zip", whole(plus=[(name, b"../../etc/passwd")]))
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("read"))
    assert reason in refusal(path)
    assert [each.name for each in tmp_path.iterdir()] == ["x.zip"]


def test_files_of_a_zip_that_was_made_of_the_folder_say_what_to_do(bundle):
    path = zip_of(bundle.with_name("x.zip"), [(f"bundle/{each.name}", each.read_bytes()) for each in bundle.iterdir()])
    assert "lies in a folder, but its files lie at the top, plain and each once; use the zip that the run has wri" in refusal(path)


def test_a_zip_bomb_is_refused_for_what_it_declares(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 1_000_000)
    path = zip_of(tmp_path / "x.zip", [*with_hashes(FILES | {"arrays.npz": bytes(2_000_000)}).items()])
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("read"))
    assert "its files have 2 MB, but at most 1 MB are opened" in refusal(path)


def test_a_folder_that_is_too_large_is_refused(bundle, monkeypatch):
    monkeypatch.setattr(archives, "MOST_BYTES", 500)
    monkeypatch.setattr(Path, "read_bytes", lambda *_: pytest.fail("read"))
    assert "its files have 0 MB, but at most 0 MB are opened" in refusal(bundle)


@pytest.mark.parametrize(("declared", "summed", "reason"), [
    (10, 10, "damaged"), (10, 11, "holds more or less than the 10 bytes"), (5_000_000, 4_000_000, "holds more or less")])
def test_a_file_that_is_larger_or_smaller_than_its_entry_says_is_refused(tmp_path, declared, summed, reason):
    content = bytes(4_000_000)
    files = with_hashes(FILES | {"arrays.npz": content[:declared]})  # fit what the entry says
    path = zip_of(tmp_path / "x.zip", [*(files | {"arrays.npz": content}).items()])
    data = bytearray(path.read_bytes())
    at = data.rfind(b"arrays.npz") - 46  # its line in the table of contents
    assert data[at:at + 4] == b"PK\x01\x02"
    data[at + 16:at + 20] = zipfile.crc32(content[:summed]).to_bytes(4, "little")
    data[at + 24:at + 28] = declared.to_bytes(4, "little")
    path.write_bytes(data)
    assert reason in refusal(path)


def test_an_encrypted_or_unusually_packed_entry_is_refused(bundle):
    data = bytearray(bundle.with_name("bundle.zip").read_bytes())
    data[data.find(b"PK\x01\x02") + 8] |= 1
    bundle.with_name("x.zip").write_bytes(data)
    assert "'MODEL_CARD.md' is encrypted" in refusal(bundle.with_name("x.zip"))
    path = zip_of(bundle.with_name("y.zip"), whole(), compression=zipfile.ZIP_LZMA)
    assert "'bundle.json' is packed in an unusual way" in refusal(path)


@pytest.mark.parametrize(("content", "reason"), [
    (b"", "is no zip"), (b"RIFF....WAVE", "is no zip"), (pickle.dumps([1]), "is no zip"), (None, "is no zip, or a damaged")])
def test_a_file_that_is_no_whole_zip_is_refused(bundle, content, reason):
    path = bundle.with_name("x.zip")
    as_zip = bundle.with_name("bundle.zip").read_bytes()
    path.write_bytes(as_zip[:len(as_zip) // 2] if content is None else content)
    assert f"{path}: {reason}" in refusal(path)


def test_every_flipped_byte_of_a_zip_is_harmless_or_refused(bundle):
    path, as_zip = bundle.with_name("x.zip"), bundle.with_name("bundle.zip").read_bytes()
    n_refused = 0
    for at in range(len(as_zip)):
        path.write_bytes(as_zip[:at] + bytes([as_zip[at] ^ 0x55]) + as_zip[at + 1:])
        try:
            assert read_bundle_files(path)[0] == FILES  # a date, say
        except BundleError:
            n_refused += 1
    assert n_refused > len(as_zip) / 2


@pytest.mark.parametrize(("content", "reason"), [
    (b"\xff\xfe{}", "is no JSON in UTF-8"), (b"{", "is no JSON"), (b"[" * 9000, "is no JSON in UTF-8 (maximum recursion"),
    (b" " * 10_001, "has 10001 bytes"), (b"[]", "is not of the form"), (b'{"format": 1}', "is not of the form"),
    (b'{"format": 1, "sha256": []}', "is not of the form"), (b'{"format": 2, "sha256": {}}', "has format 2, but"),
    (b'{"format": true, "sha256": {}}', "has format True, but"), (b'{"format": 1, "sha256": {"../x": ""}}', "lists '../x'"),
    (b'{"format": 1, "sha256": {"arrays.npz": 5}}', "gives arrays.npz something else than 64"),
    (b'{"format": 1, "sha256": {}}', "is not listed in hashes.json")])
def test_hashes_that_are_none_are_refused(bundle, content, reason):
    (bundle / "hashes.json").write_bytes(content)
    assert reason in refusal(bundle)


def test_where_there_is_no_bundle_it_says_what_is_there(bundle, tmp_path):
    run = bundle.parent.parent
    write_bundle_files(run / "kmeans" / "bundle", FILES)
    assert f"{run}: holds bundles of gmm, kmeans; name one, such as {run / 'gmm' / 'bundle'}" in refusal(run)
    assert f"{tmp_path / 'nowhere'}: no such bundle" in refusal(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    assert "is no bundle but holds nothing" in refusal(tmp_path / "empty")
    assert f"is no bundle but holds '{run.name}', 'empty'" in refusal(tmp_path)
    assert "cannot be read (File name too long)" in refusal(tmp_path / ("x" * 300))
