import pytest


@pytest.fixture(scope="session")
def result():
    """A run whose every field is filled: three noisy chips and a few images."""
    from pimsim import load_experiment, simulate

    noisy = {"chip.core.device.programming_noise": "150 uS", "samples": 12, "trials": 3, "seed": 7}
    return simulate(load_experiment("isaac-mlp", noisy))


@pytest.fixture
def file(result, tmp_path):
    """The run, written."""
    from pimsim import write_result

    return write_result(result, tmp_path / "a.h5")
