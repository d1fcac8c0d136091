"""The commands of `yetan`, one module a group."""

from __future__ import annotations

import typer

from yetan.cli import (
    audit,
    backup,
    database,
    delivering,
    demonstration,
    exporting,
    importing,
    inspection,
    people,
    plugin_authoring,
    plugins,
    searching,
    serving,
)
from yetan.cli.console import fail
from yetan.db.upgrade import UpgradeFailed
from yetan.errors import ConfigurationError, YetanError
from yetan.files.storage import StorageUnavailable
from yetan.search import SearchUnavailable
from yetan.spreadsheets import SpreadsheetError

application = typer.Typer(
    help="夜谈 Yetan: a town's night talks and the issues they raise.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for module in (serving, demonstration, inspection, backup):
    module.register(application)
application.add_typer(audit.commands, name="audit")
application.add_typer(database.commands, name="db")
application.add_typer(delivering.commands, name="events")
application.add_typer(importing.commands, name="import")
application.add_typer(exporting.commands, name="person")
application.add_typer(people.commands, name="user")
plugin_authoring.register(plugins.commands)
application.add_typer(plugins.commands, name="plugin")
application.add_typer(searching.commands, name="search")


def run() -> None:
    """Run a command; a problem is said in a sentence, with exit code 2 for the configuration and 1 for the rest."""
    try:
        application()
    except ConfigurationError as error:
        fail(
            "\n".join(["按现在的配置启动不了：", *(f"  - {each}" for each in error.problems)]),
            2,
        )
    except (YetanError, SpreadsheetError, StorageUnavailable) as error:
        details = [text for texts in getattr(error, "fields", {}).values() for text in texts]
        fail("\n".join([str(error), *(each for each in details if each not in str(error))]))
    except (UpgradeFailed, SearchUnavailable) as error:
        fail(str(error))
    except OSError as error:
        if error.filename is None:
            raise
        fail(f"读不了或写不了“{error.filename}”：{error.strerror}。请核对路径和权限。")
    except KeyboardInterrupt:
        fail("Interrupted; nothing half done is kept. Run the command again to go on.", 130)
