"""Other machines give the same numbers: several devices that share the vectors, and GPUs."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cores import make_adc, make_core
from test_golden import codes_by_hand, product_of_codes

from pimsim.chip import Maximum
from pimsim.circuits import IdealAdc
from pimsim.devices import Reram
from pimsim.numerics import exact_product

NOISY = Reram(g_min=1e-6, g_max=1e-4, programming_noise=3e-6, read_noise=1e-6)
VECTORS = 101


def operands(rows=150, cols=20, bits=8):
    rng = np.random.default_rng(5)
    return rng.integers(0, 2**bits, (VECTORS, rows)), rng.integers(1 - 2 ** (bits - 1), 2 ** (bits - 1), (rows, cols))


def answers():
    """Noisy products and exact ones of vectors that no number of devices but one divides."""
    core, (x, w) = make_core(device=NOISY, adc=make_adc(7), full_scale=Maximum()), operands()
    array = core.program(jnp.asarray(w), key=jax.random.key(1))
    noisy = core.matmul(array, jnp.asarray(x), key=jax.random.key(2))
    x, w = operands(bits=16)
    return np.asarray(noisy), np.asarray(exact_product(jnp.asarray(x), jnp.asarray(w), signed=False))


def test_devices_share_the_vectors_and_change_no_bit(tmp_path):
    """Three devices answer as one does, noise included: it is named by the vector, not by who computes it."""
    script = f"""
import jax, numpy, sys
jax.config.update("jax_num_cpu_devices", 3)
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_accelerators import answers
assert jax.local_device_count() == 3
numpy.savez({str(tmp_path / "answers.npz")!r}, *answers())
"""
    shared = {"env": os.environ | {"JAX_PLATFORMS": "cpu"}, "capture_output": True, "text": True, "timeout": 300}
    done = subprocess.run((sys.executable, "-c", script), check=False, **shared)
    assert done.returncode == 0, done.stderr
    noisy, exact = answers()
    with np.load(tmp_path / "answers.npz") as file:
        np.testing.assert_array_equal(file["arr_0"], noisy)
        np.testing.assert_array_equal(file["arr_1"], exact)


@pytest.mark.gpu
def test_exact_products_are_exact_on_a_gpu():
    """16-bit integers through 8-bit units: equal to NumPy's 64-bit product."""
    x, w = operands(bits=16)
    ours = exact_product(jnp.asarray(x), jnp.asarray(w), signed=False)
    assert {device.platform for device in ours.devices()} == {"gpu"}
    np.testing.assert_array_equal(ours, x @ w)


@pytest.mark.gpu
@pytest.mark.parametrize("noise", [0.0, 3e-6])
def test_conversions_on_a_gpu_are_those_computed_by_hand(noise, key):
    """Exact and programmed cells: the engine's product is made of the codes that NumPy finds in float64."""
    core = make_core(device=Reram(g_min=1e-6, g_max=1e-4, programming_noise=noise), adc=make_adc(7))
    x, w = (jnp.asarray(operand) for operand in operands(rows=100))
    array = core.program(w, key=key)
    codes, units = codes_by_hand(core, array, x)
    expected = product_of_codes(core, array, x, codes, units)
    np.testing.assert_allclose(core.matmul(array, x), expected, rtol=1e-12, atol=1e-9)


@pytest.mark.gpu
def test_read_noise_on_a_gpu_has_the_stated_spread(key):
    """Mean and spread over 4,000 reads of one vector, within 4 standard errors of the closed form for binary cells."""
    reads, rows = 4000, 64
    core = make_core(
        device=Reram(g_min=0.0, g_max=1e-4, read_noise=1e-6), adc=IdealAdc(), cell_bits=1, weight_bits=2, input_bits=1
    )
    array = core.program(jnp.ones((rows, 1), int), key=key)
    y = np.asarray(core.matmul(array, jnp.ones((reads, rows), int), key=key), float)[:, 0]
    sigma = np.sqrt(2 * rows) * 0.01
    assert abs(y.mean() - rows) < 4 * sigma / reads**0.5
    assert abs(y.std() / sigma - 1) < 4 / (2 * reads) ** 0.5
