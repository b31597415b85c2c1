"""Distillation: trains the encoder of the embedded model, from random weights, to reproduce a teacher's feature maps.

Teacher and student have the same nine stages. In phase *stages* each stage of the student reads the teacher's map
before it and learns the teacher's map after it, all stages at the same time (Blakeney et al. 2020, "Parallel Blockwise
Knowledge Distillation for Deep Neural Network Compression"; Romero et al. 2015, "FitNets"). In phase *whole* each reads
the student's own map; the last map and the class probabilities come to count more than the maps before. At every step
teacher and student see the same new crops and mixtures of images (Beyer et al. 2022, "Knowledge distillation: A good
teacher is patient and consistent").

No weight of the teacher is copied into the student.
"""
