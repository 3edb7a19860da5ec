"""Says what the seeds of a preset can tell: the smallest effect that they find in 80 % of cases.

Effects are in units of the spread (standard deviation) of the compared number over seeds, which no
one knows before the run; `statistics/power.py` has the computation. It is that of a claim with one
part; a claim of several parts takes more.
"""

from collections.abc import Mapping, Sequence

from invariscope.statistics.group_sequential import LookPlan
from invariscope.statistics.power import detectable, detectable_by
from invariscope.studies.claims.record import SMOKE
from invariscope.studies.lab.study import Study


def power_of_preset(study: Study, preset: str) -> str:
    """Says in words what a preset's seeds can tell.

    Example:
        >>> presets = {"smoke": {"seeds": (0,)}, "laptop": {"seeds": (0, 1, 2)}, "paper": {}}
        >>> toy = Study("toy", "", "", "", {}, presets, lambda lab, settings: None)
        >>> power_of_preset(toy, "smoke")
        'gives no verdict'
        >>> power_of_preset(toy, "laptop")
        '3 seeds tell an effect of 3.3 spreads'
        >>> power_of_preset(toy, "paper")
        'no training seeds, intervals are over images'
    """
    if preset == SMOKE:
        return "gives no verdict"
    return power_of_seeds(study.seeds_of(study.presets[preset]))


def power_of_seeds(seeds: Mapping[str, Sequence[int]], plan: LookPlan | None = None) -> str:
    """Says in words what seeds can tell, all at once or at the looks of a plan."""
    if not seeds:
        return "no training seeds, intervals are over images"
    if plan is not None:
        most, effect = plan.looks[-1], detectable_by(plan)
        return (
            f"up to {most} seeds at {len(plan.looks)} looks tell an effect of {effect:.2g} spreads"
        )
    fewest = min(len(own) for own in seeds.values())
    if fewest < 2:
        return "one seed tells nothing"
    return f"{fewest} seeds tell an effect of {detectable(fewest):.2g} spreads"
