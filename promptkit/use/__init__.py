"""Using what was tuned, without its data set: predictions, words, a classifier, features."""
