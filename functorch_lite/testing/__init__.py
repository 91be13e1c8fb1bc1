"""Property tests of transforms: strategies that draw arrays and whole programs, and laws that hold of every function.

Hypothesis is imported here and nowhere else in the library: `import functorch_lite` does not import this package.
"""
