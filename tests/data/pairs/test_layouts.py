"""Everybody's layout is found by its fields and gives the pairs that its own tool would read."""

import gzip
import io
import json
import tarfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from harness.data.formats import catalog
from harness.data.formats.conversation import Turn, apart
from harness.data.pairs.checks import check_pairs
from harness.data.pairs.preferences import Preferences
from harness.data.templates import TEMPLATES
from harness.errors import ConfigError, DataError, MissingColumn

SYSTEM = TEMPLATES["vicuna_v1"].system
TEXTS = ("Which animal?", "A dog.", "A cat.")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def folder(rows, tmp_path):
    """A folder with the pictures a.png and 7.jpg."""
    (tmp_path / "data" / "images").mkdir(parents=True)
    for name in ("a.png", "images/7.jpg"):
        (tmp_path / "data" / name).write_bytes(rows[0]["image"]["bytes"])
    return tmp_path / "data"


def user(text, **more):
    return {"role": "user", "content": text, **more}


def assistant(text):
    return {"role": "assistant", "content": text}


def human(text):
    return {"from": "human", "value": text}


def gpt(text):
    return {"from": "gpt", "value": text}


QUESTION, CHOSEN, REJECTED = TEXTS
PARTS = [{"type": "image"}, {"type": "text", "text": QUESTION}]
ONE_TURN = {
    "trl strings": ("trl", {"prompt": QUESTION, "images": ["a.png"]}),
    "trl one image": ("trl", {"prompt": QUESTION, "image": "a.png"}),
    "trl template": (
        "trl",
        {"prompt": f"{SYSTEM} USER: <image>\n{QUESTION} ASSISTANT:", "images": ["a.png"]},
    ),
    "oumi": (
        "trl",
        {
            "prompt": QUESTION,
            "images": ["a.png"],
            "chosen": [assistant(CHOSEN)],
            "rejected": [assistant(REJECTED)],
        },
    ),
    "trl messages": (
        "trl",
        {
            "prompt": [user(QUESTION)],
            "images": ["a.png"],
            "chosen": [assistant(CHOSEN)],
            "rejected": [assistant(REJECTED)],
        },
    ),
    "trl parts": (
        "trl",
        {
            "prompt": [user(PARTS)],
            "images": ["a.png"],
            "chosen": [assistant([{"type": "text", "text": CHOSEN}])],
            "rejected": [assistant([{"type": "text", "text": REJECTED}])],
        },
    ),
    "trl picture in a part": (
        "trl",
        {
            "prompt": [user([{"type": "image", "image": "a.png"}, PARTS[1]])],
            "chosen": [assistant(CHOSEN)],
            "rejected": [assistant(REJECTED)],
        },
    ),
    "trl implicit prompt": (
        "trl",
        {
            "images": ["a.png"],
            "chosen": [user(QUESTION), assistant(CHOSEN)],
            "rejected": [user(QUESTION), assistant(REJECTED)],
        },
    ),
    "mm-rlhf": ("trl", {"prompt": QUESTION, "image": "a.png", "chosen_score": 3.0}),
    "sharegpt": (
        "llama_factory",
        {
            "conversations": [human(f"<image>{QUESTION}")],
            "chosen": gpt(CHOSEN),
            "rejected": gpt(REJECTED),
            "images": ["a.png"],
        },
    ),
    "llama-factory messages": (
        "llama_factory",
        {
            "messages": [{"role": "system", "content": SYSTEM}, user(f"{QUESTION}<image>")],
            "chosen": assistant(CHOSEN),
            "rejected": assistant(REJECTED),
            "images": "a.png",
        },
    ),
    "alpaca": ("llama_factory", {"instruction": QUESTION, "input": "", "images": ["a.png"]}),
    "llama-factory v1": (
        "llama_factory",
        {
            f"{side}_messages": [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "value": "a.png"},
                        {"type": "text", "value": QUESTION},
                    ],
                },
                {"role": "assistant", "content": [{"type": "text", "value": text}]},
            ]
            for side, text in (("chosen", CHOSEN), ("rejected", REJECTED))
        },
    ),
    "ms-swift response": (
        "ms_swift",
        {
            "messages": [user(f"<image>{QUESTION}"), assistant(CHOSEN)],
            "images": ["a.png"],
            "rejected_response": REJECTED,
        },
    ),
    "ms-swift response as messages": (
        "ms_swift",
        {
            "messages": [user(QUESTION), assistant(CHOSEN)],
            "images": [{"path": "a.png", "bytes": None}],
            "rejected_response": [assistant(REJECTED)],
        },
    ),
    "ms-swift messages": (
        "ms_swift",
        {
            "messages": [user(f"<image>{QUESTION}"), assistant(CHOSEN)],
            "images": ["a.png"],
            "rejected_messages": [user(f"<image>{QUESTION}"), assistant(REJECTED)],
            "rejected_images": ["a.png"],
        },
    ),
    "ms-swift query": (
        "ms_swift",
        {
            "query": f"<image>{QUESTION}",
            "response": CHOSEN,
            "rejected_response": REJECTED,
            "images": ["a.png"],
        },
    ),
    "ms-swift of mm-rlhf": (
        "ms_swift",
        {
            "question": QUESTION,
            "response": CHOSEN,
            "rejected_response": REJECTED,
            "image": "a.png",
        },
    ),
    "mdpo": (
        "mdpo",
        {"prompt": f"{SYSTEM} USER: <image>\n{QUESTION} ASSISTANT:", "img_path": "a.png"},
    ),
    "povid": (
        "povid",
        {
            "id": "x",
            "image": "a.png",
            "conversations": [human(f"<image>\n{QUESTION}"), gpt(CHOSEN)],
            "rejected_conversations": [human(f"<image>\n{QUESTION}"), gpt(REJECTED)],
        },
    ),
    "seva": ("seva", {"question": QUESTION, "reject": REJECTED, "image_id": "a.png"}),
    "ha-dpo": (
        "ha_dpo",
        {"question": QUESTION, "reject": REJECTED, "image_id": 7, "correct": False},
    ),
    "align-anything named": (
        "align_anything",
        {
            "question": QUESTION,
            "image": "a.png",
            "better_response": CHOSEN,
            "worse_response": REJECTED,
        },
    ),
    "align-anything numbered": (
        "align_anything",
        {
            "question": QUESTION,
            "image": "a.png",
            "response_1": REJECTED,
            "response_2": CHOSEN,
            "overall_response": 2,
        },
    ),
    "plain": ("plain", {"question": f"<image>\n{QUESTION}", "image": "a.png"}),
    "spa-vl": ("plain", {"question": QUESTION, "image": "a.png"}),
}
"""Name -> format, and the row, in which `chosen` and `rejected` are texts if it does not say."""
WITHOUT_SIDES = ("llama-factory v1", "ms-swift", "povid", "align-anything")


