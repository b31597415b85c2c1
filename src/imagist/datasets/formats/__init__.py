"""The formats of data sets, a module each; the registry lists them under the kind ``datasets``.

A format is a class that implements `imagist.datasets.source.Format`. To add one, write its module and add a line to
the registry, or an entry point of the group ``imagist.datasets`` in a package of your own.
"""
