"""The trainings of 002 §4.4 and §4.5: small labelled images, SGD, diagonal shifts."""

from dataclasses import dataclass

from invariscope.studies.lab.study import needed
from invariscope.training import Recipe


@dataclass(frozen=True)
class SmallImages:
    """Says what a network is trained and measured on.

    Args:
        data: Labelled images; None where the preset cannot know.
        size: Side of the network's input; None takes 32.
        num_train: Images to train on; None takes all.
        num_test: Images that the accuracy is taken on; None takes all.
        epochs: Passes over them.
        batch_size: Images per step.
        schedule: How the learning rate falls.
        seeds: Of the trainings.
        num_images: Test images that are measured.
        shifts: The diagonal shifts.
    """

    data: str | None = None
    size: int | None = None
    num_train: int | None = None
    num_test: int | None = None
    epochs: float = 200.0
    batch_size: int = 128
    schedule: str = "milestones(100, 150; 0.1)"
    seeds: tuple[int, ...] = (0, 1, 2)
    num_images: int = 2000
    shifts: str = "shift(1..16)"

    def where(self) -> str:
        """The source of the images.

        Raises:
            InputError: The preset does not know.
        """
        return needed(self.data, "data", "CIFAR-10, as torchvision:CIFAR10?root=FOLDER")

    def recipe(self, model: str, augment: str, seed: int) -> Recipe:
        """One training; the paper's learning rate and weight decay.

        Raises:
            InputError: The preset does not know where the images are.
        """
        return Recipe(
            data=self.where(),
            model=model,
            augment=augment,
            num_train=self.num_train,
            num_test=self.num_test,
            size=self.size,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=0.1,
            weight_decay=1e-4,
            schedule=self.schedule,
            seed=seed,
        )
