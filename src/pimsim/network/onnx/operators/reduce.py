"""Reductions over axes."""

from dataclasses import replace
from functools import partial

from pimsim.network.layers import GlobalAvgPool, Reduce
from pimsim.network.onnx.call import Call, axis_of
from pimsim.network.onnx.layout import IMAGE_GROUPS, Tensor, natural, significant


def reduce(function: str, call: Call) -> Tensor:
    """A function of the values along some axes, of all without any."""
    x, rank = call.tensor(), len(call.tensor().shape)
    given = call.ints("axes", 1)
    if not given and call.get("noop_with_empty_axes", 0):
        return call.same(x)
    axes = {axis_of(axis, rank) for axis in given} if given else set(range(rank))
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(x.shape))
    image = significant(x.shape, x.groups) == IMAGE_GROUPS[4] if rank == 4 else False
    if function == "mean" and image and {2, 3} <= axes <= {0, 2, 3}:
        made = call.builder.make(call.name, GlobalAvgPool(), (x,), kept, ((1,),))
        return call.builder.relabelled(f"{call.name}/squeeze", made, call.shape)
    if any(0 < len(axes & set(group)) < len(group) for group in significant(x.shape, x.groups)):
        x = call.builder.laid(call.name, x, natural(x.shape))
    own = tuple(place for place, group in enumerate(x.groups) if set(group) & axes and x.own[place] > 1)
    made = replace(x, shape=kept)
    if own:
        made = call.builder.make(call.name, Reduce(function, own), (x,), kept, x.groups)
    return call.builder.relabelled(f"{call.name}/squeeze", made, call.shape)


OPERATORS = {
    f"Reduce{name}": partial(reduce, function)
    for name, function in (("Mean", "mean"), ("Sum", "sum"), ("Max", "max"), ("Min", "min"), ("Prod", "prod"))
}
