"""Starts nginx on $PORT, with the settings of the file that is named; its own files lie in a folder for this run."""

import os
import sys
import tempfile
from pathlib import Path

here = Path(__file__).parent
place = Path(tempfile.mkdtemp(prefix="nginx-"))
place.chmod(0o755)
text = (here / sys.argv[1]).read_text()
for word, value in {"PORT": os.environ["PORT"], "SITE": str(here / "site"), "PLACE": str(place)}.items():
    text = text.replace(f"@{word}@", value)
(place / "nginx.conf").write_text(text)
os.execvp("nginx", ["nginx", "-e", "stderr", "-p", str(place), "-c", str(place / "nginx.conf"), "-g", "daemon off;"])  # noqa: S606 - in our place
