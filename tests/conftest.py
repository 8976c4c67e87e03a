"""What most tests start from. pimsim is imported inside the fixtures, after the shape checker is in place.

Most of the time goes into compiling, so that is done in haste; `XLA_FLAGS= make test` compiles as users do.
"""

import os
from pathlib import Path

import pytest

os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")


def pytest_collection_modifyitems(items):
    marked = [item for item in items if item.get_closest_marker("gpu")]
    if marked and not _sees_gpu():
        for item in marked:
            item.add_marker(pytest.mark.skip(reason="JAX sees no GPU here"))


def _sees_gpu():
    import jax

    return jax.default_backend() == "gpu"


@pytest.fixture(scope="module", autouse=True)
def compiled():
    """Let go of compiled programs in time: each takes several memory mappings, of which Linux allows 65,530."""
    import jax

    yield
    mappings = Path("/proc/self/maps")
    if mappings.exists() and mappings.read_text().count("\n") > 20_000:
        jax.clear_caches()


@pytest.fixture(scope="session")
def key():
    import jax

    return jax.random.key(2016)


@pytest.fixture(scope="session")
def isaac():
    """The ISAAC-CE chip, as it ships."""
    from pimsim import load_chip

    return load_chip("isaac-ce")


@pytest.fixture(scope="session")
def small():
    """ISAAC's scheme at a tenth of the size: arrays of 16 rows and 4 weights of 8 bits, 2 × 2 of them in 4 tiles."""
    from pimsim import load_chip

    size = {"core.rows": 16, "core.columns": 16, "core.columns_per_adc": 16, "core.arrays": 2, "tile.cores": 2}
    bits = {"core.weight_bits": 8, "core.input_bits": 6, "core.adc.bits": 5}
    return load_chip("isaac-ce", size | bits | {"mesh_rows": 2, "mesh_cols": 2, "tile.router.shared_by": 1})
