"""The tables: published magnitudes, order from the identity on, names and messages."""

import numpy as np
import pytest
import torch

from invariscope.data.transforms2d import TRANSFORMS2D
from invariscope.errors import InputError
from invariscope.transformations import (
    DEFAULT_FAMILIES,
    FAMILIES,
    IDENTITY,
    SUB_POLICIES,
    TABLES,
    from_function,
    get_transformation,
    get_transformations,
)
from invariscope.transformations.limits import check_magnitudes


def test_the_default_is_the_thirteen_families_of_the_paper():
    assert DEFAULT_FAMILIES == tuple(
        "shear_x shear_y rotate translate_x translate_y zoom_in zoom_out brightness_up "
        "brightness_down contrast_up contrast_down posterize solarize".split()
    )
    assert set(TABLES["paper"]) == set(DEFAULT_FAMILIES)
    assert all(len(row.magnitudes) == 10 for row in TABLES["paper"].values())


def test_standard_goes_monotonically_from_the_identity_to_its_end():
    ends = {
        "rotate": 180, "shear_x": 45, "shear_y": 45, "translate_x": 0.5, "translate_y": 0.5,
        "zoom_in": 3.5, "zoom_out": 0.28, "brightness_up": 2, "brightness_down": 0,
        "contrast_up": 2, "contrast_down": 0, "posterize": 1, "solarize": 0,
    }  # fmt: skip
    for name, end in ends.items():
        magnitudes = TABLES["standard"][name].magnitudes
        assert len(magnitudes) == 10
        assert magnitudes[-1] == end
        steps = np.diff(magnitudes)
        assert (steps >= 0).all() or (steps <= 0).all()
    assert TABLES["standard"]["rotate"].magnitudes[1] == 20


def test_paper_magnitudes_as_published():
    paper = TABLES["paper"]
    assert paper["shear_x"].magnitudes == (
        0, -17.8, 22.75, -35.6, 45.5, -53.4, 68.25, -71.2, -89, 91,
    )  # fmt: skip
    # published clockwise: 0, -27, 45, -54, -81, 90, -108, -135, 135, 180
    assert paper["rotate"].magnitudes == (0, 27, -45, 54, 81, -90, 108, 135, -135, -180)
    pixels = np.array(paper["translate_x"].magnitudes) * 224
    published = [0, 24.9, 49.8, 74.7, 99.6, 124.4, 149.3, 174.2, 199.1, 224]
    assert np.allclose(pixels, published, atol=0.05)
    assert paper["posterize"].magnitudes == (8, 7, 6, 5, 4, 4, 3, 2, 1, 0)
    assert np.allclose(
        paper["zoom_out"].magnitudes, [1, 0.92, 0.84, 0.76, 0.68, 0.6, 0.52, 0.44, 0.36, 0.28]
    )
    assert np.allclose(paper["solarize"].magnitudes, np.linspace(1, 0, 10))


def test_families_of_two_directions_are_drawn_both_ways():
    signed = {name: {f for f in rows if rows[f].signed} for name, rows in TABLES.items()}
    appearance = {"contrast", "saturation"}
    moves = {"shear_x", "shear_y", "translate_x", "translate_y"}
    assert signed == {
        "standard": moves | appearance | {"rotate", "sharpness", "hue", "rescale"},
        "paper": set(),  # its levels have signs of their own
        "search": moves | appearance | {"sharpness"},
        "transforms2d": moves | appearance | {"rotate", "hue"},
    }


def test_what_has_no_meaning_without_red_green_and_blue():
    colourful = {"saturation", "hue", "corruption:saturate"}
    for name in (*FAMILIES, "corruption:saturate", "corruption:fog"):
        assert get_transformation(name).needs_colour == (name in colourful), name


