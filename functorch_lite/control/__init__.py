"""Primitives that hold graphs: their rules are the passes, applied one level down."""
