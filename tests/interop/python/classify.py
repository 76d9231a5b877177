"""Imports a task version and classifies with it through grpcio: classify.py HOST:PORT TASK FOLDER.

Prints one JSON object: the version, the answers of a call, those of a stream by id, and the status of a wrong name.
"""
import importlib
import json
import pathlib
import subprocess
import sys
import tempfile

import google
import grpc

PROTOS = pathlib.Path(__file__).resolve().parents[3] / "protos"
FILES = ["google/rpc/status.proto", *(f"serving/v1/{name}.proto" for name in ("common", "classifier", "tasks"))]


def load():
    out = tempfile.mkdtemp(prefix="serving-pb2-")
    subprocess.run(["protoc", f"--proto_path={PROTOS}", f"--python_out={out}", *FILES], check=True)
    google.__path__.append(str(pathlib.Path(out, "google")))  # The package is protobuf's; google.rpc is put beside it.
    sys.path.insert(0, out)
    return [importlib.import_module(f"serving.v1.{name}_pb2") for name in ("common", "classifier", "tasks")]


def main(address, task, folder):
    common, classifier, tasks = load()
    channel = grpc.insecure_channel(address)

    def method(kind, path, request, response):
        return getattr(channel, kind)(
            f"/serving.v1.{path}", request_serializer=request.SerializeToString, response_deserializer=response.FromString)

    def parts():
        yield tasks.ImportTaskRequest(header=tasks.ImportHeader(task=task, alias="production"))
        for name in ("task.json", "mask.safetensors", "head.safetensors"):
            data = pathlib.Path(folder, name).read_bytes()
            for begin in range(0, len(data), 1000):
                yield tasks.ImportTaskRequest(chunk=tasks.FileChunk(file=name, data=data[begin:begin + 1000]))

    def inputs():
        for i in range(50):
            text = common.TextInput(text="a b c" if i % 2 else "d")
            yield classifier.ClassifyStreamRequest(id=i, input=text, tasks=[common.TaskReference(task=task)])

    imported = method("stream_unary", "Tasks/ImportTask", tasks.ImportTaskRequest, tasks.ImportTaskResponse)(parts(), timeout=30)
    classify = method("unary_unary", "Classifier/Classify", classifier.ClassifyRequest, classifier.ClassifyResponse)
    answer = classify(
        classifier.ClassifyRequest(
            inputs=[common.TextInput(text="a b c")], tasks=[common.TaskReference(task=task)]), timeout=30)
    stream = method(
        "stream_stream", "Classifier/ClassifyStream", classifier.ClassifyStreamRequest, classifier.ClassifyStreamResponse)
    streamed = {response.id: response.result.classifications[0].label for response in stream(inputs(), timeout=30)}
    try:
        classify(classifier.ClassifyRequest(
            inputs=[common.TextInput(text="a")], tasks=[common.TaskReference(task="no-such-task")]), timeout=30)
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
    result = answer.results[0].classifications[0]
    print(json.dumps({
        "version": imported.version,
        "label": result.label,
        "logits": [score.logit for score in result.scores],
        "streamed": streamed,
        "wrong_name": code,
    }))


main(*sys.argv[1:])
