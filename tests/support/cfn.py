"""Reads template.yaml, CloudFormation's short tags included, as plain Python: `!Ref X` becomes `{"Ref": "X"}`."""

import json
import os
import subprocess
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
    return _Resolver(_given({}), template()).plain(value)


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


@cache
def _translated() -> str:
    from tests.support.ministack import PYTHON

    whole = json.loads(json.dumps(template()))
    for it in whole["Resources"].values():
        # `sam deploy` uploads code first, and writes its address instead of its folder.
        for code in {"CodeUri", "ContentUri"} & it.get("Properties", {}).keys():
            it["Properties"][code] = "s3://bucket/code.zip"
    given = {name: str(it.get("Default", f"{name.lower()}@example.com")) for name, it in template()["Parameters"].items()}
    done = subprocess.run(
        [PYTHON, str(ROOT / "tests/support/sam_translate.py")],
        input=json.dumps({"template": whole, "parameters": given}), capture_output=True, text=True, check=True,
        env=dict(os.environ) | {"AWS_DEFAULT_REGION": "eu-central-1"},
    )  # fmt: skip
    return done.stdout


def deployed(**parameters: str) -> dict[str, dict[str, Any]]:
    """Gives the resources that a deployment makes, by logical id: translated by SAM, with these parameters and the others'
    defaults put in, and without what stands on a condition that does not hold."""
    whole = json.loads(_translated())
    resolver = _Resolver(_given(parameters), whole)
    kept = {name: it for name, it in whole["Resources"].items() if "Condition" not in it or resolver.holds(it["Condition"])}
    return {name: {**it, "Properties": resolver.plain(it.get("Properties", {}))} for name, it in kept.items()}


def broken_rules(**parameters: str) -> list[str]:
    """Gives the sentences with which CloudFormation refuses these parameters, the others being their defaults."""
    resolver = _Resolver(_given(parameters), template())
    rules = [it for it in template()["Rules"].values() if resolver.plain(it["RuleCondition"])]
    return [it["AssertDescription"] for rule in rules for it in rule["Assertions"] if not resolver.plain(it["Assert"])]


def _given(parameters: dict[str, str]) -> dict[str, Any]:
    """Gives the value of each parameter that is said or has a default, a list as a list."""
    found = {}
    for name, it in template()["Parameters"].items():
        value = parameters.get(name, it.get("Default"))
        if value is not None:
            found[name] = value.split(",") if it["Type"] == "CommaDelimitedList" else value
    return found


class _Resolver:
    """Puts parameters, mappings and conditions in; leaves what only a deployment knows."""

    def __init__(self, values: dict[str, Any], whole: dict[str, Any]) -> None:
        self._values, self._whole = values, whole

    def holds(self, condition: str) -> bool:
        return bool(self.plain(self._whole["Conditions"][condition]))

    def plain(self, value: Any) -> Any:
        match value:
            case {"Ref": str(name)} if name in self._values:
                return self._values[name]
            case {"Fn::FindInMap": [name, key, field]}:
                return self._whole["Mappings"][name][str(self.plain(key))][field]
            case {"Fn::If": [condition, then, otherwise]}:
                return self.plain(then if self.holds(condition) else otherwise)
            case {"Fn::Equals": [one, other]}:
                return self.plain(one) == self.plain(other)
            case {"Fn::Not": [it]}:
                return not self.plain(it)
            case {"Fn::Join": [by, parts]}:
                return self._joined(by, self.plain(parts))
            case {"Fn::Split": [by, it]} if isinstance(self.plain(it), str):
                return self.plain(it).split(by)
            case {"Fn::Contains": [many, one]}:
                return self.plain(one) in self.plain(many)
            case dict():
                found = {name: self.plain(it) for name, it in value.items()}
                return {name: it for name, it in found.items() if it != {"Ref": "AWS::NoValue"}}
            case list():
                return [it for it in map(self.plain, value) if it != {"Ref": "AWS::NoValue"}]
            case _:
                return value

    def _joined(self, by: str, parts: list[Any]) -> Any:
        return by.join(parts) if all(isinstance(it, str) for it in parts) else {"Fn::Join": [by, parts]}
