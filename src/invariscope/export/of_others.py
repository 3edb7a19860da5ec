"""What goes out of a comparison of runs, of a search for factors, and of a training.

| of | curves | numbers |
|---|---|---|
| two runs | difference/METRIC/TRANSFORMATION/LAYER with its interval and p_adjusted, B − A | – |
| more runs | METRIC/TRANSFORMATION/LAYER/MODEL | standing/METRIC/MODEL, rank/METRIC/MODEL |
| factors | – | share/FAMILY/CLASS with its interval, q/FAMILY/CLASS |
| a training | what it logged, over iterations | test accuracy, images |
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from invariscope.errors import InputError
from invariscope.export.of_run import Choice, copied_page, paper_table
from invariscope.export.record import Curve, Name, Record
from invariscope.results import Leaderboard, Result
from invariscope.sealed import digest_of
from invariscope.search import Factors
from invariscope.search.factor_table import SURE
from invariscope.training.run import TrainedRun
from invariscope.training.seeds import mean_over_seeds

_INTERVAL = ("ci_low", "ci_high")


def record_of_comparison(results: Sequence[Result], choice: Choice) -> Record:
    """Collects what goes out of two runs or more, compared on the images that all have."""
    board = Leaderboard(results)
    pair = board.comparison
    frame = choice.of(board.curves if pair is None else pair.frame)
    curves = _curves(frame, None if pair is None else pair.names)
    averages = choice.of(board.averages)
    numbers: dict[Name, float] = {}
    for row in board.standings.to_dict("records"):
        for what, column in (("standing", "value"), ("rank", "rank")):
            if np.isfinite(row[column]):
                numbers[what, str(row["metric"]), str(row["model"])] = float(row[column])
    manifests = [result.manifest for result in results]
    about = {
        "models": board.models,
        "data": board.data,
        "images": board.images,
        "runs": [manifest["identity"] for manifest in manifests],
        "version": manifests[0]["version"],
    }
    names = board.models if pair is None else pair.names
    return Record(
        command="compare",
        title=f"{' and '.join(board.models) if pair else f'{len(names)} models'} on {board.data}",
        identity=digest_of([manifest["identity"] for manifest in manifests])[:16],
        settings={**about, **({} if pair is None else {"A": names[0], "B": names[1]})},
        manifest={"command": "compare", **about, "manifests": manifests},
        curves=curves,
        numbers=numbers,
        table=frame if pair else averages,
        summary=board.standings,
        paper=paper_table(averages, manifests[0], choice),
        page=lambda folder: board.to_html(folder / "report.html"),
        notes=tuple(board.notes),
    )


def _curves(frame: pd.DataFrame, pair: tuple[str, str] | None) -> tuple[Curve, ...]:
    """The curves of a table of differences, or of the curves of many models."""
    keys = ["metric", "transformation", "layer", *(["model"] if pair is None else [])]
    columns = ["value"] if pair is None else ["difference", *_INTERVAL, "p_adjusted"]
    found: list[Curve] = []
    for key, rows in frame.groupby(keys, sort=False):
        for column in columns:
            pairs = zip(rows["level"], rows[column].astype(float), strict=True)
            points = tuple((int(k), float(v)) for k, v in pairs if np.isfinite(v))
            name = (*key,) if column == "value" else (column, *key)
            if points:
                found.append(Curve(tuple(map(str, name)), points))
    return tuple(found)


def record_of_factors(factors: Factors, choice: Choice) -> Record:
    """Collects what goes out of a finished search: the families that vary, by class."""
    if choice != Choice():
        raise InputError(
            "`metrics`, `transformations` and `layers` choose from a measurement: a search for "
            "factors goes out whole"
        )
    frame, settings = factors.factors, factors.manifest["settings"]
    numbers: dict[Name, float] = {}
    columns = {"share": "statistic", "ci_low": "ci_low", "ci_high": "ci_high", "q": "q"}
    for row in frame.to_dict("records"):
        for what, column in columns.items():
            if np.isfinite(row[column]):
                numbers[what, str(row["family"]), str(row["class"])] = float(row[column])
    about = {k: v for k, v in settings.items() if k not in ("operations", "classes", "families")}
    found = frame[frame["q"] < SURE]
    return Record(
        command="factors",
        title=f"factors of {settings['data']}, seen by {settings['model']}",
        identity=factors.manifest["identity"],
        settings={
            **about,
            "classes": list(factors.classes),
            "environment": factors.manifest["environment"],
            "version": factors.manifest["version"],
        },
        manifest=factors.manifest,
        curves=(),
        numbers=numbers,
        table=frame,
        summary=found[["class", "family", "statistic", "ci_low", "ci_high", "q"]],
        paper=_paper_of_factors(frame),
        page=lambda folder: copied_page(factors, folder),
    )


def _paper_of_factors(frame: pd.DataFrame) -> pd.DataFrame | None:
    """The families that were found in a class or more, by class: the share of the distance."""
    families = list(dict.fromkeys(frame.loc[frame["q"] < SURE, "family"]))
    classes = list(dict.fromkeys(frame["class"]))
    if not families:
        return None
    cells = {
        (row["family"], row["class"]): (row["statistic"], row["ci_low"], row["ci_high"])
        for row in frame.to_dict("records")
        if row["q"] < SURE
    }
    data = {family: [cells.get((family, name)) for name in classes] for family in families}
    table = pd.DataFrame(data, index=pd.Index(classes, name="class"), dtype=object)
    table.columns = pd.Index([(family,) for family in families], tupleize_cols=False)
    return table


def record_of_training(run: TrainedRun, choice: Choice) -> Record:
    """Collects what goes out of the training of one seed."""
    if choice != Choice():
        raise InputError(
            "`metrics`, `transformations` and `layers` choose from a measurement: the history of a "
            "training goes out whole"
        )
    recipe = run.recipe.as_dict()
    curves = tuple(
        Curve(
            (str(name),),
            tuple(
                (int(k), float(v))
                for k, v in zip(rows["iteration"], rows["value"], strict=True)
                if np.isfinite(v)
            ),
        )
        for name, rows in run.history.groupby("name", sort=False)
    )
    numbers: dict[Name, float] = {
        ("final", "test accuracy"): run.accuracy,
        ("final", "test images"): float(len(run.correct)),
    }
    facts: dict[str, Any] = dict(run.facts)
    return Record(
        command="train",
        title=f"{run.recipe.model} on {run.recipe.data}, {run.recipe.augment}, "
        f"seed {run.recipe.seed}",
        identity=run.recipe.key,
        settings={**recipe, "facts": facts},
        manifest={"command": "train", "recipe": recipe, "facts": facts, "notes": run.notes},
        curves=curves,
        numbers=numbers,
        table=run.history.assign(**{key: recipe[key] for key in ("seed", "model", "data")}),
        summary=pd.DataFrame(
            {"seed": [recipe["seed"]], "test accuracy": [run.accuracy], "n": [len(run.correct)]}
        ),
        notes=tuple(run.notes),
    )


def paper_of_trainings(runs: Sequence[TrainedRun]) -> pd.DataFrame:
    """A row: the mean test accuracy over seeds with its interval."""
    mean = mean_over_seeds(run.accuracy for run in runs)
    cell = (mean.value, max(mean.low, 0.0), min(mean.high, 1.0))
    index = pd.Index([runs[0].recipe.augment], name="augmentation")
    table = pd.DataFrame({"test accuracy": [cell]}, index=index, dtype=object)
    table.columns = pd.Index([("test accuracy",)], tupleize_cols=False)
    return table
