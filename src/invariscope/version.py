"""The version of invariscope, which manifests record."""

VERSION = "0.2.0"
