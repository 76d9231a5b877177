"""Classifies one text under some tasks: python3 classify.py HOST:PORT TEXT TASK..."""
import sys

import grpc

from serving.v1 import classifier_pb2, classifier_pb2_grpc, common_pb2


def main(address, text, *tasks):
    # A channel is a connection that is made when it is needed and made again when it is lost: open one and keep it.
    with grpc.insecure_channel(address) as channel:
        classifier = classifier_pb2_grpc.ClassifierStub(channel)
        request = classifier_pb2.ClassifyRequest(
            inputs=[common_pb2.TextInput(text=text)],
            tasks=[common_pb2.TaskReference(task=task) for task in tasks])
        try:
            # Without a timeout a call waits for as long as the server takes. With wait_for_ready it also waits for the
            # server to come up, instead of failing at once.
            response = classifier.Classify(request, timeout=10, wait_for_ready=True)
        except grpc.RpcError as error:
            sys.exit(f"{error.code().name}: {error.details()}")

    # One result for each input, in it one classification for each task, both in the request's order.
    for answer in response.results[0].classifications:
        best = max(answer.scores, key=lambda score: score.probability)
        print(f"{answer.task}\t{answer.label}\t{best.probability:.4f}\t{answer.version[:12]}")


if __name__ == "__main__":
    main(*sys.argv[1:])
