"""Draw pairs of a finished run, score them by both models, and write them into its folder."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.console import track
from harness.data.pairs.opening import open_preferences, selected_pairs
from harness.data.pairs.preferences import Preferences
from harness.data.pairs.subset import FIELD, origin_fields
from harness.data.rows.tokenized import TokenizedPairs, ensure_tokenized, tokenized_file
from harness.errors import ConfigError, DataError
from harness.files.cache import cache_dir
from harness.identity.record import Record
from harness.inspection.known import known_hardness
from harness.margins.groups import HARDNESS, MISLABELLED
from harness.margins.records import (
    Lengths,
    Margins,
    PairMargins,
    Sides,
    Source,
    source_of,
    write_margins,
)
from harness.margins.scoring import Scoring
from harness.models.base import load_reader
from harness.models.sources import content_hash, find, located_model
from harness.registry import load_method
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec
from harness.training.reading import pair_tokenizer, token_reader

_DRAW = 0
"""Seed of the draw: all runs on the same pairs are scored on the same ones."""


def make_margins(run: RunDir, count: int) -> Margins:
    """Score a draw of a run's pairs, write it into the run's folder and return it.

    Stopped anywhere, the same command goes on: both models' values are kept in the cache.

    Args:
        run: A run that is trained to its end.
        count: Pairs to draw; all where there are fewer.

    Raises:
        ConfigError: The run is not trained to its end.
        DataError: Base model or pairs are not there any more, or are others than those of the run.
        PreflightError: Another process works on the run.
    """
    if not run.spec_file.is_file() or not run.model.is_dir():
        raise ConfigError(
            f"{run.path.name} has no trained model, so there is nothing to score. The `reproduce` "
            "that began it goes on with it."
        )
    with run.locked():
        spec = run.read_spec()
        source = source_of(run, Record.read(run.identity))
        base = _base_folder(run, spec, source)
        preferences = _preferences(run, spec, source)
        rows = drawn(len(preferences), count)
        tokenized = _tokenized(base, spec, preferences)
        scoring = Scoring.of(spec, preferences, tokenized, rows)
        with track("score pairs", 2 * len(rows)) as tracker:
            before = scoring.sides(base, tracker.advance)
            after = scoring.sides(run.model, tracker.advance)
        pairs = _scored(spec, scoring, before, after)
        margins = Margins(source, len(preferences), scoring.computed, tuple(pairs))
        write_margins(run.margins, margins)
    return margins


def drawn(total: int, count: int) -> list[int]:
    """Return the rows of the draw in their order; a larger draw holds those of a smaller one."""
    order = np.random.default_rng(_DRAW).permutation(total)
    return sorted(order[:count].tolist())


def _base_folder(run: RunDir, spec: RunSpec, source: Source) -> Path:
    """Return the folder of the base model that the run was trained from."""
    if content_hash(find(spec.model.path, spec.model.revision).folder) != source.model:
        raise DataError(_is_another(run, "base model", spec.model.path))
    return located_model(spec.model).folder


def _preferences(run: RunDir, spec: RunSpec, source: Source) -> Preferences:
    """Open the pairs that the run was trained on, without those that it left out."""
    selected = selected_pairs(spec.data)
    if selected.digest != source.data:
        raise DataError(_is_another(run, "set of pairs", spec.data.preferences))
    needed, reader = load_method(spec.method).columns, token_reader(spec)
    with track("check pairs", 2 * len(selected)) as tracker:
        return open_preferences(spec.data, tracker.advance, needed, reader=reader)


def _is_another(run: RunDir, what: str, place: str) -> str:
    return (
        f"{place} is another {what} than the one that {run.path.name} was trained with. Put that "
        "one back, or train again: the same `reproduce` makes a new run."
    )


def _tokenized(base: Path, spec: RunSpec, preferences: Preferences) -> TokenizedPairs:
    tokenizer = pair_tokenizer(load_reader(base), spec)
    file = tokenized_file(cache_dir(), base, tokenizer, preferences.digest)
    return ensure_tokenized(preferences, tokenizer, file)


def _scored(
    spec: RunSpec, scoring: Scoring, before: Sequence[Sides], after: Sequence[Sides]
) -> Iterator[PairMargins]:
    """Yield the drawn pairs with what is known of each."""
    preferences = scoring.preferences
    known = known_hardness(preferences, spec.data.hardness)
    origins = _origins(preferences)
    for row, base, trained in zip(scoring.rows, before, after, strict=True):
        tokens = scoring.tokenized[row]
        yield PairMargins(
            row=row,
            pair=preferences.pair_id(row),
            base=base,
            trained=trained,
            tokens=Lengths(len(tokens.chosen), len(tokens.rejected)),
            clip_gap=None if known is None else known.gaps[row],
            origin=origins[row] if origins else {},
        )


def _origins(preferences: Preferences) -> list[Mapping[str, str]]:
    """Return of each pair what the data say of its hardness; nothing where they say nothing."""
    if FIELD not in preferences.columns:
        return []
    told = map(origin_fields, preferences.values(FIELD))
    return [{key: one[key] for key in (HARDNESS, MISLABELLED) if key in one} for one in told]