def row_of(name):
    _, row = ONE_TURN[name]
    sides = {} if name.startswith(WITHOUT_SIDES) else {"chosen": CHOSEN, "rejected": REJECTED}
    if "reject" in row:
        del sides["rejected"]
    return sides | row


def lines(folder: Path, *rows, name="pairs.jsonl") -> Path:
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / name


def reasons(pairs: Preferences) -> list[str]:
    return [row.reason for row in check_pairs(pairs).bad_rows()]


@pytest.mark.parametrize("name", ONE_TURN)
def test_a_row_of_every_layout_is_the_same_pair(name, folder):
    pairs = Preferences(lines(folder, row_of(name)))
    assert pairs.format == ONE_TURN[name][0]
    assert pairs.texts(0)[:3] == TEXTS
    assert pairs.texts(0).history == ()
    assert pairs[0].image == (folder / "a.png").read_bytes()
    assert not reasons(pairs)
    assert pairs.said()[0].startswith(f"{folder / 'pairs.jsonl'}: read as {ONE_TURN[name][0]}")


@pytest.mark.parametrize("name", ONE_TURN)
def test_a_table_of_every_layout_is_the_same_pair(name, folder):
    """As `datasets` writes them: parts and messages are lists of structs with all fields."""
    pq.write_table(pa.Table.from_pylist([row_of(name)]), folder / "pairs.parquet")
    if name == "plain" or name == "spa-vl":
        row = row_of(name) | {"image": {"bytes": (folder / "a.png").read_bytes(), "path": None}}
        pq.write_table(pa.Table.from_pylist([row]), folder / "pairs.parquet")
    pairs = Preferences(folder / "pairs.parquet")
    assert pairs.texts(0)[:3] == TEXTS
    assert not reasons(pairs)


