"""The HTTP API in template.yaml: all routes of the code, each with who may call it, and where agents find it."""

from fnmatch import fnmatch

from followups.api.openapi import document
from followups.api.routes import ROUTES
from tests.support import cfn

#: Routes that everybody may call, and those of runs, which a run token opens.
PUBLIC = {"GET /v1/healthz", "GET /openapi.json"}
OF_RUNS = {f"POST /v1/runs/{{id}}/{word}" for word in ("complete", "heartbeat", "progress")}


def test_every_route_of_the_api_is_there_and_no_other() -> None:
    deployed = {it["RouteKey"] for it in cfn.resources("AWS::ApiGatewayV2::Route").values()}
    assert deployed == {f"{method} {path.replace('<', '{').replace('>', '}')}" for method, path, _ in ROUTES}


def test_the_api_may_be_called_on_each_of_its_routes() -> None:
    permissions = cfn.resources("AWS::Lambda::Permission").values()
    (own,) = [it for it in permissions if it["FunctionName"] == {"Ref": "ApiFunction"}]
    source = own["SourceArn"]["Fn::Sub"].rpartition(":")[2]
    for route in cfn.resources("AWS::ApiGatewayV2::Route").values():
        method, path = route["RouteKey"].split(" ")
        assert fnmatch(f"${{Api}}/$default/{method}{path}", source), route["RouteKey"]


def scope_of(route: str) -> str:
    """Gives the scope that a route asks for."""
    method, path = route.split(" ")
    if path.endswith("/work"):
        return "work"
    if path.endswith("/secret") or (method != "GET" and path.startswith(("/v1/agents", "/v1/control"))):
        return "operate"
    return "read" if method == "GET" or path == "/v1/preview" else "write"


def test_every_route_asks_who_calls_but_the_public_ones_and_those_of_runs() -> None:
    for name, route in cfn.resources("AWS::ApiGatewayV2::Route").items():
        if route["RouteKey"] in PUBLIC | OF_RUNS:
            assert route["AuthorizationType"] == "NONE"
            continue
        assert route["AuthorizationType"] == {"Fn::If": ["UseJwt", "JWT", "AWS_IAM"]}, name
        assert route["AuthorizerId"] == {"Fn::If": ["UseJwt", {"Ref": "ApiAuthorizer"}, {"Ref": "AWS::NoValue"}]}, name
        with_jwt, scopes = route["AuthorizationScopes"]["Fn::If"][:2]
        assert (with_jwt, scopes) == ("UseJwt", [f"followups/{scope_of(route['RouteKey'])}"]), name


def test_the_openapi_document_tells_of_each_route_who_may_call_it() -> None:
    paths = document(ROUTES)["paths"]
    for route in cfn.resources("AWS::ApiGatewayV2::Route").values():
        method, path = route["RouteKey"].split(" ")
        told = paths[path][method.lower()]["security"]
        if route["AuthorizationType"] == "NONE":
            assert told == [], route["RouteKey"]
        else:
            assert {"jwt": route["AuthorizationScopes"]["Fn::If"][1]} in told, route["RouteKey"]


def test_stage_is_throttled_and_logs() -> None:
    (stage,) = cfn.resources("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"].keys() >= {"ThrottlingRateLimit", "ThrottlingBurstLimit"}
    assert stage["AccessLogSettings"]["DestinationArn"] == {"Fn::GetAtt": ["AccessLog", "Arn"]}
    assert not {"sourceIp", "userAgent", "userArn", "claims"} & set(stage["AccessLogSettings"]["Format"].split('"'))
    (api,) = cfn.resources("AWS::ApiGatewayV2::Api").values()
    assert "CorsConfiguration" not in api


def test_agents_find_the_api_at_its_own_domain_or_else_where_aws_has_it() -> None:
    for function in ("ApiFunction", "RunnerFunction"):
        address = cfn.environment(function)["FOLLOWUPS_API_URL"]
        assert address == {"Fn::If": ["HasApiUrl", {"Ref": "ApiUrl"}, {"Fn::GetAtt": ["Api", "ApiEndpoint"]}]}
    assert cfn.template()["Parameters"]["ApiUrl"]["Default"] == ""
