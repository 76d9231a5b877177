using System.Text;
using Serving.Testing;

namespace Serving.EndToEnd.Tests.Http;

/// <content>Of datasets and task versions.</content>
public sealed partial class BadHttpTests
{
    [ToolFact(Curl.Path)]
    public async Task Uploads_ThatAreWrong_LeaveNothing()
    {
        var file = $"file=@{_data.At("texts.tsv")}";
        string[] raw = ["--data-binary", $"@{_data.At("texts.tsv")}"];
        (string[] Arguments, string Query, int Status, string Field, string Message)[] rows =
        [
            (raw, "", 400, "header.text_column", "It is missing; name the column of the text."),
            (raw, "?text_column=text&text_column=label", 400, "text_column", "It is given twice"),
            (raw, "?text_column=text&textColumn=label", 400, "textColumn", "It is given twice"),
            (raw, "?text_colum=text", 400, "text_colum", "There is no such parameter. DatasetHeader has textColumn, "),
            (
                raw,
                "?text_column=text&max_rejected_rows=1e3",
                400,
                "max_rejected_rows",
                "It is '1e3'; a whole number of 64 bits"),
            (
                raw,
                "?text_column=text&max_rejected_rows=99999999999999999999",
                400,
                "max_rejected_rows",
                "a whole number of 64 bits"),
            (raw, "?text_column=text&no_header=1", 400, "no_header", "It is '1'; true or false is needed."),
            (raw, "?text_column=text&format=xml", 400, "format", "It is 'xml'; one of DATASET_FORMAT_UNSPECIFIED, "),
            (raw, "?text_column=text&format=2", 400, "format", "It is '2'; one of"),
            (raw, "?text_column=text&name=other", 400, "name", "It is in the path already; leave it out."),
            (raw, "?text_column=words", 400, "chunk", "words"),
            (["-X", "POST"], "?text_column=text", 400, "chunk", "The file has no row that can be used."),
            (
                ["-H", "content-type: multipart/form-data", .. raw],
                "",
                400,
                "Content-Type",
                "The form's boundary has 0 characters"),
            (
                ["-H", "content-type: multipart/form-data; boundary=\"\"", .. raw],
                "",
                400,
                "Content-Type",
                "The form's boundary has 0 characters"),
            (
                ["-H", $"content-type: multipart/form-data; boundary={new string('b', 5000)}", .. raw],
                "",
                400,
                "Content-Type",
                "has 5000 characters; 1 to 70"),
            (["-H", "content-type: multipart/form-data; boundary=abc", .. raw], "", 400, "body", "another boundary"),
            (["-F", "text_column=text"], "", 400, "body", "The form has no file; send one"),
            (
                ["-F", "text_column=text", "-F", file, "-F", "label_column=label"],
                "",
                400,
                "body",
                "Something comes after the file"),
            (["-F", "text_column=text", "-F", file, "-F", file], "", 400, "body", "send one file in a call"),
            (
                ["-F", "text_column=text", "-F", "text_column=label", "-F", file],
                "",
                400,
                "text_column",
                "It is given twice"),
            (["-F", "text_column=label", "-F", file], "?text_column=text", 400, "text_column", "It is given twice"),
            (["-F", "name=other", "-F", file], "", 400, "name", "It is in the path already"),
            (["-F", "words=text", "-F", file], "", 400, "words", "There is no such parameter"),
            (
                ["-F", $"text_column={new string('x', 70_000)}", "-F", file],
                "",
                400,
                "text_column",
                "It has more than 65536 bytes."),
            (
                ["-F", $"{new string('x', 10_000)}=text", "-F", file],
                "",
                400,
                new string('x', 40) + "...",
                "There is no such parameter")
        ];
        foreach (var (arguments, query, status, field, message) in rows)
            await RefusedAsync(status, message, field, [.. arguments, $"{Http}/v1/datasets/texts{query}"]);
        await RefusedAsync(
            400, "'..%2fx' is no name", "header.name", [.. raw, $"{Http}/v1/datasets/..%2fx?text_column=text"]);

        var import = $"{Http}/v1/tasks/new/versions";
        await RefusedAsync(
            400,
            "a form with the files task.json, mask.safetensors and head.safetensors is needed",
            "Content-Type",
            [.. raw, import]);
        await RefusedAsync(400, "'alias' is no file of a version", "chunk.file", ["-F", "alias=production", import]);
        await RefusedAsync(
            400, "'../../x' is no file of a version", "chunk.file", ["-F", $"{file};filename=../../x", import]);
        await RefusedAsync(400, "task.json is no task manifest", "chunk", ["-F", $"{file};filename=task.json", import]);
        await RefusedAsync(
            400,
            "There is no such parameter. ImportHeader has alias, ",
            "aliass",
            ["-F", $"{file};filename=task.json", $"{import}?aliass=x"]);

        // Cut off in the middle, with a length, in chunks and as a form.
        await CutOffAsync(Upload + "Content-Length: 1000\r\n\r\ntext\na b\n");
        await CutOffAsync(Upload + "Transfer-Encoding: chunked\r\n\r\n9\r\ntext\na b\n\r\n");
        await CutOffAsync(
            Upload
                + "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
                + "--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\ntext\na b\n");
        Assert.Equal("400", await ExchangeAsync(Upload + "Transfer-Encoding: chunked\r\n\r\nzz\r\n"));
        Assert.Empty((await Curl.RunAsync($"{Http}/v1/datasets")).Json.GetProperty("datasets").EnumerateArray());
        await GoesOnAsync();
        await Eventually.TrueAsync(
            () => Folders("datasets").Length == 0 && Folders("tasks").SequenceEqual(["tone"]),
            "what was cut off is gone");
    }
}
