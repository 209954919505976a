"""Whether the tensors of a checkpoint are those that its configuration speaks of."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from harness.models.headers import Shapes

LLAMA: dict[str, Any] = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
}
"""What a LLaVA's config.json leaves out. Source: transformers, LlamaConfig."""

_LAYER = re.compile(r"(.*\b(?:layers|blocks)\.)(\d+)\.(.+)")

Layers = dict[int, Shapes]


def weight_problems(config: Mapping[str, Any], shapes: Shapes) -> Iterator[str]:
    """Compare names and shapes with config.json; yield what is missing or of another size.

    Names may be those of the hub or of any version of transformers: tensors are found by the end
    of their names.
    """
    text = _text(config)
    vision = _sizes(section(config, "vision_config"))
    language = _prefix_of("embed_tokens.weight", shapes) + "layers."
    towers = _towers(shapes)
    yield from _layer_problems(language, towers.get(language, {}), text.get("num_hidden_layers"))
    others = towers.keys() - {language}
    if not others:
        yield "no weights of a vision tower"
    for prefix in sorted(others):
        depth = vision.get("num_hidden_layers", vision.get("depth"))
        yield from _layer_problems(prefix, towers[prefix], depth)
    first = {name: shape for name, shape in shapes.items() if name.startswith(f"{language}0.")}
    yield from _compare(_single(config, text, vision), shapes)
    yield from _compare(_language_layer(text), first, needed=False)


def section(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return an object inside a configuration; an empty one where there is none."""
    value = config.get(key)
    return value if isinstance(value, dict) else {}


def _text(config: Mapping[str, Any]) -> dict[str, int]:
    """Return the language model's sizes; older Qwen2.5-VL have them at the top."""
    text = section(config, "text_config")
    llava = config.get("model_type") == "llava"
    values = LLAMA | text if llava else {**config, **text}
    return _sizes(values)


def _sizes(values: Mapping[str, Any]) -> dict[str, int]:
    return {key: value for key, value in values.items() if isinstance(value, int)}


def _single(
    config: Mapping[str, Any], text: Mapping[str, int], vision: Mapping[str, int]
) -> dict[str, tuple[Any, ...]]:
    """Return shapes by the end of the name; None stands for any size."""
    rows, width = text.get("vocab_size"), text.get("hidden_size")
    wanted: dict[str, tuple[Any, ...]] = {
        "embed_tokens.weight": (rows, width),
        "norm.weight": (width,),
    }
    if not config.get("tie_word_embeddings", text.get("tie_word_embeddings", False)):
        wanted["lm_head.weight"] = (rows, width)
    if config.get("model_type") == "llava":
        inner, patch = vision.get("hidden_size"), vision.get("patch_size")
        wanted["multi_modal_projector.linear_1.weight"] = (width, inner)
        wanted["multi_modal_projector.linear_2.weight"] = (width, width)
        if config.get("multimodal_projector_bias", True):
            wanted["multi_modal_projector.linear_1.bias"] = (width,)
            wanted["multi_modal_projector.linear_2.bias"] = (width,)
        wanted["embeddings.class_embedding"] = (inner,)
        wanted["embeddings.patch_embedding.weight"] = (inner, 3, patch, patch)
        side = vision.get("image_size")
        places = (side // patch) ** 2 + 1 if side and patch else None
        wanted["embeddings.position_embedding.weight"] = (places, inner)
    return wanted


def _language_layer(text: Mapping[str, int]) -> dict[str, tuple[Any, ...]]:
    width, inner = text.get("hidden_size"), text.get("intermediate_size")
    return {
        "self_attn.q_proj.weight": (None, width),
        "self_attn.o_proj.weight": (width, None),
        "mlp.gate_proj.weight": (inner, width),
        "mlp.down_proj.weight": (width, inner),
    }


def _compare(
    wanted: Mapping[str, tuple[Any, ...]], shapes: Shapes, *, needed: bool = True
) -> Iterator[str]:
    for end, shape in wanted.items():
        names = [name for name in shapes if f".{name}".endswith(f".{end}")]
        plain = [name for name in names if not _LAYER.fullmatch(name)] or names
        if not plain and needed:
            yield f"no weight {end}"
        for name in plain[:1]:
            found = shapes[name]
            same = len(found) == len(shape) and all(
                side in (None, other) for side, other in zip(shape, found, strict=True)
            )
            if not same:
                told = ["any" if side is None else side for side in shape]
                yield f"{name} has the shape {list(found)}, and config.json asks for {told}"


def _towers(shapes: Shapes) -> dict[str, Layers]:
    towers: dict[str, Layers] = defaultdict(lambda: defaultdict(dict))
    for name, shape in shapes.items():
        if match := _LAYER.fullmatch(name):
            prefix, number, part = match.groups()
            towers[prefix][int(number)][part] = shape
    return towers


def _layer_problems(prefix: str, layers: Mapping[int, Shapes], depth: int | None) -> Iterator[str]:
    """Check that there are as many layers as asked for, all alike."""
    count = len(layers) if depth is None else depth
    if missing := sorted(set(range(count)) - layers.keys()):
        yield f"no weights of {prefix}{missing[0]} ({len(missing)} of {count} layers are missing)"
    if extra := sorted(layers.keys() - set(range(count))):
        yield f"{prefix}{extra[0]} is one layer more than the {count} of config.json"
    usual: dict[str, Counter[tuple[int, ...]]] = defaultdict(Counter)
    for parts in layers.values():
        for part, shape in parts.items():
            usual[part][shape] += 1
    for number, parts in sorted(layers.items()):
        for part, counted in usual.items():
            (common, _), *_ = counted.most_common(1)
            if part not in parts:
                yield f"no weight {prefix}{number}.{part}"
            elif parts[part] != common:
                found = list(parts[part])
                yield f"{prefix}{number}.{part} has the shape {found}, the others {list(common)}"


def _prefix_of(end: str, shapes: Shapes) -> str:
    return next((name.removesuffix(end) for name in shapes if name.endswith(end)), "")
