"""Log-probabilities of drawn pairs under any checkpoint of the run's family, as in training."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from transformers.utils import logging

from harness.data.pairs.preferences import Preferences
from harness.data.rows.collate import Collator, ImageStore, no_segments
from harness.data.rows.tokenized import TokenizedPairs
from harness.data.transforms import ImageTransform
from harness.files.cache import cache_dir
from harness.files.digests import digest_of
from harness.margins.records import Sides
from harness.models.base import load_base
from harness.settings.spec import RunSpec
from harness.training.attention.choose import use_attention
from harness.training.kernels.choose import Kernels, use_kernels
from harness.training.precomputed.preparation import logps_by, reference_key
from harness.training.precomputed.reference import (
    SIDES,
    DrawnKey,
    Logps,
    ReferenceKey,
    ReferenceLogps,
    ensure_reference,
    kept_reference,
)
from harness.training.precomputed.vision_cache import VisionCache
from harness.training.step.engine import dtype_of
from harness.training.step.policy import Policy, VisionTower
from harness.training.step.wide_products import wide_products


@dataclass(frozen=True)
class Alone:
    """The one process of the command."""

    rank: int = 0
    count: int = 1


@dataclass(frozen=True)
class Scoring:
    """What scores the same pairs by several models; each takes the device when it is its turn.

    Only the pairs' own pictures and responses are scored, whatever else a method looks at.
    """

    spec: RunSpec
    preferences: Preferences
    tokenized: TokenizedPairs
    rows: Sequence[int]
    device: torch.device
    used: Kernels

    @classmethod
    def of(
        cls,
        spec: RunSpec,
        preferences: Preferences,
        tokenized: TokenizedPairs,
        rows: Sequence[int],
    ) -> "Scoring":
        """Choose device and kernels as the training does.

        Raises:
            TrainingError: A kernel that the run names does not run here.
        """
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        used = Kernels(
            use_attention(spec.training.attention, device, dtype_of(spec.training)),
            use_kernels(spec.training.kernels, device, dtype_of(spec.training)),
        )
        return cls(spec, preferences, tokenized, rows, device, used)

    @property
    def computed(self) -> dict[str, str]:
        """What the numbers depend on by rounding."""
        precision = self.spec.training.precision
        return {"precision": precision, "device": self.device.type, **self.used._asdict()}

    def sides(self, folder: Path, advance: Callable[[int], object]) -> list[Sides]:
        """Return the log-probabilities of the drawn pairs under the model of a folder.

        What the cache holds of the training's reference is read; all else is computed and kept
        there by 512 pairs.

        Args:
            folder: In the Hugging Face layout.
            advance: Told how many more pairs are done.
        """
        key = reference_key(self.spec, folder, self.preferences, self.device, self.used)
        whole = kept_reference(key.place(cache_dir()), self.rows)
        if whole is not None:
            advance(len(self.rows))
            return self._sums(whole, self.rows)
        kept = self._drawn(folder, key, advance)
        gc.collect()  # a model refers to itself; the next one needs its place on the device
        return self._sums(kept, range(len(self.rows)))

    def _drawn(
        self, folder: Path, key: ReferenceKey, advance: Callable[[int], object]
    ) -> ReferenceLogps:
        """Return the log-probabilities of the drawn pairs by place, after computing the missing."""
        logps, done = self._logps(folder), 0

        def counted(places: Sequence[int]) -> Sequence[tuple[Tensor, ...]]:
            nonlocal done
            found = logps([self.rows[place] for place in places])
            done += len(places)
            advance(len(places))
            return found

        place = key.folder(cache_dir(), DrawnKey(digest_of(list(self.rows), 16)))
        with self._exact():
            kept = ensure_reference(place, len(self.rows), self._share, counted, Alone())
        advance(len(self.rows) - done)
        return kept

    def _logps(self, folder: Path) -> Logps:
        """Return what computes them; the model is loaded when the first pairs are asked for."""
        loaded: list[Logps] = []

        def logps(rows: Sequence[int]) -> Sequence[tuple[Tensor, ...]]:
            if not loaded:
                loaded.append(self._by(folder))
            return loaded[0](rows)

        return logps

    def _by(self, folder: Path) -> Logps:
        logging.disable_progress_bar()  # there is a bar already, which this one would break
        base = load_base(folder, dtype_of(self.spec.training))
        transform = ImageTransform(base.processor, self.spec.model.image_transform)
        collate = Collator(
            pairs=self.tokenized,
            images=ImageStore(self.preferences, transform),
            changed=no_segments,
            columns={},
            image_id=int(base.processor.image_token_id),
        )
        policy = Policy(base.model, used=self.used).to(self.device)
        vision = VisionCache(VisionTower(base.model, self.device))
        return logps_by(policy, vision, collate.pairs_alone, self.device)

    @property
    def _share(self) -> int:
        """Pairs of a device in training: as many as fit there."""
        return max(1, self.spec.training.batch_pairs // self.spec.training.devices)

    @contextmanager
    def _exact(self) -> Iterator[None]:
        """Multiply as the training does."""
        before = torch.backends.cuda.matmul.allow_tf32
        torch.backends.cuda.matmul.allow_tf32 = self.spec.training.precision == "bfloat16"
        try:
            with wide_products(self.device, dtype_of(self.spec.training)):
                yield
        finally:
            torch.backends.cuda.matmul.allow_tf32 = before

    def _sums(self, logps: ReferenceLogps, places: Sequence[int]) -> list[Sides]:
        """Add up the tokens of each response.

        Args:
            logps: By place.
            places: Those of the drawn pairs, in their order.
        """
        found = []
        for place, row in zip(places, self.rows, strict=True):
            pair = self.tokenized[row]
            width = max(len(pair.chosen), len(pair.rejected))
            chosen, rejected = (
                float(logps.side(side, [place], width).double().sum()) for side in SIDES
            )
            found.append(Sides(chosen, rejected))
        return found
