"""`edgewise demo`: a meter reader, trained on real handwritten digits in a few seconds, and what becomes of it."""
