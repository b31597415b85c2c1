"""The torch modules of captioners; `imagist.training.export.graphs` exports them to ONNX.

`decoder` defines the interface of decoders; `build` makes one from a recipe.
"""
