"""What the paper's ranking says (eq. 2), in sentences.

What is on top of a hundred operations is above zero by luck as well, so the verdict rests on what
holds out: the operation is chosen on one half of a class's pairs and judged on the other.

| lead | when |
|---|---|
| a matter of the class | held out, the classes' own best raise similarity, by more than the one |
| | operation that is best for all |
| one for all | the best for all raises it, and the classes' own best are not shown to do more |
| own, but not more | the classes' own best raise it, the best for all is not shown to |
| nothing | neither is shown to; or no operation raises it at all |

"Shown" means that the 95 % interval over classes lies above 0.
"""

import math
from collections.abc import Mapping
from typing import Any

from invariscope.report.kit.words import (
    capitalised,
    counted,
    listed,
    number,
    percent,
    share_interval,
)
from invariscope.report.search.facts import Facts
from invariscope.report.search.words import change_interval, change_text
from invariscope.search.ranks import BY
from invariscope.search.table import OVERALL
from invariscope.transformations import IDENTITY

_NAMED = 3
_MANY_NEGATIVE = 0.05


def lead(facts: Facts) -> str:
    """The sentence that counts most."""
    ranks, best = facts.ranks, facts.top_overall
    if facts.overall[BY[0]].isna().all():
        return "No operation has a defined change, so nothing can be said."
    if len(facts.classes) == 1:
        return _single(facts)
    if best is None:
        return "No operation changes what the model sees, on average over the classes."
    words = facts.words(str(best["operation"]))
    all_text = change_interval(best["change"], best["change_low"], best["change_high"])
    own = ranks.per_class_held_out
    own_text = change_interval(own.value, own.low, own.high)
    if own.low > 0 and facts.paired[1] > 0:
        return (
            "What varies is a matter of the class: the operation that suits a class brings two of"
            f" its images closer by {own_text}, on pairs that did not choose it, while the best"
            f" single operation for all, {words}, changes them by {all_text}."
        )
    if best["change_low"] > 0:
        return (
            f"One operation explains variation in the classes as a whole: {words} brings two images"
            f" of a class closer by {all_text}. Choosing for each class is not shown to do more:"
            f" {own_text}, on pairs that did not choose."
        )
    if own.low > 0:
        return (
            "The operation that suits a class brings two of its images closer by"
            f" {own_text}, on pairs that did not choose it. That is not shown to be more than the"
            f" best single operation for all does: {words}, {all_text}."
        )
    return _nothing(
        facts, best, f"Each class’s own best, on pairs that did not choose it: {own_text}."
    )


def _nothing(facts: Facts, best: Mapping[str, Any], own: str) -> str:
    """The lead where nothing is shown."""
    words, count = facts.words(str(best["operation"])), len(facts.overall)
    change = change_interval(best["change"], best["change_low"], best["change_high"])
    if best["change"] <= 0:
        brings = (
            f"none of the {count:,} operations brings" if count > 1 else f"{words} does not bring"
        )
        return f"On average over the classes {brings} images of a class closer. {own}"
    if count == 1:
        return (
            f"{capitalised(words)} is not shown to explain what sets images of a class apart:"
            f" {change} on average over the classes."
        )
    return (
        f"On average over the classes, none of the {count:,} operations is shown to explain what"
        f" sets images of a class apart. The best for all is {words}: {change}. {own}"
    )


def findings(facts: Facts) -> list[str]:
    """The other sentences, most important first."""
    sentences = [_everywhere(facts), _in_sample(facts), _kinds(facts), _geometric(facts)]
    sentences += [_cells(facts), _negative(facts), controls(facts)]
    return [text for text in sentences if text]


def _single(facts: Facts) -> str:
    name = facts.classes[0]
    top = facts.top_of[name]
    if top["kind"] == IDENTITY:
        return f"No operation brings images of the only class, {name}, closer on average."
    held = change_text(float(top["held_out"]))
    low, high = float(top["change_low"]), float(top["change_high"])
    sure = "" if low > 0 else " The interval includes 0."
    return (
        f"In the only class, {name}, {facts.words(str(top['operation']))} brings two images closer"
        f" by {change_interval(float(top['value']), low, high)}, and by {held} on pairs that did"
        f" not choose it.{sure}"
    )


