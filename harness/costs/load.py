"""How much one forward pass of one device runs: pairs, positions and response tokens."""

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Load:
    """Pairs of one length that run together, each with an image of its own.

    The defaults stand for a pair of RLAIF-V with the template vicuna_v1, an assumption until the
    data are there; `largest_load` reads real lengths.
    """

    pairs: int = 4
    system: int = 35
    """Tokens before the image, which all prompts share."""
    image: int = 576
    question: int = 25
    """Tokens of a prompt behind its image."""
    response: int = 125
    """Tokens of each of the two responses."""
    packed: bool = True
    """False: the plain step, in which each response is a row of its own with prompt and image."""
    branches: tuple[int, ...] = (2,)
    """Responses on each picture of a pair: chosen and rejected on its own one, further ones where a
    method reads views."""
    live: tuple[int, ...] = ()
    """The same of what the reference runs in every step."""

    @property
    def prompt(self) -> int:
        """Tokens before a response."""
        return self.system + self.image + self.question

    @property
    def positions(self) -> int:
        """Positions that the decoder runs; the last token of a response is never an input.

        Four pairs of the default lengths: 35 + 4 * (576 + 25 + 2 * 124) = 3431, and in the plain
        step, which runs the last tokens too, 4 * 2 * (636 + 125) = 6088.
        """
        if not self.packed:
            return 2 * self.pairs * (self.prompt + self.response)
        pictures = len(self.branches) * (self.image + self.question)
        return self.system + self.pairs * (pictures + self.responses * (self.response - 1))

    @property
    def responses(self) -> int:
        """Responses of a pair, views included."""
        return sum(self.branches)

    @property
    def images(self) -> int:
        """Pictures that are encoded."""
        return self.pairs * (len(self.branches) if self.packed else 2)

    @property
    def logp_rows(self) -> int:
        """Positions at which logits exist."""
        return self.responses * self.pairs * self.response if self.packed else self.positions

    @property
    def needed(self) -> int:
        """Positions behind which a logit follows; responses to a prompt share its last one."""
        if not self.packed:
            return self.positions
        shared = self.responses - len(self.branches)
        return self.pairs * (self.responses * self.response - shared)

    @property
    def keys_seen(self) -> int:
        """Keys of all segments together: what several segments see counts for each."""
        return self.responses * self.pairs * (self.prompt + self.response - self.packed)

    @property
    def segments(self) -> tuple[tuple[int, int, int], ...]:
        """Positions above a segment, its own, and how many of the row's segments are such.

        The first prompt with its first response stands alone; every other first response runs with
        its image and question behind the system text, every second one behind its prompt.
        """
        own = self.response - 1
        branch = self.image + self.question + own
        return (
            (0, self.prompt + own, 1),
            (self.system, branch, self.pairs * len(self.branches) - 1),
            (self.prompt, own, self.pairs * (self.responses - len(self.branches))),
        )

    @property
    def scores(self) -> float:
        """Pairs of query and key that attention must compute: n * (n + 1) / 2 where causal."""

        def causal(length: int) -> float:
            return length * (length + 1) / 2

        if not self.packed:
            return 2 * self.pairs * causal(self.prompt + self.response)
        own = self.response - 1
        responses = self.responses * (own * self.prompt + causal(own))
        below = len(self.branches) * (causal(self.prompt) - causal(self.system))
        return causal(self.system) + self.pairs * (below + responses)

    @property
    def of_reference(self) -> "Load | None":
        """What the reference runs in every step; None where that is nothing."""
        return replace(self, branches=self.live, live=()) if self.live else None

    def of_pairs(self, pairs: int) -> "Load":
        """Return as many pairs of the same lengths."""
        return replace(self, pairs=pairs)


def largest_load(
    lengths: Sequence[tuple[int, int, int]], pairs: int, image: int, system: int = 0
) -> Load:
    """Return a load that is at least as large as any batch of these pairs.

    Args:
        lengths: Tokens of prompt (with its image), chosen and rejected of every pair.
        pairs: Pairs of one pass.
        image: Positions of an image.
        system: Tokens that all prompts share.
    """
    largest = sorted(lengths, key=sum)[-pairs:]
    count = max(len(largest), 1)
    prompt = -(-sum(one[0] for one in largest) // count)
    response = -(-sum(one[1] + one[2] for one in largest) // (2 * count))
    return Load(
        pairs=pairs,
        system=system,
        image=image,
        question=max(prompt - image - system, 0),
        response=max(response, 1),
    )


def fitting_pairs(load: Load, pairs_per_pass: int | None, tokens_per_pass: int | None) -> int:
    """Return how many of a device's pairs run in one pass under these bounds; at least one."""
    pairs = min(load.pairs, pairs_per_pass or load.pairs)
    if tokens_per_pass is None:
        return pairs
    alone = load.of_pairs(1).positions
    return max(min(pairs, tokens_per_pass // alone), 1)
