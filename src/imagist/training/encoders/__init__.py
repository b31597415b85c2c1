"""Encoders: published backbones, cached features, distillation."""
