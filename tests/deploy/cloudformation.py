"""The CloudFormation template, made into a stack by moto, which imitates AWS in this process."""

from __future__ import annotations

import base64
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.deploy.programs import DEPLOY

TEMPLATE = DEPLOY / "aws" / "chroma-async.yaml"
REGION = "eu-central-1"
ACCESS = {"region_name": REGION, "aws_access_key_id": "none", "aws_secret_access_key": "none"}
SECRET = f"arn:aws:secretsmanager:{REGION}:123456789012:secret:Credentials"
#: The parameters without a default.
REQUIRED = {
    "Image": "registry.example/chroma-async:1",
    "AuthToken": "0123456789abcdef",
    "AllowedCidr": "10.0.0.0/8",
    "AvailabilityZone": f"{REGION}a",
}


@dataclass(frozen=True)
class Stack:
    """What came of it."""

    status: str
    outputs: dict[str, str]
    user_data: str
    instance: dict[str, Any]
    #: Of the security group of the stack: port -> addresses.
    ingress: dict[int, list[str]]
    volumes: dict[str, dict[str, Any]]


def stack(parameters: Mapping[str, str]) -> Stack:
    """Make the stack. moto imitates neither the secret (``SECRET`` stands in its place) nor encryption, nor what is allowed as a value."""
    import boto3
    from moto import mock_aws

    # The imitation has no machine images of Debian; the parameter that names one is our own here.
    text = TEMPLATE.read_text("utf-8").replace("/aws/service/debian/release/13/latest/amd64", "/images/debian")
    with mock_aws(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        ec2, formation = boto3.client("ec2", **ACCESS), boto3.client("cloudformation", **ACCESS)
        image = ec2.describe_images()["Images"][0]["ImageId"]
        boto3.client("ssm", **ACCESS).put_parameter(Name="/images/debian", Value=image, Type="String")
        if "KeyName" in parameters:
            ec2.create_key_pair(KeyName=parameters["KeyName"])
        given = [{"ParameterKey": name, "ParameterValue": value} for name, value in {**REQUIRED, **parameters}.items()]
        formation.create_stack(StackName="store", TemplateBody=text, Parameters=given, Capabilities=["CAPABILITY_IAM"])
        made = formation.describe_stacks(StackName="store")["Stacks"][0]
        instance = ec2.describe_instances()["Reservations"][0]["Instances"][0]
        encoded = ec2.describe_instance_attribute(InstanceId=instance["InstanceId"], Attribute="userData")["UserData"]["Value"]
        groups = ec2.describe_security_groups(Filters=[{"Name": "tag:Name", "Values": ["store"]}])["SecurityGroups"]
        rules = [rule for group in groups for rule in group["IpPermissions"]]
        return Stack(
            status=made["StackStatus"],
            outputs={output["OutputKey"]: output["OutputValue"] for output in made["Outputs"]},
            user_data=base64.b64decode(encoded).decode().replace("${Credentials}", SECRET),
            instance=instance,
            ingress={rule["FromPort"]: [cidr["CidrIp"] for cidr in rule["IpRanges"]] for rule in rules},
            volumes={volume["VolumeId"]: volume for volume in ec2.describe_volumes()["Volumes"]},
        )
