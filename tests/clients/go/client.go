// The checks with grpc-go, an implementation of its own beside that in C of the others: client HOST:PORT TASK VERSION_FOLDER
// DATASET_FILE. See run.sh for the lines that it prints, build.sh for how it is built.
package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "serving/v1"
)

const (
	text         = "what a charming film"
	streamInputs = 120
	chunkBytes   = 50_000 // Several pieces a file.
)

var (
	address, task, folder, datasetFile = os.Args[1], os.Args[2], os.Args[3], os.Args[4]

	connection, _ = grpc.Dial(address, grpc.WithInsecure())
	classifier    = pb.NewClassifierClient(connection)
	tasks         = pb.NewTasksClient(connection)
	datasets      = pb.NewDatasetsClient(connection)
	jobs          = pb.NewJobsClient(connection)
)

// check fails the check that runs: it panics, and run recovers.
func check(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(expected, actual interface{}, what string) {
	if !reflect.DeepEqual(expected, actual) {
		panic(fmt.Errorf("%s: expected %v, got %v", what, expected, actual))
	}
}

func within(duration time.Duration) context.Context {
	ctx, _ := context.WithTimeout(context.Background(), duration) //nolint:govet // Ends with its time.
	return ctx
}

func reference(name string) *pb.TaskReference { return &pb.TaskReference{Task: name} }

func classifyRequest(texts, names []string) *pb.ClassifyRequest {
	request := &pb.ClassifyRequest{}
	for _, text := range texts {
		request.Inputs = append(request.Inputs, &pb.TextInput{Text: text})
	}
	for _, name := range names {
		request.Tasks = append(request.Tasks, reference(name))
	}
	return request
}

func classify(texts, names []string) *pb.ClassifyResponse {
	response, err := classifier.Classify(within(10*time.Second), classifyRequest(texts, names))
	check(err)
	return response
}

// pieces calls send with one piece of a file after another.
func pieces(path string, send func([]byte)) {
	data, err := os.ReadFile(path)
	check(err)
	for len(data) > 0 {
		size := chunkBytes
		if size > len(data) {
			size = len(data)
		}
		send(data[:size])
		data = data[size:]
	}
}

func checkHealth() {
	health := grpc_health_v1.NewHealthClient(connection)
	response, err := health.Check(within(10*time.Second), &grpc_health_v1.HealthCheckRequest{})
	check(err)
	equal(grpc_health_v1.HealthCheckResponse_SERVING, response.Status, "status")
	_, err = health.Check(within(10*time.Second), &grpc_health_v1.HealthCheckRequest{Service: "no.such.Service"})
	equal(codes.NotFound, status.Code(err), "status of an unknown service")
}

func checkReflection() {
	stream, err := grpc_reflection_v1alpha.NewServerReflectionClient(connection).ServerReflectionInfo(within(10 * time.Second))
	check(err)
	check(stream.Send(&grpc_reflection_v1alpha.ServerReflectionRequest{
		MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_ListServices{}}))
	response, err := stream.Recv()
	check(err)
	names := map[string]bool{}
	for _, service := range response.GetListServicesResponse().Service {
		names[service.Name] = true
	}
	for _, name := range []string{"Classifier", "Tasks", "Models", "Datasets", "Jobs"} {
		equal(true, names["serving.v1."+name], name+" is a service")
	}
}

func checkImport() {
	stream, err := tasks.ImportTask(within(time.Minute))
	check(err)
	header := &pb.ImportHeader{Task: task, Alias: "production"}
	check(stream.Send(&pb.ImportTaskRequest{Part: &pb.ImportTaskRequest_Header{Header: header}}))
	for _, name := range []string{"task.json", "mask.safetensors", "head.safetensors"} {
		pieces(filepath.Join(folder, name), func(data []byte) {
			chunk := &pb.FileChunk{File: name, Data: data}
			check(stream.Send(&pb.ImportTaskRequest{Part: &pb.ImportTaskRequest_Chunk{Chunk: chunk}}))
		})
	}
	response, err := stream.CloseAndRecv()
	check(err)
	equal(filepath.Base(folder), response.Version, "version")
	equal(true, response.Created, "created")
}

func checkExport() {
	stream, err := tasks.ExportTask(within(time.Minute), &pb.ExportTaskRequest{Task: reference(task)})
	check(err)
	files := map[string][]byte{}
	for {
		part, err := stream.Recv()
		if err == io.EOF {
			break
		}
		check(err)
		if header := part.GetHeader(); header != nil {
			equal(filepath.Base(folder), header.ExpectedVersion, "version")
		} else {
			chunk := part.GetChunk()
			files[chunk.File] = append(files[chunk.File], chunk.Data...)
		}
	}
	equal(3, len(files), "files")
	for name, data := range files {
		original, err := os.ReadFile(filepath.Join(folder, name))
		check(err)
		equal(true, bytes.Equal(original, data), name+" is the same")
	}
}

func checkClassify() {
	response := classify([]string{text}, []string{"sentiment", task})
	equal(1, len(response.Results), "results")
	answers := response.Results[0].Classifications
	equal(2, len(answers), "classifications")
	for _, answer := range answers {
		equal("positive", answer.Label, "label")
		probability := 0.0
		for _, score := range answer.Scores {
			probability = math.Max(probability, float64(score.Probability))
		}
		equal(true, math.Abs(probability-0.9972) <= 1e-3, fmt.Sprintf("probability %v is near 0.9972", probability))
		equal(filepath.Base(folder), answer.Version, "version")
	}
	equal(task, answers[1].Task, "task")
	// As hexadecimal digits: exactly those that the others get.
	fmt.Print("value logits")
	for _, score := range answers[1].Scores {
		fmt.Printf(" %08x", math.Float32bits(score.Logit))
	}
	fmt.Println()
}

func checkStream() {
	names := []string{"sentiment", "question", task}
	texts := []string{text, "Who is this wonderful actor ?", "the plot makes no sense at all", "a waste of two hours"}
	unary := classify(texts, names)
	request := func(number int) *pb.ClassifyStreamRequest {
		return &pb.ClassifyStreamRequest{
			Id:    1_000_000_007 * int64(number),
			Input: &pb.TextInput{Text: texts[number%len(texts)]},
			Tasks: []*pb.TaskReference{reference(names[number%len(names)])},
		}
	}

	stream, err := classifier.ClassifyStream(within(time.Minute))
	check(err)
	check(stream.Send(request(0)))
	first, err := stream.Recv() // The answer to the first comes while the client has more to send.
	check(err)
	sent := make(chan error, 1)
	go func() {
		for number := 1; number < streamInputs; number++ {
			if err := stream.Send(request(number)); err != nil {
				sent <- err
				return
			}
		}
		if err := stream.Send(&pb.ClassifyStreamRequest{
			Id: -5, Input: &pb.TextInput{Text: text}, Tasks: []*pb.TaskReference{reference("no-such-task")}}); err != nil {
			sent <- err
			return
		}
		sent <- stream.CloseSend()
	}()

	answers := map[int64]*pb.ClassifyStreamResponse{first.Id: first}
	count := 1
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			break
		}
		check(err)
		answers[answer.Id] = answer
		count++
	}
	check(<-sent)
	equal(streamInputs+1, count, "answers")
	equal(streamInputs+1, len(answers), "different ids")
	equal(int32(codes.NotFound), answers[-5].GetError().GetCode(), "code of an unknown task")
	for number := 0; number < streamInputs; number++ {
		expected := unary.Results[number%len(texts)].Classifications[number%len(names)]
		actual := answers[request(number).Id].GetResult().GetClassifications()
		equal(1, len(actual), "classifications")
		equal(true, proto.Equal(expected, actual[0]), fmt.Sprintf("answer %d is that of the call", number))
	}
}