def test_transforms2d_goes_as_far_as_the_data_draw():
    table = TABLES["transforms2d"]

    def ends(name, column=0):
        law = TRANSFORMS2D[name]
        return [float(law.of(np.full((1, law.draws), end))[0, column]) for end in (0.0, 1.0)]

    def reach(family):
        row, opposite = table[family], FAMILIES.get(family).opposite
        last = row.magnitudes[-1]
        if not row.signed:
            return [row.magnitudes[0], last]
        assert opposite is not None
        return [opposite(last), last]

    for family, column in (("shear_x", 0), ("shear_y", 1)):
        assert reach(family) == ends("shear", column)
    assert reach("hue") == ends("hue") == ends("color_jitter", 3)
    assert reach("contrast") == ends("contrast")
    assert reach("saturation") == ends("color_jitter", 2)
    assert reach("zoom_out") == ends("scale")[::-1]
    assert [table["brightness_down"].magnitudes[-1], table["brightness_up"].magnitudes[-1]] == ends(
        "brightness"
    )
    assert reach("rotate")[1] - reach("rotate")[0] == ends("rotation")[1]
    assert table["blur"].magnitudes[-1] * 32 == ends("blur")[1]
    assert table["posterize"].magnitudes[-1] == 1
    assert table["sharpness"].magnitudes[-1] == 7


def test_one_bit_is_one():
    (posterized,) = get_transformations("posterize=2/1")
    assert [posterized.describe(level) for level in posterized.levels] == [
        "8 bits",
        "2 bits",
        "1 bit",
    ]


def test_the_paper_table_shows_the_published_pictures():
    """torchvision's affine, which the published code called, counts angles clockwise."""
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2 import functional as published

    image = torch.rand(1, 3, 24, 24)
    angles = [0, -27, 45, -54, -81, 90, -108, -135, 135, 180]
    shears = [0, -17.8, 22.75, -35.6, 45.5, -53.4, 68.25, -71.2, -89, 91]
    cases = {
        "rotate": [(angle, [0.0, 0.0]) for angle in angles],
        "shear_x": [(0, [shear, 0.0]) for shear in shears],
        "shear_y": [(0, [0.0, shear]) for shear in shears],
    }
    for name, parameters in cases.items():
        transformation = get_transformation(name, "paper")
        for level, (angle, shear) in enumerate(parameters):
            theirs = published.affine(
                image, angle, [0, 0], 1.0, shear, interpolation=InterpolationMode.BILINEAR
            )
            assert torch.allclose(transformation(image, level), theirs, atol=2e-3), (name, level)


def test_the_search_pool_has_63_single_operations_and_49_sub_policies():
    pool = TABLES["search"]
    assert sum(len(row.levels) for row in pool.values()) == 63
    assert len(SUB_POLICIES) == len(set(SUB_POLICIES)) == 49
    for pair in SUB_POLICIES:
        for name, level in pair:
            assert level in pool[name].levels
    listed = {single for pair in SUB_POLICIES for single in pair}
    assert listed == {(name, level) for name, row in pool.items() for level in row.levels}
    distinct = {get_transformation(name, "search").operation(level) for name, level in listed}
    # 63 less 7 + 4 + 2 equal ones of equalize, invert, autocontrast, 1 of posterize, 1 identity
    assert len(distinct) == 48
    assert IDENTITY in distinct


def test_search_magnitudes_as_published():
    pool = TABLES["search"]
    lean = np.tan(np.deg2rad(pool["shear_x"].magnitudes))
    assert np.allclose(
        lean, [0, 0.033, 0.067, 0.1, 0.133, 0.167, 0.2, 0.233, 0.267, 0.3], atol=5e-4
    )
    pixels = np.array(pool["translate_y"].magnitudes) * 224
    assert np.allclose(pixels, [0, 11.3, 22.6, 33.8, 45.1, 56.4, 67.7, 79, 90.2, 101.5], atol=0.06)
    assert np.allclose(pool["rotate"].magnitudes, np.linspace(0, 30, 10))
    thresholds = np.array(pool["solarize"].magnitudes) * 255
    assert np.allclose(
        thresholds[1:], [227.6, 199.1, 170.7, 142.2, 113.8, 85.3, 56.9, 28.4, 0], atol=0.1
    )


