"""ClamAV's daemon as a second engine; the operator runs it and gives it signatures.

A client of our own: the one on PyPI is licensed under the GPL, which this product cannot link.
"""
