"""Skills of the text half: each draws one question with its answer."""

# ruff: noqa: PLR2004 - shares and counts are read best where they are drawn

from __future__ import annotations

from typing import TYPE_CHECKING

from composer.fit.zoo.lexicon import COLOURS, NAMES, NOUNS, VERBS, made_up, several, word
from composer.fit.zoo.maths import Draw

if TYPE_CHECKING:
    from random import Random


def reverse(rng: Random) -> Draw:
    """A word spelt backwards."""
    source = word(rng)
    forms = ("Reverse the word {}.", "Spell {} backwards.", "What is {} backwards?")
    return Draw(source, rng.choice(forms).format(source), source[::-1])


def letters(rng: Random) -> Draw:
    """The letters of a word in alphabetical order."""
    source = word(rng)
    forms = ("Sort the letters of {}.", "Put the letters of {} in order.", "Sorted letters of {}?")
    return Draw(source, rng.choice(forms).format(source), "".join(sorted(source)))


def order(rng: Random) -> Draw:
    """Three words in alphabetical order."""
    words = several(rng, 3)
    forms = ("Sort the words {}.", "Put in order: {}.", "Order alphabetically: {}.")
    query = rng.choice(forms).format(", ".join(words))
    return Draw(" ".join(words), query, ", ".join(sorted(words)))


def count(rng: Random) -> Draw:
    """How often a letter occurs in a few letters or a word."""
    if rng.random() < 0.5:
        letter = rng.choice("abcdefghijklmnoprstuvw")
        some = letter + rng.choice("aeiost")
        source = "".join(rng.choice(some) for _ in range(rng.randint(3, 6)))
    else:
        source = word(rng)
        letter = rng.choice(source + rng.choice("aeiorst"))
    forms = (
        "How many times is {} in {}?",
        "Count the letter {} in {}.",
        "How often does {} occur in {}?",
    )
    query = rng.choice(forms).format(letter, source)
    return Draw(f"{letter} {source}", query, str(source.count(letter)))


def lookup(rng: Random) -> Draw:
    """A value from a short table in the question."""
    size = rng.choice((2, 3, 3))
    keys = rng.sample(NAMES, size) if rng.random() < 0.6 else several(rng, size)
    values = (
        rng.sample(COLOURS, size) if rng.random() < 0.5 else [str(rng.randint(2, 99)) for _ in keys]
    )
    at = rng.randrange(size)
    table = ", ".join(f"{key} is {value}" for key, value in zip(keys, values, strict=True))
    forms = ("{}. What is {}?", "Given {}, look up {}.", "If {}, then what is {}?")
    return Draw(f"{table}; {keys[at]}", rng.choice(forms).format(table, keys[at]), values[at])


def plural(rng: Random) -> Draw:
    """The regular plural of a real or made-up noun."""
    ends = ("y", "ay", "oy") if rng.random() < 0.25 else ("sh", "ch", "ss", "x", "k", "t", "g", "n")
    noun = rng.choice(NOUNS) if rng.random() < 0.4 else _spelt(made_up(rng, ends))
    forms = ("What is the plural of {}?", "Make {} plural.", "One {}, two what?", "Plural of {}?")
    return Draw(noun, rng.choice(forms).format(noun), pluralise(noun))


def pluralise(noun: str) -> str:
    """The regular plural, by spelling alone."""
    if noun == "wolf":
        return "wolves"
    if noun.endswith(("s", "x", "ch", "sh")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def past(rng: Random) -> Draw:
    """The regular past tense of a real or made-up verb."""
    ends = ("y", "ke", "te", "ve", "ay") if rng.random() < 0.5 else ("sh", "ck", "p", "rt", "g")
    verb = rng.choice(VERBS) if rng.random() < 0.4 else _spelt(made_up(rng, ends))
    forms = (
        "What is the past tense of {}?",
        "Put {} in the past tense.",
        "Today I {}, yesterday I what?",
    )
    return Draw(verb, rng.choice(forms).format(verb), in_past(verb))


def in_past(verb: str) -> str:
    """The regular past tense, by spelling alone; short verbs double their last letter."""
    if verb.endswith("e"):
        return verb + "d"
    if verb.endswith("y") and verb[-2] not in "aeiou":
        return verb[:-1] + "ied"
    vowels = sum(letter in "aeiou" for letter in verb)
    closed = len(verb) > 2 and verb[-2] in "aeiou" and verb[-1] not in "aeiouwxy"
    return verb + verb[-1] + "ed" if vowels == 1 and closed else verb + "ed"


def logic(rng: Random) -> Draw:
    """Who is tallest of three, or whether a statement of and, or, not holds."""
    return _taller(rng) if rng.random() < 0.5 else _truth(rng)


def _taller(rng: Random) -> Draw:
    a, b, c = rng.sample(NAMES, 3)
    facts = [f"{a} is taller than {b}", f"{b} is taller than {c}"]
    rng.shuffle(facts)
    superlative, who = rng.choice((("tallest", a), ("shortest", c)))
    statement = ". ".join(facts)
    return Draw(f"{statement} {superlative}", f"{statement}. Who is {superlative}?", who)


def _truth(rng: Random) -> Draw:
    terms = [(rng.random() < 0.5, rng.random() < 0.35) for _ in range(rng.choice((2, 3, 3)))]
    value: bool | None = None
    formula = ""
    for holds, negated in terms:
        term = holds != negated
        joint = rng.choice(("and", "or"))
        formula += f" {joint}" if formula else ""
        formula += " not" * negated + f" {str(holds).lower()}"
        value = term if value is None else (value and term if joint == "and" else value or term)
    expression = formula.strip()
    forms = ("From left to right: {}?", "Going left to right, is it true that {}?")
    return Draw(expression, rng.choice(forms).format(expression), "yes" if value else "no")


def edge(rng: Random) -> Draw:
    """The first or last of a few words."""
    words = several(rng, rng.randint(3, 6))
    which = rng.choice(("first", "last"))
    forms = ("What is the {} word of: {}?", "Give the {} word: {}.", "The {} word in {}?")
    listed = " ".join(words)
    return Draw(
        f"{which} {listed}",
        rng.choice(forms).format(which, listed),
        words[0 if which == "first" else -1],
    )


def _spelt(made: str) -> str:
    return made.replace("iy", "oy").replace("uy", "ay").replace("ey", "ay")
