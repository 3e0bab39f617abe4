"""Words that questions are made of: real ones, and made-up ones that follow English spelling."""

# ruff: noqa: PLR2004, SIM905 - shares and counts are read best where they are drawn

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

NOUNS = tuple(
    "apple bag ball band bank bat beach bell bench bird boat book bottle box boy branch bread "
    "brick bridge brush bus bush button cake camp candle car cart cat chair church city class "
    "clock cloud coat coin corn cow cup day desk dish dog door dress drum duck egg farm fence "
    "field fig fish flag fly fork fox frog game garden gate girl glass glove goat grape hand "
    "hat hen hill horse house inch island jar key king kite lake lamp leg lemon letter lion "
    "lunch map match mile mirror moon mug nail nest nose nut ocean owl page park party pass "
    "path peach pear pen pig pipe plan plate pond pony pot queen rat ring river road robe rock "
    "roof room rope rose sack sail seat shed ship shoe shop skirt sock song spoon star stone "
    "story stove sun table tax tent tie tiger toy train tray tree truck valley van wagon wall "
    "watch wave well window witch wolf word yard zebra".split()
)
VERBS = tuple(
    "add ask bake bark beg bless boil call carry chase clap clean climb close cook copy count "
    "cover cry dance drop dry dust enjoy fail fill fix fold grab grin guess hand hate help hop "
    "hope hug jog join joke jump kick kiss knock laugh learn like lift listen look love marry "
    "mend milk miss mix move nod open pack paint park pat pick plan plant play point pour press "
    "pull push rain rest rob roll rub rush sail save shop shout skip slip smile start stay step "
    "stop study talk taste tie touch trade trap tray trip try tug turn use visit wait walk want "
    "wash watch wave wink wipe wish work worry yell zip".split()
)
NAMES = tuple("Ann Ben Cara Dan Eve Fred Gina Hal Ida Joe Kim Leo Mia Ned Olga Pam".split())
COLOURS = tuple("red blue green black white pink gold grey".split())
ONSETS = tuple("b c d f g h j k l m n p r s t v w z bl br ch cl dr fl gr pl sh st th tr".split())
VOWELS = tuple("a e i o u".split())
CODAS = tuple("b ck d g k l m n nd nk p r rn rt sh ss st t x ch".split())
RUDE = tuple(
    "anal ass bich coc cok cum dic dik fag fart fuc fuk fux gay homo jap kik kok nig pis porn puss "
    "rap sex shat shit tit vag whor".split()
)


def made_up(rng: Random, endings: tuple[str, ...] = CODAS) -> str:
    """A word of one or two syllables that is spelt like English and may mean nothing."""
    while True:
        start = rng.choice(ONSETS) + rng.choice(VOWELS)
        middle = rng.choice("bdlmnprt") + rng.choice(VOWELS) if rng.random() < 0.3 else ""
        invented = start + middle + rng.choice(endings)
        if not any(part in invented for part in RUDE):
            return invented


def word(rng: Random) -> str:
    """A real noun or verb, or a made-up word, of at most six letters."""
    while True:
        kind = rng.random()
        candidate = made_up(rng) if kind < 0.6 else rng.choice(NOUNS if kind < 0.85 else VERBS)
        if len(candidate) <= 6:
            return candidate


def several(rng: Random, count: int) -> list[str]:
    """Distinct words."""
    drawn: list[str] = []
    while len(drawn) < count:
        new = word(rng)
        if new not in drawn:
            drawn.append(new)
    return drawn
