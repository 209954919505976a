"""What decides how text and images enter the model stands in the manifest of a run."""

from harness.reproduce.one_run import inputs_of
from harness.settings.resolve import resolve


def test_the_manifest_names_template_transform_and_max_length():
    values = ["model.template=llava_v1", "model.image_transform=pad", "data.max_length=300"]
    spec = resolve("dpo", "tiny", overrides=values).spec
    inputs = inputs_of(spec.model, spec.data.max_length)
    prompt = inputs.pop("prompt")
    assert inputs == {"template": "llava_v1", "image_transform": "pad", "max_length": 300}
    assert prompt.endswith("the human's questions. USER: <image>\n{question} ASSISTANT:")
