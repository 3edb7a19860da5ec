"""A call of every public function, small: `callers_world` looks what it changes around it.

`CALLS` are made in the order that they stand in, each in a folder of its own that has the pictures
of `damage`. `test_callers_world` fails where a public function is named nowhere here.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torchvision.transforms import v2

import invariscope
from damage import TRAINED, every_job_study
from invariscope import data, gate, metrics, models, results, search, testing, transformations
from invariscope.effects import class_effects
from invariscope.export import export_run, open_record
from invariscope.foregrounds import measure_foregrounds
from invariscope.metrics.torchmetrics import (
    ChannelEquivariance,
    LatentEED,
    MeanRelativeInvariance,
    PredictionConsistency,
    RelativeInvariance,
)
from invariscope.runs import carry_out, carry_out_each, estimate
from invariscope.studies.lab.lab import Lab
from invariscope.studies.lab.running import run_study
from invariscope.sweep import SweepRequest, blocks, make_plan, prepare
from invariscope.training import (
    Recipe,
    cross_validate,
    is_done,
    mean_over_seeds,
    measuring,
    read_run,
    representation_distances,
    train,
    train_seeds,
    transfer,
)
from invariscope.training.callbacks.watched import Watched
from invariscope.view.app import application
from invariscope.view.runs import Runs
from view_pages import asked

DATA = "pictures"
SIZE = {"size": 12}
RULE = "rotate@=90deg accuracy >= 99.9%"


class Net(torch.nn.Module):
    """A small network with dropout and batch norm, in training mode."""

    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.ReLU(),
            torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Dropout(0.5),
            torch.nn.Linear(4, 2),
        )  # fmt: skip

    def forward(self, x):
        return self.body(x)


def made(folder: Path) -> dict:
    """A network and its state, a result, and a trained network."""
    net = Net()
    state = {name: value.clone() for name, value in net.state_dict().items()}
    result = invariscope.measure(
        net, DATA, transformations="rotate=90", groups="C4", num_images=8, preprocessing=SIZE,
        metrics="relative_invariance,accuracy,channel_invariance:pooled",
    )  # fmt: skip
    recipe = Recipe(DATA, TRAINED, size=12, epochs=1, batch_size=8, augment="CutMix")
    run = train(recipe, output=folder / "trained")
    return {"net": net, "state": state, "result": result, "run": run}


def correct() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    rows = [
        (f"{k}", "ab"[k % 2], method, seed, int(draw.integers(2)))
        for method in ("none", "crop") for seed in range(3) for k in range(40)
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=["image", "class", "method", "seed", "correct"])


def cut_outs() -> list[Image.Image]:
    pictures = []
    for left in (1, 4, 7):
        pixels = np.zeros((12, 12, 4), dtype=np.uint8)
        pixels[3:8, left : left + 4, 3] = 255
        pictures.append(Image.fromarray(pixels))
    return pictures


def all_metrics() -> None:
    """Each public metric on tensors, and each form for torchmetrics."""
    draw = torch.Generator().manual_seed(0)
    x, y = (torch.randn(6, 5, generator=draw) for _ in range(2))
    maps, moved = (torch.randn(3, 4, 5, 5, generator=draw) for _ in range(2))
    orbit = torch.randn(3, 2, 5, generator=draw)
    pairing, labels = torch.tensor([1, 2, 3, 4, 5, 0]), torch.tensor([0, 0, 0, 1, 1, 1])
    metrics.relative_invariance(x, y, pairing=pairing)
    metrics.mean_relative_invariance(x, y)
    metrics.channel_invariance(maps, moved)
    metrics.channel_equivariance(maps, moved)
    metrics.channel_match(maps, moved)
    metrics.channel_eed(maps, moved)
    metrics.linear_cka(x, y)
    metrics.accuracy(x, labels)
    metrics.prediction_consistency(x, y)
    metrics.similarity_change(x, y, y + 1)
    metrics.response_alignment(x, y, pairing=pairing, shuffle=torch.argsort(x, 0))
    metrics.softmax_eed(torch.softmax(orbit, dim=-1))
    metrics.softmax_eed_from_logits(orbit)
    metrics.latent_eed(orbit, normalizer=metrics.latent_normalizer(x))
    metrics.eed(orbit, act=lambda g, z: z.flip(-1) if g else z, kernel=[0])
    metrics.normalized_variance(orbit)
    metrics.lie_derivative(torch.tanh, x, y)
    metrics.relative_lie_derivative(torch.tanh, x, y)
    metrics.class_distance_ratio(x, labels)
    metrics.for_task([metrics.METRICS.get("accuracy")], "embedding")
    metrics.with_companions(["channel_invariance"])
    for form, given in (
        (RelativeInvariance(), (x, y)), (MeanRelativeInvariance(), (x, y)),
        (PredictionConsistency(), (x, y)), (ChannelEquivariance(), (maps, moved)),
        (LatentEED(), (orbit,)),
    ):  # fmt: skip
        form.update(*given)
        form.compute()


def all_transformations() -> None:
    """Each public function about transformations and groups."""
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    t = transformations
    for own in t.get_transformations("corruption:fog,corruption:jpeg_compression,rotate,hue"):
        own(pictures, level=1, image_ids=["a", "b"])
        t.generator_of(own)
    jitter = t.transformation_from(
        lambda much: v2.ColorJitter(brightness=much), (0.0, 0.5), name="jitter"
    )
    jitter(pictures, level=1, image_ids=["a", "b"])
    t.from_function("darken", torch.mul, (1.0, 0.5))(pictures, level=1)
    t.appearance("darken_more")(lambda images, factor: images * factor)
    t.geometric("stay", unit="")(lambda amounts, size: np.tile(np.eye(2, 3), (len(amounts), 1, 1)))
    t.get_transformations("rotate=5/10,hue")
    t.get_transformation("rotate")
    (turns,) = t.get_groups("C4")
    moves = t.elements("C4")
    t.is_closed(moves)
    t.kernel(moves, (8, 8), (4, 4))
    action = t.action_on(t.get_group("C4"), 1, (8, 8), (4, 4))
    t.moves_of([action], [0, 1], pictures[..., :4, :4])
    t.warp(pictures, np.tile(np.eye(2, 3), (2, 1, 1)))
    turns(pictures, level=1)


def all_data() -> None:
    """Each public function about images."""
    source = data.open_source(DATA)
    chosen = data.select(source, 4)
    data.stratified(source.ids, source.labels, 4)
    data.fingerprint(source, chosen)
    source.load(chosen[0])
    for name in ("samples", "fashion-mnist", "stamps", "transforms2d:shapes?num=4"):
        data.open_source(name).load(0)


def all_models(folder: Path, made: dict) -> None:
    """Each public function about networks that no other call here makes."""
    spec = "small:cnn7?width=0.2"
    module, needs = models.build_architecture(spec, num_classes=3, seed=1)
    models.save_trained(
        folder, module, architecture=spec, num_classes=3, class_names=None, preprocessing=needs,
        seed=1,
    )  # fmt: skip
    models.load_trained(folder)
    models.read_trained(folder)
    pictures = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    probe = models.for_bands(invariscope.load_model(made["net"], preprocessing=SIZE), 3)
    probe.watch("auto", pictures)
    models.differentiate(probe, pictures, pictures, ["body.0"], lambda layer, value, slope: slope)
    probe.forward(pictures, ["logits"], models.average_pool)


def gates(folder: Path, made: dict) -> None:
    """Rules for a model and for a run, a baseline, an assertion."""
    how = {"preprocessing": SIZE, "num_images": 8, "workers": 0}
    invariscope.check(made["net"], RULE, DATA, **how)
    made["result"].save(folder / "run")
    baseline = gate.Baseline(folder / "run", 0.5)
    verdict = gate.check(folder / "run", gate.parse_rule(RULE), baseline=baseline)
    assert verdict.to_text()
    try:
        testing.assert_invariant(made["net"], DATA, "rotate", up_to=90, at_least=0.999, **how)
    except testing.NotInvariant:
        pass


def exported(folder: Path, made: dict) -> None:
    """A run, as files and for TensorBoard; read again."""
    made["result"].save(folder / "run")
    open_record([folder / "run"])
    for to in ("csv", "parquet", "latex", "tensorboard"):
        export_run(folder / "run", to)


def seen(folder: Path, made: dict) -> None:
    """The pages that a view answers with."""
    made["result"].save(folder / "run")
    runs = Runs(folder)
    app, (entry,) = application(runs, "token"), runs.entries()
    for path, query in {
        "/": {}, "/choice": {"runs": entry.key}, "/layers": {"runs": entry.key},
        "/card": {"runs": entry.key, "transformation": "rotate"},
    }.items():  # fmt: skip
        assert asked(app, path, **query)[0] == 200


def rows_again(folder: Path, made: dict) -> None:
    """A measurement step by step, and its rows and summary read again."""
    request = SweepRequest(
        model=made["net"], images=DATA, transformations="rotate=90", num_images=8,
        preprocessing=SIZE, metrics="relative_invariance",
    )  # fmt: skip
    sweep = prepare(request)
    estimate(sweep, sweep.probe, ["embedding"])
    make_plan(transformations.get_transformations("rotate"), twin=False, floor=False)
    blocks(range(65))
    carry_out_each([sweep], [None], workers=0)
    result = carry_out(sweep, output=folder / "run", workers=0)
    results.summarise(result.store, result.manifest)
    frame = results.read_summary(folder / "run")
    results.write_summary(folder / "again", frame)
    (folder / "accuracies.csv").write_text("model,accuracy\na,0.5\n")
    results.read_accuracies(folder / "accuracies.csv")
    invariscope.Result.load(folder / "run")


def searched(folder: Path, made: dict) -> None:
    """A search, its ranks, its page; prepared as well, and the pool of operations."""
    how = {"model": made["net"], "images": DATA, "preprocessing": SIZE, "pairs": 4}
    search.prepare_search(search.SearchRequest(operations="rotate", **how))
    search.get_operations("families")
    invariscope.find_factors(**how, operations="singles", output=folder / "run")
    found = invariscope.Factors.load(folder / "run")
    search.rank(found.frame)
    found.to_html(folder / "page.html")


def trained(folder: Path, made: dict) -> None:
    """Trainings of several seeds, one that is measured under way, and a choice of a rate."""
    recipe = made["run"].recipe
    train(recipe.with_(augerino="tx,ty"), output=folder / "run", evaluate_every=1)
    assert is_done(folder / "run")
    read_run(folder / "run")
    runs = train_seeds(recipe, 2)
    mean_over_seeds(run.accuracy for run in runs)
    cross_validate(recipe, [0.1], [0.0])
    during = measuring(DATA, transformations="rotate=90", num_images=8, preprocessing=SIZE)
    during(made["run"].probe, 1)


def improved(folder: Path, made: dict) -> None:
    """A network that is tuned, in memory and into a folder."""
    how = {"model_classes": "order", "epochs": 1, "tuning_batch": 8, "preprocessing": SIZE}
    for output in (None, folder / "improved"):
        found = invariscope.improve(made["net"], DATA, RULE, output=output, workers=0, **how)
        assert found.module is not None
    found.to_html(folder / "page.html")


def during_training(folder: Path, made: dict) -> None:
    """What callbacks of other trainings do at a step."""
    how = {"preprocessing": SIZE, "transformations": "rotate=90", "num_images": 8}
    watched = Watched(DATA, 1, None, how)
    watched.values(made["net"], 0)
    watched.frame()


def distances(folder: Path, made: dict):
    """The smallest of sets that have twins."""
    return representation_distances(made["run"].probe, "transforms2d:shapes?num=20&classes=4")


CALLS = {
    "measure": lambda folder, made: invariscope.measure(
        made["net"], DATA, preprocessing=SIZE, transformations="rotate=20/90,hue", groups="C4",
        twin=True, floor=True, metrics="relative_invariance,lie_derivative,channel_invariance",
        output=folder / "run", cache=folder / "cache",
    ),
    "measure in threads": lambda folder, made: invariscope.measure(
        made["net"], torch.rand(8, 3, 12, 12, generator=torch.Generator().manual_seed(0)),
        transformations="brightness_down", workers=2,
    ),
    "find_factors": searched,
    "foregrounds": lambda folder, made: measure_foregrounds(
        cut_outs(), masks="alpha", output=folder / "run"
    ),
    "load_model": lambda folder, made: invariscope.load_model("timm:resnet18+untrained"),
    "load_model trained": lambda folder, made: invariscope.load_model(
        f"trained:{made['run'].folder}"
    ),
    "predict": lambda folder, made: made["run"].probe.predict(cut_outs()),
    "train": trained,
    "improve": improved,
    "callbacks": during_training,
    "transfer": lambda folder, made: transfer(
        made["run"].probe, DATA, num_train=12, num_test=8
    ).save(folder / "moved"),
    "representation_distances": distances,
    "class_effects": lambda folder, made: class_effects(correct(), "none"),
    "plot": lambda folder, made: made["result"].plot(),
    "to_html": lambda folder, made: made["result"].to_html(folder / "page.html"),
    "compare": lambda folder, made: made["result"].compare(made["result"]).to_text(),
    "Leaderboard": lambda folder, made: invariscope.Leaderboard(
        [made["result"], made["result"]]
    ).to_html(folder / "board.html"),
    "a study": lambda folder, made: run_study(
        every_job_study(), "smoke", output=folder / "study", lab=Lab(folder / "jobs")
    ),
    "metrics": lambda folder, made: all_metrics(),
    "transformations": lambda folder, made: all_transformations(),
    "data": lambda folder, made: all_data(),
    "models": all_models,
    "check": gates,
    "export": exported,
    "view": seen,
    "rows": rows_again,
}  # fmt: skip
