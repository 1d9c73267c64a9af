"""From what people said of held-back predictions to a model that has learnt from it, and round again."""
