"""What users call: transforms of Python functions over trees of arrays. Trees, arguments and checks around the passes."""
