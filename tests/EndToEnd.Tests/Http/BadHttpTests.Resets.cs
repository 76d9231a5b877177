using System.Text;

namespace Serving.EndToEnd.Tests.Http;

public sealed partial class BadHttpTests
{
    private const string Upload = "POST /v1/datasets/texts?text_column=text HTTP/1.1\r\nHost: x\r\n";
    private const string Json = "POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";

    /// <summary>Clients that reset the connection, in the middle of each kind of request that has a body.</summary>
    [Fact]
    public async Task Resets_InTheMiddleOfARequest_AreNoFaults()
    {
        string[] beginnings =
        [
            $"{Json}Content-Length: 1000\r\n\r\n{{\"task\"",
            $"{Json}Transfer-Encoding: chunked\r\n\r\n7\r\n{{\"task\"\r\n",
            $"{Upload}Content-Length: 1000\r\n\r\ntext\na b\n",
            $"{Upload}Transfer-Encoding: chunked\r\n\r\n9\r\ntext\na b\n\r\n",
            $"{Upload}Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 1000\r\n\r\n"
                + "--b\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\ntext\na b\n",
            $"{Web("Classifier/Classify")}Content-Length: 1000\r\n\r\n\0\0\0\0\u0010abc",
            $"{Web("Datasets/UploadDataset")}Transfer-Encoding: chunked\r\n\r\n5\r\n\0\0\0\0\u0010\r\n"
        ];
        for (var i = 0; i < 3000; i++)
        {
            using var connection = await ConnectAsync();
            await connection.SendAsync(Encoding.ASCII.GetBytes(beginnings[i % beginnings.Length]));
            Thread.SpinWait(i % 4 * 5000); // Some are read already, and the rest is waited for.
            connection.Close(0);
        }

        await GoesOnAsync();

        static string Web(string method) =>
            $"POST /serving.v1.{method} HTTP/1.1\r\nHost: x\r\nContent-Type: application/grpc-web\r\n";
    }
}
