"""Numbers, names and lists as people write them."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal, Protocol

_FINEST = 1e-6
"""The least percentage that is written with its zeros."""
_HYPHEN = re.compile(r"(?<![\w.)\]])-(?=\.?\d)")
"""A hyphen that stands for a minus: before a number, and behind no name, number or bracket."""
_BELOW_ZERO_BY_ROUNDING = re.compile(r"(?<![\w.)\]])[-−](?=0*\.?0+(?:e[+-]?\d+)?(?![\w.]))")
"""The sign of a zero that was rounded from a number below it."""
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Refused(Protocol):
    """Something that could not be used: its name, and why."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def reason(self) -> str:
        """Why it could not be used, without a full stop."""


def minus(text: str) -> str:
    """Return a text whose numbers below zero have a minus sign, as those along an axis have.

    Zero has none. It is for words that a person reads; what a program reads keeps its hyphens.

    >>> minus("-0.5 to -.25, conv-3, 1e-04, -0.00")
    '−0.5 to −.25, conv-3, 1e-04, 0.00'
    """
    return _HYPHEN.sub("−", _BELOW_ZERO_BY_ROUNDING.sub("", text))


def percent(share: float) -> str:
    """Return a share of 1 as a percentage of three figures; never "100%" for less than all.

    >>> percent(0.5), percent(0.99999), percent(0.00001), percent(0.0312), percent(-0.0001)
    ('50.0%', '> 99.9%', '< 0.1%', '3.1%', '0.0%')
    """
    if 0.9995 <= share < 1:
        return "> 99.9%"
    if 0 < share < 0.0005:
        return "< 0.1%"
    return f"{share * 100:z.1f}%"


def whole_percent(share: float) -> str:
    """Return a share of 1 as a whole percentage; never 0 for more than none, or 100 for not all.

    >>> [whole_percent(share) for share in (0.5, 0.001, 0.999, 0.0, 1.0)]
    ['50%', '< 1%', '> 99%', '0%', '100%']
    """
    if 0 < share < 0.005:
        return "< 1%"
    return "> 99%" if 0.995 <= share < 1 else f"{share:z.0%}"


def fine_percent(share: float) -> str:
    """Return a share of 1 as a percentage with the digits that tell it from none and from all.

    >>> [fine_percent(share) for share in (0.5, 1.0, 0.999987, 0.0000037, 1e-12)]
    ['50.0%', '100%', '99.9987%', '0.00037%', '1.0 × 10⁻¹⁰%']
    """
    if share in (0.0, 1.0):
        return f"{share * 100:z.0f}%"
    if 0.0005 <= share < 0.9995:
        return percent(share)
    away = 100.0 * min(share, 1.0 - share)
    if away < _FINEST:
        return f"{power_of_ten(away)}%" if share < 0.5 else f"> {100.0 - _FINEST:.6f}%"
    digits = math.ceil(-math.log10(away)) + 1
    return f"{100.0 * share:.{digits}f}%"


def three_digits(share: float) -> str:
    """Return a number from 0 to 1 in three digits; never "1.000" for less, a dash for NaN.

    >>> three_digits(1.0), three_digits(0.99985), three_digits(0.5), three_digits(float("nan"))
    ('1.000', '> 0.999', '0.500', '–')
    """
    if share != share:
        return "–"
    return "> 0.999" if 0.9995 <= share < 1 else minus(f"{share:.3f}")


def count(number: float) -> str:
    """Return a whole number with its thousands apart.

    >>> count(1234567)
    '1,234,567'
    """
    return f"{round(number):,}"


def short(number: float, unit: str = "") -> str:
    """Return a large number in three figures with its decimal prefix.

    >>> short(1_248_424), short(818_925_000, "MAC"), short(12)
    ('1.25 M', '819 MMAC', '12')
    """
    size = float(number)
    for prefix in ("", "k", "M", "G", "T"):
        if abs(size) < 999.5 or prefix == "T":
            break
        size /= 1000
    whole = not prefix and size == int(size)
    digits = 0 if whole or abs(size) >= 99.95 else 1 if abs(size) >= 9.995 else 2
    return minus(f"{size:.{digits}f} {prefix}{unit}".strip())


