"""What decides how text and images enter the model stands in the manifest of a run."""

import json

from harness.reproduce.one_run import manifest_of
from harness.settings.resolve import resolve


def test_the_manifest_names_template_transform_and_max_length(tmp_path):
    values = ["model.template=llava_v1", "model.image_transform=pad", "data.max_length=300"]
    manifest_of(resolve("dpo", "tiny", overrides=values).spec).write(tmp_path / "manifest.json")
    inputs = json.loads((tmp_path / "manifest.json").read_text("utf-8"))["inputs"]
    prompt = inputs.pop("prompt")
    assert inputs == {"template": "llava_v1", "image_transform": "pad", "max_length": 300}
    assert prompt.endswith("the human's questions. USER: <image>\n{question} ASSISTANT:")
