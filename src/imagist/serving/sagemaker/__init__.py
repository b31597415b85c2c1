"""Amazon SageMaker: the routes of its container contract, and what its model and image are made of."""
