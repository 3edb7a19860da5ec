import pytest
import torch
from torch.optim import lr_scheduler

from invariscope.errors import InputError
from invariscope.training.schedules import schedule


@pytest.mark.parametrize(
    ("text", "theirs"),
    [
        ("constant", lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
        ("step(3, 0.1)", lambda o: lr_scheduler.StepLR(o, 3, 0.1)),
        ("milestones(2, 5; 0.2)", lambda o: lr_scheduler.MultiStepLR(o, [2, 5], 0.2)),
        ("cosine", lambda o: lr_scheduler.CosineAnnealingLR(o, 9)),
    ],
)
def test_whole_epochs_are_torchs(text, theirs):
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    reference, ours = theirs(optimizer), schedule(text)
    for epoch in range(9):
        assert ours(epoch, 9) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12), epoch
        optimizer.step()
        reference.step()


def test_a_step_falls_at_the_first_iteration_of_its_epoch():
    factor = schedule("milestones(100, 150; 0.1)")
    per_epoch = 391
    assert factor((100 * per_epoch - 1) / per_epoch, 200) == 1.0
    assert factor(100 * per_epoch / per_epoch, 200) == 0.1
    # sums of fractions may miss a whole number by the last bit
    assert schedule("step(0.3, 0.5)")(0.1 + 0.2, 1) == 0.5
    assert schedule("step(0.3, 0.5)")(0.3 - 1e-12, 1) == 0.5


@pytest.mark.parametrize("text", ["", "linear", "step(30)", "step(3, 4, 0.1)", "step(-1, 0.1)"])
def test_what_cannot_be_read(text):
    with pytest.raises(InputError, match="constant, cosine"):
        schedule(text)
