import pytest

from cerradata.core.errors import ConfigError
from cerradata.core.locations import Location
from cerradata.training import TrainConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"epochs": 0}, "epochs is 0"),
        ({"patience": 0}, "patience is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0"),
        ({"workers": -1}, "workers is -1"),
        ({"trainer": {"max_epochs": 3}}, "max_epochs is set by the run itself"),
        ({"trainer": {"num_sanity_val_steps": 2}}, "num_sanity_val_steps is set by the run itself"),
        ({"trainer": {"devices": 1, "logger": True}}, "logger is set by the run itself"),
    ],
)
def test_values_that_cannot_work_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(Location("/data"), **changes)


def test_arguments_that_lightning_does_not_have_are_refused() -> None:
    with pytest.raises(ConfigError, match="has no 'devises'"):
        TrainConfig(Location("data"), trainer={"devises": 2})
    with pytest.raises(ConfigError, match="bf16-mixed"):
        TrainConfig(Location("data"), trainer={"precision": "bf16-true"})