func checkDataset() {
	stream, err := datasets.UploadDataset(within(time.Minute))
	check(err)
	header := &pb.DatasetHeader{
		Name: task + "-data", Format: pb.DatasetFormat_DATASET_FORMAT_TSV, TextColumn: "text", LabelColumn: "label"}
	check(stream.Send(&pb.UploadDatasetRequest{Part: &pb.UploadDatasetRequest_Header{Header: header}}))
	pieces(datasetFile, func(data []byte) {
		check(stream.Send(&pb.UploadDatasetRequest{Part: &pb.UploadDatasetRequest_Chunk{Chunk: data}}))
	})
	dataset, err := stream.CloseAndRecv()
	check(err)
	equal(int64(300), dataset.Rows, "rows")
	labels := map[string]int64{}
	for _, count := range dataset.Labels {
		labels[count.Label] = count.Rows
	}
	equal(map[string]int64{"alarm": 60, "light": 60, "message": 60, "music": 60, "weather": 60}, labels, "labels")
}

func watch(id string, cursor int64) []*pb.JobEvent {
	stream, err := jobs.WatchJob(within(150*time.Second), &pb.WatchJobRequest{Id: id, Cursor: cursor})
	check(err)
	var events []*pb.JobEvent
	for {
		event, err := stream.Recv()
		if err == io.EOF {
			return events
		}
		check(err)
		events = append(events, event)
		equal(cursor+int64(len(events)), event.Number, "number")
	}
}

