"""How rules are written, and what a wrong one is told."""

import pytest

from invariscope.errors import InputError
from invariscope.gate import parse_rule
from invariscope.gate.magnitudes import Ladder, on_the_way, within
from invariscope.gate.rule import EVERY_CLASS, Magnitude

DEGREES = Ladder(0.0, "°", (20.0, 40.0, 60.0), "the table")
DOWN = Ladder(1.0, "×", (0.75, 0.5, 0.25, 0.0), "the table")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("rotate@<=15deg relative_invariance >= 0.8", ("rotate", "<=", Magnitude(15.0, "deg"))),
        ("rotate @ ≤ 15° relative_invariance ≥ 0.8", ("rotate", "<=", Magnitude(15.0, "°"))),
        ("rotate@=15 relative_invariance>=0.8", ("rotate", "=", Magnitude(15.0))),
        ("translate_x@<=10% relative_invariance >= 80%", ("translate_x", "<=", Magnitude(10, "%"))),
        ("zoom_out@>=.5 relative_invariance >= 8e-1", ("zoom_out", ">=", Magnitude(0.5))),
        ("rotate@all relative_invariance >= 0.8", ("rotate", "", None)),
        ("shift(1..32)*C4 relative_invariance >= 0.8", ("shift(1..32)*C4", "", None)),
        ("C4@=90deg relative_invariance >= 0.8", ("C4", "=", Magnitude(90.0, "deg"))),
        ("D4@=flip,90deg relative_invariance >= 0.8", ("D4", "=", "flip,90deg")),
    ],
)  # fmt: skip
def test_rules_that_can_be_read(text, expected):
    rule = parse_rule(text)
    assert (rule.transformation, rule.side, rule.magnitude) == expected
    assert (rule.metric, rule.at_least, rule.threshold) == ("relative_invariance", True, 0.8)
    assert (rule.layer, rule.class_name) == ("", None)


def test_layers_and_classes():
    rule = parse_rule('rotate accuracy at blocks.* for "Ankle boot" <= 0.2')
    assert (rule.layer, rule.class_name, rule.at_least) == ("blocks.*", "Ankle boot", False)
    assert parse_rule("C4 accuracy for every  class >= 0.5").class_name == EVERY_CLASS
    assert parse_rule('C4 accuracy for "every class" >= 0.5').class_name == EVERY_CLASS
    assert parse_rule("C4 relative_invariance:l2 at pool >= 0.5").metric == "relative_invariance:l2"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "it has no value; write TRANSFORMATION@<=MAGNITUDE METRIC >= VALUE"),
        ("rotate relative_invariance", "it has no value"),
        ("rotate@<=15deg relative_invariance", "it has no value"),
        ("rotate relative_invariance > 0.8", "it compares by >= or <="),
        ("rotate relative_invariance == 0.8", "it compares by >= or <="),
        ("rotate >= 0.8", "it cannot be read"),
        ("rotate@<15 relative_invariance >= 0.8", "it cannot be read"),
        ("rotate relative_invariance >= high", "'high' is no value: give a number, such as 0.8"),
        ("rotate relative_invariance >= nan", "'nan' is no value"),
        ("rotate relative_invariance >= 1e999", "'1e999' is no value"),
        ("rotate@<=far relative_invariance >= 0.8", "'far' is no magnitude: give a number with"),
    ],
)
def test_rules_that_cannot(text, message):
    with pytest.raises(InputError) as raised:
        parse_rule(text, file="invariscope.toml", line=3)
    assert str(raised.value).startswith("invariscope.toml, line 3: the rule '")
    assert message in str(raised.value)


def rule(levels, name="rotate"):
    return parse_rule(f"{name}{levels} relative_invariance >= 0.8")


@pytest.mark.parametrize(
    ("levels", "ladder", "of_a_run", "of_a_model"),
    [
        ("", DEGREES, (20, 40, 60), (20, 40, 60)),
        ("@<=40deg", DEGREES, (20, 40), (40 / 3, 80 / 3, 40)),
        ("@<=60", DEGREES, (20, 40, 60), (20, 40, 60)),
        ("@=40deg", DEGREES, (40,), (40,)),
        ("@>=0.5", DOWN, (0.75, 0.5), (5 / 6, 2 / 3, 0.5)),
        ("@>=0%", DOWN, (0.75, 0.5, 0.25, 0), (0.75, 0.5, 0.25, 0)),
        ("@<=15", Ladder(0.0, "°", (-15.0, 5.0, 15.0), ""), (5, -15, 15), (5, -15, 15)),
        ("@>=6bits", Ladder(8.0, "bits", (7.0, 6.0, 5.0), ""), (7, 6), (7, 6)),
    ],
)
def test_levels_within(levels, ladder, of_a_run, of_a_model):
    assert within(rule(levels), ladder) == pytest.approx(of_a_run)
    assert on_the_way(rule(levels), ladder) == pytest.approx(of_a_model)


def test_a_model_is_measured_at_the_rule_s_own_magnitude_as_well():
    assert on_the_way(rule("@<=15deg"), DEGREES) == (5.0, 10.0, 15.0)
    assert on_the_way(rule("@=15deg"), DEGREES) == (15.0,)
    assert on_the_way(rule("@>=0.1"), DOWN) == (0.75, 0.5, 0.25, 0.1)
    with pytest.raises(InputError, match="the nearest that works is rotate@<=20deg"):
        within(rule("@<=15deg"), DEGREES)
    with pytest.raises(InputError, match="the nearest that works is rotate@=20deg"):
        within(rule("@=15deg"), DEGREES)


@pytest.mark.parametrize(
    ("levels", "ladder", "message"),
    [
        ("@<=200deg", DEGREES, "not at 200deg: the nearest that works is rotate@<=60deg"),
        ("@=200deg", DEGREES, "not at 200deg: the nearest that works is rotate@=60deg"),
        ("@>=15deg", DEGREES, "write rotate@<=15deg for those up to 15deg"),
        ("@<=0.5", DOWN, "levels of rotate begin at 1, .* write rotate@>=0.5"),
        ("@<=0", DEGREES, "0deg is rotate's identity, the images as they are"),
        ("@<=15%", DEGREES, "rotate is in °, not in '%': write rotate@<=15deg"),
        ("@<=2deg", DOWN, "rotate is a number without a unit, not in 'deg'"),
        ("@=left", DEGREES, "rotate has no level 'left'"),
        ("@>=5.5bits", Ladder(8.0, "bits", (7.0, 6.0, 5.0), "the table"), "@>=6bits|@>=5bits"),
    ],
)
def test_levels_that_are_not_there(levels, ladder, message):
    with pytest.raises(InputError, match=message):
        on_the_way(rule(levels), ladder)
    with pytest.raises(InputError, match=message):
        within(rule(levels), ladder)
