"""What all tests of the project share."""

from hypothesis import settings

# the machine may be busy with other runs: no example has to be quick
settings.register_profile("busy machine", deadline=None)
settings.load_profile("busy machine")
