"""The primitives: all the mathematics of one is one record, in the file of its family."""
