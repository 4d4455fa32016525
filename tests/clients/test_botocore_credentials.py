"""botocore and the library with the same files and environment, in random combinations: the same keys and region.

Where they differ, a rule below names the deviation. A rule changes the combination so that botocore does as the library
does. After the rules that apply, the results must be the same.
"""

from __future__ import annotations

import os
import random
import re

import botocore.exceptions as botocore_errors
import botocore.session
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import glacier_mp
from credential_services import Services, signer

COMBINATIONS = 200
SEED = 12
ROLE = "role_arn = arn:aws:iam::123456789012:role/"
KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "GLACIER_MP_LIBRARY")


class Combination:
    """An environment, two files, a profile that the program selects, and a metadata service with or without a role."""

    def __init__(self, variables, config, credentials, profile, has_instance_role):
        self.variables, self.config, self.credentials = dict(variables), config, credentials
        self.profile, self.has_instance_role = profile, has_instance_role

    def copy(self):
        return Combination(self.variables, self.config, self.credentials, self.profile, self.has_instance_role)

    def apply(self, directory, services, monkeypatch):
        (directory / "config").write_text(self.config)
        (directory / "credentials").write_text(self.credentials)
        services.has_instance_role = self.has_instance_role
        for name in list(os.environ):
            if name not in KEPT_VARIABLES:
                monkeypatch.delenv(name)
        for name, value in self.variables.items():
            monkeypatch.setenv(name, value)

    def __str__(self):
        files = f"--- config\n{self.config}\n--- credentials\n{self.credentials}"
        return f"{self.variables}\nprofile {self.profile}\n{files}"


def keys(key_id, token=None):
    lines = [f"aws_access_key_id = {key_id}", f"aws_secret_access_key = secret-{key_id}"]
    return [*lines, f"aws_session_token = {token}"] if token else lines


