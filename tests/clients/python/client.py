"""The checks with grpcio: client.py HOST:PORT TASK VERSION_FOLDER DATASET_FILE. See run.sh for the lines that it prints."""
import pathlib
import queue
import struct
import sys

import grpc
import stubs

stubs.generate(pathlib.Path(__file__).resolve().parents[3] / "protos")

from google.rpc import error_details_pb2, status_pb2
from grpc.health.v1 import health_pb2, health_pb2_grpc
from grpc.reflection.v1 import reflection_pb2, reflection_pb2_grpc
from serving.v1 import classifier_pb2, classifier_pb2_grpc, common_pb2, datasets_pb2, datasets_pb2_grpc
from serving.v1 import jobs_pb2, jobs_pb2_grpc, tasks_pb2, tasks_pb2_grpc

TEXT = "what a charming film"
STREAM_INPUTS = 120
CHUNK_BYTES = 50_000  # Several pieces a file.

address, task, folder, dataset_file = sys.argv[1:]
channel = grpc.insecure_channel(address)
classifier = classifier_pb2_grpc.ClassifierStub(channel)
tasks = tasks_pb2_grpc.TasksStub(channel)
jobs = jobs_pb2_grpc.JobsStub(channel)


def equal(expected, actual, what):
    if expected != actual:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def near(expected, actual, what):
    if abs(expected - actual) > 1e-3:
        raise AssertionError(f"{what}: expected {expected}, got {actual}")


def code_of(call):
    try:
        call()
        return "OK"
    except grpc.RpcError as error:
        return error.code().name


def reference(name):
    return common_pb2.TaskReference(task=name)


def classify_request(texts, names):
    return classifier_pb2.ClassifyRequest(
        inputs=[common_pb2.TextInput(text=text) for text in texts], tasks=[reference(name) for name in names])


