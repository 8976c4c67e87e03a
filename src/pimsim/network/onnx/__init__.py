"""Networks from ONNX files: matrices for crossbars, digital work around them, and everything else by its name.

Import from the modules: `pimsim.network.onnx.read` imports the onnx package only when a file is read.
"""