def spelled(number: float) -> str:
    """Return a number of a million or more in three figures, with the word it is read with.

    >>> spelled(442_368), spelled(324_000_000), spelled(6_750_000_000_000), spelled(999_999_999)
    ('442,368', '324 million', '6.75 trillion', '1 billion')
    """
    words = ("million", "billion", "trillion", "quadrillion", "quintillion")
    if round(number) < 1e6:
        return count(number)
    # Three figures first, so that what rounds up takes the next word.
    figures = float(f"{number:.3g}")
    place = min(int(math.log10(figures) + 1e-9) // 3 - 2, len(words) - 1)
    return f"{figures / 1000.0 ** (place + 2):.3g} {words[place]}"


def file_size(count_of_bytes: int) -> str:
    """Return a file's size in decimal units, as file managers show it.

    >>> file_size(1_483_000)
    '1.48 MB'
    """
    return short(count_of_bytes, "B")


def measured_time(seconds: float) -> str:
    """Return a time that was measured, in two figures or more.

    >>> measured_time(0.0123), measured_time(4.21), measured_time(83.0)
    ('12 ms', '4.2 s', '1 min 23 s')
    """
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def estimated_time(seconds: float) -> str:
    """Return a time that is a guess, no more exact than a guess may be.

    >>> estimated_time(0.2), estimated_time(300), estimated_time(9000)
    ('1 s', '5 min', '2.5 h')
    """
    if seconds < 90.0:
        return f"{max(1, round(seconds))} s"
    minutes = seconds / 60.0
    return f"{minutes:.0f} min" if minutes < 90.0 else f"{minutes / 60.0:.1f} h"


def number(value: float) -> str:
    """Return a number in three digits without an exponent where that is short enough to read.

    >>> number(3.14159), number(4779.6), number(0.00051)
    ('3.14', '4780', '5.1e-04')
    """
    if value == 0.0 or 1e-3 <= abs(value) < 1e5:
        return minus(f"{value:.0f}" if abs(value) >= 100.0 else f"{value:.3g}")
    return minus(f"{value:.1e}")


def power_of_ten(value: float) -> str:
    """Return a number as a power of ten in two figures, so that a column of them compares.

    >>> power_of_ten(0.25), power_of_ten(4.2e-27), power_of_ten(9.96), power_of_ten(0.0)
    ('2.5 × 10⁻¹', '4.2 × 10⁻²⁷', '1.0 × 10¹', '0')
    >>> power_of_ten(3.2)
    '3.2'
    """
    if value == 0.0 or not math.isfinite(value):
        return f"{value:zg}"
    figures, _, exponent = f"{value:.1e}".partition("e")
    figures = minus(figures)
    if not int(exponent):
        return figures
    return f"{figures} × 10{str(int(exponent)).translate(_SUPERSCRIPTS)}"


def dimensions(sizes: Iterable[int]) -> str:
    """Return sizes with a times sign between them.

    >>> dimensions((64, 55, 55))
    '64 x 55 x 55'
    """
    return " x ".join(map(str, sizes))


def once_or_each(settings: Sequence[object], between: str = " x ") -> str:
    """Return a setting once where it is the same along every axis, else that of each.

    >>> once_or_each((2, 2)), once_or_each((1, 2)), once_or_each((1, 2), "x")
    ('2', '1 x 2', '1x2')
    """
    return between.join(map(str, settings[:1] if len(set(settings)) == 1 else settings))


def layer_said(name: str) -> str:
    """Return the name of a layer as a sentence has it: one of digits alone reads as a number.

    >>> layer_said("37"), layer_said("3.1"), layer_said("features.3"), layer_said("4#1")
    ('layer 37', 'layer 3.1', 'features.3', 'layer 4#1')
    """
    return f"layer {name}" if name and not name.strip("0123456789.#") else name


def joined(words: Sequence[str], last: str = "and") -> str:
    """Return words as a list in a sentence.

    >>> joined(["a", "b", "c"])
    'a, b and c'
    """
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def listed(words: Sequence[str], most: int) -> str:
    """Return words as a list in a sentence, those beyond `most` as a count.

    One word more is written out, since "1 more" takes as much room and says less.

    >>> listed(["a", "b", "c"], 2), listed(["a", "b", "c", "d"], 2)
    ('a, b and c', 'a, b and 2 more')
    """
    if len(words) <= most + 1:
        return joined(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more"


def first_few(words: Sequence[object], most: int, end: str = "") -> str:
    """Return the first words, where the sentence around them counts them already.

    What ends the sentence, `end`, is left out behind an ellipsis.

    >>> first_few([3, 17], 2, "."), first_few([3, 17, 20], 2, ".")
    ('3, 17.', '3, 17 …')
    """
    return ", ".join(map(str, words[:most])) + (" …" if len(words) > most else end)


def itemised(clauses: Sequence[str], most: int) -> str:
    """Return clauses, which may hold commas, one after the other, those beyond `most` as a count.

    >>> itemised(["a is 1, not 2", "b is 3, not 4", "c is 5, not 6"], 1)
    'a is 1, not 2; and 2 more'
    """
    more = [f"and {len(clauses) - most} more"] if len(clauses) > most else []
    return "; ".join([*clauses[:most], *more])


def reasons(refused: Sequence[Refused], most: int) -> str:
    """Return what was refused, each with its reason, those beyond `most` as a count."""
    return itemised([f"{entry.name}: {entry.reason}" for entry in refused], most)


def shortened(name: str, most: int, cut: Literal["start", "middle", "end"] = "middle") -> str:
    """Return a name of at most `most` letters, or one, with a part left out where it has more.

    >>> [shortened("abcdefghij", 5, cut) for cut in ("start", "middle", "end")]
    ['…ghij', 'ab…ij', 'abcd…']
    >>> shortened("abcdefghij", -2)
    '…'
    """
    if len(name) <= most:
        return name
    most = max(most, 1)  # where other words have taken all room
    begin = {"start": 0, "middle": most // 2, "end": most - 1}[cut]
    return f"{name[:begin]}…{name[len(name) - (most - 1 - begin) :]}"


def shortened_apart(names: Sequence[str], most: int) -> list[str]:
    """Return names of at most `most` letters, cut where those that differ still do if possible.

    >>> shortened_apart(["long/a/1.jpg", "long/b/1.jpg"], 8)
    ['…a/1.jpg', '…b/1.jpg']
    """
    apart = len(set(names))
    cuts: tuple[Literal["middle", "start", "end"], ...] = ("middle", "start", "end")
    tried = [[shortened(name, most, cut) for name in names] for cut in cuts]
    return max(tried, key=lambda found: min(len(set(found)), apart))


def kind_of(value: object, *, begins: bool = False) -> str:
    """Return what a value is, with its article; with a capital where it begins a sentence.

    >>> kind_of(3), kind_of("a"), kind_of(3.0, begins=True)
    ('an int', 'a str', 'A float')
    """
    name = type(value).__name__
    vowel = name.lower().startswith(("a", "e", "i", "o", "up"))
    article = "an" if vowel else "a"
    return f"{article.capitalize() if begins else article} {name}"


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun.

    >>> plural(1, "image"), plural(3, "class", "classes")
    ('1 image', '3 classes')
    """
    return f"{count(number)} {noun if number == 1 else nouns or noun + 's'}"


def there_are(number: int, noun: str, nouns: str = "") -> str:
    """Return how many there are, as a sentence begins.

    >>> there_are(1, "mask"), there_are(3, "class name")
    ('There is 1 mask', 'There are 3 class names')
    """
    return f"There {'is' if number == 1 else 'are'} {plural(number, noun, nouns)}"


def shown_of(shown: int, count: int, noun: str) -> str:
    """Return how many of several are shown, in words.

    >>> shown_of(3, 3, "channel"), shown_of(2, 3, "channel"), shown_of(1, 1, "channel")
    ('all 3 channels', '2 of 3 channels', 'the one channel')
    """
    if shown < count:
        return f"{shown} of {count} {noun}s"
    return f"the one {noun}" if count == 1 else f"all {count} {noun}s"
