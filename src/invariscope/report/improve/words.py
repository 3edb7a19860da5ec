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
    rules = counted(len(found.before.rules), "rule")
    told = found.accuracy
    if told is None or found.after is None:
        return (
            f"{_all(rules)} {'held' if found.before.outcome == 'held' else ''} already".replace(
                "  ", " "
            )
            + ": nothing was tuned."
        )
    failed = sum(rule.outcome != "held" for rule in found.before.rules)
    holds = sum(rule.outcome == "held" for rule in found.after.rules)
    start = f"{failed} of {rules} did not hold before, {holds} of {len(found.after.rules)} hold now"
    return f"{start}. {accuracy_words(told)}"


def _all(rules: str) -> str:
    return "The rule" if rules == "1 rule" else f"All {rules}"


def accuracy_words(told: NonInferiority) -> str:
    """What became of the accuracy, with what was asked."""
    points = signed(100 * told.difference, 2)
    end = signed(100 * told.low, 2)
    margin = f"{100 * told.margin:g} point" + ("" if told.margin == 0.01 else "s")
    kept = {
        "kept": f"so at most {margin} is lost",
        "lost": f"so more than {margin} is lost",
        "undecided": f"so these images do not show whether at most {margin} is lost",
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


def why(found: Improvement, one: Ingredient, names: Sequence[str]) -> str:
    """Why a family is in the augmentation, and how often it is done, in words."""
    often = [name for name, chance in zip(names, one.chances, strict=True) if chance == OFTEN]
    many, all_of_them = len(often), len(names)
    if many == all_of_them:
        said = "no class keeps to it yet: 4 in 5 images"
    elif many == 0:
        said = "every class keeps to it by itself: 2 in 5 images"
    else:
        some = listed(often) if many <= _SHOWN else f"{many} of {all_of_them} classes"
        said = (
            f"4 in 5 images of {some}, which {_do(many)} not keep to it yet; 2 in 5 of the others"
        )
    return said


def _do(count: int) -> str:
    return "does" if count == 1 else "do"


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
