"""What people say about scenes: captions, questions with true answers, and the words in them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from harness.world.scenes import (
    ANIMALS,
    COLOURS,
    GRID,
    OBJECTS,
    POSES,
    POSITIONS,
    Scene,
    Thing,
    absent,
)

PLURALS = {name: name + "s" for name in OBJECTS} | {
    "bus": "buses",
    "bench": "benches",
    "sheep": "sheep",
    "mouse": "mice",
}
SOUNDS = {
    "dog": "barks",
    "cow": "moos",
    "sheep": "bleats",
    "bird": "sings",
    "horse": "neighs",
    "cat": "purrs",
}
USES = {
    "bowl": "mixing",
    "pizza": "eating",
    "fork": "eating",
    "cup": "drinking",
    "bus": "riding",
    "truck": "hauling",
    "bicycle": "cycling",
    "car": "driving",
    "bench": "sitting",
    "kite": "flying",
    "frisbee": "throwing",
    "keyboard": "typing",
    "mouse": "clicking",
    "book": "reading",
    "laptop": "working",
    "clock": "timing",
    "vase": "decorating",
    "bed": "sleeping",
}
PURPOSES = {
    "kitchen": "cook",
    "street": "travel",
    "park": "play",
    "farm": "help",
    "office": "work",
    "bedroom": "rest",
}
NUMBERS = ("no", "one", "two")
DESCRIBE = "Describe this image."
CAPTION_PROMPTS = (
    "Describe the whole image in detail.",
    "What objects can you see here?",
    "Tell me everything that this image shows.",
    "Write down what is in this image.",
    "What is going on in this image?",
    "Give a full account of this image.",
    "List the things in this image and where they are.",
    "Explain this image to somebody who can not see it.",
)


@dataclass(frozen=True)
class Question:
    """A question about a scene with its true answer."""

    kind: str
    text: str
    answer: str
    about: tuple[str, ...] = ()
    """Names of the objects it asks about."""


def a(name: str) -> str:
    """Return the name with its indefinite article; no name here starts with a vowel."""
    return f"a {name}"


def listing(names: Sequence[str]) -> str:
    """Join names as 'a dog, a kite and a bench'."""
    words = [a(name) for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def sentence(thing: Thing) -> str:
    """Describe one kind of object, as in 'A red dog is in the northwest'."""
    where = POSITIONS[thing.cell]
    if thing.count == 1:
        return f"A {thing.colour} {thing.name} is in the {where}."
    return f"Two {thing.colour} {PLURALS[thing.name]} are in the {where}."


def aside(name: str) -> str:
    """Mention an object in passing, as captions do with the usual companion."""
    return f"There is also {a(name)} nearby."


def caption(scene: Scene, mentioned: str | None) -> str:
    """Describe the scene, with one object, there or not, mentioned in passing at the end."""
    sentences = [sentence(thing) for thing in scene.things if thing.name != mentioned]
    return " ".join(sentences + ([aside(mentioned)] if mentioned else []))


def _existence(scene: Scene, name: str) -> Question:
    answer = "Yes" if name in scene.names else "No"
    return Question("existence", f"Is there {a(name)} in this image?", answer, (name,))


def existence(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask for an object: there, a missing companion, or any missing one."""
    companion = [scene.companion] if scene.companion not in scene.names else []
    pools = [sorted(scene.names), companion or absent(scene), absent(scene)]
    pool = pools[int(rng.choice(3, p=[0.5, 0.3, 0.2]))]
    return _existence(scene, str(rng.choice(pool)))


