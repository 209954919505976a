"""How a run reads the texts of pairs: with the model's tokenizer, its template and a limit."""

from harness.data.rows.batch import PairTokenizer
from harness.data.rows.tokenized import TokenReader
from harness.data.templates import TEMPLATES
from harness.models.base import BaseModel, InputReader, load_reader
from harness.models.catalog import check_template
from harness.models.family import load_family
from harness.models.sources import model_folder
from harness.registry import load_method
from harness.settings.spec import RunSpec


def pair_tokenizer(model: BaseModel | InputReader, spec: RunSpec) -> PairTokenizer:
    """Return what tokenizes the pairs of a run.

    Raises:
        ConfigError: The specification leaves no room beside an image, or the method reads token
            columns and the tokenizer has no offsets.
    """
    template = TEMPLATES[spec.model.template]
    tokenizer = PairTokenizer(model.processor, template, model.image_tokens, spec.data.max_length)
    if load_method(spec.method).token_columns:
        tokenizer.require_offsets()
    return tokenizer


def token_reader(spec: RunSpec) -> TokenReader:
    """Return the same for the check of the pairs, before the weights are loaded.

    Raises:
        DataError: The model cannot be had, or it is not whole.
        ConfigError: The template is another family's, or there is no room beside an image.
    """
    folder = model_folder(spec.model)
    check_template(load_family(folder).name, spec.model.template)
    return TokenReader(folder, pair_tokenizer(load_reader(folder), spec))
