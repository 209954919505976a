"""What decides how text and images enter the model stands in the manifest of a run."""

from harness.reproduce.one_run import inputs_of, views_in
from harness.settings.resolve import resolve


def test_the_manifest_names_template_transform_and_max_length():
    values = ["model.template=llava_v1", "model.image_transform=pad", "data.max_length=300"]
    spec = resolve("dpo", "tiny", overrides=values).spec
    inputs = inputs_of(spec.model, spec.data.max_length)
    prompt = inputs.pop("prompt")
    assert inputs == {"template": "llava_v1", "image_transform": "pad", "max_length": 300}
    assert prompt.endswith("the human's questions. USER: <image>\n{question} ASSISTANT:")


def test_the_manifest_names_what_a_method_reads_beside_its_pairs():
    assert views_in(resolve("dpo", "tiny").spec) == {}
    found = views_in(resolve("mdpo", "tiny", "released").spec)
    assert found == {"view imageless_chosen": "chosen response on crop, drawn: forward"}
