"""What users call: transforms of functions over trees of arrays. Trees, arguments and checks around the passes."""
