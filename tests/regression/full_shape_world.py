"""A model folder of the 7b shape with random weights, and two questions of every benchmark."""

import json
from dataclasses import replace

import torch
import world_fixture

from harness.costs.shapes import IMAGE_TOKEN, LLAVA_7B, llava_config
from harness.costs.vision_shapes import CLIP_L_336
from harness.world.draw import split_scans
from harness.world.questions import write_benchmarks
from harness.world.scenes import draw_scenes

SHAPE = replace(LLAVA_7B, vision=replace(CLIP_L_336, layers=3))
LAYERS = 1
ITEMS = 2


def tokenizer():
    """The words of the made pairs, and beyond them the ids of the published tokenizer."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    state = json.loads(world_fixture.tokenizer().backend_tokenizer.to_str())
    words = state["model"]["vocab"]
    special = {"<image>": IMAGE_TOKEN, "<pad>": IMAGE_TOKEN + 1}
    words |= {f"<unused{i}>": i for i in range(max(words.values()) + 1, IMAGE_TOKEN)} | special
    for token in state["added_tokens"]:
        token["id"] = special.get(token["content"], token["id"])
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(state)),
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        extra_special_tokens={"image_token": "<image>"},
    )


def write_base(folder):
    from transformers import (
        CLIPImageProcessorPil,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    torch.manual_seed(0)
    config = llava_config(SHAPE, LAYERS)
    model = LlavaForConditionalGeneration._from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder, max_shard_size="400MB")
    side = SHAPE.vision.image
    LlavaProcessor(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": side}, crop_size={"height": side, "width": side}
        ),
        tokenizer=tokenizer(),
        patch_size=SHAPE.vision.patch,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
    ).save_pretrained(folder)
    return folder


def write_questions(world):
    """Write the benchmarks of a tiny world in their published formats, cut to two items each."""
    scenes = draw_scenes(10_000, 300, 1, split_scans(0.2)[1], 0.5)
    folder = world / "benchmarks"
    write_benchmarks(folder, scenes, 1)

    def cut(file, keep):
        file.write_text(keep(file.read_text()))

    def first_lines(text):
        return "".join(text.splitlines(keepends=True)[:ITEMS])

    def first_rows(text):
        rows = json.loads(text)
        return json.dumps(dict(list(rows.items())[:ITEMS]) if isinstance(rows, dict) else rows[:2])

    def a_description_and_a_question(text):
        kinds = {row["type"] == "generative": row for row in json.loads(text)}
        return json.dumps([kinds[True], kinds[False]])

    cut(folder / "object_halbench" / "obj_halbench_300_with_image.jsonl", first_lines)
    cut(folder / "amber" / "annotations.json", a_description_and_a_question)
    cut(folder / "mmhal" / "mmhal-bench_answer_template.json", first_rows)
    cut(folder / "llava_bench" / "questions.jsonl", first_lines)
    cut(folder / "mm_vet" / "mm-vet.json", first_rows)
    return folder
