"""The XLA executor: the only package that talks to jaxlib's compiler and runtime. Imported on first use."""
