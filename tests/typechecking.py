"""The type checker that pytest puts on every function of the package, shapes included."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float
