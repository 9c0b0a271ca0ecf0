"""Django's command line, for the settings of $DJANGO_SETTINGS_MODULE."""

import sys

from django.core.management import execute_from_command_line

execute_from_command_line(sys.argv)
