"""Mirror, verify and the commands: what is wrong is found, named and ends with exit code 1."""

import hashlib
import json

import pytest
from typer.testing import CliRunner

from benchmarks.mmhal import TYPES
from harness.commands.data import app
from harness.errors import ConfigError, DataError
from harness.registry import load_benchmark
from harness.upstream.catalogue import Dataset, catalogue
from harness.upstream.fetch import fetch
from harness.upstream.mirror import Mirror
from harness.upstream.reading import read_data
from harness.upstream.transfer import Web
from harness.upstream.verify import verify

CONTENT = b"content"
SHA = hashlib.sha256(CONTENT).hexdigest()
URL = "https://example.org/repository/data/file.txt"


def pinned():
    rows = {"sub/file.txt": {"url": URL, "sha256": SHA}}
    return Dataset(name="made", licence="none", mirror=["other_name"], files=rows)


@pytest.mark.parametrize(
    "place",
    [
        "made/sub/file.txt",
        "other_name/file.txt",
        "repository/data/file.txt",
        "example.org/repository/data/file.txt",
        "anywhere/else/file.txt",
    ],
)
def test_a_mirror_is_searched_by_layout_address_and_name(tmp_path, place):
    source = tmp_path / "mirror" / place
    source.parent.mkdir(parents=True)
    source.write_bytes(CONTENT)
    assert fetch(pinned(), tmp_path / "data", Mirror(tmp_path / "mirror")) == []
    assert (tmp_path / "data" / "made" / "sub" / "file.txt").read_bytes() == CONTENT


def test_a_mirrors_wrong_file_is_refused_and_nothing_comes_from_the_network(tmp_path):
    (tmp_path / "mirror").mkdir()
    (tmp_path / "mirror" / "file.txt").write_bytes(b"other")
    (problem,) = fetch(pinned(), tmp_path / "data", Mirror(tmp_path / "mirror"))
    assert "another content" in problem.what


def test_a_mirror_that_is_no_folder_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="--mirror"):
        Mirror(tmp_path / "absent")


def mmhal(tmp_path, address="https://example.org", count=96):
    rows = [
        {
            "question_type": TYPES[index % 8],
            "image_content": [],
            "image_src": f"{address}/{index}.jpg",
            "question": "?",
            "gt_answer": "",
        }
        for index in range(count)
    ]
    folder = tmp_path / "mmhal"
    folder.mkdir()
    name = "mmhal-bench_answer_template.json"
    (folder / name).write_text(json.dumps(rows))
    images = {"url_field": [name, "image_src"], "otherwise": "see the archive"}
    files = {name: {"by_hand": "ask the authors"}}
    return Dataset(name="mmhal", licence="none", files=files, images=images), folder / name


def test_counts_and_missing_images_are_reported(tmp_path):
    dataset, _ = mmhal(tmp_path, count=95)
    faults = {row.what: row for row in verify(dataset, tmp_path) if not row.ok}
    assert faults.keys() == {"95 images", "questions"}
    assert faults["questions"].state == "95"
    assert "images/0.jpg" in faults["95 images"].note


def test_text_that_is_not_utf8_is_named(tmp_path):
    dataset, file = mmhal(tmp_path)
    file.write_bytes(b"[\xff]")
    (fault,) = (row for row in verify(dataset, tmp_path) if not row.ok)
    assert "not UTF-8" in fault.note
    assert file.name in fault.note


@pytest.mark.parametrize("text", ["[3]", "{}", "[", '[{"question_type": "new"}]'])
def test_broken_questions_are_a_finding_and_no_traceback(tmp_path, text):
    dataset, file = mmhal(tmp_path)
    file.write_text(text)
    assert [row.state for row in verify(dataset, tmp_path) if not row.ok] == ["not checked"]


BOM = b"\xef\xbb\xbf"
ADDRESS = b"https://example.org/0.jpg"


@pytest.mark.parametrize(
    ("change", "readable"),
    [
        (lambda content: content, True),
        (lambda content: BOM + content, True),
        (lambda content: content.replace(ADDRESS, b"\xe9"), False),
        (lambda content: content.replace(b"question_type", b"kind"), False),
        (lambda content: b"[]", False),
        (lambda content: b"[[]]", False),
    ],
)
def test_what_verify_reads_is_what_score_reads(tmp_path, change, readable):
    """A mark of UTF-8 stopped the one, a list of no questions the other."""
    dataset, file = mmhal(tmp_path)
    file.write_bytes(change(file.read_bytes()))
    assert reads(lambda: read_data(load_benchmark("mmhal"), file.parent)) is readable
    states = [row.state for row in verify(dataset, tmp_path) if not row.ok]
    assert ("not checked" not in states) is readable