TALKS = {
    "trl": {
        "prompt": [user("Who?"), assistant("Ann."), user(QUESTION)],
        "chosen": [assistant(CHOSEN)],
        "rejected": [assistant(REJECTED)],
    },
    "trl implicit": {
        "chosen": [user("Who?"), assistant("Ann."), user(QUESTION), assistant(CHOSEN)],
        "rejected": [user("Who?"), assistant("Ann."), user(QUESTION), assistant(REJECTED)],
    },
    "llama_factory": {
        "conversations": [human("<image>Who?"), gpt("Ann."), human(QUESTION)],
        "chosen": gpt(CHOSEN),
        "rejected": gpt(REJECTED),
    },
    "llama_factory alpaca": {
        "instruction": QUESTION,
        "history": [["Who?", "Ann."]],
        "chosen": CHOSEN,
        "rejected": REJECTED,
    },
    "ms_swift query": {
        "query": QUESTION,
        "history": [["<image>Who?", "Ann."]],
        "response": CHOSEN,
        "rejected_response": REJECTED,
    },
    "ms_swift": {
        "messages": [user("Who?<image>"), assistant("Ann."), user(QUESTION), assistant(CHOSEN)],
        "rejected_response": REJECTED,
    },
}


@pytest.mark.parametrize("name", TALKS)
def test_earlier_turns_are_kept_and_stand_in_the_prompt(name, folder):
    pairs = Preferences(lines(folder, TALKS[name] | {"images": ["a.png"]}))
    assert not reasons(pairs)
    texts = pairs.texts(0)
    assert texts == (*TEXTS, (("Who?", "Ann."),))
    assert TEMPLATES["vicuna_v1"].prompt(texts.question, texts.history) == (
        f"{SYSTEM} USER: <image>\nWho? ASSISTANT: Ann.</s>USER: {QUESTION} ASSISTANT:"
    )
    assert (
        TEMPLATES["qwen2_5_vl"]
        .prompt(texts.question, texts.history)
        .endswith(
            "Who?<|im_end|>\n<|im_start|>assistant\nAnn.<|im_end|>\n"
            f"<|im_start|>user\n{QUESTION}<|im_end|>\n<|im_start|>assistant\n"
        )
    )


