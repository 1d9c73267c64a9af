"""Three ways to bring a model to where it serves: in the inference image, as files, or in a container of its own."""