def test_equal_operations_have_equal_keys():
    standard = get_transformation
    assert standard("posterize").operation(2) == standard("posterize").operation(3)
    assert standard("zoom_in=2").operation(1) == standard("rescale=2").operation(1)
    assert standard("rotate").operation(0) == standard("solarize").operation(0) == IDENTITY
    assert standard("rotate=40").operation(1) != standard("rotate").operation(2)  # ±40
    assert standard("rotate", "search").operation(9) != standard("rotate=30").operation(1)


def test_names_come_as_lists_or_text():
    assert [t.name for t in get_transformations("rotate, solarize")] == ["rotate", "solarize"]
    assert len(get_transformations()) == 13
    assert len(get_transformations("all", "search")) == 14
    own = from_function("half", lambda x, f: x * f, (1, 0.5))
    assert get_transformations(["rotate", own])[1] is own


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("rotat",), "unknown transformation 'rotat': did you mean rotate"),
        (("rotate", "papers"), "unknown table 'papers': did you mean paper"),
        (("blur", "paper"), "the table 'paper' has no magnitudes for 'blur'"),
        (("rotate=5;10",), r"rotate=5;10: magnitudes are numbers with slashes"),
        (("rotate,rotate=5",), "named twice: rotate"),
        (("rotate=",), "rotate=: magnitudes are numbers with slashes"),
        (("rotate=0",), "rotate=0: the picture as it is, which is measured anyway as level 0"),
        (("equalize=0",), "equalize=0: the picture as it is"),
        (("rotate=5/inf",), "rotate=inf: magnitudes of rotate are finite numbers"),
        (("contrast_up=nan",), "contrast_up=nan: magnitudes of contrast_up begin at 0"),
        (("zoom_in=0",), "zoom_in=0: magnitudes of zoom_in lie between 0.001 and 1000"),
        (("saturation=-3",), "saturation=-3: magnitudes of saturation begin at 0"),
        (("posterize=9",), "posterize=9: magnitudes of posterize lie between 0 and 8"),
        (("blur=-1",), "blur=-1: magnitudes of blur lie between 0 and 1"),
        (("invert=0.5",), "invert=0.5: invert is applied, 1, or not, 0"),
        ((" , ",), "no transformation is named"),
    ],
)
def test_messages(arguments, message):
    with pytest.raises(InputError, match=message):
        get_transformations(*arguments)


def test_a_magnitude_of_ones_own_is_one_level_and_the_identity_level_0():
    """Means over the levels above 0 would count it twice, and the identity as invariance."""
    assert get_transformation("rotate=0/20/20/90").magnitudes == (0.0, 20.0, 90.0)
    assert get_transformation("brightness_down=0.5/1").magnitudes == (1.0, 0.5)
    assert get_transformation("invert=1/0").levels == (0, 1)


@pytest.mark.parametrize("table", TABLES)
def test_tables_keep_to_the_limits(table):
    for name, ladder in TABLES[table].items():
        check_magnitudes(name, ladder.magnitudes)


def test_levels_out_of_range():
    with pytest.raises(InputError, match="rotate has the levels 0 to 9, not 10"):
        get_transformation("rotate")(torch.rand(1, 3, 4, 4), 10)


@pytest.mark.parametrize("table", TABLES)
def test_level_0_changes_nothing_in_any_table(table):
    for name in TABLES[table]:
        transformation = get_transformation(name, table=table)
        assert transformation.is_identity(0), name


@pytest.mark.parametrize("names", ["rotate=5,15", "15", ["rotate", "-0.5"]])
def test_magnitudes_with_commas_are_named(names):
    with pytest.raises(InputError, match=r"is no transformation: magnitudes have slashes between"):
        get_transformations(names)
