"""The embedded matcher: images and texts in one space, learnt from captions, names of classes and WordNet.

Two small networks are trained over a frozen encoder with classes of its own. The *text tower* reads word pieces and
learns, of many sentences and words, the vectors of a sentence encoder (its teacher), and to which of the encoder's
classes the nouns of a text belong, by WordNet and by everyday words for groups of classes. The *image tower* learns to
be near the text tower's vectors of an image's captions, of the names of its classes and of the nouns in its captions.

An embedding has two halves: what a tower learnt, and the classes themselves: of an image the encoder's probabilities,
of a text those that its nouns mean. So a text about something that no caption spoke of still finds its images.
"""
