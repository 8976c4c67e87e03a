"""The neural network, no hardware in sight: layers, graph, quantization, data sets and trained examples.

Import from the modules: `pimsim.network.ops`, which mapping and scheduling read, needs no JAX.
"""