def _everywhere(facts: Facts) -> str:
    if len(facts.classes) == 1:
        return ""
    names = facts.ranks.above_zero_everywhere
    names = [name for name in names if facts.entries[name]["kind"] != IDENTITY]
    if not names:
        return "No operation brings images closer in every class."
    shown = [facts.words(name) for name in names[:_NAMED]]
    more = f" and {counted(len(names) - _NAMED, 'other')}" if len(names) > _NAMED else ""
    verb = "brings" if len(names) == 1 else "bring"
    return f"In every class, {listed(shown)}{more} {verb} images closer on average."


def _in_sample(facts: Facts) -> str:
    ranks, tried = facts.ranks, len(facts.overall)
    if len(facts.classes) == 1 or not math.isfinite(ranks.above_zero_held_out.value) or tried < 2:
        return ""
    best = f"all {tried}" if ranks.best == tried else f"a class’s {ranks.best} best"
    inside, outside = ranks.above_zero, ranks.above_zero_held_out
    return (
        f"The best operation of a class is above zero in {percent(inside.value)} of the classes;"
        f" the best of {tried:,} is so by luck, too. On the pairs that did not choose it"
        f" {percent(outside.value)} remain, and of {best} operations"
        f" {number(ranks.raising_held_out.value, 1)} still raise the similarity"
        f" ({number(ranks.raising.value, 1)} before)."
    )


def _kinds(facts: Facts) -> str:
    shares = facts.shares
    tops, low, high, pool = (shares["appearance"][key] for key in ("tops", "low", "high", "pool"))
    if len(facts.classes) == 1 or not 0 < pool < 1 or not math.isfinite(tops):
        return ""
    if low > pool:
        verdict = "more than their share"
    elif high < pool:
        verdict = "less than their share"
    else:
        verdict = "not told apart from their share"
    others = ", ".join(
        f"{kind} {percent(shares[kind]['tops'])} (pool {percent(shares[kind]['pool'])})"
        for kind in ("geometric", "mixed")
        if shares[kind]["pool"] > 0
    )
    return (
        "Changes of appearance are on top in"
        f" {share_interval(tops, low, high)} of the classes, {verdict} of the"
        f" operations tried, {percent(pool)}; {others}."
    )


def _geometric(facts: Facts) -> str:
    on_top = facts.ranks.identity_on_top
    if len(facts.classes) == 1 or not (facts.overall["kind"] == "geometric").any():
        return ""
    if on_top.value == 0:
        return (
            "In every class some geometric operation does better than leaving the image as it is,"
            " on the pairs that chose it."
        )
    return (
        f"In {percent(on_top.value)} of the classes no geometric operation on its own does better"
        " than leaving the image as it is."
    )


def _cells(facts: Facts) -> str:
    up, down, every = facts.significant
    if not every:
        return ""
    text = (
        f"Of {every:,} combinations of class and operation, {up:,} bring images closer and {down:,}"
        " take them apart, at a false discovery rate of 5\u00a0%."
    )
    names = facts.raised
    if len(facts.classes) == 1 or not names:
        return text
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED + 1 else ""
    shown = names[:_NAMED] if more else names
    return (
        f"{text} The former are in {len(names):,} of the {len(facts.classes):,} classes:"
        f" {', '.join(shown) + more if more else listed(shown)}."
    )


def _negative(facts: Facts) -> str:
    """Warns where many pairs have a negative similarity, since relative changes then mislead."""
    rows = facts.factors.frame[facts.factors.frame["class"] == OVERALL]
    share = float(rows["n_negative"].max()) / max(float(rows["n"].max()), 1.0)
    if share < _MANY_NEGATIVE:
        return ""
    return (
        f"In {percent(share)} of the pairs the two images have a similarity below 0, where a"
        " relative change has the opposite sign: rely on the share of boosted pairs and on q."
    )


def controls(facts: Facts) -> str:
    """Says what the operations that change nothing have done."""
    count, largest = facts.ranks.nulls, facts.ranks.null
    controls = counted(count, "operation that changes nothing", "operations that change nothing")
    if largest == 0:
        return f"Null controls: {controls} changed the similarity by exactly 0, as they must."
    return (
        f"Null controls: {controls} changed the similarity by up to {largest:.2g}; they should not"
        " at all, so differences of that size mean nothing."
    )
