"""Options that are made from a model's fields."""

from pathlib import Path
from typing import Literal

import pytest
import typer
from hypothesis import given as over
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from typer.testing import CliRunner

from harness.commands.options.from_model import Flag, Options, given
from harness.commands.options.judging import JUDGING
from harness.errors import ConfigError
from harness.llm.messages import ChatSettings


class Settings(BaseModel):
    name: str = Field(description="Who.")
    count: int = Field(default=2, gt=0, description="How many.")
    kind: Literal["a", "b"] = Field(default="a", description="Which.")
    parts: tuple[str, ...] = Field(default=(), description="Parts.")
    numbers: tuple[int, ...] = Field(default=(1, 2), description="Numbers.")
    loud: bool = Field(default=False, description="Whether.")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


OPTIONS = Options(
    Settings.model_fields,
    {
        "name": Flag("--name", "-n"),
        "count": Flag("--count"),
        "kind": Flag("--kind"),
        "parts": Flag("--part", metavar="PART"),
        "numbers": Flag("--numbers", parse=numbers),
        "loud": Flag("--loud"),
    },
    Settings,
)


def called(*words: str, options=OPTIONS):
    """Call a command; return what it was given and what was printed."""
    app, received = typer.Typer(rich_markup_mode=None), []

    @app.command()
    @given(settings=options)
    def command(settings: Settings, more: int = 0) -> None:
        """Do it."""
        received.append((settings, more))

    result = CliRunner().invoke(app, list(words))
    return (received[0] if received else None), result


def test_what_is_left_out_is_the_field_s_default():
    assert called("--name", "x")[0] == (Settings(name="x"), 0)


def test_every_kind_of_field_is_given_and_so_are_the_command_s_own_options():
    words = "-n x --count 3 --kind b --part p --part q --numbers 4,5 --loud --more 6".split()  # noqa: SIM905
    given_settings = Settings(
        name="x", count=3, kind="b", parts=("p", "q"), numbers=(4, 5), loud=True
    )
    assert called(*words)[0] == (given_settings, 6)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--count 3", "Missing option '--name'"),
        ("-n x --count 0", "Invalid value for '--count'"),
        ("-n x --kind c", "'c' is not one of 'a', 'b'"),
    ],
)
def test_a_field_s_limits_are_the_option_s(words: str, told: str):
    received, result = called(*words.split())
    assert (received, result.exit_code) == (None, 2)
    assert told in result.output


def test_help_tells_description_default_and_limit():
    text = " ".join(called("--help")[1].output.split())
    assert "-n, --name <str> Who. [required]" in text
    assert "--count <int range> How many. [default: 2; x>=1]" in text
    assert "--numbers" in text
    assert "[default: 1,2]" in text


def test_what_only_the_model_refuses_names_the_option():
    class Strict(Settings):
        count: int = Field(default=2, multiple_of=2, description="How many.")

    options = Options(Strict.model_fields, OPTIONS.flags, Strict)
    with pytest.raises(ConfigError, match=r"^--count: Input should be a multiple of 2"):
        options.value({"name": "x", "count": 3})


def test_a_new_field_is_one_line_beside_its_use():
    """An option whose field is not named is not there, and keeps its default."""
    some = OPTIONS.only(("name",)).of(count=7)
    assert called("-n", "x", options=some)[0] == (Settings(name="x", count=7), 0)
    assert "--count" not in called("--help", options=some)[1].output


@over(
    st.builds(
        ChatSettings,
        base_url=st.none() | st.sampled_from(["http://localhost:1/v1", "https://a=b/v1"]),
        key_file=st.none() | st.just(Path("a b/key")),
        workers=st.integers(1, 99),
        max_calls=st.none() | st.integers(0, 99),
        max_tokens=st.none() | st.integers(0, 99),
    )
)
def test_the_words_of_a_value_give_it_again(settings: ChatSettings):
    received, result = called(*JUDGING.words(settings), options=JUDGING)
    assert received == (settings, 0), result.output


def test_the_words_hold_only_what_is_not_by_default():
    assert JUDGING.words(ChatSettings()) == ()
    assert OPTIONS.words(Settings(name="x", parts=("p", "q"), loud=True)) == (
        "--name=x",
        "--part=p",
        "--part=q",
        "--loud",
    )
