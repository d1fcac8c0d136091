"""What a serving process imports, and so takes in memory and at each start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CITY = Path(__file__).parents[2] / "deployments" / "sanming" / "yetan.toml"

STARTED = """
import sys
from pathlib import Path
from yetan.imports import kept_for_good
with kept_for_good():
    from yetan.app import build_app
    from yetan.config import load_configuration
    build_app(load_configuration(Path(sys.argv[1])))
seldom = {"PIL", "asyncpg", "babel", "icalendar", "openpyxl", "prometheus_client", "pydantic", "segno"}
assert not seldom & sys.modules.keys(), seldom & sys.modules.keys()
with kept_for_good():
    import pydantic
from tortoise.fields import data
assert data._PydanticBaseModel is pydantic.BaseModel
"""


def test_what_few_pages_need_comes_with_them(tmp_path: Path) -> None:
    surroundings = {"YETAN_DATA_DIR": str(tmp_path), "YETAN_SECRET_KEY": "k" * 40}
    command = [sys.executable, "-c", STARTED, str(CITY)]
    started = subprocess.run(command, env=os.environ | surroundings, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
