# The checks with the gem grpc: ruby client.rb HOST:PORT TASK VERSION_FOLDER DATASET_FILE. See run.sh for the lines that it prints.
require 'grpc'
require 'google/protobuf/well_known_types' # Any.is and Any.unpack.
require 'tmpdir'

# Messages and stubs, generated with what Debian has: ruby-grpc-tools.
PROTOS = File.expand_path('../../../protos', __dir__)
GRPC_PROTOS = '/usr/share/grpc-proto' # Health and reflection, of the package grpc-proto.
generated = Dir.mktmpdir('serving-ruby-')
at_exit { FileUtils.remove_entry(generated) }
system(
  'grpc_tools_ruby_protoc', "--proto_path=#{PROTOS}", "--proto_path=#{GRPC_PROTOS}", "--ruby_out=#{generated}", "--grpc_out=#{generated}",
  *Dir["#{PROTOS}/**/*.proto"], "#{GRPC_PROTOS}/grpc/health/v1/health.proto", "#{GRPC_PROTOS}/grpc/reflection/v1/reflection.proto",
  exception: true)
$LOAD_PATH.unshift(generated)
%w[classifier tasks datasets jobs].each { |name| require "serving/v1/#{name}_services_pb" }
%w[grpc/health/v1/health_services_pb grpc/reflection/v1/reflection_services_pb google/rpc/status_pb google/rpc/error_details_pb]
  .each { |file| require file }
include Serving::V1

TEXT = 'what a charming film'
STREAM_INPUTS = 120
CHUNK_BYTES = 50_000 # Several pieces a file.

ADDRESS, TASK, FOLDER, DATASET_FILE = ARGV
VERSION = File.basename(FOLDER)

def stub(service) = service::Stub.new(ADDRESS, :this_channel_is_insecure)

CLASSIFIER = stub(Classifier)
TASKS = stub(Tasks)
DATASETS = stub(Datasets)
JOBS = stub(Jobs)

def within(seconds) = { deadline: Time.now + seconds }

def equal(expected, actual, what)
  raise "#{what}: expected #{expected.inspect}, got #{actual.inspect}" unless expected == actual
end

def failure
  yield
  raise 'no error'
rescue GRPC::BadStatus => error
  error
end

def reference(name) = TaskReference.new(task: name)

def classify_request(texts, names)
  ClassifyRequest.new(inputs: texts.map { |text| TextInput.new(text: text) }, tasks: names.map { |name| reference(name) })
end

def pieces(path)
  File.open(path, 'rb') do |file|
    while (data = file.read(CHUNK_BYTES))
      yield data
    end
  end
end

