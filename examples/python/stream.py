"""Classifies lines of standard input in one stream: python3 stream.py HOST:PORT TASK < texts"""
import sys

import grpc

from serving.v1 import classifier_pb2, classifier_pb2_grpc, common_pb2


def main(address, task):
    texts = {}

    def requests():
        # gRPC asks for the next request when there is room for it, so a file of any length takes little memory here.
        for number, line in enumerate(sys.stdin, start=1):
            texts[number] = line.rstrip("\n")
            yield classifier_pb2.ClassifyStreamRequest(
                id=number,
                input=common_pb2.TextInput(text=texts[number]),
                tasks=[common_pb2.TaskReference(task=task)])

    with grpc.insecure_channel(address) as channel:
        classifier = classifier_pb2_grpc.ClassifierStub(channel)
        for response in classifier.ClassifyStream(requests()):
            # Answers come as they are ready, not in the order of the requests: the id says whose it is.
            text = texts.pop(response.id)
            if response.WhichOneof("outcome") == "error":
                print(f"{response.id}\t{text}\terror: {response.error.message}")  # Only this text failed.
            else:
                print(f"{response.id}\t{text}\t{response.result.classifications[0].label}")


if __name__ == "__main__":
    main(*sys.argv[1:])
