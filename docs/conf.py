"""How the documentation is built: `make docs`, every warning an error."""

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

project = "Yetan 夜谈"
author = "the Yetan developers"
language = "en"
extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["examples/**", "_build/**"]
html_theme = "basic"
html_static_path: list[str] = []
nitpicky = True
# What is shown of a file must be there.
root_doc = "index"
highlight_language = "none"
examples = Path(__file__).parent / "examples"


def setup(app: Any) -> None:
    """Draw the gallery of components beside the pages."""

    def draw(app: Any, failure: Exception | None) -> None:
        if failure is None:
            import gallery

            gallery.write(Path(app.outdir) / "gallery")

    app.connect("build-finished", draw)
