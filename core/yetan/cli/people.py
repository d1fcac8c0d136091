"""`yetan user`: the first administrator, and a way in for who lost theirs."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from yetan.access.roles import role_labels
from yetan.access.sessions import issue_link
from yetan.cli.console import CONFIG, ConfigOption, in_city
from yetan.errors import Invalid
from yetan.people.models import Account
from yetan.people.service import appoint, create_account, today
from yetan.runtime import Runtime
from yetan.units.service import by_name, root

commands = typer.Typer(help="Accounts.", no_args_is_help=True)


@commands.command("create")
def create(
    username: str,
    name: Annotated[str, typer.Option(help="The person's name.")],
    role: Annotated[str, typer.Option(help="The role of their post.")] = "administrator",
    unit: Annotated[str, typer.Option(help="The unit of their post; default: the city.")] = "",
    config: ConfigOption = CONFIG,
) -> None:
    """Add an account with a post and print a one-time link to sign in with. There are no default passwords."""

    async def work(city: Runtime) -> None:
        act = city.system_act()
        place = await by_name(unit) if unit else await root()
        if role not in role_labels():
            raise Invalid(f"没有“{role}”这个角色。可选：{'、'.join(role_labels())}。")
        account = await create_account(act, {"username": username, "name": name, "unit": place.id})
        await appoint(act, account.id, {"role": role, "unit": place.id, "since": today(act)})
        await _print_link(city, account)

    in_city(config, work)


@commands.command("link")
def link(username: str, config: ConfigOption = CONFIG) -> None:
    """Print a one-time link that signs an account in, to set a new password."""

    async def work(city: Runtime) -> None:
        account = await Account.get_or_none(username=username, active=True)
        if account is None:
            raise Invalid(f"没有“{username}”这个账号，或者已经停用。")
        await _print_link(city, account)

    in_city(config, work)


async def _print_link(city: Runtime, account: Account) -> None:
    typer.echo(await sign_in_address(city, account))
    typer.echo("这个链接 24 小时内有效，只能用一次；登录后请设置密码。", err=True)


async def sign_in_address(city: Runtime, account: Account, base_url: str = "") -> str:
    """A one-time address that signs the account in."""
    token = await issue_link(account, city.clock(), valid=timedelta(hours=24))
    return f"{base_url or city.configuration.base_url}/sign-in/{token}"
