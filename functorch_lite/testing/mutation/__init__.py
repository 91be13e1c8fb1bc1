"""How well the laws find mistakes: rules and passes are changed one expression at a time, and laws are tried.

`python -m functorch_lite.testing.mutation --profile quick|deep` says which mistakes the laws find, and which not.
"""
