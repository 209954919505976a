"""Preference pairs with images of the tiny models' own size, and batches of them."""

import numpy as np
import tiny_qwen
import world_fixture

from harness.data.pairs.preferences import PreferencePair
from harness.data.rows.batch import PairTokenizer
from harness.data.rows.collate import Collator, ImageStore, no_segments
from harness.data.transforms import ImageTransform


def square_rows(count):
    """Images of the model's own size, which its processor leaves as they are."""
    rng = np.random.default_rng(1)
    side = tiny_qwen.SIDE
    images = [world_fixture.png(rng, side, side) for _ in range(max(1, count // 2))]
    return [
        PreferencePair(
            row=i,
            pair_id=str(i),
            question=row["question"],
            chosen=row["chosen"],
            rejected=row["rejected"],
            image=images[i % len(images)],
        )
        for i, row in enumerate(world_fixture.rows(count))
    ]


def batch_of(base, rows, template):
    pairs = PairTokenizer(base.processor, template, base.image_tokens, 500).tokenize(rows)
    store = ImageStore(rows, ImageTransform(base.processor, "center_crop"))
    collate = Collator(list(pairs), store, no_segments, {}, base.processor.image_token_id)
    return collate(range(len(rows)))