func checkJob() {
	epochs := int32(1)
	job, err := jobs.SubmitJob(within(10*time.Second), &pb.SubmitJobRequest{Spec: &pb.JobSpec{
		Recipe: &pb.JobSpec_Classifier{Classifier: &pb.ClassifierRecipe{
			Method: pb.TrainingMethod_TRAINING_METHOD_MASK, Model: "mini", Dataset: task + "-data", Epochs: &epochs}},
		Publish: &pb.Publish{Task: task + "-learned", Alias: "production"},
	}})
	check(err)
	events := watch(job.Id, 0)
	kinds := map[string]bool{}
	for _, event := range events {
		kinds[fmt.Sprintf("%T", event.Event)] = true
	}
	equal(3, len(kinds), "kinds of events")
	equal(pb.JobState_JOB_STATE_SUCCEEDED, events[len(events)-1].GetState(), "last state")
	job, err = jobs.GetJob(within(10*time.Second), &pb.GetJobRequest{Id: job.Id})
	check(err)
	equal(int64(len(events)), job.Events, "events")
	equal(2, len(watch(job.Id, job.Events-2)), "events after a cursor")
	answer := classify([]string{"put on some jazz"}, []string{task + "-learned"})
	equal(job.TaskVersion, answer.Results[0].Classifications[0].Version, "version that answers")
}

func checkError() {
	_, err := classifier.Classify(within(10*time.Second), classifyRequest([]string{text}, []string{"sentimen"}))
	failure := status.Convert(err)
	equal(codes.NotFound, failure.Code(), "status")
	for _, detail := range failure.Details() {
		if resource, ok := detail.(*errdetails.ResourceInfo); ok {
			equal("sentimen", resource.ResourceName, "resource_name")
			return
		}
	}
	panic(fmt.Errorf("no ResourceInfo in %v", failure.Details()))
}

func checkDeadline() {
	var texts []string
	for i := 0; i < 64; i++ {
		texts = append(texts, strings.Repeat(text, 8))
	}
	names := []string{"sentiment", "question", "review"}
	_, err := classifier.Classify(within(time.Millisecond), classifyRequest(texts, names))
	equal(codes.DeadlineExceeded, status.Code(err), "status")
	classify([]string{text}, []string{"sentiment"}) // The connection is as good as before.
}

// run says how a check went; whatever it is, the other checks go on.
func run(name string, check func()) {
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Printf("fail %s: %s\n", name, strings.Join(strings.Fields(fmt.Sprint(failure)), " "))
		}
	}()
	check()
	fmt.Println("pass", name)
}

func main() {
	run("health", checkHealth)
	run("reflection", checkReflection)
	run("import_task", checkImport)
	run("export_task", checkExport)
	run("classify", checkClassify)
	run("stream", checkStream)
	run("dataset", checkDataset)
	run("job", checkJob)
	run("error", checkError)
	run("deadline", checkDeadline)
}