CHECKS = {
  health: lambda do
    health = stub(Grpc::Health::V1::Health)
    equal(:SERVING, health.check(Grpc::Health::V1::HealthCheckRequest.new, **within(10)).status, 'status')
    unknown = Grpc::Health::V1::HealthCheckRequest.new(service: 'no.such.Service')
    equal(GRPC::NotFound, failure { health.check(unknown, **within(10)) }.class, 'status of an unknown service')
  end,

  reflection: lambda do
    requests = [Grpc::Reflection::V1::ServerReflectionRequest.new(list_services: '')]
    services = stub(Grpc::Reflection::V1::ServerReflection).server_reflection_info(requests, **within(10)).first
    names = services.list_services_response.service.map(&:name)
    equal([], %w[Classifier Tasks Models Datasets Jobs].map { |name| "serving.v1.#{name}" } - names, 'services that are missing')
  end,

  import_task: lambda do
    parts = Enumerator.new do |out|
      out << ImportTaskRequest.new(header: ImportHeader.new(task: TASK, alias: 'production'))
      %w[task.json mask.safetensors head.safetensors].each do |file|
        pieces(File.join(FOLDER, file)) { |data| out << ImportTaskRequest.new(chunk: FileChunk.new(file: file, data: data)) }
      end
    end
    response = TASKS.import_task(parts, **within(60))
    equal([VERSION, true], [response.version, response.created], 'version, created')
  end,

  export_task: lambda do
    files = Hash.new { |hash, file| hash[file] = String.new(encoding: Encoding::BINARY) }
    TASKS.export_task(ExportTaskRequest.new(task: reference(TASK)), **within(60)).each do |part|
      if part.part == :header
        equal(VERSION, part.header.expected_version, 'version')
      else
        files[part.chunk.file] << part.chunk.data
      end
    end
    equal(3, files.size, 'files')
    files.each { |name, data| equal(true, File.binread(File.join(FOLDER, name)) == data, "#{name} is the same") }
  end,

  classify: lambda do
    response = CLASSIFIER.classify(classify_request([TEXT], ['sentiment', TASK]), **within(10))
    equal(1, response.results.size, 'results')
    answers = response.results[0].classifications.to_a
    equal(['sentiment', TASK], answers.map(&:task), 'tasks')
    answers.each do |answer|
      equal('positive', answer.label, 'label')
      probability = answer.scores.map(&:probability).max
      equal(true, (probability - 0.9972).abs <= 1e-3, "probability #{probability} is near 0.9972")
      equal(VERSION, answer.version, 'version')
    end
    # As hexadecimal digits: exactly those that the others get.
    puts "value logits #{answers.last.scores.map { |score| [score.logit].pack('g').unpack1('H*') }.join(' ')}"
  end,

  stream: lambda do
    names = ['sentiment', 'question', TASK]
    texts = [TEXT, 'Who is this wonderful actor ?', 'the plot makes no sense at all', 'a waste of two hours']
    unary = CLASSIFIER.classify(classify_request(texts, names), **within(10))
    request = lambda do |number|
      ClassifyStreamRequest.new(
        id: 1_000_000_007 * number,
        input: TextInput.new(text: texts[number % texts.size]),
        tasks: [reference(names[number % names.size])])
    end

    pending = Queue.new
    requests = Enumerator.new do |out|
      while (next_request = pending.pop)
        out << next_request
      end
    end
    pending << request.(0)
    answers = []
    CLASSIFIER.classify_stream(requests, **within(60)).each do |answer|
      answers << answer
      next unless answers.size == 1 # The answer to the first comes while the client has more to send.

      (1...STREAM_INPUTS).each { |number| pending << request.(number) }
      pending << ClassifyStreamRequest.new(id: -5, input: TextInput.new(text: TEXT), tasks: [reference('no-such-task')])
      pending << nil
    end
    by_id = answers.to_h { |answer| [answer.id, answer] }
    equal([STREAM_INPUTS + 1] * 2, [answers.size, by_id.size], 'answers, different ids')
    equal([:error, GRPC::Core::StatusCodes::NOT_FOUND], [by_id[-5].outcome, by_id[-5].error.code], 'answer for an unknown task')
    STREAM_INPUTS.times do |number|
      expected = unary.results[number % texts.size].classifications[number % names.size]
      equal([expected], by_id[request.(number).id].result.classifications.to_a, "answer #{number}")
    end
  end,

  dataset: lambda do
    parts = Enumerator.new do |out|
      out << UploadDatasetRequest.new(header: DatasetHeader.new(
        name: "#{TASK}-data", format: :DATASET_FORMAT_TSV, text_column: 'text', label_column: 'label'))
      pieces(DATASET_FILE) { |data| out << UploadDatasetRequest.new(chunk: data) }
    end
    dataset = DATASETS.upload_dataset(parts, **within(60))
    equal(300, dataset.rows, 'rows')
    labels = dataset.labels.to_h { |count| [count.label, count.rows] }
    equal(%w[alarm light message music weather].to_h { |label| [label, 60] }, labels, 'labels')
  end,

  job: lambda do
    recipe = ClassifierRecipe.new(method: :TRAINING_METHOD_MASK, model: 'mini', dataset: "#{TASK}-data", epochs: 1)
    publish = Publish.new(task: "#{TASK}-learned", alias: 'production')
    id = JOBS.submit_job(SubmitJobRequest.new(spec: JobSpec.new(classifier: recipe, publish: publish)), **within(10)).id
    events = JOBS.watch_job(WatchJobRequest.new(id: id, cursor: 0), **within(150)).to_a
    equal((1..events.size).to_a, events.map(&:number), 'numbers')
    equal(%i[evaluation progress state], events.map(&:event).uniq.sort, 'kinds of events')
    equal(:JOB_STATE_SUCCEEDED, events.last.state, 'last state')
    done = JOBS.get_job(GetJobRequest.new(id: id), **within(10))
    equal(events.size, done.events, 'events')
    later = JOBS.watch_job(WatchJobRequest.new(id: id, cursor: events.size - 2), **within(10)).map(&:number)
    equal([events.size - 1, events.size], later, 'numbers after a cursor')
    answer = CLASSIFIER.classify(classify_request(['put on some jazz'], ["#{TASK}-learned"]), **within(10))
    equal(done.task_version, answer.results[0].classifications[0].version, 'version that answers')
  end,

  error: lambda do
    error = failure { CLASSIFIER.classify(classify_request([TEXT], ['sentimen']), **within(10)) }
    equal(GRPC::NotFound, error.class, 'status')
    status = Google::Rpc::Status.decode(error.metadata['grpc-status-details-bin'])
    equal([error.code, error.details], [status.code, status.message], 'code and message of the details')
    detail = status.details.find { |any| any.is(Google::Rpc::ResourceInfo) }
    equal('sentimen', detail.unpack(Google::Rpc::ResourceInfo).resource_name, 'resource_name')
  end,

  deadline: lambda do
    request = classify_request([TEXT * 8] * 64, %w[sentiment question review])
    equal(GRPC::DeadlineExceeded, failure { CLASSIFIER.classify(request, **within(0.001)) }.class, 'status')
    CLASSIFIER.classify(classify_request([TEXT], ['sentiment']), **within(10)) # The channel is as good as before.
  end
}.freeze

$stdout.sync = true
CHECKS.each do |name, check|
  check.call
  puts "pass #{name}"
rescue StandardError => error # Whatever it is, the other checks go on.
  puts "fail #{name}: #{error.message.split.join(' ')}"
end
