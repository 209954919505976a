"""What is computed once before the first step and kept in the cache: the worker's share of it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from harness.data.columns.tokens.columns import ensure_token_columns
from harness.data.pairs.preferences import Preferences
from harness.data.rows.batch import PairTokenizer, PairTokens
from harness.data.rows.collate import Collator, ImageStore
from harness.data.rows.tokenized import TokenizedPairs, ensure_tokenized, tokenized_file
from harness.data.rows.views import Views
from harness.errors import Interrupted
from harness.files.atomic import write_text
from harness.files.cache import cache_dir
from harness.models.base import BaseModel, model_digest
from harness.runs.rundir import RunDir
from harness.settings.spec import RunSpec
from harness.training.kernels.choose import Kernels
from harness.training.precomputed.reference import (
    Logps,
    ReferenceKey,
    ReferenceLogps,
    ViewsKey,
    ensure_reference,
)
from harness.training.precomputed.vision_cache import VisionCache, VisionKey, ensure_vision_cache
from harness.training.process import CUT_FILE, Progress, StopRequest
from harness.training.step.live_reference import LiveReference
from harness.training.step.policy import Policy, VisionTower
from harness.training.step.protocols import Processes

Collate = Callable[[Sequence[int]], PairTokens]
"""Makes the batch of some rows."""


class References(NamedTuple):
    """What is known of the base model, and the model itself where it must run in every step."""

    pairs: ReferenceLogps | None
    fixed_views: ReferenceLogps | None
    live: LiveReference | None


@dataclass(frozen=True)
class Preparation:
    """What all stages read and whom they tell.

    Every stage may raise Interrupted: the run was asked to stop, and what is done is kept.
    """

    run: RunDir
    spec: RunSpec
    folder: Path
    """The base model's."""
    base: BaseModel
    tokenizer: PairTokenizer
    preferences: Preferences
    processes: Processes
    progress: Progress
    stop: StopRequest

    def tokenized(self, per_token: frozenset[str] = frozenset()) -> TokenizedPairs:
        """Return the token ids of all pairs, with the numbers of these token columns.

        Which pairs were cut is noted in the run's folder.
        """
        columns = ensure_token_columns(
            self.preferences, per_token, self.spec.data.hardness, cache_dir()
        )
        file = tokenized_file(
            cache_dir(), self.folder, self.tokenizer, self.preferences.digest, columns
        )
        told = self._stage("tokenized pairs")
        # The first rank writes it, so that its progress is seen.
        if self.processes.rank > 0:
            self.processes.barrier()
        pairs = ensure_tokenized(
            self.preferences,
            self.tokenizer,
            file,
            lambda done: told(done, len(self.preferences)),
            columns,
        )
        if self.processes.rank == 0:
            self.processes.barrier()
            if cut := pairs.cut_rows:
                write_text(self.run.path / CUT_FILE, json.dumps(cut))
        return pairs

    def vision(self, tower: VisionTower, pairs: TokenizedPairs, images: ImageStore) -> VisionCache:
        """Return the tower with as many features kept as `training.vision_cache_gb` allows."""
        bound = self.spec.training.vision_cache_gb
        if not bound:
            return VisionCache(tower)
        key = VisionKey(
            model=model_digest(self.folder),
            data=self.preferences.digest,
            image_transform=self.spec.model.image_transform,
            dtype=self.spec.training.precision,
            device=self.processes.device.type,
            torch=torch.__version__,
        )
        return ensure_vision_cache(
            key,
            cache_dir(),
            tower,
            pairs,
            images,
            bound,
            self.processes,
            self.progress.warn,
            self.processes.device,
            self._stage("image features"),
        )

    def references(
        self,
        needed: bool,
        policy: Policy,
        used: Kernels,
        vision: VisionCache,
        collate: Collator,
        views: Views | None,
    ) -> References:
        """Return what a method reads of the base model; `policy` still has its weights."""
        runs = views is not None and bool(views.live or views.divergence)
        stage = self.spec.training.zero_stage
        live = LiveReference.of_start(policy, shares_frozen=stage < 3) if runs else None
        fixed = self.views_reference(policy, used, vision, collate, views) if views else None
        if not needed or (views is not None and views.divergence):
            return References(None, fixed, live)
        return References(self.reference(policy, used, vision, collate.pairs_alone), fixed, live)

    def reference(
        self, policy: Policy, used: Kernels, vision: VisionCache, collate: Collate
    ) -> ReferenceLogps:
        """Return the base model's log-probabilities; `policy` still has the base's weights."""
        key = self._reference_key(used)
        told = self._stage("reference log-probabilities")
        return ensure_reference(
            key.folder(cache_dir()),
            key.pairs,
            self._share,
            self._logps(policy, vision, collate),
            self.processes,
            lambda done: told(done, key.pairs),
        )

    def views_reference(
        self, policy: Policy, used: Kernels, vision: VisionCache, collate: Collator, views: Views
    ) -> ReferenceLogps | None:
        """Return the same of the views that are drawn once; None where there are none."""
        fixed = views.fixed
        if not fixed:
            return None
        key = self._reference_key(used)
        told = self._stage("reference log-probabilities of views")

        @torch.no_grad()
        def logps(rows: Sequence[int]) -> list[tuple[Tensor, ...]]:
            self._stop_if_asked()
            tokens = collate.of_reference(rows, fixed).to(self.processes.device)
            found = policy(tokens, vision.features(tokens)).views
            masks = [one.mask for one in tokens.views.values()]
            return [
                tuple(values[i][mask[i]] for values, mask in zip(found, masks, strict=True))
                for i in range(len(rows))
            ]

        return ensure_reference(
            key.folder(cache_dir(), ViewsKey(fixed, self.spec.seed)),
            key.pairs,
            self._share,
            logps,
            self.processes,
            lambda done: told(done, key.pairs),
            sides=[view.name for view in fixed],
        )

    @property
    def _share(self) -> int:
        """Pairs of a batch on each device."""
        return self.spec.training.batch_pairs // self.processes.count

    def _reference_key(self, used: Kernels) -> ReferenceKey:
        return reference_key(self.spec, self.folder, self.preferences, self.processes.device, used)

    def _stage(self, name: str) -> Callable[[int, int], None]:
        """Return what is told how far a stage is; it ends the run when that was asked to stop."""

        def advance(done: int, total: int) -> None:
            self._stop_if_asked()
            self.progress.advance(name, done, total)

        return advance

    def _stop_if_asked(self) -> None:
        if self.stop.asked():
            raise Interrupted("stopped before the first step")

    def _logps(self, policy: Policy, vision: VisionCache, collate: Collate) -> Logps:
        logps = logps_by(policy, vision, collate, self.processes.device)

        def unless_stopped(rows: Sequence[int]) -> Sequence[tuple[Tensor, ...]]:
            self._stop_if_asked()
            return logps(rows)

        return unless_stopped


def reference_key(
    spec: RunSpec, folder: Path, preferences: Preferences, device: torch.device, used: Kernels
) -> ReferenceKey:
    """Return all that decides the log-probabilities of pairs under the model of a folder."""
    model, training = spec.model, spec.training
    return ReferenceKey(
        model=model_digest(folder),
        data=preferences.digest,
        pairs=len(preferences),
        template=model.template,
        image_transform=model.image_transform,
        dtype=training.precision,
        max_length=spec.data.max_length,
        device=device.type,
        attention=used.attention,
        kernels=used.decoder,
        torch=torch.__version__,
    )


def logps_by(policy: Policy, vision: VisionCache, collate: Collate, device: torch.device) -> Logps:
    """Return what computes the log-probabilities of both responses of pairs, without gradient."""

    @torch.no_grad()
    def logps(rows: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        tokens = collate(rows).to(device)
        found = policy(tokens, vision.features(tokens))
        return [
            (chosen[in_chosen], rejected[in_rejected])
            for chosen, in_chosen, rejected, in_rejected in zip(
                found.chosen,
                tokens.chosen.mask,
                found.rejected,
                tokens.rejected.mask,
                strict=True,
            )
        ]

    return logps
