"""The model of `edgewise demo`: a meter reader, trained on real handwritten digits in a few seconds."""