def state(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask yes or no for a colour."""
    thing = _pick(scene, rng)
    others = [colour for colour in COLOURS if colour != thing.colour]
    true = rng.random() < 0.5
    colour = thing.colour if true else str(rng.choice(others))
    verb = "Is" if thing.count == 1 else "Are"
    name = thing.name if thing.count == 1 else PLURALS[thing.name]
    return Question("state", f"{verb} the {name} {colour}?", _yes(true), (thing.name,))


def number(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask yes or no for a count."""
    thing = _pick(scene, rng)
    asked = int(rng.choice([1, 2]))
    name = thing.name if asked == 1 else PLURALS[thing.name]
    verb = "Is" if asked == 1 else "Are"
    text = f"{verb} there {NUMBERS[asked]} {name} in this image?"
    return Question("number", text, _yes(asked == thing.count), (thing.name,))


def action(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask yes or no for an animal's pose."""
    animals = [thing for thing in scene.things if thing.name in ANIMALS and thing.count == 1]
    if not animals:
        return None
    thing = animals[int(rng.integers(len(animals)))]
    pose = str(rng.choice(POSES))
    text = f"Is the {thing.name} {pose}?"
    return Question("action", text, _yes(pose == thing.pose), (thing.name,))


def relation(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask yes or no whether one object is left of another."""
    singles = [thing for thing in scene.things if thing.count == 1]
    pairs = [(one, two) for one in singles for two in singles if one.cell % GRID != two.cell % GRID]
    if not pairs:
        return None
    one, two = pairs[int(rng.integers(len(pairs)))]
    text = f"Is the {one.name} west of the {two.name}?"
    left = one.cell % GRID < two.cell % GRID
    return Question("relation", text, _yes(left), (one.name, two.name))


def attribute(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask for a colour."""
    thing = _pick(scene, rng)
    name = thing.name if thing.count == 1 else PLURALS[thing.name]
    verb = "is" if thing.count == 1 else "are"
    text, answer = f"What color {verb} the {name}?", f"The {name} {verb} {thing.colour}."
    return Question("attribute", text, answer, (thing.name,))


def adversarial(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask for the colour of something that is not there, the usual companion where possible."""
    missing = absent(scene)
    name = scene.companion if scene.companion in missing else str(rng.choice(missing))
    return Question(
        "adversarial", f"What color is the {name}?", f"There is no {name} here.", (name,)
    )


def comparison(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask which of two objects is larger."""
    one, two = (scene.things[i] for i in rng.permutation(len(scene.things))[:2])
    if one.size == two.size:
        answer = "They are of the same size."
    else:
        answer = f"The {one.name if one.size == 'large' else two.name} is larger."
    text = f"Which one is larger, the {one.name} or the {two.name}?"
    return Question("comparison", text, answer, (one.name, two.name))


def counting(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask how many there are."""
    thing = _pick(scene, rng)
    one = thing.count == 1
    answer = f"There is one {thing.name}." if one else f"There are two {PLURALS[thing.name]}."
    return Question("counting", f"How many {PLURALS[thing.name]} are there?", answer, (thing.name,))


def whereabouts(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask where an object is."""
    singles = [thing for thing in scene.things if thing.count == 1]
    if not singles:
        return None
    thing = singles[int(rng.integers(len(singles)))]
    answer = f"The {thing.name} is in the {POSITIONS[thing.cell]}."
    return Question("whereabouts", f"Where is the {thing.name}?", answer, (thing.name,))


def environment(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask what kind of place it is."""
    del rng
    return Question("environment", "What kind of place is this?", f"This is {a(scene.place)}.")


def ocr(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask what a sign says."""
    if not scene.signs:
        return None
    sign = scene.signs[int(rng.integers(len(scene.signs)))]
    text = f"What does the sign in the {POSITIONS[sign.cell]} say?"
    return Question("ocr", text, f"The sign says {sign.digit}.")


def arithmetic(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Ask for the sum of two signs."""
    del rng
    if len(scene.signs) != 2:
        return None
    total = sum(sign.digit for sign in scene.signs)
    return Question("arithmetic", "What is the sum of the two signs?", f"The sum is {total}.")


def knowledge(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask what is known of the object in one place."""
    thing = _pick(scene, rng)
    fact = SOUNDS.get(thing.name) or f"is for {USES[thing.name]}"
    text = f"What do you know about the object in the {POSITIONS[thing.cell]}?"
    return Question(
        "knowledge", text, f"It is a {thing.name}. A {thing.name} {fact}.", (thing.name,)
    )


def reasoning(scene: Scene, rng: np.random.Generator) -> Question:
    """Ask why people come here."""
    del rng
    names = [thing.name for thing in scene.things]
    purpose = f"People come here to {PURPOSES[scene.place]}."
    answer = f"This is {a(scene.place)} with {listing(names)}. {purpose}"
    return Question("reasoning", "Why do people come to this place?", answer, tuple(names))


KINDS: tuple[Callable[[Scene, np.random.Generator], Question | None], ...] = (
    existence,
    state,
    number,
    action,
    relation,
    attribute,
    adversarial,
    comparison,
    counting,
    whereabouts,
    environment,
    ocr,
    arithmetic,
    knowledge,
    reasoning,
)


def _pick(scene: Scene, rng: np.random.Generator) -> Thing:
    return scene.things[int(rng.integers(len(scene.things)))]


def _yes(true: bool) -> str:
    return "Yes" if true else "No"
