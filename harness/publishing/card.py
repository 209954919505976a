"""The model card of a run: what it is, its numbers, what made it and how to load it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from harness.evaluation.scorecards import SCORECARD
from harness.files.hub_names import on_hub
from harness.identity.labels import label_of
from harness.identity.record import Record
from harness.report.comparison.forms import Form
from harness.report.comparison.table import comparison_text
from harness.reporting.provenance import provenance
from harness.reporting.words import escaped
from harness.runs.rundir import RunDir
from harness.settings.mixing import places_of
from harness.settings.spec import RunSpec

TEMPLATE = "card.md.j2"
LOCAL, BASE = "local files", "FOLDER_OF_THE_BASE_MODEL"
_HEADING = re.compile(r"^#+ ", re.MULTILINE)
_HUB_LICENCE = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclass(frozen=True)
class Asked:
    """What a card says that a run does not know."""

    repo: str
    """Where it will lie: `name` or `owner/name`."""
    licence: str | None
    """As the hub abbreviates it, such as `apache-2.0`; None states none."""
    adapter: bool
    """Whether what LoRA trained is published alone."""


def card_of(run: RunDir, out: Path, asked: Asked) -> tuple[str, list[str]]:
    """Return the card of a finished run, Markdown, and a line for everything its table leaves out.

    Paths of this machine are not in it: what is not on the hub is named by a hash of its content.

    Raises:
        DataError: The run's files are damaged.
    """
    spec, record = run.read_spec(), Record.read(run.identity)
    faults: list[str] = []
    table = None
    if any(run.judgements.glob(f"*/{SCORECARD}")):
        text, faults = comparison_text([str(run.path)], out, Form.MARKDOWN)
        table = Markup(_below(text))
    identity: Any = record.identity
    template = _environment().get_template(TEMPLATE)
    text = template.render(
        front=Markup(_front_matter(spec, asked)),
        title=f"{label_of(spec)}, {spec.size}",
        spec=spec,
        asked=asked,
        base=_named([spec.model.path], "", identity["model"].get("content")),
        # In code nothing is escaped: these have the forms of names on the hub.
        repo=Markup(asked.repo),
        loaded_base=Markup(_name(spec.model.path) if on_hub(spec.model.path) else BASE),
        revision=spec.model.revision,
        data=_named(places_of(spec.data.preferences), "datasets/", identity["data"].get("content")),
        table=table,
        decided=Markup(_fenced(yaml.safe_dump(dict(identity), sort_keys=False, width=100))),
        provenance=provenance(run),
    )
    return text, faults


def is_licence(text: str) -> bool:
    """Tell whether a text has the form in which the hub abbreviates licences."""
    return _HUB_LICENCE.fullmatch(text) is not None


def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_as_text,
        autoescape=False,  # Markdown is escaped by `finalize`, HTML's signs among it
    )


def _as_text(value: object) -> object:
    """Return what a card shows of a value as it is; Markdown made here passes."""
    return value if isinstance(value, Markup) else escaped(str(value)).replace("&", "&amp;")


def _front_matter(spec: RunSpec, asked: Asked) -> str:
    """Return what the hub reads of a card, YAML."""
    said: dict[str, Any] = {
        "library_name": "peft" if asked.adapter else "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["alignment-harness", spec.method],
    }
    if asked.licence:
        said["license"] = asked.licence
    if on_hub(spec.model.path):
        said["base_model"] = _name(spec.model.path)
        said["base_model_relation"] = "adapter" if asked.adapter else "finetune"
    if data := [_name(place) for place in places_of(spec.data.preferences) if on_hub(place)]:
        said["datasets"] = data
    return yaml.safe_dump(said, sort_keys=False, allow_unicode=True)


def _named(places: Iterable[str], kind: str, content: str | None) -> Markup:
    """Return links to what is on the hub; of the rest nothing but that there is some.

    Args:
        places: Paths and names on the hub.
        kind: What stands before a name in the hub's addresses.
        content: The hash of all together, where it is known.
    """
    links = [
        f"[{escaped(name)}](https://huggingface.co/{kind}{_name(name)})" if on_hub(name) else LOCAL
        for name in places
    ]
    told = ", ".join(dict.fromkeys(links))
    return Markup(f"{told} (content `{content}`)" if content else told)


def _name(reference: str) -> str:
    return reference.partition("@")[0]


def _fenced(text: str) -> str:
    """Return a block of YAML that no text in it can end early."""
    longest = max(map(len, re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}yaml\n{text}{fence}"


def _below(text: str) -> str:
    """Return a text without its title, its headings one step lower."""
    _, _, rest = text.partition("\n")
    return _HEADING.sub(lambda found: f"#{found[0]}", rest).strip()
