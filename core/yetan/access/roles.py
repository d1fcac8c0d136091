"""Roles: which there are, and which permissions each holds in this deployment."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from yetan.i18n import message_ids, translate
from yetan.runtime import current
from yetan.spelling import nearest

if TYPE_CHECKING:
    from yetan.config import Role
    from yetan.plugins.declarations import Permission

#: The roles of the founding documents. A city adds its own, or changes these, under [roles] in yetan.toml.
ROLES: Mapping[str, str] = message_ids(
    {
        "village_official": "村（社区）干部",
        "township_clerk": "乡镇（街道）专人",
        "department_official": "部门承办人",
        "leader": "领导",
        "publisher": "公开审核",
        "supervisor": "督办",
        "auditor": "审计",
        "administrator": "管理员",
    }
)


def role_labels() -> dict[str, str]:
    """Every role of this deployment with its label, in the reader's language."""
    configured = current().configuration.roles
    labels = {name: role.label or ROLES.get(name, name) for name, role in configured.items()}
    return {name: translate(label) for name, label in {**ROLES, **labels}.items()}


def roles_holding(permission: str) -> frozenset[str]:
    """The roles that hold a permission: as declared, plus what the city grants, less what it revokes."""
    runtime = current()
    declared = runtime.registry.permissions[permission].roles
    granted = {name for name, role in runtime.configuration.roles.items() if permission in role.grants}
    revoked = {name for name, role in runtime.configuration.roles.items() if permission in role.revokes}
    return (declared | granted) - revoked


def check_configured(roles: Mapping[str, Role], permissions: Mapping[str, Permission]) -> list[str]:
    """What is wrong with the roles of yetan.toml: permissions nobody declares."""
    problems = []
    for name, role in roles.items():
        for key, wanted in (("grants", role.grants), ("revokes", role.revokes)):
            for permission in (each for each in wanted if each not in permissions):
                near = nearest(permission, permissions)
                advice = f"; did you mean {near!r}?" if near else ""
                problems.append(f"roles.{name}.{key}: no enabled plugin declares {permission!r}{advice}")
    return problems
