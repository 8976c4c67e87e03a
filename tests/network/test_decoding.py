"""Attention on integers, and decoding with a cache of keys and values."""

import jax
import numpy as np
import pytest

from pimsim.errors import NetworkError, SpecError
from pimsim.network.decoding import decode
from pimsim.network.graph import build_network, random_weights
from pimsim.network.layers import Affine, Arithmetic, Dense, Flatten, Gru, LastToken, Rearrange
from pimsim.network.layers.rearrange import Reshape
from pimsim.network.quantize import quantize, reference
from pimsim.network.sqnr import noise
from pimsim.network.zoo.sequence import gpt

CONTEXT, WIDTH = 6, 8
TOKENS = np.random.default_rng(1).normal(size=(12, CONTEXT, WIDTH)).astype(np.float32)


@pytest.fixture(scope="module")
def network():
    """A decoder of one layer and two heads that says at each token what comes next, with constants of each token."""
    layers = [each for each in gpt(1, WIDTH, 2, 5, 0) if each[0] != "last"]
    constants = {"place": {"gain": (CONTEXT, 1), "offset": (CONTEXT, 5)}, "shift": {"constant": (CONTEXT, 5)}}
    layers += [("place", Affine(**constants["place"])), ("shift", Arithmetic("add", **constants["shift"]))]
    topology = build_network("decoder", (CONTEXT, WIDTH), layers)
    rng, shapes = np.random.default_rng(0), jax.eval_shape(lambda: random_weights(topology, key=jax.random.key(0)))
    weights = jax.tree.map(lambda like: rng.normal(size=like.shape) / 2, shapes)
    shift = {name: {key: rng.normal(size=size) for key, size in own.items()} for name, own in constants.items()}
    return topology.with_weights(weights | shift)


def test_attention_multiplies_integers(network):
    """With 16-bit matrices the error is that of the operands of Q·Kᵀ and A·V; it halves with each of their bits."""
    quantized, wanted, errors = quantize(network, TOKENS, weight_bits=16, input_bits=16), network.forward(TOKENS), {}
    assert set(quantized.products) == {"layer1/attention/heads", "layer1/attention/heads/scores"}
    for bits in (4, 10):
        coarse = quantize(network, TOKENS, weight_bits=4, input_bits=bits).products
        errors[bits] = noise(reference(type(quantized)(network, quantized.layers, coarse), TOKENS), wanted) ** 0.5
    assert not coarse["layer1/attention/heads"].left.signed
    assert coarse["layer1/attention/heads"].right.signed
    assert abs(np.log2(errors[4] / errors[10]) - 6) < 1


def test_decoding_says_what_the_whole_sequence_says(network):
    """A prompt of three tokens, then one at a time: the same logits, while vectors keep the numbers of their tokens."""
    quantized, met = quantize(network, TOKENS, weight_bits=8, input_bits=8), []
    whole = np.asarray(reference(quantized, TOKENS))

    def product(name, x, first=0):
        met.append((name, first, x.shape[1]))
        return x.astype("int64") @ quantized.layers[name].matrix

    y, cache = decode(quantized, TOKENS[:, :3], product=product)
    parts = [y]
    for place in range(3, CONTEXT):
        y, cache = decode(quantized, TOKENS[:, place : place + 1], cache, product)
        parts.append(y)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, atol=1e-5)
    numbers = [(first, count) for name, first, count in met if name == "fc"]
    assert numbers == [(0, 3), (3, 1), (4, 1), (5, 1)]
    with pytest.raises(SpecError, match="reads 6, got 7"):
        decode(quantized, TOKENS[:, :1], cache)


def test_a_matrix_behind_the_last_token_sees_vector_0():
    """It has one vector, whichever token that is of; a matrix before it sees each under the token's number."""
    layers, rng, met = [("each", Dense(3)), ("last", LastToken()), ("fc", Dense(2))], np.random.default_rng(2), []
    weights = {name: {"weight": rng.normal(size=(rows, cols)), "bias": np.zeros(cols)}
               for name, rows, cols in (("each", WIDTH, 3), ("fc", 3, 2))}  # fmt: skip
    network = build_network("last", (CONTEXT, WIDTH), layers, weights)
    quantized, cache = quantize(network, TOKENS, weight_bits=8, input_bits=8), None

    def product(name, x, first=0):
        met.append((name, first, x.shape[1]))
        return x.astype("int64") @ quantized.layers[name].matrix

    for part in (TOKENS[:, :4], TOKENS[:, 4:]):
        y, cache = decode(quantized, part, cache, product)
    np.testing.assert_allclose(y, reference(quantized, TOKENS), atol=1e-5)
    assert met == [("each", 0, 4), ("fc", 0, 1), ("each", 4, 2), ("fc", 0, 1)]


WHOLE = Rearrange((Reshape((CONTEXT, WIDTH)),))


@pytest.mark.parametrize("layer", [Gru(3), Flatten(), WHOLE], ids=["gru", "flatten", "reshape"])
def test_no_cache_stands_for_other_layers(layer):
    """Where tokens meet by anything but causal attention, the layer is named."""
    topology = build_network("other", (CONTEXT, WIDTH), [("mix", layer), ("fc", Dense(2))])
    shapes = jax.eval_shape(lambda: random_weights(topology, key=jax.random.key(0)))
    weighted = topology.with_weights(jax.tree.map(lambda like: np.ones(like.shape), shapes))
    quantized = quantize(weighted, TOKENS, weight_bits=8, input_bits=8)
    with pytest.raises(NetworkError, match="mix: looks at other tokens"):
        decode(quantized, TOKENS[:, :2])
