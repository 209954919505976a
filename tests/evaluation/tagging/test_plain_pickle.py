"""Pickles that would run code, reach for objects of this process or take all memory are refused."""

import copyreg
import os
import pickle
from pathlib import Path

import pytest

from harness.errors import DataError
from harness.evaluation.tagging.plain_pickle import read_plain_pickle

TRACE = "a pickle made this folder"


class Runs:
    """Calls what it is told when it is unpickled."""

    def __init__(self, call, *arguments):
        self._reduced = (call, arguments)

    def __reduce__(self):
        return self._reduced


@pytest.fixture(autouse=True)
def untouched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    yield
    assert not Path(TRACE).exists()


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "value",
    [
        Runs(os.system, f"mkdir '{TRACE}'"),
        Runs(eval, f"__import__('os').mkdir({TRACE!r})"),
        Runs(os.mkdir, TRACE),
        {"weights": [{"inner": (1, Runs(os.mkdir, TRACE))}]},
        {1: Runs(getattr, Runs(__import__, "os"), "mkdir")},
    ],
)
def test_code_is_refused_wherever_it_stands(value, protocol):
    with pytest.raises(DataError, match=r"archive: .*it names code"):
        read_plain_pickle(pickle.dumps(value, protocol=protocol), "archive")


@pytest.mark.parametrize(
    "content",
    [
        f"cos\nmkdir\n(S'{TRACE}'\ntR.",
        f"(S'{TRACE}'\nios\nmkdir\n.",
        f"(cos\nmkdir\nS'{TRACE}'\no.",
        f"c__builtin__\nset\n0cposix\nmkdir\n(S'{TRACE}'\ntR.",
        "c__builtin__\nset.__init__\n.",
        "cbuiltins\nset\nS'x'\nb.",
        "Pposix mkdir\n.",
        "S'posix mkdir'\nQ.",
    ],
)
def test_every_way_to_name_or_build_an_object_is_refused(content):
    """Global, instance, object, behind a good one, dotted, state of a class, persistent ids."""
    with pytest.raises(DataError, match="archive: not a pickle of plain values"):
        read_plain_pickle(content.encode(), "archive")


def test_an_extension_is_refused_though_this_process_knows_it(monkeypatch):
    """What was unpickled by this number before comes from a cache that asks nobody."""
    copyreg.add_extension("os", "mkdir", 240)
    monkeypatch.setitem(copyreg._extension_cache, 240, os.mkdir)
    content = b"\x80\x02\x82\xf0(S'" + TRACE.encode() + b"'\ntR."
    try:
        with pytest.raises(DataError, match="it names code: extension 240"):
            read_plain_pickle(content, "archive")
    finally:
        copyreg.remove_extension("os", "mkdir", 240)


@pytest.mark.parametrize("content", [b"}r\xff\xff\xff\xff.", b"}p4294967295\n.", b"}h\x07."])
def test_a_place_beyond_the_file_is_refused_before_memory_is_taken(content):
    with pytest.raises(DataError, match="archive"):
        read_plain_pickle(content, "archive")


@pytest.mark.parametrize("protocol", [0, 1, 2, 4])
def test_weights_tags_and_classes_are_read(protocol):
    """The shape of the published tagger, with text beyond ASCII."""
    values = ({"i suffix ogs": {"NNS": 2.5, "NN": -1.0}}, {"caf\u00e9": "NN"}, {"NN", "NNS"})
    assert read_plain_pickle(pickle.dumps(values, protocol=protocol), "archive") == values


def test_texts_of_python_2_are_read():
    """As nltk_data has them: byte strings, a list of arguments, and the old name of `set`."""
    content = b"\x80\x02}q\x01(U\x04biasq\x02G?\xf8\x00\x00\x00\x00\x00\x00U\x02NNq\x03K\x02u"
    content += b"c__builtin__\nset\nq\x04]q\x05h\x03a\x85Rq\x06\x86."
    assert read_plain_pickle(content, "archive") == ({"bias": 1.5, "NN": 2}, {"NN"})
