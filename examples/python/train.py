"""Trains a task from a file of texts and labels and watches it: python3 train.py HOST:PORT TASK FILE.tsv"""
import sys
import time

import grpc

from serving.v1 import datasets_pb2, datasets_pb2_grpc, jobs_pb2, jobs_pb2_grpc

CHUNK_BYTES = 256 * 1024


def upload(name, path):
    header = datasets_pb2.DatasetHeader(
        name=name, format=datasets_pb2.DATASET_FORMAT_TSV, text_column="text", label_column="label")
    yield datasets_pb2.UploadDatasetRequest(header=header)
    with open(path, "rb") as file:
        while data := file.read(CHUNK_BYTES):
            yield datasets_pb2.UploadDatasetRequest(chunk=data)


def watch(jobs, job_id):
    """All events of a job until it is over, over lost connections and restarts of the server too."""
    cursor = 0  # The number of the last event that came: where to go on.
    while True:
        try:
            for event in jobs.WatchJob(jobs_pb2.WatchJobRequest(id=job_id, cursor=cursor), wait_for_ready=True):
                cursor = event.number
                yield event
            return
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.UNAVAILABLE:
                raise
            time.sleep(1)


def main(address, task, path):
    with grpc.insecure_channel(address) as channel:
        dataset = datasets_pb2_grpc.DatasetsStub(channel).UploadDataset(upload(f"{task}-data", path), timeout=60)
        print(f"{dataset.rows} rows, labels: {', '.join(count.label for count in dataset.labels)}")

        jobs = jobs_pb2_grpc.JobsStub(channel)
        job = jobs.SubmitJob(jobs_pb2.SubmitJobRequest(spec=jobs_pb2.JobSpec(
            classifier=jobs_pb2.ClassifierRecipe(
                method=jobs_pb2.TRAINING_METHOD_MASK, model="mini", dataset=dataset.name, epochs=2),
            publish=jobs_pb2.Publish(task=task, alias="production"))), timeout=10)
        for event in watch(jobs, job.id):
            kind = event.WhichOneof("event")
            if kind == "progress":
                print(f"step {event.progress.step}/{event.progress.total_steps}  loss {event.progress.loss:.3f}")
            elif kind == "evaluation":
                print(f"evaluation: accuracy {event.evaluation.metrics['accuracy']:.4f}")
            else:
                print(jobs_pb2.JobState.Name(event.state), event.message)

        job = jobs.GetJob(jobs_pb2.GetJobRequest(id=job.id), timeout=10)
    if job.state != jobs_pb2.JOB_STATE_SUCCEEDED:
        sys.exit(f"the job did not succeed: {job.message}")
    print(f"{task}\t{job.task_version}")


if __name__ == "__main__":
    main(*sys.argv[1:])
