"""Train, cross-validate: recipes of every kind on labelled images."""