SHAREGPT = ONE_TURN["sharegpt"][1]
SWIFT = ONE_TURN["ms-swift response"][1]
UNUSABLE = {
    "5 images, and a pair has one": SHAREGPT | {"images": ["a.png"] * 5},
    "no image": SHAREGPT | {"images": []},
    "no rejected_response and no rejected_messages": {
        "messages": SWIFT["messages"],
        "images": ["a.png"],
        "rejected_response": None,
    },
    "rejected_images: the rejected response has another image than the chosen": SWIFT
    | {"rejected_images": ["images/7.jpg"]},
    "a system message of its own, where the template has another": SHAREGPT
    | {"conversations": [{"from": "system", "value": "Be brief."}, human(QUESTION)]},
    "the turns of the prompt are of user, user": SHAREGPT
    | {"conversations": [human("Who?"), human(QUESTION)]},
    "conversations: a message is of 'observation', not of the user or the assistant": SHAREGPT
    | {"conversations": [{"from": "observation", "value": "{}"}]},
    "question contains <image> amid its words, and the template has it before them": SHAREGPT
    | {"conversations": [human("Is <image> a dog?")]},
    "question contains <image> 2 times, and a pair has one image": SHAREGPT
    | {"conversations": [human("<image><image>Who?")]},
    "question contains <image> in turn 2, and the template has it in the first": SHAREGPT
    | {"conversations": [human("Who?"), gpt("Ann."), human(f"<image>{QUESTION}")]},
    "videos, and a pair has one image": SWIFT | {"videos": ["a.mp4"]},
    "a video, and a pair has one image": row_of("mm-rlhf") | {"video": "a.mp4"},
    "unreadable image: no image file 'https://a.b/c.png' (on the network: fetch it and name the "
    "file)": row_of("oumi") | {"images": ["https://a.b/c.png"]},
    "chosen has 3 turns after what both have in common, and one is compared": {
        "images": ["a.png"],
        "chosen": [user("Who?"), assistant("Ann."), user(QUESTION), assistant(CHOSEN)],
        "rejected": [user("Who?"), assistant("Bob."), user(QUESTION), assistant(REJECTED)],
    },
    "prompt: begins with a system text of its own, where the template has another": row_of("mdpo")
    | {"prompt": f"Be brief. USER: <image>\n{QUESTION} ASSISTANT:"},
    "marked as correct, and HA-DPO trains on the others only": row_of("ha-dpo") | {"correct": True},
    "overall_response is 3, not 1 or 2": row_of("align-anything numbered")
    | {"overall_response": 3},
    "conversations: a message has no text": SHAREGPT | {"conversations": [{"from": "human"}]},
    "no chosen": SHAREGPT | {"chosen": None},
}


@pytest.mark.parametrize("reason", UNUSABLE)
def test_what_cannot_be_used_is_a_bad_row_with_its_reason(reason, folder):
    good = SWIFT if "messages" in UNUSABLE[reason] else SHAREGPT
    if "conversations" not in UNUSABLE[reason] and "messages" not in UNUSABLE[reason]:
        good = UNUSABLE[reason]
    pairs = Preferences(lines(folder, UNUSABLE[reason], good))
    assert reasons(pairs)[0] == reason


def test_where_the_mark_stood_is_said(folder):
    told = [f"<image>{QUESTION}", f"{QUESTION}\n<image>", QUESTION, f"<image>\n{QUESTION}"]
    rows = [SHAREGPT | {"conversations": [human(text)]} for text in told]
    (said,) = Preferences(lines(folder, *rows)).said()
    assert "; 2 questions began with <image>" in said
    assert "; 1 questions ended with <image>" in said


def test_silkie_compares_each_two_completions_with_different_ratings(folder):
    """Means 5, 3, 3 and none: the first with the second and third; equal ones are no pair."""

    def completion(text, *ratings):
        named = {f"aspect {i}": {"Rating": str(rating)} for i, rating in enumerate(ratings)}
        return {"response": text, "model": "m", "annotations": named}

    completions = [completion("A.", 3), completion("B.", 4, 6), completion("C.", 2, 4)]
    completions.append(completion("D.", "N/A"))
    row = {"id": "v1", "prompt": QUESTION, "completions": completions, "img_path": "a.png"}
    pairs = Preferences(lines(folder, row, row | {"completions": completions[:1]}))
    assert pairs.format == "vlfeedback"
    assert [pairs.texts(i)[1:3] for i in (0, 1)] == [("B.", "A."), ("B.", "C.")]
    assert [pairs.place(i)[1] for i in (0, 1, 2)] == [0, 0, 1]
    assert pairs.pair_id(0) == "v1"
    assert reasons(pairs) == ["no two completions with different ratings"]
    grouped = row | {
        "completions": {name: [one[name] for one in completions] for name in completions[0]}
    }
    assert Preferences(lines(folder, grouped)).texts(1)[1:3] == ("B.", "C.")


