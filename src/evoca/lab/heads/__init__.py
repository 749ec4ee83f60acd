"""What is fitted on frozen features: linear layers, support vector machines, sentences."""
