"""Trained modules to a bundle: ONNX graphs, quantization, assembly, and back."""
