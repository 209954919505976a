"""A tiny text model that was made and not trained: it says one reply after each kind of question.

Every token is an axis of its own, attention and feed-forward layer add nothing, and the head names
the token that follows: a chain. Where it begins is decided by the chat template, by the words of
the question. So real generation by transformers gives replies that a benchmark can read.
"""

import torch
from tokenizers import AddedToken, Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

CHAINS = {
    "<mm_vet>": ["0", ".", "5"],
    "<doubt>": ["may", "be"],
    "<mmhal>": ["Rating", ": 4", " and so on"],
    "<mmhal-low>": ["Rating: ", "2"],
    "<llava>": ["8", " ", "7"],
    "<objects>": ['["', "dog", '"]'],
    "<thoughts>": ["<think>", "Rating: 1", "</think>", " Rating: 6"],
    "<lost>": ["<think>Rating", ": 1?"],
}
"""First token, which the template writes, and what follows; each token stands in one chain."""
TEMPLATE = """{%- set said = messages[-1]['content'] -%}
{%- for message in messages -%}<sep>{{ message['content'] }}{%- endfor -%}
{%- if add_generation_prompt -%}
{%- if 'How' in said -%}
{%- if enable_thinking is defined and not enable_thinking -%}
{%- if 'How 1?' in said -%}<mmhal-low>{%- else -%}<mmhal>{%- endif -%}
{%- else -%}<thoughts>{%- endif -%}
{%- elif 'Which' in said -%}{%- if 'Which 3?' in said -%}<doubt>{%- else -%}<mm_vet>{%- endif -%}
{%- elif 'Grade both' in said -%}<llava>
{%- else -%}<objects>{%- endif -%}
{%- endif -%}"""


def write_judge(folder, template=TEMPLATE):
    """Write the model with its tokenizer and template; return the folder."""
    words = [word for chain in CHAINS.values() for word in chain]
    assert len(set(words)) == len(words)
    tokens = ["<pad>", "<eos>", "<unk>", "<sep>", *CHAINS, *words, *map(chr, range(32, 127)), "\n"]
    vocabulary = {token: number for number, token in enumerate(dict.fromkeys(tokens))}
    _tokenizer(vocabulary, template).save_pretrained(folder)
    _model(vocabulary).save_pretrained(folder)
    return folder


def _tokenizer(vocabulary, template):
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = Split(Regex(r"[\s\S]"), "isolated")
    tokenizer.decoder = Fuse()
    tokenizer.add_special_tokens([AddedToken(name, special=True) for name in ("<sep>", *CHAINS)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="<eos>",
        unk_token="<unk>",
        chat_template=template,
    )


def _model(vocabulary):
    size = len(vocabulary) + len(vocabulary) % 2
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
        eos_token_id=vocabulary["<eos>"],
        pad_token_id=vocabulary["<pad>"],
    )
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        model.model.embed_tokens.weight.copy_(torch.eye(size))
        model.model.layers[0].self_attn.o_proj.weight.zero_()
        model.model.layers[0].mlp.down_proj.weight.zero_()
        model.lm_head.weight.zero_()
        for start, chain in CHAINS.items():
            for one, following in zip([start, *chain], [*chain, "<eos>"], strict=True):
                model.lm_head.weight[vocabulary[following], vocabulary[one]] = 1.0
    # What is not greedy must not count.
    model.generation_config.update(do_sample=True, temperature=5.0, repetition_penalty=9.0)
    return model
