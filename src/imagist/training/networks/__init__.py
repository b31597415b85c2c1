"""The torch modules that captioners are trained as; `imagist.training.export.graphs` turns them into ONNX.

`decoder` says what every one of them gives; `build` makes one by its name.
"""
