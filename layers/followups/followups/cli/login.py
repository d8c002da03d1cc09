"""`followups login` and `logout`: which installation on AWS this laptop speaks to."""

import click

from followups import bootstrap, installation
from followups.cli.client import Problem, Unreachable
from followups.cli.shell import Session, facts, refuse_inside_run, with_session
from followups.installation import Installation


@click.command("login")
@click.option("--stack", required=True, metavar="NAME", help="The CloudFormation stack.")
@click.option("--region", metavar="REGION", help="Its AWS region.  [default: the profile's]")
@click.option("--profile", metavar="PROFILE", help="The AWS profile that signs.  [default: AWS_PROFILE]")
@with_session
def login_(session: Session, stack: str, region: str | None, profile: str | None) -> None:
    """Speak to an installation on AWS from now on, instead of this laptop's store.

    Reads the address from the stack's outputs and remembers it, the region and the profile's name; no secret is kept.
    Requests are signed with the profile's credentials, as the AWS command line finds them.

    \b
    followups login --stack followups-dev --region eu-central-1
    FOLLOWUPS_API_URL= followups list      # this laptop's store, for once
    """
    refuse_inside_run(session, "login")
    stack_ = bootstrap.operator(Installation(api_url="", stack=stack, region=region, profile=profile))
    who, url = stack_.caller(), stack_.output("ApiUrl").rstrip("/")
    it = Installation(api_url=url, stack=stack, region=region or bootstrap.region_of(profile), profile=profile)
    installation.write(session.environment.home, it)
    session.installation = it  # what is asked from here on is asked there
    trouble = _trouble(session)
    document = {"stack": stack, "region": it.region, "api_url": url, "caller": who, "trouble": trouble}
    session.show(document, lambda: f"Logged in.\n{facts([(name, text) for name, text in document.items() if text])}")
    if trouble:
        session.say(f"followups: the API gives no good answer yet ({trouble}): see `followups doctor`")


@click.command("logout")
@with_session
def logout_(session: Session) -> None:
    """Speak to this laptop's store again."""
    refuse_inside_run(session, "logout")
    gone = installation.forget(session.environment.home)
    words = "Logged out: this laptop's store is spoken to again." if gone else "This laptop was not logged in."
    session.show({"logged_out": gone}, lambda: words)


def _trouble(session: Session) -> str | None:
    try:
        session.client.call("GET", "/v1/control")
    except (Problem, Unreachable) as problem:
        return str(problem)
    return None
