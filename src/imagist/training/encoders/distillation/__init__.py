"""Distillation: trains the encoder of the embedded model, from random weights, to reproduce a teacher's feature maps.

Two phases. *Units*: each of the 19 units of MobileNetV2 in turn learns to produce the output of the teacher's unit. It
reads the output of the student's units before it, so it also corrects their errors (blockwise distillation; Shen et al.
2021, "Progressive Network Grafting for Few-Shot Knowledge Distillation"). *Tail*: the last five units together learn to
produce the teacher's last two maps and its class probabilities from what the first fourteen make of many views (Romero
et al. 2015, "FitNets"; Beyer et al. 2022, "Knowledge distillation: a good teacher is patient and consistent"). The
first fourteen units take nine tenths of a step's time; their outputs are computed once.

No weight of the teacher is copied into the student.
"""
