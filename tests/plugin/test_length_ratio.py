"""A metric of vectors from another package: in the list, in the table and on the page."""

import pandas as pd


def test_a_metric_of_vectors(run):
    assert "Length kept: 0 to 1, higher is more invariant; at every layer" in run(
        "list", "metrics", "length_ratio"
    )
    run(
        "measure", "small:cnn7?width=0.2&size=16&channels=3", "-d", "gratings?count=4",
        "-t", "brightness_down", "--metrics", "length_ratio", "-o", "lengths",
    )  # fmt: skip
    table = pd.read_parquet(run.folder / "lengths" / "summary.parquet")
    table = table[(table["metric"] == "length_ratio") & (table["control"] == "")]
    assert (table[table["level"] == 0]["value"] == 1).all()
    assert table["value"].between(0, 1).all()
    assert (table["value"] < 0.99).any()
    assert {"embedding", "logits"} <= set(table["layer"])
    page = (run.folder / "lengths" / "report.html").read_text(encoding="utf-8")
    for words in ("length kept at the embedding", "in units of the longer one", "the same length"):
        assert words in page
