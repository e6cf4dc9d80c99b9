"""Orders that levels are known by: sizes, grades, frequencies, ordinals, and ranges such as 10-20, < 5, 60+."""

from __future__ import annotations

import re
from collections.abc import Collection

# Each scale from its least to its greatest; words set apart by | stand at the same place.
SCALES = tuple(
    tuple(tuple(place.split("|")) for place in scale.split(", "))
    for scale in (
        "xxs, xs|x-small|extra small, s|small, m|medium, l|large, xl|x-large|extra large, xxl|2xl, xxxl|3xl, 4xl",
        "tiny, small, medium|middle|mid, large|big, huge|very large",
        "none|no|zero, very low|lowest, low|minor|mild|light, medium|moderate|mid|normal|average, high|major|severe|strong, "
        "very high|highest|extreme|critical",
        "short, medium, long",
        "young, middle|middle-aged, old|senior",
        "never, rarely|seldom, sometimes|occasionally, often|frequently, usually|mostly, always",
        "strongly disagree, disagree, neutral|neither|undecided, agree, strongly agree",
        "very poor|very bad|terrible, poor|po|bad, fair|fa|below average, average|ta|typical|ok|mediocre, good|gd|above average, "
        "very good, great|premium, excellent|ex|ideal|best",
        "unhappy, neutral, happy",
        "dissatisfied, neutral, satisfied",
        "i3, i2, i1, si2, si1, vs2, vs1, vvs2, vvs1, if, fl",  # clarity of diamonds
        "no, mn, av, gd",  # exposure of basements in the Ames houses
        "unf, lwq, rec, blq, alq, glq",  # finish of basements there
        "unf, rfn, fin",  # of garages
        "sal, sev, maj2, maj1, mod, min2, min1, typ",  # functionality of houses there
        "bronze, silver, gold, platinum, diamond",
        "primary|elementary, secondary|high school, tertiary|university|college, doctorate",
        "preschool, 1st-4th, 5th-6th, 7th-8th, 9th, 10th, 11th, 12th, hs-grad, some-college, assoc-voc, assoc-acdm, bachelors, masters, "
        "prof-school, doctorate",
        "high school, associate, bachelor|bachelors|bachelor's, master|masters|master's, phd|doctorate|doctor",
        "first|1st, second|2nd, third|3rd, fourth|4th, fifth|5th, sixth|6th, seventh|7th, eighth|8th, ninth|9th, tenth|10th",
        "one, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve",
        "junior|entry, mid|intermediate|regular, senior, lead|principal, executive",
        "beginner|novice, intermediate, advanced, expert",
        "basic, standard, premium, enterprise",
        "low, standard, high",
        "cold|cool, mild|warm, hot",
        "slow, medium, fast",
    )
)
LONE_LETTERS = 3  # levels of one letter prove little: S and M could be anything, S, M and L are sizes

NUMBER = r"-?\$?\d[\d,]*(?:\.\d+)?\s?[kKmM%]?"
RANGE = re.compile(
    rf"(?P<below><=?|under|below|up to|less than)?\s*(?P<above>>=?|over|above|more than|at least)?\s*\$?(?P<low>{NUMBER})"
    rf"(?:\s*(?:-|–|to|\.\.)\s*(?P<strict><)?\s*(?P<high>{NUMBER}))?\s*(?P<open>\+|and over|or more|and above|or less|and under)?"
    r"\s*(?P<unit>[A-Za-z€$]*(?:\s[A-Za-z]+)?)",
    re.IGNORECASE,
)


def order_of(levels: Collection[str]) -> tuple[list[str], str] | None:
    """The levels from the least to the greatest and the scale they stand on, if they stand on one.

    >>> order_of(["High", "Low", "Medium"])
    (['Low', 'Medium', 'High'], 'a known scale')
    >>> order_of(["30-39", "<30", "40+"])
    (['<30', '30-39', '40+'], 'ranges of numbers')
    >>> order_of(["red", "green"])
    """
    by_range = _ranges(levels)
    if by_range is not None:
        return by_range, "ranges of numbers"
    words = {level: " ".join(level.lower().replace("_", " ").split()) for level in levels}
    for scale in SCALES:
        place = {word: position for position, words_here in enumerate(scale) for word in words_here}
        positions = [place.get(word) for word in words.values()]
        if None in positions or len(set(positions)) < len(levels):
            continue
        lone = all(len(word) == 1 for word in words.values())
        if len(levels) >= (LONE_LETTERS if lone else 2) and not set(words.values()) <= {"no", "none", "yes"}:
            ordered = sorted(levels, key=lambda level: place[words[level]])
            return ordered, "a known scale"
    return None


def _ranges(levels: Collection[str]) -> list[str] | None:
    """The levels by where their ranges begin, if all are ranges, of one unit and without two alike."""
    begins: dict[str, tuple[float, int]] = {}
    ranges, units = 0, set()
    for level in levels:
        match = RANGE.fullmatch(level.strip())
        if match is None:
            return None
        low, high = _value(match["low"]), match["high"] and _value(match["high"])
        below = bool(match["below"]) or (match["open"] or "").lower() in ("or less", "and under")
        if high is not None and high != "" and not low < float(high):
            return None
        if high or below or match["above"] or match["open"]:
            ranges += 1
        units.add((match["unit"] or "").lower().rstrip("s"))
        begins[level] = (low, -1 if below else (1 if match["above"] or match["open"] else 0))
    enough = len(levels) >= 2 and ranges * 2 >= len(levels) and len(units - {""}) <= 1
    if not enough or len(set(begins.values())) < len(begins):
        return None
    return sorted(levels, key=lambda level: begins[level])


def _value(text: str) -> float:
    digits = re.sub(r"[$,%\s]", "", text)
    factor = {"k": 1e3, "m": 1e6}.get(digits[-1:].lower(), 1.0)
    return float(digits.rstrip("kKmM")) * factor
