"""Bytes of all tensors that are alive, counted operation by operation, and made models to run."""

import weakref
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from harness.costs.load import Load
from harness.costs.shapes import Shape, llava_config
from harness.costs.vision_shapes import VisionShape
from harness.data.images import ImageRef
from harness.data.rows.batch import PairTokens, ResponseMasks
from harness.data.rows.packing import pack


class LiveBytes(TorchDispatchMode):
    """Count the storages that operations make, until they are freed."""

    def __init__(self) -> None:
        super().__init__()
        self.live = self.peak = 0
        self._seen: set[int] = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        known = {id(one.untyped_storage()) for one in _tensors((args, kwargs))}
        result = function(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            storage = tensor.untyped_storage()
            if id(storage) not in known and id(storage) not in self._seen:
                self._seen.add(id(storage))
                self.live += storage.nbytes()
                self.peak = max(self.peak, self.live)
                weakref.finalize(storage, self._freed, id(storage), storage.nbytes())
        return result

    def _freed(self, key: int, size: int) -> None:
        self._seen.discard(key)
        self.live -= size


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def made_shape(hidden: int, layers: int, heads: int = 4, vocabulary: int = 1000) -> Shape:
    """A LLaVA whose proportions are Vicuna's, with 64 positions per image."""
    return Shape(
        family="llava",
        hidden=hidden,
        layers=layers,
        heads=heads,
        key_heads=heads,
        intermediate=hidden * 43 // 16,
        vocabulary=vocabulary,
        image_tokens=64,
        vision=VisionShape(hidden=64, layers=3, heads=2, intermediate=128, image=64, patch=8),
    )


def made_model(shape: Shape, dtype: torch.dtype = torch.float32) -> Any:
    from transformers import LlavaForConditionalGeneration

    torch.manual_seed(0)
    return LlavaForConditionalGeneration(llava_config(shape)).to(dtype)


def made_batch(shape: Shape, load: Load, seed: int = 0) -> PairTokens:
    """Random pairs of exactly the lengths of `load`."""
    random = torch.Generator().manual_seed(seed)

    def ids(first: int, count: int) -> list[int]:
        # The first id tells branches apart, so that nothing is shared by chance.
        rest = torch.randint(200, shape.vocabulary, (count - 1,), generator=random)
        return [first, *rest.tolist()]

    system = ids(1, load.system)
    prompts = [
        [*system, *(-1 - i * load.image - j for j in range(load.image)), *ids(2, load.question)]
        for i in range(load.pairs)
    ]
    responses = [ids(side, load.response) for side in (3, 4) for _ in prompts]
    row, places = pack(
        [prompt + response for prompt, response in zip(prompts * 2, responses, strict=True)],
        [load.prompt] * len(responses),
    )
    everywhere = torch.ones(load.pairs, load.response, dtype=torch.bool)
    sides = [
        ResponseMasks(everywhere, everywhere, torch.stack(list(places[first:][: load.pairs])))
        for first in (0, load.pairs)
    ]
    size = shape.vision.image
    images = torch.randn(load.pairs, 3, size, size, generator=random)
    rows = tuple(range(load.pairs))
    return PairTokens(
        rows=rows,
        packed=row,
        image_refs=tuple(ImageRef(row, 0, str(row)) for row in rows),
        images=images,
        chosen=sides[0],
        rejected=sides[1],
        columns={},
    )
