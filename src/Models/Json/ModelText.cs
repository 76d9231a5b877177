using System.Text;

namespace Serving.Models.Json;

/// <summary>Reads the text files of a model's folder.</summary>
internal static class ModelText
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>A file's text, without the mark of its byte order.</summary>
    /// <exception cref="ModelFileException">It can't be read, is a pointer of Git LFS, or no UTF-8.</exception>
    public static string Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            var reason = ModelFiles.WhyUnreadable(path, exception);
            throw new ModelFileException($"{reason} A model is a folder with {ModelFiles.Needed}.", exception);
        }

        LfsPointer.ThrowIf(path, bytes);
        try
        {
            return Utf8.GetString(bytes.AsSpan(bytes.AsSpan().StartsWith(Encoding.UTF8.Preamble) ? 3 : 0));
        }
        catch (DecoderFallbackException exception)
        {
            throw new ModelFileException(
                $"{path} is no UTF-8: byte {exception.Index} begins no character. Save it as UTF-8.", exception);
        }
    }
}
