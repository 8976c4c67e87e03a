"""Networks on sequences: LSTM, BERT, GPT-2. They begin behind the embeddings, which are looked up."""

from pimsim.network.layers import Add, Attention, Dense, Gelu, LastToken, LayerNorm, Lstm
from pimsim.network.zoo.plain import Layers


def lstm(layers: int, units: int, words: int) -> Layers:
    """A language model: every step predicts the next word."""
    for place in range(1, layers + 1):
        yield f"lstm{place}", Lstm(units)
    yield "fc", Dense(words)


def attention(name: str, read: str, width: int, heads: int, *, causal: bool = False, cached: int = 0) -> Layers:
    """Queries, keys, values, attention, and the matrix behind it, called `name`."""
    parts = tuple(f"{name}/{part}" for part in ("query", "key", "value"))
    for part in parts:
        yield part, Dense(width), read
    yield f"{name}/heads", Attention(heads, causal, cached), parts
    yield name, Dense(width)


def feed_forward(name: str, read: str, width: int) -> Layers:
    """Two matrices with GELU between, the second called `name`."""
    yield f"{name}/wide", Dense(4 * width), read
    yield f"{name}/gelu", Gelu()
    yield name, Dense(width)


def bert(layers: int, width: int, heads: int) -> Layers:
    """Encoder layers with the norm behind each sum."""
    read = "input"
    for place in range(1, layers + 1):
        name = f"layer{place}"
        yield from attention(f"{name}/attention", read, width, heads)
        yield f"{name}/sum1", Add(), (f"{name}/attention", read)
        yield f"{name}/norm1", LayerNorm()
        yield from feed_forward(f"{name}/ffn", f"{name}/norm1", width)
        yield f"{name}/sum2", Add(), (f"{name}/ffn", f"{name}/norm1")
        read = f"{name}/norm2"
        yield read, LayerNorm()


def gpt(layers: int, width: int, heads: int, words: int, cached: int) -> Layers:
    """Decoder layers with the norm before each matrix; the last token predicts the next word."""
    read = "input"
    for place in range(1, layers + 1):
        name = f"layer{place}"
        yield f"{name}/norm1", LayerNorm(), read
        yield from attention(f"{name}/attention", f"{name}/norm1", width, heads, causal=True, cached=cached)
        yield f"{name}/sum1", Add(), (f"{name}/attention", read)
        yield f"{name}/norm2", LayerNorm()
        yield from feed_forward(f"{name}/ffn", f"{name}/norm2", width)
        read = f"{name}/sum2"
        yield read, Add(), (f"{name}/ffn", f"{name}/sum1")
    yield "last", LastToken()
    yield "norm", LayerNorm()
    yield "fc", Dense(words)
