"""How the documentation is built: `make docs`, every warning an error."""

from pathlib import Path

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