def reads(read):
    try:
        read()
    except DataError:
        return False
    return True


@pytest.mark.parametrize("flat", [False, True])
def test_annotations_may_lie_in_the_folder_itself_for_verify_and_score(tmp_path, flat):
    benchmark = load_benchmark("object_halbench")
    folder = tmp_path / "object_halbench"
    files = {name: {"url": f"https://example.org/{name}"} for name in benchmark.files}
    for name in benchmark.files:
        place = folder / (name.rpartition("/")[2] if flat else name)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("")
    dataset = Dataset(name="object_halbench", licence="none", files=files)
    found = {row.what: row.state for row in verify(dataset, tmp_path)}
    assert {found[name] for name in benchmark.files} == {"not pinned"}


def test_a_later_change_of_an_unpinned_file_is_seen(tmp_path):
    dataset, file = mmhal(tmp_path)
    (tmp_path / "mirror").mkdir()
    fetch(dataset, tmp_path, Mirror(tmp_path / "mirror"))
    assert verify(dataset, tmp_path)[0].state == "not pinned"
    file.write_text(file.read_text() + "\n")
    assert verify(dataset, tmp_path)[0].state == "changed"


def test_a_placeholder_of_a_removed_picture_is_refused(web, tmp_path):
    from io import BytesIO

    from PIL import Image

    buffer = BytesIO()
    Image.new("RGB", (2, 2)).save(buffer, "PNG")
    web.files["/unavailable.png"] = web.files["/1.jpg"] = buffer.getvalue()
    web.faults["/0.jpg"].moved_to = "/unavailable.png"
    dataset, _ = mmhal(tmp_path, web.url, count=2)
    (problem,) = fetch(dataset, tmp_path, Web(pause=0.001, attempts=2))
    assert "see the archive" in problem.what
    assert [path.name for path in (tmp_path / "mmhal" / "images").iterdir()] == ["1.jpg"]


@pytest.mark.parametrize("name", ["object_halbench", "amber", "mmhal", "llava_bench", "mm_vet"])
def test_the_catalogue_has_every_file_that_a_benchmark_reads(name):
    assert set(load_benchmark(name).files) <= set(catalogue()[name].files)


def test_every_file_of_the_catalogue_has_a_hash_or_says_so():
    """The ones without: three of LLaVA-Bench, the public answers of two models with their reviews,
    whose addresses name a commit, and what comes out of archives and scripts."""
    unpinned = {
        path
        for dataset in catalogue().values()
        for path, entry in dataset.files.items()
        if entry.url is not None and entry.sha256 is None
    }
    by_commit = {path for path in unpinned if "llava-v1.5-13b" in path or "onevision" in path}
    assert len(by_commit) == 8
    assert unpinned - by_commit == {"questions.jsonl", "context.jsonl", "answers_gpt4.jsonl"}


def test_verify_of_an_empty_folder_ends_with_one(tmp_path):
    result = CliRunner().invoke(
        app, ["data", "verify", "mm_vet", "--data", str(tmp_path), "--json"]
    )
    rows = json.loads(result.stdout)
    assert result.exit_code == 1
    assert {row["state"] for row in rows} == {"missing", "not checked"}


def test_fetch_from_an_empty_mirror_names_everything(tmp_path):
    arguments = ["data", "fetch", "nltk_data", "--data", str(tmp_path), "--mirror", str(tmp_path)]
    result = CliRunner().invoke(app, arguments)
    assert isinstance(result.exception, DataError)
    assert "index.noun" in str(result.exception)
    assert "licence" in result.stderr


def test_list_names_addresses_and_hashes(tmp_path):
    result = CliRunner().invoke(app, ["data", "list", "amber", "--data", str(tmp_path), "--json"])
    rows = {row["path"]: row for row in json.loads(result.stdout)}
    assert rows[str(tmp_path / "amber" / "metrics.txt")]["sha256"].startswith("2fbe2ee5")


def test_an_unknown_benchmark_gets_the_nearest_name(tmp_path):
    result = CliRunner().invoke(app, ["data", "verify", "ambr", "--data", str(tmp_path)])
    assert "amber" in str(result.exception)
