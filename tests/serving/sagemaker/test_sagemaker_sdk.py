"""Amazon's own SDK takes what is packaged, against moto: pip install 'sagemaker<3' moto, apart from the lock."""

from __future__ import annotations

import pytest

from imagist.bundle import open_bundle
from imagist.serving.sagemaker.package import package

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
moto = pytest.importorskip("moto", reason="moto is not installed")
sdk = pytest.importorskip("sagemaker", minversion="2", reason="sagemaker<3 is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of the SDK
estimator, model = (pytest.importorskip(f"sagemaker.{name}") for name in ("estimator", "model"))

ROLE = "arn:aws:iam::123456789012:role/imagist"
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/imagist:latest"
MACHINE = "ml.m5.large"


@pytest.fixture
def session(monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with moto.mock_aws():
        boto3.client("s3").create_bucket(Bucket="my-bucket")
        yield sdk.Session(default_bucket="my-bucket")


def test_an_endpoint_is_made(session, tmp_path):
    archive, _ = package(open_bundle("embedded"), tmp_path)
    data = session.upload_data(str(archive), "my-bucket", "models")
    made = model.Model(image_uri=IMAGE, model_data=data, role=ROLE, sagemaker_session=session, name="imagist")
    made.deploy(1, MACHINE, endpoint_name="imagist", wait=False)
    known = boto3.client("sagemaker")
    assert known.describe_endpoint(EndpointName="imagist")["EndpointStatus"] == "InService"
    assert known.describe_model(ModelName="imagist")["PrimaryContainer"]["ModelDataUrl"].endswith("model.tar.gz")


def test_a_training_is_started(session):
    made = estimator.Estimator(
        IMAGE,
        ROLE,
        1,
        MACHINE,
        hyperparameters={"task": "fit"},
        output_path="s3://my-bucket",
        sagemaker_session=session,
    )
    made.fit({"training": "s3://my-bucket/labelled/"}, wait=False, job_name="imagist-fit")
    job = boto3.client("sagemaker").describe_training_job(TrainingJobName="imagist-fit")
    assert (job["HyperParameters"], job["InputDataConfig"][0]["ChannelName"]) == ({"task": "fit"}, "training")
