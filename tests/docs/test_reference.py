"""The reference pages are what the code says now."""

import importlib.util

import pytest
from written import ROOT

FOLDER = ROOT / "docs" / "reference"
SPEC = importlib.util.spec_from_file_location("reference_pages", FOLDER / "make.py")
MAKE = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(MAKE)


@pytest.mark.parametrize("page", MAKE.PAGES)
def test_a_page_is_up_to_date(page: str):
    """Otherwise call: python docs/reference/make.py"""
    assert (FOLDER / page).read_text("utf-8") == MAKE.PAGES[page]()


def test_a_setting_stands_with_its_type_default_and_limits():
    row = "| `training.save_every` | int | `100` | > 0 | Steps between checkpoints. |"
    assert row in MAKE.configuration().splitlines()


def test_options_and_examples_of_a_nested_command_are_there():
    page = MAKE.commands()
    assert "## data fetch" in page
    assert "--mirror" in page
    assert "python -m harness data fetch" in page
