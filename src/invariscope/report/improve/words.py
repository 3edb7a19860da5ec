"""The words that the text and the page of an improvement share."""

from collections.abc import Sequence

from invariscope.gate.verdict import CellFinding, RuleFinding
from invariscope.improving.improvement import Improvement
from invariscope.improving.policy import OFTEN, Ingredient
from invariscope.report.kit.words import counted, listed, signed
from invariscope.statistics.non_inferiority import NonInferiority

_SHOWN = 6


def lead(found: Improvement) -> str:
    """How it ended, in a sentence or two."""
    told, many = found.accuracy, len(found.before.rules)
    every = "The rule holds" if many == 1 else f"All {counted(many, 'rule')} hold"
    if told is None or found.after is None:
        return f"{every} already, so nothing was tuned."
    failed = sum(rule.outcome != "held" for rule in found.before.rules)
    holds = sum(rule.outcome == "held" for rule in found.after.rules)
    start = f"{failed} of {counted(many, 'rule')} did not hold before"
    if many == 1:
        start = "The rule did not hold before"
    now = f"{every.replace('All', 'all').replace('The rule', 'it')} now"
    end = now if holds == many else "it does not now either" if many == 1 else f"{holds} hold now"
    return f"{start}; {end}. {accuracy_words(told)}"


def accuracy_words(told: NonInferiority) -> str:
    """What became of the accuracy, with what was asked."""
    points = signed(100 * told.difference, 2)
    end = signed(100 * told.low, 2)
    kept = {
        "kept": f"so it was kept within {told.points}",
        "lost": f"so more than {told.points} was lost",
        "undecided": f"so these images do not show that it was kept within {told.points}",
    }[told.outcome]
    if told.outcome == "lost":
        end = f"at most {signed(100 * told.high, 2)}"
    else:
        end = f"at least {end}"
    return (
        f"Accuracy {100 * told.before:.2f} % before, {100 * told.after:.2f} % after: {points} "
        f"points, {end} (one-sided 95 %), {kept}."
    )


def last_cells(rule: RuleFinding) -> list[CellFinding]:
    """The cells of a rule in the order of its levels."""
    return sorted(rule.cells, key=lambda cell: (cell.layer, cell.class_name or "", cell.level))


def place(cell: CellFinding) -> tuple[str, str, str | None]:
    """What finds a cell again in the other check."""
    return cell.cell, cell.layer, cell.class_name


def why(found: Improvement, one: Ingredient, names: Sequence[str]) -> str:
    """Why a family is in the augmentation, and how often it is done, in words."""
    often = [name for name, chance in zip(names, one.chances, strict=True) if chance == OFTEN]
    many, all_of_them = len(often), len(names)
    if many == 0:
        return "every class keeps to it by itself, so 2 in 5 images are changed"
    if many == all_of_them:
        return "no class keeps to it yet, so 4 in 5 images are changed"
    some = listed(often) if many <= _SHOWN else f"{many} of {all_of_them} classes"
    yet = f"{some} {'does' if many == 1 else 'do'} not keep to it yet"
    return f"{yet}, so 4 in 5 of their images are changed, and 2 in 5 of the others"


def of_data(found: Improvement, one: Ingredient) -> str:
    """What the search for factors says of the family, or ""."""
    own = [finding for finding in found.data if finding.family == one.transformation.name]
    if not own:
        return ""
    warning = "; by the data alone it would rather hurt" if own[0].advice == "would hurt" else ""
    return f"{own[0].reason}{warning}"


def class_names(found: Improvement) -> list[str]:
    """The names of the classes, in the order of the chances."""
    known = list(dict.fromkeys(one.class_name for one in found.classes))
    count = len(found.ingredients[0].chances) if found.ingredients else len(known)
    return known if len(known) == count else [str(k) for k in range(count)]


def tuning_words(found: Improvement) -> str:
    """What the tuning was."""
    own = found.settings
    return (
        f"{own['epochs']:g} epochs over {own['tuned_on']:,} images, {own['iterations']:,} steps of "
        f"{own['tuning_batch']}, Adam from {own['learning_rate']:g} down to 0, seed {own['seed']}"
    )