def pieces(path):
    with open(path, "rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield data


def health():
    stub = health_pb2_grpc.HealthStub(channel)
    watch = stub.Watch(health_pb2.HealthCheckRequest(), timeout=60)
    while next(watch).status != health_pb2.HealthCheckResponse.SERVING:
        pass
    watch.cancel()
    status = stub.Check(health_pb2.HealthCheckRequest(), timeout=10).status
    equal(health_pb2.HealthCheckResponse.SERVING, status, "status")
    unknown = health_pb2.HealthCheckRequest(service="no.such.Service")
    equal("NOT_FOUND", code_of(lambda: stub.Check(unknown, timeout=10)), "status of an unknown service")


def reflection():
    def requests():
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(file_containing_symbol="serving.v1.Classifier")

    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    services, files = stub.ServerReflectionInfo(requests(), timeout=10)
    names = {service.name for service in services.list_services_response.service}
    expected = {f"serving.v1.{name}" for name in ("Classifier", "Tasks", "Models", "Datasets", "Jobs")}
    equal(set(), expected - names, "services that are missing")
    if not any(b"ClassifyStream" in file for file in files.file_descriptor_response.file_descriptor_proto):
        raise AssertionError("no file has ClassifyStream")


def import_task():
    def parts():
        yield tasks_pb2.ImportTaskRequest(header=tasks_pb2.ImportHeader(task=task, alias="production"))
        for name in ("task.json", "mask.safetensors", "head.safetensors"):
            for data in pieces(pathlib.Path(folder, name)):
                yield tasks_pb2.ImportTaskRequest(chunk=tasks_pb2.FileChunk(file=name, data=data))

    response = tasks.ImportTask(parts(), timeout=60)
    equal(pathlib.Path(folder).name, response.version, "version")
    equal(True, response.created, "created")


def export_task():
    files = {}
    for part in tasks.ExportTask(tasks_pb2.ExportTaskRequest(task=reference(task)), timeout=60):
        if part.WhichOneof("part") == "header":
            equal(pathlib.Path(folder).name, part.header.expected_version, "version")
        else:
            files[part.chunk.file] = files.get(part.chunk.file, b"") + part.chunk.data
    equal(3, len(files), "files")
    for name, data in files.items():
        equal(True, pathlib.Path(folder, name).read_bytes() == data, f"{name} is the same")


def classify():
    response = classifier.Classify(classify_request([TEXT], ["sentiment", task]), timeout=10)
    equal(1, len(response.results), "results")
    equal(["sentiment", task], [answer.task for answer in response.results[0].classifications], "tasks")
    for answer in response.results[0].classifications:
        equal("positive", answer.label, "label")
        near(0.9972, max(score.probability for score in answer.scores), "probability")
        equal(pathlib.Path(folder).name, answer.version, "version")
    # As hexadecimal digits: exactly those that the others get.
    logits = [struct.pack(">f", score.logit).hex() for score in answer.scores]
    print("value logits", *logits)


def stream():
    names = ["sentiment", "question", task]
    texts = [TEXT, "Who is this wonderful actor ?", "the plot makes no sense at all", "a waste of two hours"]
    unary = classifier.Classify(classify_request(texts, names), timeout=10)
    expected = {
        (text, answer.task): (answer.label, list(answer.scores))
        for text, result in zip(texts, unary.results) for answer in result.classifications}

    def request(number):
        text, name = texts[number % len(texts)], names[number % len(names)]
        return classifier_pb2.ClassifyStreamRequest(
            id=1_000_000_007 * number, input=common_pb2.TextInput(text=text), tasks=[reference(name)])

    pending = queue.SimpleQueue()
    call = classifier.ClassifyStream(iter(pending.get, None), timeout=60)
    pending.put(request(0))
    answers = [next(call)]  # The answer to the first comes while the client has more to send.
    for number in range(1, STREAM_INPUTS):
        pending.put(request(number))
    pending.put(classifier_pb2.ClassifyStreamRequest(
        id=-5, input=common_pb2.TextInput(text=TEXT), tasks=[reference("no-such-task")]))
    pending.put(None)
    answers += call
    by_id = {answer.id: answer for answer in answers}
    equal(STREAM_INPUTS + 1, len(answers), "answers")
    equal(STREAM_INPUTS + 1, len(by_id), "different ids")
    error = by_id.pop(-5)
    equal("error", error.WhichOneof("outcome"), "outcome of an unknown task")
    equal(grpc.StatusCode.NOT_FOUND.value[0], error.error.code, "code of an unknown task")
    for number in range(STREAM_INPUTS):
        sent = request(number)
        answer = by_id[sent.id].result.classifications[0]
        equal(
            expected[sent.input.text, sent.tasks[0].task], (answer.label, list(answer.scores)), f"answer {number}")


def dataset():
    def parts():
        yield datasets_pb2.UploadDatasetRequest(header=datasets_pb2.DatasetHeader(
            name=f"{task}-data", format=datasets_pb2.DATASET_FORMAT_TSV, text_column="text", label_column="label"))
        for data in pieces(dataset_file):
            yield datasets_pb2.UploadDatasetRequest(chunk=data)

    response = datasets_pb2_grpc.DatasetsStub(channel).UploadDataset(parts(), timeout=60)
    equal(300, response.rows, "rows")
    equal(
        {name: 60 for name in ("alarm", "light", "message", "music", "weather")},
        {count.label: count.rows for count in response.labels}, "labels")


def job():
    submitted = jobs.SubmitJob(jobs_pb2.SubmitJobRequest(spec=jobs_pb2.JobSpec(
        classifier=jobs_pb2.ClassifierRecipe(
            method=jobs_pb2.TRAINING_METHOD_MASK, model="mini", dataset=f"{task}-data", epochs=1),
        publish=jobs_pb2.Publish(task=f"{task}-learned", alias="production"))), timeout=10)
    events = list(jobs.WatchJob(jobs_pb2.WatchJobRequest(id=submitted.id, cursor=0), timeout=150))
    equal(list(range(1, len(events) + 1)), [event.number for event in events], "numbers")
    kinds = {event.WhichOneof("event") for event in events}
    equal({"state", "progress", "evaluation"}, kinds, "kinds of events")
    equal(jobs_pb2.JOB_STATE_SUCCEEDED, events[-1].state, "last state")
    done = jobs.GetJob(jobs_pb2.GetJobRequest(id=submitted.id), timeout=10)
    equal(len(events), done.events, "events")
    later = list(jobs.WatchJob(jobs_pb2.WatchJobRequest(id=submitted.id, cursor=len(events) - 2), timeout=10))
    equal([len(events) - 1, len(events)], [event.number for event in later], "numbers after a cursor")
    answer = classifier.Classify(classify_request(["put on some jazz"], [f"{task}-learned"]), timeout=10)
    equal(done.task_version, answer.results[0].classifications[0].version, "version that answers")


def error():
    failure = classifier.Classify.future(classify_request([TEXT], ["sentimen"]), timeout=10).exception()
    equal("NOT_FOUND", failure.code().name, "status")
    status = status_pb2.Status.FromString(dict(failure.trailing_metadata())["grpc-status-details-bin"])
    equal(failure.code().value[0], status.code, "code of the details")
    equal(failure.details(), status.message, "message of the details")
    resource = error_details_pb2.ResourceInfo()
    equal(True, any(detail.Unpack(resource) for detail in status.details), "has ResourceInfo")
    equal("sentimen", resource.resource_name, "resource_name")


def deadline():
    request = classify_request([TEXT * 8] * 64, ["sentiment", "question", "review"])
    equal("DEADLINE_EXCEEDED", code_of(lambda: classifier.Classify(request, timeout=0.001)), "status")
    # The channel is as good as before.
    equal("OK", code_of(lambda: classifier.Classify(classify_request([TEXT], ["sentiment"]), timeout=10)), "status after it")


for check in (health, reflection, import_task, export_task, classify, stream, dataset, job, error, deadline):
    try:
        check()
        print("pass", check.__name__, flush=True)
    except Exception as failure:  # Whatever it is, the other checks go on.
        print("fail", f"{check.__name__}:", " ".join(str(failure).split()), flush=True)
