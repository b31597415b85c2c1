"""Image-text matchers: images and texts in one space, in which an image lies near the texts that fit it."""
