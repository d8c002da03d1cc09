"""What stands behind agents: the kinds there are, how each is named and called, and what may be called from here."""

import ipaddress
import re
from urllib.parse import urlsplit

from followups.domain import addresses
from followups.domain.errors import Invalid

_REGION, _ACCOUNT = "(?P<region>[a-z0-9-]{1,32})", "[0-9]{12}"
#: A Lambda function's ARN, with an alias or version if one is meant (AWS Lambda API, FunctionName).
FUNCTION = re.compile(
    rf"arn:aws[a-z-]{{0,12}}:lambda:{_REGION}:{_ACCOUNT}:function:[A-Za-z0-9_-]{{1,64}}(?::[A-Za-z0-9_$-]{{1,128}})?"
)
#: A state machine's ARN, with a version or alias if one is meant (AWS Step Functions API, StartExecution).
STATE_MACHINE = re.compile(
    rf"arn:aws[a-z-]{{0,12}}:states:{_REGION}:{_ACCOUNT}:stateMachine:[A-Za-z0-9_.-]{{1,80}}(?::[A-Za-z0-9_.-]{{1,80}})?"
)
#: An AgentCore runtime, perhaps one of its endpoints, or a harness (Amazon Bedrock AgentCore API).
AGENTCORE = re.compile(
    rf"arn:aws[a-z-]{{0,12}}:bedrock-agentcore:{_REGION}:{_ACCOUNT}:"
    r"(?:runtime/[A-Za-z][A-Za-z0-9_-]{0,99}(?:/runtime-endpoint/[A-Za-z][A-Za-z0-9_-]{0,99})?"
    r"|harness/[A-Za-z][A-Za-z0-9_-]{0,99})"
)
_ARNS = {"lambda": FUNCTION, "states": STATE_MACHINE, "agentcore": AGENTCORE}
_ARN_SAYS = {"lambda": "a function's ARN", "states": "a state machine's ARN", "agentcore": "an AgentCore runtime's ARN"}
URL_LIMIT = 1_000
#: All that IANA gives out (RFC 4291 §2.4), and the part of it that is for examples (RFC 9637).
_GLOBAL_UNICAST, _DOCUMENTATION = ipaddress.IPv6Network("2000::/3"), ipaddress.IPv6Network("3fff::/20")

#: What an operator may register, and where it can run.
ON_LAPTOP = ("command", "https", "worker", "person")
ON_AWS = ("lambda", "agentcore", "states", "https", "worker", "person")
KINDS = tuple(dict.fromkeys(("checklist", *ON_LAPTOP, *ON_AWS)))
#: The ways in which a kind may be called, the usual one first. `sync`: the answer is waited for. `async`: it is called,
#: and calls back. `durable`: a durable function, which is asked how far it is.
MODES = {"lambda": ("sync", "async", "durable"), "agentcore": ("sync", "async")}
#: Kinds and modes whose runs outlive the call that starts them: they may take as long as `LONGEST_S`.
_LASTING = frozenset({("lambda", "async"), ("lambda", "durable"), ("agentcore", "async")})
_LASTING_KINDS = frozenset({"states", "https", "worker"})
LONGEST_S = 7 * 86_400


def is_lasting(kind: str, mode: str | None) -> bool:
    """Says whether runs of such an agent may outlive the process that started them, and are then polled or call back."""
    return kind in _LASTING_KINDS or (kind, mode) in _LASTING


def check(kind: str, target: str | None, mode: str | None, *, region: str | None) -> None:
    """Takes what an agent is registered with, and the region where agents are called, None on a laptop. Raises Invalid for
    a target that cannot be called, or a mode that its kind does not have."""
    if mode is not None and mode not in MODES.get(kind, ()):
        ways = ", ".join(MODES.get(kind, ())) or "none"
        raise Invalid("validation_error", f"{mode[:40]!r} is no mode of {kind} agents: there are {ways}", field="mode")
    if kind in _ARNS:
        _check_arn(kind, target or "", region)
    elif kind == "https":
        check_url(target or "")
    elif kind == "person" and target is not None and not addresses.is_address(target):
        raise Invalid(
            "invalid_email", f"{target[:80]!r} is no plain mail address; write one like you@example.com", field="target"
        )


def _check_arn(kind: str, arn: str, region: str | None) -> None:
    found = _ARNS[kind].fullmatch(arn)
    if found is None:
        raise Invalid("invalid_target", f"{arn[:120]!r} is not {_ARN_SAYS[kind]}", field="target")
    if found["region"] != region:
        detail = f"{arn[:120]} is in {found['region']}, and agents are called in {region}"
        raise Invalid("invalid_target", detail, field="target")


def check_url(url: str) -> None:
    """Takes a webhook's address. Raises Invalid for one that is not https, holds a password, or names an address that is
    nobody's on the internet; what a name leads to is looked at at each call (`is_public`)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if parts.scheme != "https" or not host or port == 0:
        raise _wrong_url(url, "write one like https://agent.example.com/run")
    if len(url) > URL_LIMIT or not url.isascii() or not url.isprintable() or " " in url or parts.fragment:
        raise _wrong_url(url, f"it has at most {URL_LIMIT} visible ASCII characters, and no #")
    if parts.username is not None or parts.password is not None:
        raise Invalid("invalid_target", "a webhook's address holds no user and no password", field="target")
    literal = _literal(host)
    if literal is not None and not is_public(literal):
        raise _wrong_url(url, "its address is private, local or reserved")
    if literal is None and (
        "." not in host.rstrip(".") or host.rstrip(".").endswith((".localhost", ".local", ".internal"))
    ):
        raise _wrong_url(url, "its name is a local one")


def _wrong_url(url: str, why: str) -> Invalid:
    return Invalid("invalid_target", f"{url[:120]!r} is no address of a webhook: {why}", field="target")


def _literal(host: str) -> str | None:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def is_public(address: str) -> bool:
    """Says whether an IP address is one of the internet: not private, loopback, link-local, shared (RFC 6598), multicast,
    reserved, nor one of those in an IPv6 address that stands for an IPv4 one."""
    try:
        it = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(it, ipaddress.IPv6Address):
        inner = it.ipv4_mapped or it.sixtofour or (it.teredo[1] if it.teredo else None) or _nat64(it)
        if inner is not None:
            return is_public(str(inner))
        # What is not for anybody's use yet, or stands for something local in older ways, Python takes for global.
        if it not in _GLOBAL_UNICAST or it in _DOCUMENTATION:
            return False
    return it.is_global and not it.is_multicast


def _nat64(it: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Gives the IPv4 address that a NAT64 address stands for (RFC 6052 §2.1)."""
    return ipaddress.IPv4Address(int(it) & 0xFFFFFFFF) if it in ipaddress.IPv6Network("64:ff9b::/96") else None
