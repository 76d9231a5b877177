using Google.Protobuf;
using Serving.Models.Onnx.Messages;

namespace Serving.Models.Onnx;

/// <summary>Reads a graph's structure; values of tensors stay in the file.</summary>
internal sealed class OnnxGraphReader
{
    /// <summary>All that is not the raw value of a tensor; BERT-large has less than 2 MiB.</summary>
    private const int MostStructureBytes = 16 << 20;

    private const int MostParts = 100_000;

    private static readonly MessageParser<NodeProto> NodeParser = NodeProto.Parser.WithDiscardUnknownFields(true);
    private static readonly MessageParser<TensorProto> TensorParser = TensorProto.Parser.WithDiscardUnknownFields(true);

    private static readonly MessageParser<ValueInfoProto> InfoParser =
        ValueInfoProto.Parser.WithDiscardUnknownFields(true);

    private readonly OnnxFile _file;
    private readonly List<OnnxNode> _nodes = [];
    private readonly List<OnnxTensor> _tensors = [];
    private readonly List<string> _inputs = [];
    private readonly List<string> _outputs = [];
    private long _structureBytes;
    private bool _hasGraph;

    private OnnxGraphReader(OnnxFile file) => _file = file;

    /// <exception cref="ModelFileException">It is no ONNX, damaged, or has parts that are not read.</exception>
    public static OnnxGraph Read(OnnxFile file)
    {
        var reader = new OnnxGraphReader(file);
        try
        {
            reader.ReadModel(new(file.Bytes(0, file.Length), 0, file.Length));
        }
        catch (Exception exception) when (exception is InvalidDataException or InvalidProtocolBufferException)
        {
            throw new ModelFileException(
                $"{file.Path} is no ONNX file, or is damaged: {exception.Message}. Fetch it again.", exception);
        }

        if (!reader._hasGraph)
            throw file.Refusal("it is no ONNX file: it has no graph");
        return new(file, reader._nodes, reader._tensors, reader._inputs, reader._outputs);
    }

    // ModelProto: graph 7, functions 25.
    private void ReadModel(WireCursor model)
    {
        while (model.MoveNext())
        {
            switch (model.Field)
            {
                case 7:
                    _hasGraph = true;
                    ReadGraph(model.Enter());
                    break;
                case 25:
                    throw _file.Refusal(
                        "it has functions of its own, which are not read. Export it again with functions inlined, for "
                        + "instance by onnx.inliner.inline_local_functions");
            }
        }
    }

    // GraphProto: node 1, initializer 5, input 11, output 12, sparse_initializer 15.
    private void ReadGraph(WireCursor graph)
    {
        while (graph.MoveNext())
        {
            switch (graph.Field)
            {
                case 1:
                    ReadNode(graph);
                    break;
                case 5:
                    _tensors.Add(ReadTensor(graph));
                    break;
                case 11:
                    _inputs.Add(InfoParser.ParseFrom(Take(graph, 0)).Name);
                    break;
                case 12:
                    _outputs.Add(InfoParser.ParseFrom(Take(graph, 0)).Name);
                    break;
                case 15:
                    throw _file.Refusal("it has sparse weights, which are not read; dense ones are needed");
            }

            if (_nodes.Count + _tensors.Count + _inputs.Count + _outputs.Count > MostParts)
                throw _file.Refusal($"its graph has more than {MostParts} parts; no BERT has so many");
        }
    }

    // NodeProto: attribute 5. AttributeProto: t 5.
    private void ReadNode(WireCursor node)
    {
        OnnxTensor? constant = null;
        var tensorBytes = 0;
        for (var parts = node.Enter(); parts.MoveNext();)
        {
            if (parts.Field != 5)
                continue;
            for (var attribute = parts.Enter(); attribute.MoveNext();)
            {
                if (attribute.Field != 5)
                    continue;
                constant = ReadTensor(attribute);
                tensorBytes += attribute.Length;
            }
        }

        _nodes.Add(new(NodeParser.ParseFrom(Take(node, tensorBytes)), _nodes.Count, constant));
    }

    // TensorProto: raw_data 9.
    private OnnxTensor ReadTensor(WireCursor tensor)
    {
        int rawStart = 0, rawBytes = 0;
        for (var parts = tensor.Enter(); parts.MoveNext();)
        {
            if (parts.Field == 9)
                (rawStart, rawBytes) = (parts.Start, parts.Length);
        }

        return new(_file, TensorParser.ParseFrom(Take(tensor, rawBytes)), rawStart, rawBytes);
    }

    /// <summary>A message's bytes, for the parser; those that it makes something of are counted.</summary>
    /// <param name="skipped">How many bytes it skips.</param>
    private ReadOnlySpan<byte> Take(WireCursor message, int skipped)
    {
        _structureBytes += message.Length - skipped;
        return _structureBytes <= MostStructureBytes
            ? message.Value
            : throw _file.Refusal(
                $"its graph takes more than {MostStructureBytes} bytes beside the raw_data of tensors; no BERT's does");
    }
}
