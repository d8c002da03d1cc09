"""Reads template.yaml, CloudFormation's short tags included, as plain Python: `!Ref X` becomes `{"Ref": "X"}`."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


class _Loader(yaml.SafeLoader):
    pass


def _tag(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    value: Any
    if isinstance(node, yaml.ScalarNode):
        value = loader.construct_scalar(node)
        if suffix == "GetAtt":
            value = str(value).split(".", 1)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _tag)


@cache
def template() -> dict[str, Any]:
    """Gives the whole template."""
    loaded: dict[str, Any] = yaml.load((ROOT / "template.yaml").read_text(encoding="utf-8"), _Loader)
    return loaded


def resources(type_: str) -> dict[str, dict[str, Any]]:
    """Gives the properties of all resources of a type, by logical id."""
    found = template()["Resources"].items()
    return {name: it.get("Properties", {}) for name, it in found if it["Type"] == type_}


def plain(value: Any) -> Any:
    """Gives a property's value as the parameters' defaults make it: a parameter, or what a mapping has for one."""
    match value:
        case {"Ref": name}:
            return template()["Parameters"][name]["Default"]
        case {"Fn::FindInMap": [name, key, field]}:
            return template()["Mappings"][name][str(plain(key))][field]
        case _:
            return value


def table_definition(name: str) -> dict[str, Any]:
    """Gives the arguments of boto3's `create_table` for the template's table, under another name."""
    properties = resources("AWS::DynamoDB::Table")["Table"]
    known = ("BillingMode", "AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes")
    return {"TableName": name} | {key: properties[key] for key in known}


def environment(function: str) -> dict[str, Any]:
    """Gives the environment variables that a function is given, the shared ones included."""
    shared = template()["Globals"]["Function"]["Environment"]["Variables"]
    own = resources("AWS::Serverless::Function")[function]["Environment"]["Variables"]
    return {**shared, **own}


def statements(function: str) -> list[dict[str, Any]]:
    """Gives all policy statements of a function's role, those of attached policies of ours and those on a condition
    included."""
    role = resources("AWS::IAM::Role")[f"{function.removesuffix('Function')}Role"]
    found = [it for policy in role["Policies"] for it in policy["PolicyDocument"]["Statement"]]
    found = [it["Fn::If"][1] if "Fn::If" in it else it for it in found]
    managed = resources("AWS::IAM::ManagedPolicy")
    for attached in role["ManagedPolicyArns"]:
        found += managed[attached["Ref"]]["PolicyDocument"]["Statement"]
    return found


def actions(function: str) -> set[str]:
    """Gives all that a function's role may do, anywhere."""
    return {action for it in statements(function) if it["Effect"] == "Allow" for action in _listed(it["Action"])}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