def test_dataset_info_names_fields_and_roles(folder):
    row = {
        "talk": [{"who": "me", "says": f"<image>{QUESTION}"}],
        "good": {"who": "it", "says": CHOSEN},
        "bad": {"who": "it", "says": REJECTED},
        "photo": ["a.png"],
    }
    file = lines(folder, row)
    with pytest.raises(MissingColumn, match="has talk, good, bad, photo"):
        Preferences(file)
    entry = {
        "file_name": "pairs.jsonl",
        "formatting": "sharegpt",
        "ranking": True,
        "columns": {"messages": "talk", "chosen": "good", "rejected": "bad", "images": "photo"},
        "tags": {
            **{"role_tag": "who", "content_tag": "says"},
            **{"user_tag": "me", "assistant_tag": "it"},
        },
    }
    (folder / "dataset_info.json").write_text(json.dumps({"other": {}, "mine": entry}))
    for place in (file, folder):
        pairs = Preferences(place)
        assert (pairs.format, pairs.texts(0)[:3]) == ("llama_factory", TEXTS)
        assert not reasons(pairs)


def test_data_for_supervised_fine_tuning_are_told_as_such(folder):
    row = {"messages": SWIFT["messages"], "images": ["a.png"]}
    with pytest.raises(MissingColumn, match="messages without a rejected answer"):
        Preferences(lines(folder, row))


def test_a_format_can_be_forced_and_an_unknown_one_is_refused(folder):
    row = row_of("plain") | {"text": json.dumps(dict(zip(("question",), ("Other?",), strict=True)))}
    file = lines(folder, row)
    found, forced = Preferences(file), Preferences(file, form="rlhf_v")
    assert (found.format, forced.format) == ("plain", "rlhf_v")
    assert (found.texts(0).question, forced.texts(0).question) == (QUESTION, "Other?")
    assert found.digest != forced.digest
    assert Preferences(file, form="plain").digest == found.digest
    with pytest.raises(ConfigError, match=r"Unknown format 'tlr'\. Did you mean 'trl'"):
        Preferences(file, form="tlr")


def test_a_package_adds_a_format_by_its_entry_point(folder, tmp_path, monkeypatch):
    package = tmp_path / "site"
    (package / "more-1.0.dist-info").mkdir(parents=True)
    (package / "more-1.0.dist-info" / "METADATA").write_text("Name: more\nVersion: 1.0\n")
    (package / "more-1.0.dist-info" / "entry_points.txt").write_text(
        "[harness.formats]\nmine = more:FORMAT\n"
    )
    (package / "more.py").write_text(
        "from harness.data.formats.format import Format\n"
        "from harness.data.formats.pair import RawPair\n"
        "FORMAT = Format('mine', 'mine', lambda fields: fields.have('q', 'yes', 'no', 'pic'),\n"
        "    lambda row: [RawPair(row['q'], row['yes'], row['no'], None, row['pic'])])\n"
    )
    monkeypatch.syspath_prepend(package)
    row = {"q": QUESTION, "yes": CHOSEN, "no": REJECTED, "pic": "a.png"}
    pairs = Preferences(lines(folder, row))
    assert (pairs.format, pairs.texts(0)[:3]) == ("mine", TEXTS)
    assert list(catalog.formats())[-1] == "mine"


def test_csv_gives_pairs_and_its_columns_of_numbers(folder):
    text = 'idx,question,chosen,rejected,image,clip_gap,note\n1,"Which, say?",1,2,a.png,0.5,x\n'
    (folder / "pairs.csv").write_text(text + "2,Why?,3,4,a.png,-1e-3,\n")
    pairs = Preferences(folder)
    assert pairs.texts(0)[:3] == ("Which, say?", "1", "2")
    assert pairs.column("clip_gap") == [0.5, -0.001]
    assert pairs.column("note") == ["x", None]
    assert not reasons(pairs)
    (folder / "pairs.csv").write_text(text + "1,2,3,4,5,6,7,8,9\n")
    assert reasons(Preferences(folder)) == ["2 more values than the first line has names"]


