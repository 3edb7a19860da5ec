"""What another package adds appears in the table, on the page and in the lists, in its words."""

import json

import numpy as np
import pandas as pd


def test_a_metric_of_maps(run, measured):
    folder, page = measured
    assert "Distance of maps: 0 to 2, lower is more equivariant; at every layer" in run(
        "list", "metrics", "map_distance"
    )
    table = pd.read_parquet(folder / "summary.parquet")
    table = table[(table["metric"] == "map_distance") & (table["control"] == "")]
    still, moved = table[table["level"] == 0], table[table["level"] > 0]
    assert (still["value"] == 0).all()
    assert moved["value"].between(0, 2).all()
    assert (moved["value"] > 0).any()
    assert set(table["transformation"]) == {"stripes", "C4"}
    assert table["layer"].nunique() > 3
    assert not {"embedding", "logits"} & set(table["layer"])  # they have no positions
    assert "<h3>Distance of maps" in page
    assert "How far the moved image’s maps lie from the moved maps" in page
    assert "another map" in page
    assert "the moved map" in page


def test_a_transformation_with_magnitudes(run, measured):
    folder, page = measured
    assert "dark stripes" in run("list", "transformations", "stripes")
    table = pd.read_parquet(folder / "summary.parquet")
    table = table[table["transformation"] == "stripes"]
    assert np.unique(table["magnitude"]).tolist() == [0, 0.25, 0.5, 1]
    assert set(table["unit"]) == {"of black"}
    assert "dark stripes" in page
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["transformations"]["stripes"] == {
        "words": "dark stripes", "kind": "appearance", "unit": "of black",
        "unit_words": "share of black in every second row",
    }  # fmt: skip
    assert "share of black in every second row" in page


def test_a_data_source(run, measured):
    folder, page = measured
    assert "Gratings, made as they are read." in run("list", "data", "gratings")
    assert set(pd.read_parquet(folder / "summary.parquet")["data"]) == {"gratings?count=5"}
    assert "gratings?count=5" in page


def test_a_study(run):
    assert "How striped may an image be" in run("study", "list", "how-striped")
    run("study", "run", "how-striped", "--preset", "smoke", "-o", "study", "--set", "images=3")
    table = pd.read_csv(run.folder / "study" / "tables" / "stripes.csv")
    assert table["transformation"].tolist() == ["stripes"]
    pages = list((run.folder / "study").glob("*.html"))
    assert "How striped may an image be" in pages[0].read_text(encoding="utf-8")
