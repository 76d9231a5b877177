"""Uploads a task version and puts it into production: python3 import_task.py HOST:PORT TASK FOLDER"""
import pathlib
import sys

import grpc

from serving.v1 import tasks_pb2, tasks_pb2_grpc

CHUNK_BYTES = 256 * 1024


def parts(task, folder):
    """A header, then the files one after another, in pieces."""
    yield tasks_pb2.ImportTaskRequest(header=tasks_pb2.ImportHeader(task=task, alias="production"))
    for name in ("task.json", "mask.safetensors", "head.safetensors"):
        with open(pathlib.Path(folder, name), "rb") as file:
            while data := file.read(CHUNK_BYTES):
                yield tasks_pb2.ImportTaskRequest(chunk=tasks_pb2.FileChunk(file=name, data=data))


def main(address, task, folder):
    with grpc.insecure_channel(address) as channel:
        response = tasks_pb2_grpc.TasksStub(channel).ImportTask(parts(task, folder), timeout=60)
    print(f"{task}\t{response.version}\t{'new' if response.created else 'was there'}")


if __name__ == "__main__":
    main(*sys.argv[1:])