def generate(draw, directory, services):
    """Returns a random combination."""

    def section(name, target, where):
        """Lines of a profile in the config file ("C") or the credentials file ("S")."""
        key_id = f"{where}{target.upper()}"
        kinds = {
            "none": [],
            "keys": keys(key_id),
            "token": keys(key_id, f"token-{key_id}"),
            "tokens": [*keys(key_id, f"token-{key_id}"), "aws_security_token = old"],
            "id": keys(key_id)[:1],
            "secret": keys(key_id)[1:],
            "empty": ["aws_access_key_id =", "aws_secret_access_key ="],
            "comment": [f"{line} # mine" for line in keys(key_id)],
            "process": [f"credential_process = cat '{directory}/{target} keys.json'"],
            "role": [f"{ROLE}{target}", f"source_profile = {draw.choice(['base', 'base', 'work', 'nobody'])}"],
            "role of environment": [f"{ROLE}{target}", "credential_source = Environment"],
            "role of container": [f"{ROLE}{target}", "credential_source = EcsContainer"],
            "role of instance": [f"{ROLE}{target}", "credential_source = Ec2InstanceMetadata"],
            "role without source": [f"{ROLE}{target}"],
            "role with two sources": [f"{ROLE}{target}", "source_profile = base", "credential_source = Environment"],
            "role and duration": [f"{ROLE}{target}", "source_profile = base", "duration_seconds = 1h"],
            "web": [f"{ROLE}{target}", f"web_identity_token_file = {directory}/token"],
            "web without role": [f"web_identity_token_file = {directory}/token"],
        }
        if where == "C":
            (directory / f"{target} keys.json").write_text(
                f'{{"Version": 1, "AccessKeyId": "P{key_id}", "SecretAccessKey": "secret-P{key_id}"}}'
            )
            chosen = draw.choices(list(kinds), [6, 4, 2, 1, 1, 1, 1, 1, 4, 8, 3, 2, 2, 1, 1, 1, 3, 1])[0]
        else:
            usual = ["none", "keys", "token", "tokens", "id", "secret", "empty", "comment", "process", "role"]
            chosen = draw.choices(usual, [6, 5, 2, 1, 1, 1, 1, 1, 1, 1])[0]
        lines = list(kinds[chosen])
        if draw.random() < 0.3:
            lines.append(f"region = {draw.choice(['eu-west-1', 'eu-north-1'])}")
        return [f"[{name}]", *lines] if lines or draw.random() < 0.7 else []

    config, credentials = [], []
    for target in ("default", "work", "base"):
        config += section(target if target == "default" else f"profile {target}", target, "C")
        credentials += section(target, target, "S")
    variables = {
        "HOME": str(directory),
        "AWS_CONFIG_FILE": str(directory / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(directory / "credentials"),
        "AWS_ENDPOINT_URL_STS": services.url,
        "AWS_ENDPOINT_URL_GLACIER": services.url,
        "AWS_EC2_METADATA_SERVICE_ENDPOINT": services.url,
    }

    def maybe(probability, name, *values):
        if draw.random() < probability:
            variables[name] = draw.choice(values)

    maybe(0.8, "AWS_DEFAULT_REGION", "us-east-1", "us-west-2", "us-west-2", "")
    maybe(0.1, "AWS_REGION", "ca-central-1")
    maybe(0.3, "AWS_ACCESS_KEY_ID", "ENVIRONMENT", "ENVIRONMENT", "")
    maybe(0.9 if "AWS_ACCESS_KEY_ID" in variables else 0.1, "AWS_SECRET_ACCESS_KEY", "secret-ENVIRONMENT")
    maybe(0.2, "AWS_SESSION_TOKEN", "token-ENVIRONMENT", "token-ENVIRONMENT", "")
    maybe(0.1, "AWS_SECURITY_TOKEN", "token-OLD")
    maybe(0.3, "AWS_PROFILE", "work", "work", "base", "default", "nobody", "")
    maybe(0.1, "AWS_DEFAULT_PROFILE", "work", "default")
    if draw.random() < 0.2:
        variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = str(directory / draw.choice(["token", "token", "token", "missing"]))
        maybe(0.9, "AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/web")
    maybe(0.2, "AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{services.url}/container", f"{services.url}/container", "")
    maybe(0.5, "AWS_EC2_METADATA_DISABLED", "true", "TRUE", "false")
    maybe(0.1, "AWS_CREDENTIAL_EXPIRATION", "2001-01-01T00:00:00Z")
    profile = draw.choice([None, None, None, "work", "base"])
    lines = ("\n".join(file) + "\n" for file in (config, credentials))
    return Combination(variables, *lines, profile, draw.random() < 0.7)


# What botocore does: keys, token and region, or the kind of an error.

ERRORS = {
    botocore_errors.ProfileNotFound: "ProfileNotFound",
    botocore_errors.PartialCredentialsError: "PartialCredentials",
    # A subclass of the next one.
    botocore_errors.InfiniteLoopConfigError: "InfiniteLoop",
    botocore_errors.InvalidConfigError: "InvalidConfig",
    botocore_errors.CredentialRetrievalError: "CredentialRetrieval",
    botocore_errors.ClientError: "ServiceError",
    FileNotFoundError: "FileError",
    RuntimeError: "ExpiredCredentials",
    # Of the host of an empty container URI.
    ValueError: "ContainerHostNotAllowed",
}


def ask_botocore(combination):
    session = botocore.session.Session(profile=combination.profile)
    try:
        region = session.get_config_variable("region")
        if not region:
            # The library reports a missing region first, botocore a problem of the credentials.
            return "NoRegion"
        found = session.get_credentials()
        if found is None:
            return "NoCredentials"
        found = found.get_frozen_credentials()
    except tuple(ERRORS) as error:
        return next(name for kind, name in ERRORS.items() if isinstance(error, kind))
    return found.access_key, found.secret_key, found.token or None, region


# What the library does. The signature of a request proves the secret key.

MESSAGES = [
    (
        r"(Environment|EcsContainer|Ec2InstanceMetadata) has no credentials|instance metadata .* has no credentials",
        "CredentialRetrieval",
    ),
    (r"profile .* does not exist: ", "ProfileNotFound"),
    (r"is not$|is not;| but no |without a source of keys", "PartialCredentials"),
    (r"no credentials found", "NoCredentials"),
    (r"no region", "NoRegion"),
    (r"in a loop", "InfiniteLoop"),
    (r"cannot read the web identity token file", "FileError"),
    (r"is not a number of seconds", "InvalidDuration"),
    (r"has both source_profile|profile .* does not exist|has no credentials|no role is set", "InvalidConfig"),
]


def ask_library(combination, services):
    services.last_glacier_request = None
    try:
        with glacier_mp.Client(glacier_mp.Config(profile_name=combination.profile, max_attempts=1)) as client:
            client.list_uploads("vault")
    except glacier_mp.GlacierError as error:
        for pattern, name in MESSAGES:
            if re.search(pattern, str(error)):
                return name
        return f"unknown error: {error}"
    headers = services.last_glacier_request
    key_id, region = signer(headers)
    token = headers.get("x-amz-security-token")
    secret = f"secret-{key_id}"
    expected = signature(headers, Credentials(key_id, secret, token), region, services.url)
    assert headers["Authorization"].endswith(expected)
    return key_id, secret, token, region


def signature(headers, credentials, region, url):
    """Returns botocore's signature of the library's request."""
    signed = re.search("SignedHeaders=([^,]+)", headers["Authorization"]).group(1).split(";")
    request = AWSRequest("GET", f"{url}{LIST_PATH}", {name: headers[name] for name in signed})
    request.context["timestamp"] = headers["x-amz-date"]
    auth = SigV4Auth(credentials, "glacier", region)
    return auth.signature(auth.string_to_sign(request, auth.canonical_request(request)), request)


LIST_PATH = "/-/vaults/vault/multipart-uploads?limit=50"


# The deviations. Each rule changes a combination so that botocore does what the library does, or returns False.


def ignore_empty_values(combination):
    empty = [name for name, value in combination.variables.items() if not value]
    for name in empty:
        del combination.variables[name]
    lines = combination.config + combination.credentials
    for file in ("config", "credentials"):
        text = getattr(combination, file)
        setattr(combination, file, re.sub(r"^aws_\w+ =\n", "", text, flags=re.M))
    return bool(empty) or combination.config + combination.credentials != lines


def prefer_session_token(combination):
    changed = False
    if {"AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN"} <= set(combination.variables):
        del combination.variables["AWS_SECURITY_TOKEN"]
        changed = True
    for file in ("config", "credentials"):
        text = getattr(combination, file)
        new = re.sub(r"^aws_security_token = old\n", "", text, flags=re.M)
        setattr(combination, file, new)
        changed |= new != text
    return changed


def prefer_aws_profile(combination):
    both = {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"} <= set(combination.variables)
    if both:
        del combination.variables["AWS_DEFAULT_PROFILE"]
    return both


def prefer_aws_region(combination):
    region = combination.variables.get("AWS_REGION")
    if region:
        combination.variables["AWS_DEFAULT_REGION"] = region
    return bool(region)


def cut_inline_comments(combination):
    lines = combination.config + combination.credentials
    for file in ("config", "credentials"):
        setattr(combination, file, getattr(combination, file).replace(" # mine", ""))
    return combination.config + combination.credentials != lines


def ignore_expiration(combination):
    return combination.variables.pop("AWS_CREDENTIAL_EXPIRATION", None) is not None


RULES = {
    "an empty variable or value counts as unset": ignore_empty_values,
    "AWS_SESSION_TOKEN precedes AWS_SECURITY_TOKEN": prefer_session_token,
    "AWS_PROFILE precedes AWS_DEFAULT_PROFILE": prefer_aws_profile,
    "AWS_REGION is read": prefer_aws_region,
    "comments after values are cut": cut_inline_comments,
    "AWS_CREDENTIAL_EXPIRATION is ignored": ignore_expiration,
}


def has_secret_key_alone(combination):
    """Returns whether a section, or the environment, has a secret key without an access key ID."""
    variables = "".join(f"{name.lower()} =" for name, value in combination.variables.items() if value)
    texts = [*re.split(r"^\[", combination.config + combination.credentials, flags=re.MULTILINE), variables]
    return any("aws_secret_access_key =" in text and "aws_access_key_id =" not in text for text in texts)


def has_invalid_duration(combination):
    return "duration_seconds = 1h" in combination.config


@pytest.fixture
def services():
    services = Services()
    yield services
    services.close()


def test_same_keys_as_botocore(services, tmp_path, monkeypatch):
    monkeypatch.setattr("time.sleep", lambda _: None)
    (tmp_path / "token").write_text("web-token")
    draw = random.Random(SEED)
    used, wrong, same, successes = {}, [], 0, 0
    for number in range(COMBINATIONS):
        combination = generate(draw, tmp_path, services)
        combination.apply(tmp_path, services, monkeypatch)
        ours, theirs = ask_library(combination, services), ask_botocore(combination)
        successes += isinstance(ours, tuple)
        if ours == theirs:
            same += 1
            continue
        rules = explain(combination, ours, theirs, tmp_path, services, monkeypatch)
        if rules is None:
            wrong.append(f"combination {number}: library {ours}, botocore {theirs}\n{combination}")
        for rule in rules or ():
            used[rule] = used.get(rule, 0) + 1
    print(f"{COMBINATIONS} combinations, seed {SEED}: {successes} with keys, {same} the same, {len(wrong)} unexplained")
    print("\n".join(f"{count} by the rule: {rule}" for rule, count in used.items()))
    assert not wrong, "\n\n".join(wrong)
    assert successes > COMBINATIONS // 4


def explain(combination, ours, theirs, directory, services, monkeypatch):
    """Returns the rules that explain a difference, or None."""
    if ours == "InvalidDuration" and has_invalid_duration(combination):
        return ["duration_seconds must be a number"]
    changed = combination.copy()
    applied = []
    for name, rule in RULES.items():
        before = changed.copy()
        if not rule(changed):
            continue
        changed.apply(directory, services, monkeypatch)
        now = ask_botocore(changed)
        if now == theirs:
            # The rule is not the reason. It may still be needed together with another.
            changed = before if now == ours else changed
            continue
        applied.append(name)
        theirs = now
        if theirs == ours:
            return applied
    is_partial = ours == "PartialCredentials" and theirs in ("NoCredentials", "InvalidConfig")
    if is_partial and has_secret_key_alone(changed):
        return [*applied, "a secret key alone is an error if nothing else is found"]
    return None