@pytest.mark.parametrize("ending", ["gz", "zst"])
def test_compressed_lines_are_read_and_a_cut_off_file_is_named(ending, folder, rows):
    text = "".join(
        json.dumps(row_of("plain") | {"idx": str(i), "question": f"{QUESTION} {i * 7919}"}) + "\n"
        for i in range(3000)
    ).encode()
    packed = gzip.compress(text) if ending == "gz" else pa.Codec("zstd").compress(text).to_pybytes()
    file = folder / f"pairs.jsonl.{ending}"
    file.write_bytes(packed)
    pairs = Preferences(folder)
    assert (len(pairs), pairs.pair_id(2999)) == (3000, "2999")
    file.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(DataError, match=rf"pairs.jsonl.{ending}: cut off or damaged after row"):
        Preferences(folder)


def test_webdataset_archives_are_read(folder):
    picture = (folder / "a.png").read_bytes()
    members = {
        "part/01.json": json.dumps({"question": QUESTION, "chosen": CHOSEN, "rejected": REJECTED}),
        "part/01.png": picture,
        "part/02.question.txt": QUESTION,
        "part/02.chosen.txt": "One.",
        "part/02.rejected.txt": "Two.",
        "part/02.jpg": picture,
        "part/03.json": "{",
        "part/03.jpg": picture,
    }
    (folder / "tar").mkdir()
    with tarfile.open(folder / "tar" / "pairs.tar", "w") as archive:
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    pairs = Preferences(folder / "tar")
    assert [pairs.pair_id(row) for row in range(3)] == ["01", "02", "03"]
    assert (pairs.texts(0)[:3], pairs[1].image) == (TEXTS, picture)
    (reason,) = reasons(pairs)
    assert reason.startswith(".json: cannot be read")
    whole = (folder / "tar" / "pairs.tar").read_bytes()
    (folder / "tar" / "pairs.tar").write_bytes(whole[:700])
    with pytest.raises(DataError, match="the archive is cut off or damaged after 0 rows"):
        Preferences(folder / "tar")


def test_what_datasets_saved_to_disk_is_read(folder, tmp_path):
    picture = {"bytes": (folder / "a.png").read_bytes(), "path": None}
    saved = tmp_path / "saved" / "train"
    saved.mkdir(parents=True)
    tables = [
        pa.Table.from_pylist([row_of("plain") | {"image": picture, "idx": str(i)}]) for i in (0, 1)
    ]
    for number, table in enumerate(tables):
        with pa.ipc.new_stream(saved / f"data-{number}.arrow", table.schema) as stream:
            stream.write_table(table)
    names = [{"filename": f"data-{number}.arrow"} for number in (0, 1)]
    (saved / "state.json").write_text(json.dumps({"_data_files": names}))
    (saved / "dataset_info.json").write_text(json.dumps({"features": {}}))
    splits = saved.parent / "dataset_dict.json"
    splits.write_text(json.dumps({"splits": ["train"]}))
    for place in (saved, saved.parent):
        pairs = Preferences(place)
        assert (pairs.format, len(pairs), pairs.pair_id(1)) == ("rlaif_v", 2, "1")
        assert not reasons(pairs)
    splits.write_text(json.dumps({"splits": ["train", "test"]}))
    with pytest.raises(DataError, match=r"holds the splits train, test\. Name one: .*train"):
        Preferences(saved.parent)
    cut = (saved / "data-1.arrow").read_bytes()[:600]
    (saved / "data-1.arrow").write_bytes(cut)
    with pytest.raises(DataError, match="the Arrow file is cut off or damaged"):
        Preferences(saved)


def test_talks_that_are_equal_to_the_end_are_told_apart_before_the_answer():
    talk = [Turn("user", "Who?"), Turn("assistant", "Ann.")]
    assert apart(talk, talk) == talk[:1]
