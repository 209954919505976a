"""What a text of the tiny world states about a scene, and whether it is true.

A closed lexicon and a few rules of word order are enough: every sentence of this world names
objects and says things about the nearest of them.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from harness.world.language import PURPOSES, SOUNDS, USES, Question
from harness.world.lexicon import OBJECT_OF, number_in, words_of
from harness.world.scenes import COLOURS, GROUPS, POSES, POSITIONS, SIZES, Scene, Thing

SENTENCE_END = re.compile(r"[.!?;\n]+")
REACH = 3
"""How many words ahead an adjective, a number or 'no' looks for its object."""
BOUNDARIES = frozenset({",", "and", "is", "are", "in", "or", "but", "than", "of"})
AFTER_NO = frozenset({",", "it", "there", "they", "the"})
"""What follows a 'no' that answers a question, and not one that goes with an object."""
BARE_NUMBER = {"counting": "count", "number": "count", "ocr": "sign", "arithmetic": "sum"}
"""Kind of question -> what a lone number means in its answer."""

PROPERTIES: dict[str, str] = {
    **dict.fromkeys(COLOURS, "colour"),
    **dict.fromkeys(SIZES, "size"),
    **dict.fromkeys(POSES, "pose"),
    **dict.fromkeys(POSITIONS, "cell"),
    **dict.fromkeys(SOUNDS.values(), "sound"),
    **dict.fromkeys(USES.values(), "use"),
    "larger": "larger",
}
"""Word -> which property of an object it names."""
ABOUT_ALL: dict[str, str] = {
    **dict.fromkeys(GROUPS, "place"),
    **dict.fromkeys(PURPOSES.values(), "purpose"),
    "same": "same",
}
"""Word -> what it says about the scene as a whole."""


@dataclass(frozen=True)
class Claim:
    """One thing that a text states."""

    kind: str
    about: str = ""
    """Name of an object; empty if it is about the scene."""
    value: str = ""
    denied: bool = False
    """The text says that it is not so."""


@dataclass(frozen=True)
class Context:
    """What short answers leave out: the objects and the number that were asked for."""

    about: tuple[str, ...] = ()
    number: str = ""
    """Kind of claim that a lone number makes."""
    compared: tuple[str, ...] = ()
    """Objects whose sizes are compared."""

    @property
    def topic(self) -> str:
        """The object asked for, if it is one."""
        return self.about[0] if len(self.about) == 1 else ""


def context_of(questions: Sequence[Question]) -> Context:
    """Return what the questions are about."""
    about = tuple(dict.fromkeys(name for question in questions for name in question.about))
    numbers = [BARE_NUMBER[one.kind] for one in questions if one.kind in BARE_NUMBER]
    compared = tuple(name for one in questions if one.kind == "comparison" for name in one.about)
    return Context(about, numbers[0] if numbers else "", compared)


def claims_in(text: str, context: Context) -> frozenset[Claim]:
    """Return what the text states; nothing of it need be a sentence."""
    claims: list[Claim] = []
    for part in SENTENCE_END.split(text):
        words = words_of(part)
        answers = words[:1] == ["no"] and (len(words) == 1 or words[1] in AFTER_NO)
        if answers or words[:1] == ["yes"]:
            claims.append(Claim("answer", value=words[0]))
            words = words[1:]
        claims += _Sentence(words, context).claims()
    return frozenset(claims)


@dataclass(frozen=True)
class _Sentence:
    words: Sequence[str]
    context: Context

    def claims(self) -> list[Claim]:
        """Return all claims; 'not' denies what is said of the objects, or else their presence."""
        present = list(self._present())
        said = [*self._properties(), *self._numbers(), *self._whole()]
        if not {"not", "isn't", "aren't", "never"} & set(self.words):
            return present + said
        if said:
            return present + [replace(claim, denied=True) for claim in said]
        return [replace(claim, denied=True) for claim in present]

    def _present(self) -> Iterator[Claim]:
        """Yield the objects that are mentioned; 'it is a dog' also says which one was meant."""
        denied = {
            self._ahead(index)
            for index, word in enumerate(self.words)
            if word in ("no", "without", "zero", "0")
        }
        for index, word in enumerate(self.words):
            if word in OBJECT_OF:
                yield Claim("present", OBJECT_OF[word], denied=index in denied)
        if self.words[:3] in (["it", "is", "a"], ["this", "is", "a"]):
            named = self._ahead(2)
            if named is not None:
                yield Claim("identity", value=OBJECT_OF[self.words[named]])

    def _properties(self) -> Iterator[Claim]:
        for index, word in enumerate(self.words):
            kind = PROPERTIES.get(word)
            compass = kind == "cell" and self.words[index + 1 : index + 2] == ["of"]
            if kind is None or compass or (kind == "cell" and self._of_sign(index)):
                continue
            owner = self._owner(index, looks_ahead=kind in ("colour", "size"))
            if owner:
                yield Claim(kind, owner, "" if kind == "larger" else word)

    def _numbers(self) -> Iterator[Claim]:
        words = self.words
        for index, word in enumerate(words):
            value = number_in(word)
            pronoun = word == "one" and words[index - 1 : index] in (["larger"], ["the"])
            if value is None or pronoun or words[index + 1 : index + 2] == ["signs"]:
                continue
            counted = self._ahead(index)
            if counted is not None:
                if value:
                    yield Claim("count", OBJECT_OF[words[counted]], str(value))
            elif {"sum", "total"} & set(words):
                yield Claim("sum", value=str(value))
            elif {"sign", "signs", "says"} & set(words):
                yield Claim("sign", value=str(value))
            elif self.context.number == "count":
                yield Claim("count", self._owner(index, looks_ahead=False), str(value))
            elif self.context.number:
                yield Claim(self.context.number, value=str(value))

    def _whole(self) -> Iterator[Claim]:
        for word in self.words:
            if word in ABOUT_ALL:
                kind = ABOUT_ALL[word]
                yield Claim(kind, value="" if kind == "same" else word)

    def _ahead(self, index: int) -> int | None:
        """Return where the object is that the word belongs to, if it follows closely."""
        for other in range(index + 1, min(index + 1 + REACH, len(self.words))):
            if self.words[other] in OBJECT_OF:
                return other
            if self.words[other] in BOUNDARIES:
                return None
        return None

    def _owner(self, index: int, looks_ahead: bool) -> str:
        """Return the object that a property belongs to: close ahead, before, after, asked for."""
        ahead = self._ahead(index) if looks_ahead else None
        if ahead is not None:
            return OBJECT_OF[self.words[ahead]]
        before = [word for word in self.words[:index] if word in OBJECT_OF]
        after = [word for word in self.words[index:] if word in OBJECT_OF]
        if before or after:
            return OBJECT_OF[before[-1] if before else after[0]]
        return self.context.topic

    def _of_sign(self, index: int) -> bool:
        """Tell whether a place is where a sign is."""
        nouns = [word for word in self.words[:index] if word in OBJECT_OF or word == "sign"]
        return nouns[-1:] == ["sign"]


def holds(claim: Claim, scene: Scene, context: Context) -> bool:
    """Tell whether a claim is true of the scene."""
    if claim.about and claim.kind not in ("present", "sound", "use"):
        thing = scene.thing(claim.about)
        # Nothing is true of what is not there, not even that it is not red.
        return thing is not None and _OF_THING[claim.kind](claim, thing, scene, context) != (
            claim.denied
        )
    return _OF_SCENE[claim.kind](claim, scene, context) != claim.denied


def _larger(_claim: Claim, thing: Thing, scene: Scene, context: Context) -> bool:
    others = context.compared or tuple(scene.names)
    sizes = {scene_thing.size for scene_thing in scene.things if scene_thing.name in others}
    return thing.size == "large" and "small" in sizes


def _same_size(_claim: Claim, scene: Scene, context: Context) -> bool:
    compared = context.compared or tuple(scene.names)
    return len({thing.size for thing in scene.things if thing.name in compared}) == 1


_OF_THING: dict[str, Callable[[Claim, Thing, Scene, Context], bool]] = {
    "colour": lambda claim, thing, _scene, _context: thing.colour == claim.value,
    "size": lambda claim, thing, _scene, _context: thing.size == claim.value,
    "pose": lambda claim, thing, _scene, _context: thing.pose == claim.value,
    "cell": lambda claim, thing, _scene, _context: POSITIONS[thing.cell] == claim.value,
    "count": lambda claim, thing, _scene, _context: str(thing.count) == claim.value,
    "larger": _larger,
}
_OF_SCENE: dict[str, Callable[[Claim, Scene, Context], bool]] = {
    "present": lambda claim, scene, _context: claim.about in scene.names,
    "identity": lambda claim, scene, _context: claim.value in scene.names,
    "sound": lambda claim, _scene, _context: SOUNDS.get(claim.about) == claim.value,
    "use": lambda claim, _scene, _context: USES.get(claim.about) == claim.value,
    "place": lambda claim, scene, _context: scene.place == claim.value,
    "purpose": lambda claim, scene, _context: PURPOSES[scene.place] == claim.value,
    "sign": lambda claim, scene, _c: claim.value in {str(sign.digit) for sign in scene.signs},
    "sum": lambda claim, scene, _c: str(sum(sign.digit for sign in scene.signs)) == claim.value,
    "same": _same_size,
    "count": lambda _claim, _scene, _context: False,
}
